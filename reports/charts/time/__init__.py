"""Charts over time: time to the goal, trend by week."""
