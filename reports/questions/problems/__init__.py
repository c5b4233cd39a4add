"""Where a report finds problems: weeks and groups that go on less often than usual, and what that costs."""
