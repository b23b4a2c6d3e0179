"""The treatment protocols that are shipped: one TOML each, every number with its source."""
