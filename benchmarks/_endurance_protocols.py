"""Protocols for the small matrix of the endurance runs; limits are crossed again and again."""

FUS = """
[protocol]
name = "endurance-mrgfus"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 4000.0

[recon]
method = "fft"

[thermometry]
method = "single-baseline"
baseline_frames = 5
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 2.0
heat_model = {heat_model}

[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [8.0, 8.0]
radii_px = [1.5, 1.5]

[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
warn_above_c = 50.0
"""

LINAC = """
[protocol]
name = "endurance-mrlinac"
therapy = "mrlinac"
frame_deadline_ms = 1000.0
lease_ms = 4000.0

[recon]
method = "fft"

[motion]
tracker = "ncc"
predictor = "rls"
latency_ms = 250.0
gate_margin_mm = 3.0
max_outside_percent = 5.0
training_frames = 40
search_mm = 16.0
gate_center = "end-exhale"

[[region]]
name = "GTV"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [5.0, 5.0]

[[limit]]
rule = "baseline-shift"
max_mm = 3.0
n_cycles = 3

[[limit]]
rule = "breath-excursion"
max_mads = 6.0
min_mm = 5.0
"""
