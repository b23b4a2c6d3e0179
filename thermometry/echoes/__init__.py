"""Methods that take all contrasts of a dynamic at once."""
