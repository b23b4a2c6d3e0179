"""A monitor of a hundred lines that shares nothing with ours."""

import json
import socket
import struct
import threading
import time  # noqa: TID251 - the fake monitor takes its time
from collections import Counter

import zmq

from simulators.device_line import Monitor


class FakeMonitor:
    """Answers each frame as `judge(frame)` says: GRANTED, HELD or None for silence."""

    def __init__(self, judge, *, lease_ms=1e6, delay_s=0.0, skip_sequence_at=None, refuses=False):
        self.judge, self.lease_ms, self.delay_s, self.refuses = judge, lease_ms, delay_s, refuses
        self.skip_sequence_at = skip_sequence_at
        self.events = zmq.Context.instance().socket(zmq.PUB)
        self.events.setsockopt(zmq.LINGER, 0)
        self.control = zmq.Context.instance().socket(zmq.ROUTER)
        self.control.setsockopt(zmq.LINGER, 0)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.ports = Monitor(
            mrd_port=self.server.getsockname()[1],
            event_port=self.events.bind_to_random_port("tcp://127.0.0.1"),
            control_port=self.control.bind_to_random_port("tcp://127.0.0.1"),
        )
        self.lock, self.sequences, self.stop = threading.Lock(), Counter(), threading.Event()
        self.n_readouts, self.reports, self.received = 0, [], []
        tasks = (self.serve, self.beat, self.hear)
        self.threads = [threading.Thread(target=one, daemon=True) for one in tasks]
        for thread in self.threads:
            thread.start()

    def publish(self, topic, body):
        with self.lock:
            self.sequences[topic] += 1 + (self.sequences[topic] == self.skip_sequence_at)
            header = {"schema": 1, "epoch": "e", "sequence": self.sequences[topic], "body": body}
            self.events.send_multipart([topic.encode(), json.dumps(header).encode()])

    def beat(self):
        while not self.stop.wait(0.05):
            if not self.stop.is_set() and self.judge(-1) != "dead":
                self.publish("heartbeat", {"last_sequence": 0, "permit_state": "HELD"})

    def hear(self):
        while not self.stop.is_set():
            if self.control.poll(20):
                identity, text = self.control.recv_multipart()
                self.reports.append(json.loads(text))
                self.control.send_multipart([identity, json.dumps(self.heed(text)).encode()])

    def heed(self, text):
        """Answer a report of the device."""
        return {"status": "done", "text": ""}

    def serve(self):
        connection, _ = self.server.accept()
        with connection:
            stream = connection.makefile("rb")
            while head := stream.read(2):
                (identifier,) = struct.unpack("<H", head)
                self.received.append(identifier)
                if identifier == 1:
                    stream.read(1024)
                elif identifier == 3:
                    stream.read(struct.unpack("<I", stream.read(4))[0])
                    if self.refuses:
                        return
                elif identifier == 1008:
                    self.take_readout(connection, stream)
                else:
                    connection.sendall(b"\x04\x00")
                    return

    def take_readout(self, connection, stream):
        head = stream.read(340)
        if len(head) < 340:
            return
        (flags,) = struct.unpack_from("<Q", head, 2)
        n_samples, coils = (
            struct.unpack_from("<H", head, 34)[0],
            struct.unpack_from("<H", head, 38)[0],
        )
        stream.read(n_samples * coils * 8)
        self.n_readouts += 1
        if flags & 1 << 7:
            text = b"frame" * 40_000  # more than a socket buffer holds over a treatment
            connection.sendall(struct.pack("<HI", 5, len(text)) + text)
            self.answer(struct.unpack_from("<H", head, 254)[0])

    def answer(self, frame):
        decision = self.judge(frame)
        if decision not in ("GRANTED", "HELD"):
            return
        time.sleep(self.delay_s)
        body = {"state": decision, "lease_ms": self.lease_ms, "reason": "", "frame_id": frame}
        self.publish("permit", body)
        self.publish("map", {"frame_id": frame, "shape": [1, 2]})
        self.publish("verdict", {"frame_id": frame, "decision": decision, "age_ms": 3.5})

    def close(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(3)
        for one in (self.server, self.events, self.control):
            one.close()
