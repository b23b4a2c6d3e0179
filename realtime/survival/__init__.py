"""What outlives a killed monitor: the dose, the alerts that stood, and who was being treated."""
