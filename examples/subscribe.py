"""What a running monitor says, in 20 lines: permit, alerts, and the hottest pixel of each frame."""

import sys

import zmq

from messages.codec import decode

events = zmq.Context().socket(zmq.SUB)
events.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:9004")
for topic in ("permit", "verdict", "alert", "heartbeat"):
    events.subscribe(topic)
while True:
    if not events.poll(500):  # five heartbeats missed; a lease that lapsed means the same
        print("HELD: the monitor is silent", flush=True)
        continue
    _, noun = decode(events.recv_multipart())
    if type(noun).__name__ == "Permit":
        print(noun.state, f"for {noun.lease_ms:.0f} ms", noun.reason, flush=True)
    elif type(noun).__name__ == "Verdict":
        hottest = {one.name: one.temperature_max_c for one in noun.regions}
        print("frame", noun.frame_id, noun.decision, hottest, flush=True)
    elif type(noun).__name__ == "Alert":
        print(noun.priority, noun.state, noun.text, flush=True)
