"""Archives of pynetdicom's, in this process, that misbehave as a test asks."""

import queue
from contextlib import contextmanager

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt

from realtime.outputs.dicom.address import Peer
from realtime.outputs.dicom.peer import SOP_CLASSES

PATIENCE_S = 45.0  # a busy machine imports the libraries for long


class Archive:
    """What has come stands in `stored`, in order; answer: what an object is answered with."""

    def __init__(self, answer):
        self.stored = queue.Queue()
        self.answer = answer
        self.port = 0

    @property
    def peer(self):
        """How it is reached."""
        return Peer("ARCHIVE", "127.0.0.1", self.port)

    def next(self):
        """Wait for an object."""
        return self.stored.get(timeout=PATIENCE_S)

    def take(self, event):
        """Answer a C-STORE."""
        status = self.answer(event)
        if status == 0:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.stored.put(dataset)
        return status


def well(_):
    """Answer that it was stored."""
    return 0


@contextmanager
def archive(
    answer=well, *, title="ARCHIVE", classes=SOP_CLASSES, syntax=ExplicitVRLittleEndian, port=0
):
    """Run one that knows itself by a title and takes some kinds of object in one encoding."""
    entity, it = AE(ae_title=title), Archive(answer)
    entity.require_called_aet = True
    for one in classes:
        entity.add_supported_context(one, syntax)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, it.take)]
    )
    it.port = server.socket.getsockname()[1]
    try:
        yield it
    finally:
        server.shutdown()
