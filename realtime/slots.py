"""Which frame lies in which slot of the mailbox, and which one the worker takes next.

Newest wins: a frame that waits while a newer one of the same slice is whole gives way, and is
answered LATE. A source that waits (a replay at full speed) is asked to wait instead.
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


class Slots:
    """The gateway's book of the slots. It decides; it moves no data."""

    def __init__(self, n_slots: int, *, is_lossless: bool) -> None:
        self._free = list(range(n_slots))
        self._is_lossless = is_lossless
        self._tenants: dict[int, Tenant] = {}
        self.assigned: Tenant | None = None

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
            waiting = [one for one in self._tenants.values() if one.is_closed]
            if not waiting:
                return None, []
            oldest = min(waiting, key=lambda one: one.frame_id)
            self.release(oldest)
            dropped.append(oldest.frame_id)
        tenant = Tenant(frame_id, stream, self._free.pop(0))
        self._tenants[frame_id] = tenant
        return tenant, dropped

    def assign_next(self) -> tuple[Tenant | None, list[int]]:
        """Return what an idle worker takes next, and the frames that a newer one overtook.

        A single frame that is still filling is taken too, so that its readouts are worked on as
        they land; with several filling the worker waits for the first that is whole.
        """
        if self.assigned is not None:
            return None, []
        closed = sorted(
            (one for one in self._tenants.values() if one.is_closed),
            key=lambda one: one.frame_id,
        )
        dropped: list[int] = []
        if closed and not self._is_lossless:
            newest = {one.stream: one for one in closed}
            for one in closed:
                if newest[one.stream] is not one:
                    self.release(one)
                    dropped.append(one.frame_id)
            closed = sorted(newest.values(), key=lambda one: one.frame_id)
        filling = [one for one in self._tenants.values() if not one.is_closed]
        chosen = closed[0] if closed else filling[0] if len(filling) == 1 else None
        if chosen is not None:
            del self._tenants[chosen.frame_id]
            self.assigned = chosen
        return chosen, dropped

    def finish(self) -> Tenant | None:
        """Take the slot back from the worker."""
        done, self.assigned = self.assigned, None
        if done is not None:
            self._free.append(done.slot)
        return done

    def release(self, tenant: Tenant) -> None:
        """Free the slot of a frame that the worker does not have."""
        del self._tenants[tenant.frame_id]
        self._free.append(tenant.slot)

    def clear(self) -> list[int]:
        """Free every slot; return the frames that were in them, oldest first."""
        left = list(self._tenants)
        if self.assigned is not None:
            left.append(self.assigned.frame_id)
            self.finish()
        for tenant in list(self._tenants.values()):
            self.release(tenant)
        return sorted(left)
