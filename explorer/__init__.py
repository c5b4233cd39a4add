"""Questions without code: a page in the browser that asks the paths of a lake, on this machine only."""
