"""Reading a protocol survives a garbage collection at any moment, also in the middle of its types.

msgspec 0.22 ends the process where a key may be a number with a range or a tuple of fixed length.
"""

import subprocess
import sys

_SCRIPT = """
import gc
from realtime.protocol import load_protocol, shipped_protocols
gc.set_threshold(1)
for name in shipped_protocols():
    load_protocol(name)
"""


def test_every_shipped_protocol_is_read_while_garbage_is_collected():
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr or f"status {done.returncode}"
