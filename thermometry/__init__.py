"""thermometry."""
