"""Why did a number change, what goes with dropping off, and who gets the credit?"""
