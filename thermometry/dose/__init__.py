"""Thermal dose, damage, and the lesion that they make."""
