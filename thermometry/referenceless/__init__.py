"""Methods that need no baseline: the background is found around the heat."""
