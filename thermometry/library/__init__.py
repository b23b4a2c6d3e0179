"""Baselines learned over some breaths: the nearest, a phase model, or a mixture of them."""
