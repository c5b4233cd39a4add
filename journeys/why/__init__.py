"""Why did a number change, and what goes with dropping off?"""
