"""The workers that no session has: which are free, and how many there may be."""

import os

import pytest
import zmq

from realtime import control, worker_pool
from realtime.tuning import UNTUNED
from realtime.worker_pool import WorkerPool


class Told:
    """A worker that says what it is told to."""

    def __init__(self, tuning, *, number):
        self.fd, self.said, self.is_killed, self.pid = os.eventfd(0), [], False, number

    def fileno(self):
        return self.fd

    def receive(self):
        return self.said.pop(0) if self.said else None

    def kill(self):
        self.is_killed = True
        os.close(self.fd)

    def is_reaped(self):
        return self.is_killed


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(worker_pool, "WorkerLink", Told)
    return WorkerPool(zmq.Poller(), UNTUNED, keeps_spare=False)


def test_a_picture_is_not_yet_the_answer_that_makes_a_worker_free(pool):
    worker = pool.take(now_ns=0)
    pool.put(worker, is_busy=True, now_ns=0)
    worker.said = [control.Pictured(0, 0, 0)]
    pool.tick(1)
    assert pool.take(now_ns=1) is not worker
    worker.said = [control.Done(0, 0, 0)]
    pool.tick(2)
    assert pool.take(now_ns=2) is worker


def test_clients_that_come_and_go_leave_no_crowd_of_busy_workers(pool):
    for n in range(20):
        pool.put(pool.take(now_ns=n), is_busy=True, now_ns=n)
        pool.tick(n)
    assert len(pool.pids) <= 2
