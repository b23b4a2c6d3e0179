"""An accelerator that obeys the permit, its plan, and what truly came of a fraction.

    plan = plan_of(scan.scene.bodies[0], scan.scene.origin_mm, site="lung")
    write_rt_set(plan, folder)                     # plan.dcm, structures.dcm, beam-N.dcm
    loop = LinacLoop(scan, plan, scan.scene.displacement_mm, Monitor(...), speed=2.0)
    result = loop.run()                            # LinacResult; result.beam is a BeamOutcome

Places are patient LPS. The target is displaced from where it rests, which is where the plan
and its structures have it.
"""

from simulators.beam.accelerator import Accelerator, BeamHold, Stretch
from simulators.beam.delivery import Delivery, at_rest, delivery_of, outside_percent, ungated
from simulators.beam.dose import DoseFigures, figures, received_gy
from simulators.beam.linac_loop import AcceleratorSettings, LinacLoop, LinacResult
from simulators.beam.outcome import BeamOutcome, Gating, StructureOutcome, judge, write_beam_truth
from simulators.beam.plan import SETUPS, Beam, Plan, plan_of
from simulators.beam.rt_set import PLAN_FILE, STRUCTURES_FILE, write_rt_set
from simulators.beam.structures import Structure

__all__ = [
    "PLAN_FILE",
    "SETUPS",
    "STRUCTURES_FILE",
    "Accelerator",
    "AcceleratorSettings",
    "Beam",
    "BeamHold",
    "BeamOutcome",
    "Delivery",
    "DoseFigures",
    "Gating",
    "LinacLoop",
    "LinacResult",
    "Plan",
    "Stretch",
    "Structure",
    "StructureOutcome",
    "at_rest",
    "delivery_of",
    "figures",
    "judge",
    "outside_percent",
    "plan_of",
    "received_gy",
    "ungated",
    "write_beam_truth",
    "write_rt_set",
]
