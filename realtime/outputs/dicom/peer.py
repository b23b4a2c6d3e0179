"""C-STORE to one peer: a PACS that may reject, abort, be slow, full or down."""

import socket
import struct
from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    ParametricMapStorage,
    RTDoseStorage,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association

from messages import MonitorError
from realtime.outputs.dicom.address import Peer

OWN_TITLE = "MRMONITOR"
SOP_CLASSES = (MRImageStorage, ParametricMapStorage, SegmentationStorage, RTDoseStorage)
_CONNECT_S = 5.0
_ANSWER_S = 10.0  # for an association, and for each object
_WARNINGS = (0xB000, 0xB006, 0xB007)  # stored, with something changed or left out
_OUT_OF_RESOURCES = 0xA700


class UnreachableError(MonitorError):
    """It cannot be delivered now; later it may."""


def store(peer: Peer, instances: Sequence[Dataset]) -> list[str]:
    """Send objects over an association of their own; return what was refused, in words.

    Raises UnreachableError where the peer did not answer for all of them: what it had stored by
    then is stored, and to send it again changes nothing.
    """
    association = _associate(peer)
    try:
        answers = [_store_one(association, peer, one) for one in instances]
    finally:
        if association.is_established:
            association.release()
    return [one for one in answers if one]


def _associate(peer: Peer) -> Association:
    entity = AE(ae_title=OWN_TITLE)
    entity.connection_timeout = _CONNECT_S
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _ANSWER_S
    for sop_class in SOP_CLASSES:
        entity.add_requested_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    carriers: list[socket.socket] = []
    association = entity.associate(
        peer.host,
        peer.port,
        ae_title=peer.title,
        evt_handlers=[(evt.EVT_CONN_OPEN, _bound_sending, [carriers])],
    )
    if not association.is_established:
        raise UnreachableError(f"{peer}: {_why_not(association, is_connected=bool(carriers))}")
    return association


def _bound_sending(event: evt.Event, carriers: list[socket.socket]) -> None:
    """Let no peer that has stopped reading keep a thread for ever: pynetdicom sets no such time."""
    carrier = event.assoc.dul.socket
    if carrier is not None and carrier.socket is not None:
        seconds = struct.pack("ll", int(_ANSWER_S), 0)
        carrier.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        carriers.append(carrier.socket)


def _why_not(association: Association, *, is_connected: bool) -> str:
    if association.is_rejected:
        answer = association.acceptor.primitive
        reason = "" if answer is None else f": {answer.reason_str.lower()}"
        return f"rejected the association{reason}"
    if not is_connected:
        return "takes no connection"
    return f"aborted the association, or did not answer within {_ANSWER_S:.0f} s"


def _store_one(association: Association, peer: Peer, instance: Dataset) -> str:
    """Return "" where it was stored, else why not. Raises UnreachableError: try again."""
    name = instance.SOPClassUID.name
    try:
        answer: Dataset = association.send_c_store(instance)
    except ValueError:  # no presentation context was accepted for it
        return f"{peer} takes no {name}"
    except RuntimeError as error:  # the association ended with the object before
        raise UnreachableError(f"{peer}: the association has ended") from error
    if "Status" not in answer:
        raise UnreachableError(
            f"{peer}: aborted in mid-store, or no answer within {_ANSWER_S:.0f} s"
        )
    status = int(answer.Status)
    if status == 0 or status in _WARNINGS:
        return ""
    if status & 0xFF00 == _OUT_OF_RESOURCES:
        raise UnreachableError(f"{peer}: is out of resources (0x{status:04X})")
    return f"{peer} refuses a {name} (0x{status:04X})"
