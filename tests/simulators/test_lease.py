from simulators.lease import Lease, PermitChange, PowerOff


def granted(t_s, lease_s=4.0, frame_id=0):
    return PermitChange(t_s, True, lease_s, "", frame_id, 0.01)


def held(t_s, frame_id=1):
    return PermitChange(t_s, False, 0.0, "too hot", frame_id, 0.01)


def test_without_a_word_there_is_no_permission():
    assert Lease().granted_until(1.0, 1.1) is None
    assert Lease().why_held(1.0) == PowerOff(1.0, "held")


def test_grant_counts_from_its_own_time():
    lease = Lease()
    lease.change(granted(2.05))
    assert lease.granted_until(2.0, 2.1) is None
    assert lease.granted_until(2.1, 2.2) == PowerOff(2.2, "plan")


def test_hold_ends_the_power_within_the_interval():
    lease = Lease()
    lease.change(granted(1.0))
    lease.change(held(2.03, frame_id=7))
    assert lease.granted_until(2.0, 2.1) == PowerOff(2.03, "held", 7)
    assert lease.granted_until(2.1, 2.2) is None
    assert lease.why_held(2.1) == PowerOff(2.1, "held", 7)


def test_lease_lapses_by_itself():
    lease = Lease()
    lease.change(granted(1.0, lease_s=1.5, frame_id=3))
    assert lease.granted_until(2.4, 2.6) == PowerOff(2.5, "lapse", 3)
    assert lease.granted_until(2.6, 2.7) is None
    assert lease.why_held(2.6).cause == "lapse"


def test_renewed_lease_does_not_lapse_but_may_be_held():
    lease = Lease()
    lease.change(granted(1.0, lease_s=1.5))
    lease.change(granted(2.45, lease_s=1.5))
    assert lease.granted_until(2.4, 2.6) == PowerOff(2.6, "plan")
    lease.change(held(2.55))
    assert lease.granted_until(2.4, 2.6) == PowerOff(2.55, "held", 1)


def test_silence_is_held_until_granted_again():
    lease = Lease()
    lease.change(granted(1.0, lease_s=10.0))
    lease.fall_silent(2.05)
    assert lease.granted_until(2.0, 2.1) == PowerOff(2.05, "silence")
    assert lease.granted_until(2.1, 2.2) is None
    assert lease.why_held(2.1).cause == "silence"
    lease.change(granted(2.3, lease_s=10.0))
    assert lease.granted_until(2.3, 2.4) == PowerOff(2.4, "plan")


def test_second_hold_is_not_forgotten_after_a_grant():
    lease = Lease()
    lease.change(held(1.0))
    lease.change(granted(1.01))
    lease.change(held(1.02))
    assert lease.granted_until(1.1, 1.2) is None


def test_hold_between_two_readouts_is_not_skipped():
    lease = Lease()
    lease.change(granted(1.0))
    assert lease.granted_until(2.0, 2.1) is not None
    lease.change(held(2.04, frame_id=4))
    lease.change(granted(2.06, frame_id=5))
    assert lease.granted_until(2.1, 2.2) is None
    assert lease.why_held(2.1) == PowerOff(2.1, "held", 4)
    assert lease.granted_until(2.2, 2.3) is not None
