"""The heat model: between frames, through lost ones, and after the power is off."""
