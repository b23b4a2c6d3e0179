"""What each finding means to a person: how urgent, whether it stays until seen, what to do.

Priorities are the three of IEC 60601-1-8. Hazards to the patient and lost equipment latch: they
stay until somebody acknowledges them and the condition is gone. Poor data holds only as long as it
is poor.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from messages.alert import Priority
from messages.verdict import Severity


@dataclass(frozen=True, slots=True)
class EventType:
    """How an event is shown and what it does.

    holds: while its alert lives the permit is held; only latched events do so, for the others the
        verdict of each frame holds.
    """

    priority: Priority
    latched: bool
    holds: bool
    title: str
    advice: str


def event_name(rule: str, severity: Severity) -> str:
    """Return the event of a finding, such as `temperature-max.hold`."""
    return f"{rule}.{severity}"


def _hazard(title: str, advice: str) -> EventType:
    return EventType("high", latched=True, holds=True, title=title, advice=advice)


def _stays(title: str, advice: str) -> EventType:
    return EventType("medium", latched=True, holds=False, title=title, advice=advice)


def _poor(title: str, advice: str) -> EventType:
    return EventType("medium", latched=False, holds=False, title=title, advice=advice)


def _notice(title: str, advice: str) -> EventType:
    return EventType("low", latched=False, holds=False, title=title, advice=advice)


EVENTS: Mapping[str, EventType] = {
    "temperature-max.warn": _poor("Temperature near its limit", "Be ready to stop heating."),
    "temperature-max.hold": _hazard(
        "Temperature over its limit", "Stop heating; let the region cool before you go on."
    ),
    "dose-limit.warn": _poor("Dose near its limit", "Be ready to stop; heat goes on spreading."),
    "dose-limit.hold": _hazard("Dose over its limit", "Stop heating; this region takes no more."),
    "dose-risk.warn": _poor(
        "Dose may pass its limit", "Be ready to stop; count what still spreads after shut-off."
    ),
    "dose-risk.hold": _hazard(
        "Dose passes its limit more likely than not", "Stop heating; this region takes no more."
    ),
    "near-field.warn": _poor(
        "Heat on the way to the target", "Let skin, bone and near field cool before you go on."
    ),
    "near-field.hold": _hazard(
        "Too much heat on the way to the target", "Stop heating; cool, and look at the skin."
    ),
    "focus-offset.warn": _poor("Focus off its target", "Check the focus; be ready to stop."),
    "focus-offset.hold": _hazard(
        "Focus not on its target", "Stop heating; steer back and repeat the low-power test."
    ),
    "heating-rate.hold": _hazard(
        "Heating that nothing explains",
        "Stop heating; boiling or cavitation may have begun: look at the magnitude image.",
    ),
    "blur-guard.warn": _poor(
        "The peak is hidden", "Smaller voxels, faster frames, or count the peak as hotter."
    ),
    "motion.hold": _poor("The patient has moved", "Wait, or take a new baseline."),
    "motion.warn": _poor(
        "Likeness is not watched", "More signal, or a method that measures motion."
    ),
    "baseline-invalid.hold": _hazard(
        "The baseline is not valid",
        "Stop; slice, table, frequency or shim changed: take a new baseline or reference.",
    ),
    "dose-reached.inform": _notice("Dose goal reached", "The target has its dose."),
    "dose-reached.hold": _poor("Dose goal reached", "The target has its dose; heating is held."),
    "heating-response.hold": _hazard(
        "Heating is not as expected",
        "Stop heating; check phase_sign, the focus and the coupling with a low-power test.",
    ),
    "phase-step.hold": _hazard(
        "Phase may have wrapped",
        "Stop heating; temperature is not known from here on. Take a new baseline.",
    ),
    "drift.warn": _poor("Large field drift", "Think of a new baseline."),
    "drift.hold": _poor("Field drift not corrected", "Take a new baseline or add a reference."),
    "noise.hold": _poor("Temperature too uncertain", "Check coil and sequence."),
    "invalid-fraction.hold": _poor("Region cannot be seen", "Check signal, motion and region."),
    "signal-void.hold": _poor(
        "No signal in a region", "An implant or air? Put the region elsewhere."
    ),
    "fat.warn": _poor("Fat in a region", "Temperature reads wrong in fat: check the region."),
    "fat.hold": _poor("A region is fat", "Temperature is not known there: move the region."),
    "region-unseen.hold": _poor("Region in no slice", "Check the region and the slices."),
    "stale-frame.hold": _poor("Frames too far apart or too old", "Check the scanner's stream."),
    "incomplete-frame.hold": _poor("Frame with missing lines", "Check the scanner's stream."),
    "non-finite-data.hold": _poor("Image holds NaN or infinity", "Check the raw data."),
    "scanner-clock.hold": _poor(
        "No usable scanner clock", "Dose needs time stamps: check [stream] time_stamp_unit."
    ),
    "dose-interrupted.warn": EventType(
        "medium",
        latched=True,
        holds=False,
        title="Dose is a lower bound",
        advice="Frames were lost to a restart; take the dose from here on as more than shown.",
    ),
    "training.hold": _notice("Learning where the target is", "Wait for some breaths."),
    "reference-lost.hold": _hazard(
        "The reference image was lost", "Stop; begin a new session with a new reference image."
    ),
    "tracking.hold": _poor("The target is not followed", "Look at the image; wait, or stop."),
    "gate.hold": _notice("Gate closed", "Nothing; the beam goes on when the target is back."),
    "avoidance.hold": _poor("An organ at risk is where the beam goes", "Wait until it is back."),
    "breath-excursion.hold": _poor("Cough or deep breath", "Wait for quiet breath."),
    "baseline-shift.hold": _hazard(
        "The breath's baseline has shifted",
        "Stop; shift the patient or plan anew, and take a new reference.",
    ),
    "period-change.inform": _notice("Breath is faster or slower", "Speak with the patient."),
    "target-volume.warn": _poor(
        "The target looks larger or smaller", "Check whether it leaves the slice."
    ),
    "surrogate.warn": _poor("Image and surrogate disagree", "Check belt, navigator and contour."),
    "prediction-interval.warn": _poor(
        "The prediction is uncertain", "Calm the breath; the gate closes by itself."
    ),
    "beam-despite-hold.hold": _hazard(
        "Beam on while held", "Stop the beam at the console; check that it follows the permit."
    ),
    "dose-forecast.hold": _hazard(
        "The fraction's dose will miss its limit", "Stop; decide how the fraction is to go on."
    ),
    "delivery-doubt.hold": _hazard(
        "The accelerator reports what cannot be",
        "Stop; check beam numbers and monitor units: the dose shown is not to be trusted.",
    ),
    "dose-unplaced.warn": EventType(
        "medium",
        latched=True,
        holds=False,
        title="Delivered dose is doubtful",
        advice="Beam came while the target was not followed; judge its dose by the beam's record.",
    ),
    "library.inform": EventType(
        "low",
        latched=True,
        holds=False,
        title="The library of baselines is poor",
        advice="Take a new baseline over more breaths, or have the patient breathe more evenly.",
    ),
    "late-frame.hold": _poor("No verdict before the deadline", "Check the machine's load."),
    "late-expected.inform": _notice(
        "A frame will be late before heating", "Nothing; or give more time by frame_deadline_ms."
    ),
    "fault.hold": _hazard("A frame could not be computed", "Read the text, then acknowledge."),
    "stream-lost.hold": _hazard("The scanner's stream was lost", "Check scanner and network."),
    "lease-lapsed.warn": _poor(
        "No valid verdict for too long",
        "Nothing, in a pause; else check scanner and network. The next valid verdict grants again.",
    ),
    "memory.warn": EventType(
        "medium",
        latched=True,
        holds=False,
        title="A process takes too much memory",
        advice="End the treatment in order and start the monitor again; beyond its cap a worker is "
        "replaced.",
    ),
    "acknowledgement.inform": _notice(
        "Somebody acknowledged what is not open", "Nothing; look whether the right alert was meant."
    ),
    "client-refused.inform": _notice(
        "A client was sent away", "Another program tried to connect; the treatment goes on."
    ),
    "readouts-unused.inform": _notice(
        "Readouts that are not used", "Check what the sequence sends besides its images."
    ),
    "time-stamps.inform": _notice(
        "The scanner's time stamps are in doubt",
        "Check [stream] time_stamp_unit and the header's TR.",
    ),
    "header-override.warn": _poor(
        "The protocol contradicts the header",
        "Check echo_time_ms and field_strength_t; a wrong one scales every temperature.",
    ),
    "permit-taken.inform": _notice(
        "A second treatment without a permit",
        "One treatment at a time may treat; begin this one again when the other has ended.",
    ),
    "monitor-restarted.hold": _hazard(
        "The monitor was killed in a treatment",
        "Look at what it had told and at the patient; let heated tissue cool; then acknowledge.",
    ),
    "dose-taken-over.warn": _stays(
        "Dose of a killed run was taken over",
        "Check that it is the same patient, lying as before. Tissue that is still warm reads as "
        "body temperature from the new baseline on.",
    ),
    "dose-not-taken-over.warn": _stays(
        "Dose of a killed run is not counted",
        "For the same patient: add what the run's folder shows to the dose from here on.",
    ),
    "dose-not-kept.warn": _stays(
        "Dose would not outlive the monitor", "Should the monitor be killed, its dose is lost."
    ),
    "output-lost.warn": EventType(
        "medium",
        latched=True,
        holds=False,
        title="An output is gone",
        advice="Use `mrmonitor watch` for a page; outputs come back when the monitor starts again.",
    ),
    "journal.warn": EventType(
        "medium",
        latched=True,
        holds=False,
        title="Alerts are not being recorded",
        advice="Check the disk; alerts since then may not survive a crash.",
    ),
}
"""Event name to its type; a finding without an entry cannot be raised."""
