"""What the worker compiles before anybody connects."""

import subprocess
import sys

import pytest

# In a process of its own: here, other tests have compiled before.
COLD = """
import gc
import sys
from realtime.clock import MonotonicClock
from realtime.warm_up import warm_up
from thermometry.compiled import Kernel

for _ in warm_up(MonotonicClock()):
    pass
kernels = [one for one in gc.get_objects() if type(one) is Kernel]
print(len(kernels), *(one.__name__ for one in kernels if not one.dispatcher.signatures))
# those of motion are functions around what is compiled; parts of others compile with them
of_motion = {
    one.__closure__[0].cell_contents
    for name, module in list(sys.modules.items()) if name.startswith("motion.")
    for one in vars(module).values() if getattr(one, "__qualname__", "").startswith("compiled.")
}
print(len(of_motion), *(one.__name__ for one in of_motion if not one.signatures))
"""
AFTERWARDS = ["_least"]  # of gamma, which compares doses once a treatment is over


@pytest.mark.slow
def test_no_kernel_waits_for_a_patient_to_be_compiled():
    done = subprocess.run(
        [sys.executable, "-c", COLD], capture_output=True, text=True, check=True, timeout=300
    )
    thermal, of_motion = (line.split() for line in done.stdout.splitlines())
    assert int(thermal[0]) > 10
    assert thermal[1:] == []
    assert int(of_motion[0]) > 7
    assert of_motion[1:] in ([], AFTERWARDS)
