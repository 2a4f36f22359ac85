"""A thousand lives of one backend leave nothing behind; CYCLES=10000 (`make cycles`) lives ten thousand."""

import os
import time

import pytest

import processes
from daemon import sleeping_double
from wire import upgrade

WARM_UP, CYCLES = 100, int(os.environ.get("CYCLES", 1_000))


@pytest.mark.timeout(60 + CYCLES // 10)
def test_a_thousand_starts_and_stops_grow_nothing(start, measured):
    daemon = start(sleeping_double(idle_timeout="1ms"), log={"level": "info"})

    def live(generation):
        with daemon.connect() as client:
            client.send(upgrade())
            assert client.read_head().status == 101
        daemon.wait_for_count(generation, "stopped")

    def footprint():
        # The status listener's own connection must have gone from the count.
        return len(processes.open_descriptors(daemon.pid)), processes.anonymous_kib(daemon.pid)

    for generation in range(1, WARM_UP + 1):
        live(generation)
    descriptors, resident = footprint()

    begun = time.monotonic()
    for generation in range(WARM_UP + 1, WARM_UP + CYCLES + 1):
        live(generation)
    seconds = time.monotonic() - begun

    processes.eventually(lambda: footprint()[0] <= descriptors, what=f"at most {descriptors} descriptors")
    grown = footprint()[1] - resident
    measured(f"{CYCLES:,} lives of the double: time, growth of RssAnon", f"{seconds:.1f} s, {grown} KiB")
    assert daemon.starts() == WARM_UP + CYCLES
    assert processes.childless(daemon.pid) and daemon.offspring() == []
    assert grown <= 256
