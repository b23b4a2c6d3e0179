"""What leaves the monitor: events, the run folder, the report."""
