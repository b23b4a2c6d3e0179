"""A phase that may have wrapped holds the permit, and a person has to look."""

from dataclasses import replace

import numpy as np

from messages import TemperatureMap
from messages.frame import FrameKey
from realtime.alerts.life_cycle import AlertBook, acknowledge, step
from realtime.alerts.rules import Observation, always

SHAPE = (1, 8, 8)
FLAT = np.full(SHAPE, 37.0, np.float32)
CALM = np.zeros(SHAPE, bool)
STREAM = (0, 0, 0, 0)
MASK = np.zeros(SHAPE, bool)
MASK[0, 2:5, 2:5] = True


def seen(ambiguous: np.ndarray | None) -> Observation:
    temperature = TemperatureMap(
        0, FrameKey(), 1.0, FLAT, 0 * FLAT + 0.3, 0 * FLAT, ~CALM, False, 5, ambiguous=ambiguous
    )
    return Observation(temperature, None, {"focus": MASK}, time_s=1.0)


def at(y: int, x: int) -> np.ndarray:
    ambiguous = CALM.copy()
    ambiguous[0, y, x] = True
    return ambiguous


def test_a_step_near_pi_holds_and_stays_held():
    (finding,) = always(seen(at(3, 3)))
    assert (finding.rule, finding.severity, finding.region) == ("phase-step", "hold", "focus")
    book, _ = step(AlertBook(), 0, (finding,), protocol_hash="", stream=STREAM)
    for frame_id in range(1, 6):
        book, _ = step(book, frame_id, (), protocol_hash="", stream=STREAM)
    assert book.holds()
    book, _ = acknowledge(book, 0, "physicist")
    assert not book.holds()


def test_elsewhere_or_unknown_is_silent():
    assert not always(seen(at(0, 0)))
    assert not always(seen(CALM))
    assert not always(replace(seen(None)))
