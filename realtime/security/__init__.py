"""Who may come in, by key or by address."""
