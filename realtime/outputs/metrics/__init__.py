"""Figures of a running monitor for Prometheus: a process of its own that is asked over HTTP."""
