"""The permit is a lease: it lapses by itself, and only a newer valid verdict renews it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import Finding, FrameKey, Verdict
from realtime.permit import Lease

MS = 1_000_000
HOT = (Finding("temperature-max", "hold", "61 °C in focus"),)


def verdict(frame_id, decision="GRANTED", *, outcome="COMPUTED", findings=(), slice_index=0):
    key = FrameKey(slice=slice_index)
    return Verdict(frame_id, key, outcome, decision, findings=findings)


def granted_lease(lease_ms=4500.0):
    lease, permit = Lease(lease_ms).renew(verdict(0), received_ns=0, now_ns=0)
    assert permit.state == "GRANTED"
    return lease


def test_it_begins_held():
    permit = Lease(4500.0).permit(0)
    assert (permit.state, permit.lease_ms, permit.reason) == ("HELD", 0.0, "no verdict yet")
    assert Lease(4500.0).at(10**15)[1] is None


def test_the_lease_counts_from_the_last_readout():
    lease, permit = Lease(4500.0).renew(verdict(3), received_ns=10 * MS, now_ns=100 * MS)
    assert permit.lease_ms == 4410.0, "a verdict 90 ms old grants 90 ms less"
    assert permit.frame_id == 3
    assert lease.expires_ns == 4510 * MS


def test_it_lapses_once_and_by_itself():
    lease = granted_lease()
    assert lease.at(4500 * MS - 1) == (lease, None)
    lapsed, permit = lease.at(4500 * MS)
    assert permit.state == "HELD"
    assert "4500 ms" in permit.reason
    assert lapsed.at(4501 * MS) == (lapsed, None)


def test_a_lapsed_lease_never_reads_granted_even_before_it_is_looked_at():
    assert granted_lease().permit(4500 * MS).state == "HELD"


@pytest.mark.parametrize(
    "bad",
    [
        verdict(1, "HELD", findings=HOT),
        verdict(1, "HELD", outcome="LATE"),
        verdict(1, "HELD", outcome="FAULT"),
        verdict(1, "GRANTED", outcome="LATE"),
    ],
    ids=["held", "late", "fault", "late that claims a grant"],
)
def test_anything_but_a_valid_grant_holds_at_once(bad):
    lease, permit = granted_lease().renew(bad, received_ns=1, now_ns=1)
    assert permit.state == "HELD"
    assert permit.reason
    assert lease.expires_ns is None


def test_the_reason_is_the_finding_that_holds():
    note = Finding("dose-reached", "inform", "goal reached")
    bad = verdict(1, "HELD", findings=(note, *HOT))
    assert granted_lease().renew(bad, received_ns=1, now_ns=1)[1].reason == "61 °C in focus"


def test_a_living_alert_holds_whatever_the_verdict_says():
    _, permit = granted_lease().renew(
        verdict(1), received_ns=1, now_ns=1, holds_reason="alert 0: not acknowledged"
    )
    assert (permit.state, permit.reason) == ("HELD", "alert 0: not acknowledged")


def test_a_verdict_older_than_the_lease_grants_nothing():
    lease, permit = Lease(4500.0).renew(verdict(0), received_ns=0, now_ns=4500 * MS)
    assert permit.state == "HELD"
    assert lease.expires_ns is None


def test_an_older_frame_never_grants_after_a_newer_one_held():
    lease, _ = Lease(4500.0).renew(verdict(5, "HELD"), received_ns=5, now_ns=5)
    lease, permit = lease.renew(verdict(4), received_ns=4, now_ns=6)
    assert permit.state == "HELD"
    assert lease.renew(verdict(6), received_ns=6, now_ns=7)[1].state == "GRANTED"


def test_an_older_frame_never_undoes_a_hold():
    lease, _ = granted_lease().hold("the stream was lost", 0)
    lease, permit = lease.renew(verdict(0), received_ns=0, now_ns=1)
    assert (permit.state, permit.reason) == ("HELD", "the stream was lost")


def test_an_older_frame_still_holds():
    lease, _ = granted_lease().renew(verdict(9), received_ns=9, now_ns=9)
    assert lease.renew(verdict(8, "HELD"), received_ns=8, now_ns=10)[1].state == "HELD"


def test_a_good_slice_never_covers_for_a_bad_one():
    lease, _ = granted_lease().renew(verdict(1, "HELD", slice_index=1), received_ns=1, now_ns=1)
    lease, permit = lease.renew(verdict(2, slice_index=0), received_ns=2, now_ns=2)
    assert permit.state == "HELD"
    _, permit = lease.renew(verdict(3, slice_index=1), received_ns=3, now_ns=3)
    assert permit.state == "GRANTED"


def test_a_good_slice_never_covers_for_a_missing_one():
    lease, _ = granted_lease().renew(verdict(1, slice_index=1), received_ns=0, now_ns=0)
    lease, permit = lease.renew(verdict(2, slice_index=1), received_ns=4000 * MS, now_ns=4000 * MS)
    assert permit.lease_ms == 500.0, "slice 0 was last seen 4000 ms ago"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["grant", "hold", "late", "stop", "wait"]),
        st.integers(0, 30),  # ms that pass
        st.integers(0, 30),  # age of the verdict, ms
        st.booleans(),  # an alert holds
    ),
    max_size=40,
)


@given(STEPS)
def test_granted_always_means_a_valid_verdict_younger_than_the_lease(steps):
    """Law: whatever comes in whatever order, no permit outlives the newest readout + lease."""
    lease, now_ns = Lease(50.0), 100 * MS
    last_good_ns, is_good = None, False
    for frame_id, (what, wait_ms, age_ms, is_alert) in enumerate(steps):
        now_ns += wait_ms * MS
        received_ns = now_ns - age_ms * MS
        permit = None
        if what == "stop":
            lease, permit = lease.hold("stopped", frame_id)
            is_good = False
        elif what == "wait":
            lease, permit = lease.at(now_ns)
        else:
            outcome, decision = {
                "grant": ("COMPUTED", "GRANTED"),
                "hold": ("COMPUTED", "HELD"),
                "late": ("LATE", "HELD"),
            }[what]
            lease, permit = lease.renew(
                verdict(frame_id, decision, outcome=outcome),
                received_ns=received_ns,
                now_ns=now_ns,
                holds_reason="alert" if is_alert else None,
            )
            last_good_ns, is_good = received_ns, what == "grant" and not is_alert
        should = is_good and now_ns < last_good_ns + 50 * MS
        assert (lease.permit(now_ns).state == "GRANTED") == should
        if permit is not None:
            assert (permit.state == "GRANTED") == should
            assert permit.lease_ms <= 50.0
            assert bool(permit.reason) != should
