"""Thermometry from the lines of k-space that were measured."""
