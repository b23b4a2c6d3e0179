"""Limits, one rule for each hazard, the event table, the life of an alert, the journal."""
