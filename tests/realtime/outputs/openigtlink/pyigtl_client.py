"""`python pyigtl_client.py PORT N_IMAGES`: what pyigtl makes of what it receives, as JSON lines.

A process of its own: pyigtl keeps threads, and replaces signal handlers where it serves.
"""

import hashlib
import json
import sys

import numpy as np
import pyigtl

from realtime.clock import MonotonicClock


def told(message):
    if isinstance(message, pyigtl.ImageMessage):
        return {
            "scalar": message.image.dtype.str,
            "is_ras": message.world_coordinate_system == "ras",
            "size": message.image.shape[::-1],
            "digest": hashlib.sha256(message.image.tobytes()).hexdigest(),
            "matrix": np.asarray(message.ijk_to_world_matrix).tolist(),
        }
    if isinstance(message, pyigtl.TransformMessage):
        return {"matrix": np.asarray(message.matrix).tolist()}
    return {"text": message.string}


def main(port, n_wanted):
    clock = MonotonicClock()
    client = pyigtl.OpenIGTLinkClient("127.0.0.1", port)
    kinds = set()
    while n_wanted > 0 or len(kinds) < 3:  # who started us has less patience
        for message in client.get_latest_messages():
            kind = message.message_type
            found = {"kind": kind, "device": message.device_name, **told(message)}
            sys.stdout.write(json.dumps(found) + "\n")
            kinds.add(kind)
            n_wanted -= kind == "IMAGE"
        clock.sleep_until_ns(clock.now_ns() + 5_000_000)
    client.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
