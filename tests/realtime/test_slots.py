"""Which frame lies where: newest wins, nothing is lost silently, no slot has two tenants."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime.slots import Slots

ONE, TWO = (0, 0, 0, 0), (1, 0, 0, 0)


def closed(slots: Slots, frame_id: int, stream=ONE):
    tenant, dropped = slots.admit(frame_id, stream)
    assert tenant is not None
    tenant.is_closed = True
    return dropped


def test_newest_wins_and_the_overtaken_are_named():
    slots = Slots(4, is_lossless=False)
    for frame in range(3):
        assert closed(slots, frame) == []
    tenant, dropped = slots.assign_next()
    assert tenant.frame_id == 2
    assert dropped == [0, 1]


def test_a_newer_frame_of_another_slice_overtakes_nothing():
    slots = Slots(4, is_lossless=False)
    closed(slots, 0, ONE)
    closed(slots, 1, TWO)
    tenant, dropped = slots.assign_next()
    assert (tenant.frame_id, dropped) == (0, [])
    slots.finish(tenant.slot)
    tenant, dropped = slots.assign_next()
    assert (tenant.frame_id, dropped) == (1, [])


def test_lossless_keeps_order_and_drops_nothing():
    slots = Slots(4, is_lossless=True)
    for frame in range(4):
        closed(slots, frame)
    assert not slots.has_room
    taken = []
    while (one := slots.assign_next())[0] is not None:
        taken.append(one[0].frame_id)
        assert one[1] == []
        slots.finish(one[0].slot)
    assert taken == [0, 1, 2, 3]
    assert slots.is_empty


def test_a_filling_frame_is_worked_on_only_where_it_is_alone():
    slots = Slots(3, is_lossless=False)
    slots.admit(0, ONE)
    slots.admit(1, TWO)
    assert slots.assign_next() == (None, [])
    closed(slots, 2, TWO)
    assert slots.assign_next()[0].frame_id == 2


def test_a_worker_with_a_frame_gets_no_other():
    slots = Slots(3, is_lossless=False)
    closed(slots, 0)
    assert slots.assign_next()[0].frame_id == 0
    closed(slots, 1)
    assert slots.assign_next() == (None, [])


def taken_back(n_slots=3):
    """A stray frame was given to the worker, and taken back for one that is whole."""
    slots = Slots(n_slots, is_lossless=False)
    stray, _ = slots.admit(0, TWO)
    assert slots.assign_next()[0] is stray
    closed(slots, 1)
    whole, dropped = slots.assign_next()
    assert (whole.frame_id, dropped) == (1, [])
    assert slots.find(0) is stray
    return slots, stray, whole


def test_a_filling_frame_gives_way_to_one_that_is_whole():
    slots, stray, whole = taken_back()
    assert slots.finish(whole.slot) is whole
    assert slots.assign_next() == (None, [])  # not again before it is whole
    early, _ = slots.admit(2, ONE)
    assert slots.assign_next()[0] is early  # the next one is worked on as it fills
    early.is_closed = True
    slots.finish(early.slot)
    stray.is_closed = True
    assert slots.assign_next()[0] is stray
    slots.finish(stray.slot)
    assert slots.is_empty


def test_a_whole_frame_is_never_taken_back():
    slots, stray, whole = taken_back()
    stray.is_closed = True
    assert slots.assign_next() == (None, [])
    assert slots.assigned is whole


def test_an_answer_for_the_frame_taken_back_counts_and_frees_its_slot():
    slots, stray, whole = taken_back()
    stray.is_closed = True
    assert slots.finish(stray.slot) is stray
    assert slots.find(0) is None
    assert slots.assigned is whole
    assert slots.finish(whole.slot) is whole
    assert slots.is_empty


def test_a_slot_in_doubt_is_no_other_frame_s():
    slots, stray, whole = taken_back(n_slots=2)
    stray.is_closed = True
    assert slots.admit(2, TWO) == (None, [])
    slots.finish(whole.slot)  # now the worker has left it
    assert slots.admit(2, TWO)[0].slot == whole.slot
    tenant, dropped = slots.admit(3, ONE)
    assert (tenant.slot, dropped) == (stray.slot, [0])


@pytest.mark.parametrize("is_lossless", [False, True])
def test_a_frame_that_never_ends_blocks_no_source(is_lossless):
    slots = Slots(2, is_lossless=is_lossless)
    slots.admit(0, TWO)
    slots.assign_next()
    for frame in range(1, 9):
        closed(slots, frame)
        whole, _ = slots.assign_next()
        assert whole.frame_id == frame
        slots.finish(whole.slot)


def test_without_room_the_oldest_waiting_frame_gives_way():
    slots = Slots(2, is_lossless=False)
    closed(slots, 0)
    closed(slots, 1)
    tenant, dropped = slots.admit(2, ONE)
    assert tenant is not None
    assert dropped == [0]


def test_without_anybody_waiting_the_new_frame_has_no_place():
    slots = Slots(1, is_lossless=False)
    slots.admit(0, ONE)
    assert slots.admit(1, TWO) == (None, [])
    assert slots.find(1) is None


def test_clear_names_everybody_once_and_frees_every_slot():
    slots = Slots(3, is_lossless=False)
    closed(slots, 0)
    slots.assign_next()
    closed(slots, 1)
    slots.admit(2, TWO)
    assert slots.clear() == [0, 1, 2]
    assert slots.is_empty
    assert [slots.admit(frame, (frame, 0, 0, 0))[0] is not None for frame in (3, 4, 5)] == [
        True
    ] * 3


@pytest.mark.parametrize("is_lossless", [False, True])
def test_every_slot_can_be_used(is_lossless):
    slots = Slots(3, is_lossless=is_lossless)
    found = {slots.admit(frame, (frame, 0, 0, 0))[0].slot for frame in range(3)}
    assert found == {0, 1, 2}


class SlotsMachine(RuleBasedStateMachine):
    """Frames come, fill, wait, are taken, are dropped; each leaves exactly once."""

    @initialize(n_slots=st.integers(1, 4), is_lossless=st.booleans())
    def start(self, n_slots, is_lossless):
        self.n_slots, self.is_lossless = n_slots, is_lossless
        self.slots = Slots(n_slots, is_lossless=is_lossless)
        self.next_id = 0
        self.placed: dict[int, object] = {}
        self.left: list[int] = []
        self.doubt = None  # the frame that the worker may still believe to have

    def leave(self, frames):
        for frame in frames:
            assert frame in self.placed, f"{frame} left twice or never came"
            del self.placed[frame]
            self.left.append(frame)

    @rule(slice_=st.integers(0, 2))
    def admit(self, slice_):
        frame, self.next_id = self.next_id, self.next_id + 1
        had_room = self.slots.has_room
        tenant, dropped = self.slots.admit(frame, (slice_, 0, 0, 0))
        self.leave(dropped)
        assert not (had_room and (dropped or tenant is None))
        if tenant is not None:
            self.placed[frame] = tenant

    @precondition(lambda self: any(not one.is_closed for one in self.placed.values()))
    @rule(pick=st.integers(0, 100))
    def close(self, pick):
        filling = [one for one in self.placed.values() if not one.is_closed]
        filling[pick % len(filling)].is_closed = True

    @rule()
    def assign(self):
        was = self.slots.assigned
        waiting = [one for one in self.placed.values() if one.is_closed and one is not was]
        chosen, dropped = self.slots.assign_next()
        if was is not None and (was.is_closed or not waiting):
            assert (chosen, dropped) == (None, [])
            return
        if was is not None:
            assert chosen is not None
            self.doubt = was
        if self.is_lossless:
            assert dropped == []
        for frame in dropped:
            newer = [one for one in waiting if one.stream == self.placed[frame].stream]
            assert max(one.frame_id for one in newer) > frame
        self.leave(dropped)
        if waiting:
            assert chosen is not None
            assert chosen.is_closed
            assert chosen.frame_id == min(
                one.frame_id for one in waiting if one.frame_id not in dropped
            )

    @precondition(lambda self: self.slots.assigned is not None and self.slots.assigned.is_closed)
    @rule()
    def finish(self):
        self.doubt = None
        self.leave([self.slots.finish(self.slots.assigned.slot).frame_id])

    @precondition(lambda self: self.doubt is not None)
    @rule()
    def answer_for_the_frame_taken_back(self):
        doubt, self.doubt = self.doubt, None
        assert self.slots.finish(doubt.slot) is doubt
        self.leave([doubt.frame_id])

    @rule()
    def clear(self):
        self.doubt = None
        found = self.slots.clear()
        assert found == sorted(self.placed)
        self.leave(found)

    @invariant()
    def no_slot_has_two_tenants(self):
        used = [one.slot for one in self.placed.values()]
        assert len(used) == len(set(used)) <= self.n_slots
        assert all(0 <= slot < self.n_slots for slot in used)
        assert self.slots.has_room == (len(used) < self.n_slots)

    @invariant()
    def a_slot_in_doubt_keeps_its_frame(self):
        if self.doubt is not None:
            assert self.placed[self.doubt.frame_id] is self.doubt
            assert self.slots.assigned.is_closed

    @invariant()
    def the_book_knows_where_each_frame_lies(self):
        for frame, tenant in self.placed.items():
            assert self.slots.find(frame) is tenant
        for frame in self.left:
            assert self.slots.find(frame) is None


TestSlotsMachine = SlotsMachine.TestCase
TestSlotsMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
