"""What is asked of the operating system, and that nothing depends on getting it."""

import os
import subprocess
import sys

import pytest

from realtime import tuning
from realtime.tuning import UNTUNED, Tuning, pack_tuning, unpack_tuning
from tests.harness import wait_gone

_GO_FIRST = """
import os
from realtime.tuning import GATEWAY_LEVEL, go_first
told = go_first(GATEWAY_LEVEL)
is_first = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
child = os.fork()
if not child:
    os._exit(os.sched_getscheduler(0) != os.SCHED_OTHER)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a child is ordinary again"
assert told == is_first, (told, is_first)
"""


def test_going_first_is_told_as_it_is_and_ends_with_the_process_that_asked():
    done = subprocess.run([sys.executable, "-c", _GO_FIRST], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


_BY_LIMIT = """
import os
from realtime.tuning import may_go_first
ask = os.sched_setscheduler
def asked_as_root_and_then_no_more(*policy):
    ask(*policy)
    os.setuid(65534)
os.sched_setscheduler = asked_as_root_and_then_no_more
may_go_first()
assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_go_first_by_a_limit_alone_finds_out_without_an_error():
    done = subprocess.run([sys.executable, "-c", _BY_LIMIT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


_PARENT = """
import os, signal
from realtime.tuning import die_with_parent
if os.fork():
    signal.pause()
die_with_parent()
print(os.getpid(), flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    signal.pause()
"""


def test_a_worker_ends_with_its_parent_whatever_it_does():
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_gone(child)


def test_a_kernel_that_refuses_is_told_and_nothing_fails(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(tuning.os, "sched_setscheduler", refuse)
    monkeypatch.setattr(tuning, "lock_memory", lambda: False)
    refused = tuning.tune_gateway(Tuning())
    assert len(refused) == 2
    assert "SCHED_FIFO" in refused[0]
    assert "mlockall" in refused[1]
    tuning.tuned_context(Tuning()).destroy(linger=0)  # libzmq would abort here


def test_untuned_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(tuning, "go_first", lambda _: 1 / 0)
    monkeypatch.setattr(tuning, "lock_memory", lambda: 1 / 0)
    assert tuning.tune_gateway(UNTUNED) == []
    assert UNTUNED.core_of_worker(0) is None


def test_workers_share_all_cores_but_the_first_in_turn(monkeypatch):
    monkeypatch.setattr(tuning.os, "sched_getaffinity", lambda _: {3, 0, 2})
    assert [Tuning().core_of_worker(n) for n in range(3)] == [2, 3, 2]
    monkeypatch.setattr(tuning.os, "sched_getaffinity", lambda _: {0})
    assert Tuning().core_of_worker(0) is None
    # where it shares its only core with all the rest, a worker does not go first
    assert not unpack_tuning(pack_tuning(Tuning(), core=None)).is_first


def test_memory_is_locked_only_where_no_limit_would_break_later_allocations(monkeypatch):
    monkeypatch.setattr(tuning, "_is_capable", lambda _: False)
    monkeypatch.setattr(tuning, "_is_unlimited", lambda _: False)
    assert not tuning.lock_memory()


def test_a_worker_is_told_what_it_shall_do():
    told = unpack_tuning(pack_tuning(Tuning(is_locked=False), core=2))
    assert (told.is_first, told.is_locked, told.core) == (True, False, 2)
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER  # nothing done


_KEEP_PACE = """
import os, threading
from realtime.tuning import go_first, keep_pace
def policy():
    return os.sched_getscheduler(threading.get_native_id()) & ~os.SCHED_RESET_ON_FORK
seen = []
def thread():
    seen.append(policy()); keep_pace(); seen.append(policy())
told = go_first(5)
one = threading.Thread(target=thread); one.start(); one.join()
expected = os.SCHED_FIFO if told else os.SCHED_OTHER
assert seen == [os.SCHED_OTHER, expected], (told, seen)
"""


def test_a_thread_that_shares_the_interpreter_lock_keeps_pace_with_the_main_thread():
    done = subprocess.run([sys.executable, "-c", _KEEP_PACE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
