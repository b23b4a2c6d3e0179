"""An archive of recordings computed again: which, by whom, with what result."""
