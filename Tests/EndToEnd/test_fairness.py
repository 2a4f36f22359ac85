"""One client or backend that floods the daemon delays the others by no more than a few milliseconds."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time

import pytest

import processes
from daemon import executable, on_demand, service, sleeping_double
from wire import Wire, free_port, masked_frame, request, upgrade

# The daemon's own share of a turn is 10 ms at most. The rest is room for a machine that has other things to do; how busy
# that is shows what the same requests take before the flood.
BOUND = 0.05


@contextlib.contextmanager
def others(daemon, measured, meanwhile, path="/cable"):
    """Meanwhile another client asks again and again; its round trips are judged in the end."""
    seconds, over = [], threading.Event()

    def ask():
        while not over.is_set():
            begun = time.monotonic()
            assert daemon.ask(request(path=path)).status == 200
            seconds.append(time.monotonic() - begun)
            time.sleep(0.002)

    assert daemon.ask(request(path=path)).status == 200, "it is awake"
    quiet = []
    for _ in range(50):
        begun = time.monotonic()
        assert daemon.ask(request(path=path)).status == 200
        quiet.append(time.monotonic() - begun)
    usual = sorted(quiet)[45]
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)
    assert len(seconds) > 50, f"only {len(seconds)} requests were answered"
    seconds.sort()
    p90, p99 = (seconds[len(seconds) * percent // 100] for percent in (90, 99))
    measured(f"fairness: {meanwhile}: p90, p99 of {len(seconds)}", f"{p90 * 1000:.1f}, {p99 * 1000:.1f} ms")
    assert p90 < BOUND + 4 * usual, f"before {usual * 1000:.1f} ms; p90 {p90 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, slowest {seconds[-1] * 1000:.1f} ms"


class Filed:
    """A daemon whose log goes to a file, so that reading a flood of it is no work of the test's."""

    def __init__(self, folder, *services):
        self.listen, self.log = str(folder / "clients.sock"), folder / "daemon.log"
        file = folder / "config.json"
        file.write_text(json.dumps({
            "listen": f"unix:{self.listen}", "log": {"file": str(self.log), "format": "json", "max_size": "1GiB"},
            "reverse_proxies": list(services)}))
        self.process = subprocess.Popen([executable(), "--config", str(file)])
        self.pid = self.process.pid
        processes.eventually(lambda: os.path.exists(self.listen), what="a listener")

    def connect(self, timeout=30):
        return Wire(self.listen, timeout)

    def ask(self, text, timeout=30):
        with self.connect(timeout) as connection:
            return connection.ask(text)

    def end(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
        return self.log.read_text()


@pytest.fixture
def filed(tmp_path):
    running = []

    def begin(*services):
        running.append(Filed(tmp_path, *services))
        return running[-1]

    yield begin
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def test_a_backend_that_prints_empty_lines_without_end_delays_nobody_and_costs_no_memory(filed, measured):
    loud = service(free_port(), name="loud", path="/loud", on_demand=on_demand("yes", "", startup_timeout="20s"))
    daemon = filed(sleeping_double(), loud)
    with others(daemon, measured, "yes ''"):
        before = processes.anonymous_kib(daemon.pid)
        waiting = daemon.connect()
        waiting.send(request(path="/loud"))
        peak, until = 0, time.monotonic() + 3
        while time.monotonic() < until:
            peak = max(peak, processes.anonymous_kib(daemon.pid))
            time.sleep(0.02)
        waiting.close()
    measured("fairness: yes '': memory on top", f"{peak - before} KiB")
    assert peak - before < 8 * 1024
    assert daemon.end().count('"line":""') > 10_000


def test_what_a_backend_printed_last_delays_nobody_and_is_logged(filed, measured):
    script = "head -c 60000 /dev/zero | tr '\\0' '\\n'; echo the end; exit 3"
    brief = service(
        free_port(), name="brief", path="/brief",
        on_demand=on_demand("sh", "-c", script, restart_backoff={"min": "100ms", "max": "100ms"}))
    daemon = filed(sleeping_double(), brief)
    with others(daemon, measured, "output at an end"):
        for _ in range(10):
            assert daemon.ask(request(path="/brief")).status == 503
            time.sleep(0.2)
    records = [json.loads(line) for line in daemon.end().splitlines()]
    failed = [record for record in records if record["event"] == "start_failed"]
    assert len(failed) > 2 and all("the end" in record["output"] for record in failed)
    lines = [record["line"] for record in records if record["event"] == "output" and record["service"] == "brief"]
    assert lines.count("the end") == len(failed) and lines.count("") == 60_000 * len(failed), "none is lost"


@pytest.mark.parametrize("clients", [1, 10])
def test_clients_that_send_tiny_pings_without_end_delay_nobody(start, upstream, measured, clients):
    daemon = start(sleeping_double(), service(upstream.port, name="flooded", path="/flooded"))
    ping = masked_frame(9, b"") * 10_000
    over = threading.Event()
    threads = []

    def flood(client):
        with contextlib.suppress(OSError):
            while not over.is_set():
                client.send(ping)

    def swallow(backend):
        with contextlib.suppress(OSError):
            while backend.socket.recv(1 << 20):
                pass

    tunnels = []
    for _ in range(clients):
        client = daemon.connect()
        client.send(upgrade(path="/flooded"))
        backend, _ = upstream.accept_tunnel()
        assert client.read_head().status == 101
        tunnels.append((client, backend))
    with others(daemon, measured, f"pings of {clients}"):
        for client, backend in tunnels:
            threads += [threading.Thread(target=flood, args=(client,)), threading.Thread(target=swallow, args=(backend,))]
        for thread in threads:
            thread.start()
        time.sleep(2)
        over.set()
        for client, backend in tunnels:
            client.socket.shutdown(socket.SHUT_RDWR)
            backend.socket.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)


def test_a_backend_that_sends_interim_responses_without_end_delays_nobody(start, upstream, measured):
    daemon = start(sleeping_double(), service(upstream.port, name="flooding", path="/flooding"))
    block = b"HTTP/1.1 102 Processing\r\n\r\n" * 20_000
    with others(daemon, measured, "interim responses"):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with daemon.connect() as client:
                client.send(request(path="/flooding"))
                backend = upstream.accept()
                with contextlib.suppress(OSError):
                    backend.socket.settimeout(0.5)
                    backend.send(block)
                status = 102
                while status == 102:
                    status = client.read_head().status
                assert status == 502
                backend.close()
