"""Frame rules, limits of tunnels and many connections, on real sockets."""

import os
import signal
import socket
import struct
import threading
import time

import pytest

import processes
import wire
from daemon import service, sleeping_double
from wire import close_frame, masked_frame, request, text_frame, upgrade


def tunnel(daemon, upstream, **parts):
    client = daemon.connect()
    client.send(upgrade(**parts))
    backend, _ = upstream.accept_tunnel()
    assert client.read_head().status == 101
    return client, backend


def closed_with(connection):
    """The code and the reason of the close frame that comes next."""
    opcode, payload = connection.read_frame()
    assert opcode == 8, f"opcode {opcode}: {payload[:100]!r}"
    return struct.unpack("!H", payload[:2])[0], payload[2:].decode()


FORBIDDEN = {
    "unmasked": bytes([0x81, 5]) + b"plain",
    "a reserved bit": bytes([0xC1]) + text_frame("x")[1:],
    "an unknown opcode": bytes([0x83]) + text_frame("x")[1:],
    "a fragmented ping": bytes([0x09, 0x80, 1, 2, 3, 4]),
    "a length with the highest bit": bytes([0x82, 0xFF, 0x80]) + bytes(7 + 4),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_frame_is_answered_1002_and_does_not_reach_the_backend(start, upstream, name):
    frame = FORBIDDEN[name]
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    client.send(text_frame("good") + frame)
    assert closed_with(client)[0] == 1002
    assert backend.read_frame() == (1, b"good")
    assert closed_with(backend)[0] == 1001
    assert backend.has_ended()
    client.send(close_frame(1002))
    assert client.has_ended()


def test_a_message_over_the_limit_is_answered_1009_and_one_at_the_limit_passes(start, upstream):
    daemon = start(service(upstream.port, limits={"max_message_size": "128KiB"}))
    client, backend = tunnel(daemon, upstream)
    most = b"m" * (128 * 1024)
    threading.Thread(target=client.send, args=(masked_frame(2, most),), daemon=True).start()
    assert backend.read_frame() == (2, most)
    client.send(masked_frame(2, b"", length=len(most) + 1))
    code, reason = closed_with(client)
    assert code == 1009 and "larger" in reason


def test_a_large_message_passes_where_nothing_is_said_about_it(start, upstream):
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    large = b"l" * (4 * 1024 * 1024)
    threading.Thread(target=client.send, args=(masked_frame(2, large),), daemon=True).start()
    assert backend.read_frame() == (2, large)


def test_a_backend_may_say_more_than_a_client(start, upstream):
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    large = b"l" * (1024 * 1024)
    threading.Thread(target=backend.send, args=(wire.plain_frame(2, large),), daemon=True).start()
    assert client.read_frame() == (2, large)


def test_a_backend_that_breaks_the_rules_is_a_1011_and_a_warning(start, upstream):
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    backend.send(wire.plain_frame(1, b"good") + text_frame("masked"))
    assert client.read_frame() == (1, b"good")
    assert closed_with(client)[0] == 1011
    assert daemon.wait_for("upstream_error")["close_code"] == 1011


def test_a_client_that_stops_reading_is_let_go_and_delays_nobody(start, upstream, measured):
    daemon = start(service(upstream.port, limits={"send_timeout": "1s"}), log={"level": "debug"})
    stuck, flooding = tunnel(daemon, upstream)
    other, peer = tunnel(daemon, upstream)
    block = wire.plain_frame(2, b"x" * 60_000)

    def flood():
        try:
            while True:
                flooding.send(block)
        except OSError:
            pass

    begun = time.monotonic()
    threading.Thread(target=flood, daemon=True).start()
    delays = []
    while not daemon.events("tunnel_closed"):
        assert time.monotonic() < begun + 20, "the client that never reads is still there"
        asked = time.monotonic()
        other.send(text_frame("ping"))
        assert peer.read_frame() == (1, b"ping")
        peer.send(wire.plain_frame(1, b"pong"))
        assert other.read_frame() == (1, b"pong")
        delays.append(time.monotonic() - asked)
        time.sleep(0.02)
    assert daemon.events("tunnel_closed")[0]["reason"] == "stalled"
    delays.sort()
    measured("slowest echo beside a client that never reads", f"{delays[-1] * 1000:.1f} ms")
    # The slowest of all is the machine's affair as much as the daemon's.
    assert delays[len(delays) * 9 // 10] < 0.25, delays[-10:]
    stuck.close()


def test_a_client_that_sends_too_fast_is_slowed_down_and_loses_nothing(start, upstream):
    daemon = start(service(upstream.port, limits={"max_message_rate": 50}))
    client, backend = tunnel(daemon, upstream)
    begun = time.monotonic()
    client.send(b"".join(text_frame(str(number)) for number in range(150)))
    assert [backend.read_frame() for _ in range(150)] == [(1, str(number).encode()) for number in range(150)]
    # What came in one piece is through, and has to be paid for: two of its three seconds are too many.
    client.send(text_frame("one more"))
    assert backend.read_frame() == (1, b"one more")
    assert 1.9 < time.monotonic() - begun < 6


def test_more_connections_than_a_listener_may_have_are_told_and_wake_nothing(start):
    daemon = start(sleeping_double(), top={"limits": {"max_connections": 2}})
    first, second = daemon.connect(), daemon.connect()
    for _ in range(3):
        answer = daemon.ask(wire.request())
        assert answer.status == 503 and b"Too many connections" in answer.body
    daemon.wait_for("refused", reason="too_many_connections")
    assert daemon.starts() == 0
    first.close()
    second.close()
    processes.eventually(lambda: daemon.ask(wire.request(path="/nowhere")).status == 404, what="room again")
    assert len(daemon.events("refused", reason="too_many_connections")) == 1, "a flood does not flood the log"


def test_a_flood_beyond_the_limit_is_cut_off_and_costs_no_more(start):
    daemon = start(sleeping_double(), top={"limits": {"max_connections": 1}})
    kept = daemon.connect()
    clients = [socket.create_connection(daemon.address) for _ in range(300)]
    answers = []
    for connection in clients:
        connection.settimeout(10)
        try:
            answers.append(connection.recv(4096)[:12])
        except ConnectionResetError:
            answers.append(b"reset")
    assert set(answers) <= {b"HTTP/1.1 503", b"reset", b""}
    for connection in clients:
        connection.close()
    kept.close()
    processes.eventually(lambda: daemon.ask(wire.request(path="/nowhere")).status == 404, what="room again")


def test_one_address_may_have_so_many_connections_and_another_still_comes_in(start):
    daemon = start(sleeping_double(), listen="0.0.0.0:0", top={"limits": {"max_connections_per_address": 2}})
    address = ("127.0.0.1", daemon.port)
    kept = [socket.create_connection(address), socket.create_connection(address)]
    with wire.Wire(address) as third:
        assert third.ask(wire.request(path="/nowhere")).status == 503
    elsewhere = socket.create_connection(address, source_address=("127.0.0.9", 0))
    with wire.Wire(elsewhere) as other:
        assert other.ask(wire.request(path="/nowhere")).status == 404
    for connection in kept:
        connection.close()


def test_a_service_has_as_many_requests_and_tunnels_as_it_may(start, upstream):
    daemon = start(service(upstream.port, limits={"max_connections": 1}))
    client, backend = tunnel(daemon, upstream)
    answer = daemon.ask(wire.request())
    assert answer.status == 503 and answer.value("Retry-After") == "1"
    client.send(close_frame())
    backend.close()
    client.close()
    processes.eventually(lambda: daemon.status()["open"] == 0, what="the tunnel being gone")
    with daemon.connect() as again:
        again.send(wire.request())
        upstream.accept().send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert again.read_head().status == 204


def test_what_passed_through_tunnels_is_counted(start, upstream):
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    client.send(text_frame("hello") + close_frame(4002))
    backend.send(wire.plain_frame(9, b"") + wire.plain_frame(1, b"hi"))
    assert client.read_frame() == (9, b"") and client.read_frame() == (1, b"hi")
    assert backend.read_frame() == (1, b"hello") and closed_with(backend)[0] == 4002
    tunnels = daemon.status()["tunnels"]
    assert tunnels["opened"] == 1 and tunnels["closes"] == {"4002": 1, "other": 0}
    assert tunnels["from_clients"] == {"bytes": 19, "frames": 2, "messages": 1, "pings": 0, "pongs": 0}
    assert tunnels["from_backend"] == {"bytes": 6, "frames": 2, "messages": 1, "pings": 1, "pongs": 0}


def test_a_page_elsewhere_gets_403_and_wakes_nothing(start):
    daemon = start(sleeping_double() | {"allowed_origins": ["https://app.example", "https://*.app.example"]})
    for extra in (["Origin: https://evil.example"], [], ["Origin: https://app.example.evil"]):
        assert daemon.ask(upgrade(extra=extra)).status == 403
    assert daemon.starts() == 0
    with daemon.open_tunnel(extra=["Origin: https://www.app.example"]) as client:
        client.send(close_frame())
    assert daemon.starts() == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_backend_that_breaks_off_between_two_frames_is_a_1011_and_within_one_just_an_end(start, upstream, how):
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    backend.send(wire.plain_frame(1, b"last"))
    assert client.read_frame() == (1, b"last")
    getattr(backend, how)()
    assert closed_with(client)[0] == 1011
    client.send(close_frame(1011))
    assert client.has_ended()
    client, backend = tunnel(daemon, upstream)
    backend.send(wire.plain_frame(1, b"x" * 100)[:50])
    client.read_exactly(50)
    getattr(backend, how)()
    assert client.read_to_end_or_reset() == b"", "inside a frame it would be read as payload"


def test_a_process_that_is_killed_says_1011_to_every_client_also_while_they_speak(start):
    daemon = start(sleeping_double())
    tunnels = [daemon.open_tunnel() for _ in range(20)]
    os.kill(daemon.status()["pid"], signal.SIGKILL)
    for client in tunnels[:10]:
        client.send(text_frame("in the middle of it"))
    for client in tunnels:
        opcode, payload = client.read_frame()
        while opcode != 8:
            opcode, payload = client.read_frame()
        assert struct.unpack("!H", payload[:2])[0] == 1011
        client.send(close_frame(1011))
        assert client.has_ended()
    daemon.wait_for("crashed")


def test_clients_that_cannot_wake_it_again_for_a_while_are_told_1013(start):
    # Long enough for a slow machine to ask within it.
    daemon = start(sleeping_double(idle_when="no_client_data", idle_timeout="300ms", min_sleep="30s"))
    client = daemon.open_tunnel()
    assert closed_with(client)[0] == 1013
    client.send(close_frame(1013))
    assert daemon.ask(request()).status == 503
