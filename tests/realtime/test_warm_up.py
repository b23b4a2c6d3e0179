"""What the worker compiles before anybody connects."""

import subprocess
import sys

import pytest

# In a process of its own: here, other tests have compiled before.
COLD = """
import gc
from realtime.clock import MonotonicClock
from realtime.warm_up import warm_up
from thermometry.compiled import Kernel

for _ in warm_up(MonotonicClock()):
    pass
kernels = [one for one in gc.get_objects() if type(one) is Kernel]
print(len(kernels), *(one.__name__ for one in kernels if not one.dispatcher.signatures))
"""


@pytest.mark.slow
def test_no_kernel_of_thermometry_waits_for_a_patient_to_be_compiled():
    done = subprocess.run(
        [sys.executable, "-c", COLD], capture_output=True, text=True, check=True, timeout=300
    )
    n_kernels, *cold = done.stdout.split()
    assert int(n_kernels) > 10
    assert cold == []
