"""Which frame lies in which slot of the mailbox, and which one the worker takes next.

Newest wins: a frame that waits while a newer one of the same slice is whole gives way, and is
answered LATE. A source that waits (a replay at full speed) is asked to wait instead.

An idle worker may be given a frame that is still filling. Where another is whole first, that one
is given to it instead, and the filling frame is taken back: it waits until it is whole, and all of
its readouts, which lie in its slot, are absorbed again. Orders and answers are kept in sequence, so
until the worker answers for the whole frame it may not have heard: it may still read the old slot,
or even answer for it where that frame has become whole meanwhile. So this one slot is *in doubt*
until then: it is written as an assigned one is, an answer for it counts, and no other frame gets
it. The whole frame is never taken back, so there is never a second slot in doubt.
"""

from dataclasses import dataclass

Stream = tuple[int, int, int, int]  # slice, contrast, phase, set


@dataclass(slots=True)
class Tenant:
    """A frame in a slot."""

    frame_id: int
    stream: Stream
    slot: int
    is_closed: bool = False
    was_taken_back: bool = False


class Slots:
    """The gateway's book of the slots. It decides; it moves no data."""

    def __init__(self, n_slots: int, *, is_lossless: bool) -> None:
        # the one used last is taken first: its memory is touched, and may still be in the cache
        self._free = list(reversed(range(n_slots)))
        self._is_lossless = is_lossless
        self._tenants: dict[int, Tenant] = {}
        self.assigned: Tenant | None = None
        self._in_doubt: Tenant | None = None

    @property
    def has_room(self) -> bool:
        """Whether a new frame finds a slot without another giving way."""
        return bool(self._free)

    @property
    def is_stuck(self) -> bool:
        """Whether waiting cannot free a slot, because every frame in one still needs readouts."""
        held = [*self._tenants.values(), *([self.assigned] if self.assigned else [])]
        return not self._free and not any(one.is_closed for one in held)

    @property
    def is_empty(self) -> bool:
        """Whether no frame is waiting, filling or at the worker."""
        return not self._tenants and self.assigned is None

    def find(self, frame_id: int) -> Tenant | None:
        """Return the frame's place; None where it was dropped or never had one."""
        if self.assigned is not None and self.assigned.frame_id == frame_id:
            return self.assigned
        return self._tenants.get(frame_id)

    def admit(self, frame_id: int, stream: Stream) -> tuple[Tenant | None, list[int]]:
        """Return the new frame's place, and the frames that gave way for it.

        Without a free slot the oldest frame that waits for the worker gives way; where none waits,
        the new frame has no place.
        """
        dropped = []
        if not self._free:
            waiting = [
                one for one in self._tenants.values() if one.is_closed and one is not self._in_doubt
            ]
            if not waiting:
                return None, []
            oldest = min(waiting, key=lambda one: one.frame_id)
            self.release(oldest)
            dropped.append(oldest.frame_id)
        tenant = Tenant(frame_id, stream, self._free.pop())
        self._tenants[frame_id] = tenant
        return tenant, dropped

    def assign_next(self) -> tuple[Tenant | None, list[int]]:
        """Return what the worker takes next, and the frames that a newer one overtook.

        A single frame that is still filling is taken too, so that its readouts are worked on as
        they land, until another is whole; with several filling, and for one that was taken back
        once, the worker waits until it is whole.
        """
        if self.assigned is not None and self.assigned.is_closed:
            return None, []
        closed = sorted(
            (one for one in self._tenants.values() if one.is_closed),
            key=lambda one: one.frame_id,
        )
        if self.assigned is not None:
            if not closed:
                return None, []
            self._take_back(self.assigned)
        closed, dropped = self._newest_of(closed)
        filling = [
            one for one in self._tenants.values() if not (one.is_closed or one.was_taken_back)
        ]
        chosen = closed[0] if closed else filling[0] if len(filling) == 1 else None
        if chosen is not None:
            del self._tenants[chosen.frame_id]
            self.assigned = chosen
        return chosen, dropped

    def finish(self, slot: int) -> Tenant | None:
        """Take a slot back for which the worker has answered, and one that it has left before."""
        done, self._in_doubt = self._in_doubt, None
        if done is not None and done.slot == slot:
            self.release(done)
            return done
        done, self.assigned = self.assigned, None
        if done is not None:
            self._free.append(done.slot)
        return done

    def release(self, tenant: Tenant) -> None:
        """Free the slot of a frame that the worker does not have."""
        del self._tenants[tenant.frame_id]
        self._free.append(tenant.slot)

    def clear(self) -> list[int]:
        """Free every slot, the worker being gone; return the frames in them, oldest first."""
        self._in_doubt = None
        left = list(self._tenants)
        if self.assigned is not None:
            left.append(self.assigned.frame_id)
            self.finish(self.assigned.slot)
        for tenant in list(self._tenants.values()):
            self.release(tenant)
        return sorted(left)

    def _take_back(self, tenant: Tenant) -> None:
        tenant.was_taken_back = True
        self._tenants[tenant.frame_id] = self._in_doubt = tenant
        self.assigned = None

    def _newest_of(self, closed: list[Tenant]) -> tuple[list[Tenant], list[int]]:
        """Return each stream's newest frame, oldest first, and those that it overtook."""
        if self._is_lossless:
            return closed, []
        newest = {one.stream: one for one in closed}
        dropped = [one for one in closed if newest[one.stream] is not one]
        for one in dropped:
            self.release(one)
        left = sorted(newest.values(), key=lambda one: one.frame_id)
        return left, [one.frame_id for one in dropped]
