"""Image → Displacement → gate → DeliveredDose: the MR-linac's half, which is not built yet."""
