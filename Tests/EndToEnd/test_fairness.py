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
from wire import Wire, free_port, masked_frame, request, text_frame, upgrade

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
    # A slow machine has not logged all of it when the daemon ends, and the daemon counts the rest.
    dropped = sum(record["bytes"] for record in records if record["event"] == "log_lines_dropped")
    assert sum(len(line) + 1 for line in lines) + dropped == 60_008 * len(failed), "none is lost"


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


# Cables


WS = {"name": "ws", "path": "/ws", "streams": {"public": True}, "broadcast": {"path": "/_broadcast"}}


def cable_client(daemon):
    client = daemon.connect(30)
    client.send(upgrade(
        path="/ws", host=f"127.0.0.1:{daemon.port}", extra=["Sec-WebSocket-Protocol: actioncable-v1-json"]))
    return client


def swallow(peer):
    with contextlib.suppress(OSError):
        while peer.socket.recv(1 << 20):
            pass


@contextlib.contextmanager
def flooding(*floods, readers=()):
    """Sends (peer, bytes) again and again, and reads what the readers get, until the block ends."""
    over = threading.Event()

    def flood(peer, block):
        with contextlib.suppress(OSError):
            while not over.is_set():
                peer.send(block)

    threads = [threading.Thread(target=flood, args=one) for one in floods]
    threads += [threading.Thread(target=swallow, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for peer in {*(peer for peer, _ in floods), *readers}:
        with contextlib.suppress(OSError):
            peer.socket.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)


# Each letter is an escape in the outer string, which may have another spelling: it is compared by its content.
LONG = json.dumps(json.dumps(
    {"channel": "$pubsub", "stream_name": "s", "filling": "\u00e9" * 2000}, ensure_ascii=False))
FLOODS = {
    "pings": masked_frame(9, b"") * 10_000,
    "texts that are no command": text_frame("x") * 10_000,
    "commands of a subscription": text_frame(json.dumps(
        {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "s"})})) * 2_000,
    "commands with a long identifier": text_frame(f'{{"command":"unsubscribe","identifier":{LONG}}}') * 50,
}


@pytest.mark.parametrize("clients", [1, 10])
@pytest.mark.parametrize("flood", FLOODS)
def test_clients_of_a_cable_that_send_without_end_delay_nobody(start, measured, flood, clients):
    daemon = start(sleeping_double(), top={"cables": [WS]})
    peers = [cable_client(daemon) for _ in range(clients)]
    assert all(peer.read_head().status == 101 for peer in peers)
    if "long" in flood:
        for peer in peers:
            for number in range(100):
                other = LONG.replace("filling", f"f{number:06}")
                peer.send(text_frame(f'{{"command":"subscribe","identifier":{other}}}'))
    with others(daemon, measured, f"cable: {flood} of {clients}"), flooding(
            *((peer, FLOODS[flood]) for peer in peers), readers=peers):
        time.sleep(2)


@pytest.mark.parametrize("direction", ["to the client", "to the backend"])
def test_messages_between_a_cable_and_its_backend_without_end_delay_nobody(start, upstream, measured, direction):
    daemon = start(
        sleeping_double(), service(upstream.port, name="behind", path="/behind"),
        top={"cables": [{**WS, "backend": "behind", "connect": "backend"}]})
    client = cable_client(daemon)
    backend, _ = upstream.accept_tunnel()
    assert client.read_head().status == 101
    block = b"\x81\x00" * 30_000 if direction == "to the client" else text_frame("x") * 10_000
    with others(daemon, measured, f"cable: messages {direction}"), flooding(
            (backend if direction == "to the client" else client, block), readers=(client, backend)):
        time.sleep(2)


@pytest.mark.parametrize("items", [1, 500])
def test_broadcasts_without_end_delay_nobody(start, measured, items):
    """Each POST is an array of messages, to two streams in turn, one of which has a subscriber."""
    daemon = start(sleeping_double(), top={"cables": [WS]})
    reader = cable_client(daemon)
    reader.send(text_frame(json.dumps(
        {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "a"})})))
    body = "[" + ",".join(f'{{"stream":"{"ab"[number % 2]}","data":1}}' for number in range(items)) + "]"
    head = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    post = request("POST", "/_broadcast", host=f"127.0.0.1:{daemon.port}", extra=head) + body.encode()
    publisher = daemon.connect(30)
    assert publisher.ask(post).status in (200, 201)
    with others(daemon, measured, f"cable: arrays of {items}"), flooding(
            (publisher, post * max(1, 5_000 // items)), readers=(reader, publisher)):
        time.sleep(2)


def test_messages_of_redis_without_end_delay_nobody(start, redis, measured):
    daemon = start(sleeping_double(), top={"cables": [{**WS, "redis": {"url": redis.url}}]})
    reader = cable_client(daemon)
    reader.send(text_frame(json.dumps(
        {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "a"})})))
    assert reader.read_head().status == 101
    while b"confirm_subscription" not in reader.read_frame()[1]:
        pass
    publisher = Wire(("127.0.0.1", redis.port), 30)
    with others(daemon, measured, "cable: messages of Redis"), flooding(
            (publisher, b"PUBLISH a 1\r\n" * 5_000), readers=(reader, publisher)):
        time.sleep(2)


@pytest.mark.parametrize("path", ["/failing", "/disabled"])
def test_pipelined_requests_that_are_refused_delay_nobody(start, measured, path):
    """Each refusal comes from another driver, and lets the connection find the next request."""
    failing = service(free_port(), name="failing", path="/failing", on_demand=on_demand(
        "false", restart_backoff={"min": "1m", "max": "1m"}))
    disabled = service(free_port(), name="disabled", path="/disabled", on_demand=on_demand("true", enabled=False))
    daemon = start(sleeping_double(), failing, disabled)
    assert daemon.ask(request(path=path)).status == 503
    client = daemon.connect(30)
    with others(daemon, measured, f"refused requests: {path[1:]}"), flooding(
            (client, request(path=path) * 5_000), readers=(client,)):
        time.sleep(2)
