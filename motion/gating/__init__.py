"""The gate: how probable it is that the target is outside when the beam reacts."""

from motion.gating.avoidance import avoidance_zone, inside_percent
from motion.gating.boundary import (
    RIGID,
    Boundary,
    Shape,
    boundary,
    outside_percent,
    point_width_mm,
    shape,
)
from motion.gating.gate import Gate, GatePlan, GateState, make_gate
from motion.gating.horizon import decision_horizon_s
from motion.gating.place import end_exhale_mm
from motion.gating.probability import outside_probability, scales_mm

__all__ = [
    "RIGID",
    "Boundary",
    "Gate",
    "GatePlan",
    "GateState",
    "Shape",
    "avoidance_zone",
    "boundary",
    "decision_horizon_s",
    "end_exhale_mm",
    "inside_percent",
    "make_gate",
    "outside_percent",
    "outside_probability",
    "point_width_mm",
    "scales_mm",
    "shape",
]
