"""Which of several sessions may treat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.permit_right import Holder, right_of

S = 1_000_000_000
HOLDER = Holder("run-1", heard_ns=100 * S, stall_ms=1000.0)


@pytest.mark.parametrize("therapy", ["mrgfus", "mrlinac"])
def test_the_first_treatment_has_the_permit_and_the_second_has_not(therapy):
    assert right_of(therapy, None, now_ns=0) == "granted"
    assert right_of(therapy, HOLDER, now_ns=101 * S) == "refused"


def test_imaging_never_touches_it():
    assert right_of("imaging", None, now_ns=0) == "none"
    assert right_of("imaging", HOLDER, now_ns=10**6 * S) == "none"


def test_a_client_that_froze_loses_it_after_ten_times_its_stall_limit():
    assert right_of("mrgfus", HOLDER, now_ns=110 * S - 1) == "refused"
    assert right_of("mrgfus", HOLDER, now_ns=110 * S) == "taken-over"


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.floats(1, 60_000))
def test_a_client_that_is_heard_keeps_it(heard_ns, passed_ns, stall_ms):
    right = right_of("mrgfus", Holder("r", heard_ns, stall_ms), now_ns=heard_ns + passed_ns)
    assert right == ("taken-over" if passed_ns >= round(10 * stall_ms * 1e6) else "refused")
