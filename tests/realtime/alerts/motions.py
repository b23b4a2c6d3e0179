"""What a frame of an MR-linac showed, made up."""

import math
from dataclasses import replace

import numpy as np

from messages import (
    BeamLog,
    DeliveredDose,
    Displacement,
    FrameKey,
    GateReading,
    Prediction,
    StructureDose,
)
from realtime.alerts.observation_motion import MotionObservation
from realtime.alerts.rules_linac import RULES, judge_motion
from realtime.protocol import parse_protocol

PROTOCOL = """
[protocol]
name = "linac"
therapy = "mrlinac"
frame_deadline_ms = 100
lease_ms = 300

[recon]
method = "fft"

[motion]
tracker = "ncc-affine"
predictor = "rls"
latency_ms = 250
gate_margin_mm = 3.0
max_outside_percent = 5.0
resume_margin_mm = 2.5
min_on_ms = 500
min_off_ms = 200

[[region]]
name = "gtv"
role = "target"
shape = "ellipse"
center_px = [64.0, 64.0]
radii_px = [9.0, 9.0]

[[region]]
name = "duodenum"
role = "organ-at-risk"
shape = "ellipse"
center_px = [64.0, 84.0]
radii_px = [6.0, 6.0]
"""
DOSE = """
[dose]
plan = "plan.dcm"
structures = "structures.dcm"
beams = ["beam1.dcm"]
target = "GTV"
"""

OPEN = GateReading(0.0, 0.5, 0.02, is_open=True, center_mm=(0.0, 0.0))


def closed(cause, probability=0.8):
    return GateReading(8.0, 12.5, probability, is_open=False, closed_by=cause)


def protocol(*tables):
    return parse_protocol("\n".join([PROTOCOL, *tables]))


def at(place_mm=(1.0, 0.5), **changes):
    known = {"similarity": 0.95, "similarity_limit": 0.8, **changes}
    return Displacement(
        frame_id=7,
        key=FrameKey(),
        time_s=10.0,
        displacement_mm=place_mm,
        target_mask=np.ones((4, 4), np.bool_),
        area_mm2=254.0,
        volume_mm3=known.pop("volume_mm3", 1270.0),
        **known,
    )


PREDICTION = Prediction(10.25, (1.2, 0.5), (0.6, 0.2), (1.8, 0.8), (0.4, 0.2))


def seen(**changes):
    good = MotionObservation(
        displacement=at(),
        prediction=PREDICTION,
        gate=OPEN,
        time_s=10.0,
        previous_time_s=9.875,
        frame_period_s=0.125,
        first_volume_mm3=1270.0,
    )
    return replace(good, **changes)


def find(limit, observation):
    return RULES[type(limit)](limit, observation)


def rules(protocol, observation):
    return {one.rule: one.severity for one in judge_motion(protocol, observation)}


def structure(name="GTV", **changes):
    known = {
        "role": "target", "d98_gy": 7.9, "d95_gy": 8.0, "d50_gy": 8.2, "d2_gy": 8.5,
        "mean_gy": 8.2, "d003cc_gy": 8.6, **changes,
    }  # fmt: skip
    return StructureDose(name, **known)


def delivered(*forecast, mu=400.0, planned_mu=1000.0, **changes):
    return DeliveredDose(mu, planned_mu, (), (), tuple(forecast), **changes)


def beam(*reports):
    time_s, is_on = zip(*reports, strict=True)
    n = len(reports)
    return BeamLog(np.array(time_s, np.float64), np.ones(n, np.int64), np.array(is_on), np.zeros(n))


NAN = math.nan
