"""A verdict in a few words, for a line on a terminal."""

from messages import DeliveredDose, MotionReading, StructureDose, Verdict


def training(verdict: Verdict) -> list[str]:
    """Return how far the training phase has come, nothing where it is over or there is none."""
    if verdict.baseline_frames >= verdict.baseline_wanted:
        return []
    word = "baseline" if verdict.motion is None else "training"
    return [f"{word} {verdict.baseline_frames} of {verdict.baseline_wanted}"]


def motion(verdict: Verdict) -> list[str]:
    """Return where the target is (y, x), gate, beam and dose; nothing without a target."""
    reading = verdict.motion
    if reading is None:
        return []
    words = [_place(reading.displacement_mm)]
    if reading.outside_percent is not None:
        words.append(f"{reading.outside_percent:.0f} % outside")
    words.append(f"beam {_beam(reading)}")
    target = None if verdict.delivered is None else target_dose(verdict.delivered)
    return words if target is None else [*words, f"D98 {target.d98_gy:.2f} Gy"]


def target_dose(dose: DeliveredDose) -> StructureDose | None:
    """Return the first target's dose so far."""
    return next((one for one in dose.so_far if one.role == "target"), None)


def _place(place_mm: tuple[float, float] | None) -> str:
    if place_mm is None:
        return "?"
    y, x = (round(one, 1) + 0.0 for one in place_mm)  # no -0.0
    return f"{y:+.1f} {x:+.1f} mm"


def _beam(reading: MotionReading) -> str:
    return {None: "?", True: "ON", False: "OFF"}[reading.is_beam_on]
