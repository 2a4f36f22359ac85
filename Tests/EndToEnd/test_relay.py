"""What passes through: heads, tunnels and plain HTTP, byte by byte. Most tests are the backend themselves."""

import hashlib
import os
import signal
import struct
import subprocess
import threading
import time

import pytest

import processes
import wire
from daemon import service, sleeping_double
from rails import need
from test_waking import scripted
from wire import (
    SWITCHING, Listener, close_frame, free_port, masked_frame, plain_frame, request, text_frame, upgrade)

FORWARDED = {"X-Forwarded-For": "$remote_addr", "X-Forwarded-Proto": "$scheme", "X-Forwarded-Host": "$host"}


@pytest.fixture
def relay(start, upstream):
    """A daemon that is a plain proxy to the test itself."""
    return start(service(upstream.port, path="/*", headers=FORWARDED))


def tunnel(daemon, upstream, **parts):
    """Both ends of a tunnel, and the head the backend saw."""
    client = daemon.connect()
    client.send(upgrade(**parts))
    backend, head = upstream.accept_tunnel()
    assert client.read_head().status == 101
    return client, backend, head


# Heads


def test_everything_in_the_head_but_hop_by_hop_and_configured_fields_arrives_as_it_was_sent(relay, upstream):
    sent = [
        "Host: App.Example:8443",
        "Origin: http://App.Example:8443",
        "Cookie: a=1; b=\"two\"",
        "x-TRACE: first",
        "Cookie: c=3",
        "X-Trace: second",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "User-Agent: \u00e9l\u00e8ve/1.0 (like none)",
        "Accept-Language:de,en;q=0.5",
    ]
    client = relay.connect()
    client.send(("GET /cable?token=a%2Fb&x=%7e HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 + "\r\n".join(sent) + "\r\n\r\n").encode("latin-1"))
    backend, head = upstream.accept_tunnel()
    assert head.first_line == "GET /cable?token=a%2Fb&x=%7e HTTP/1.1"
    assert head.value("Upgrade") == "websocket" and head.value("Connection").lower() == "upgrade"

    ours = ("upgrade", "connection", "forwarded", "x-request-id", *(name.lower() for name in FORWARDED))
    normal = [f"{name}:{value}" for name, value in head.fields if name.lower() not in ours]
    assert normal == [f"{name}:{value.strip()}" for name, _, value in (line.partition(":") for line in sent)]
    assert client.read_head().raw == SWITCHING, "the 101 comes back untouched"


def test_the_configured_headers_are_filled_in_and_replace_what_the_client_claimed(relay, upstream):
    _, _, head = tunnel(relay, upstream, host="app.example", extra=[
        "X-Forwarded-For: 6.6.6.6", "x-forwarded-proto: gopher", "X-FORWARDED-HOST: evil.example"])
    assert head.value("X-Forwarded-For") == "127.0.0.1"
    assert head.value("X-Forwarded-Proto") == "http"
    assert head.value("X-Forwarded-Host") == "app.example"
    assert head.value("Host") == "app.example"


@pytest.mark.parametrize("connection", [
    "keep-alive, Upgrade", "Keep-Alive,upgrade", "UPGRADE", "upgrade , keep-alive"])
def test_any_spelling_of_connection_upgrade_is_an_upgrade(relay, upstream, connection):
    client, backend, head = tunnel(relay, upstream, connection=connection)
    assert head.value("Upgrade") == "websocket"
    assert "upgrade" in head.value("Connection").lower()
    client.send(text_frame("through"))
    assert backend.read_frame() == (1, b"through")


def test_fields_named_by_connection_stay_on_their_hop(relay, upstream):
    _, _, head = tunnel(relay, upstream, connection="Upgrade, X-Hop", extra=["X-Hop: private", "X-End: public"])
    assert head.values("X-Hop") == [] and head.value("X-End") == "public"


def test_the_chosen_subprotocol_and_extensions_come_back_untouched(relay, upstream):
    client = relay.connect()
    client.send(upgrade(extra=["Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported"]))
    backend = upstream.accept()
    assert backend.read_head().value("Sec-WebSocket-Protocol") == "actioncable-v1-json, actioncable-unsupported"
    backend.send(SWITCHING[:-2] + b"Sec-WebSocket-Protocol: actioncable-v1-json\r\nSet-Cookie: a=1\r\n"
                 b"Sec-WebSocket-Extensions: permessage-deflate\r\nSet-Cookie: b=2\r\n\r\n")
    head = client.read_head()
    assert head.value("Sec-WebSocket-Protocol") == "actioncable-v1-json"
    assert head.value("Sec-WebSocket-Extensions") == "permessage-deflate"
    assert head.values("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("target, asked, arrives", [
    ("/cable", "/cable", "/cable"),
    ("/cable", "/showcase/cable?a=%2F", "/cable?a=%2F"),
    ("/cable", "/showcase/regions/north%2Fwest/cable", "/cable"),
    ("/up", "/files/a/b%20c?x=1", "/up/a/b%20c?x=1"),
    ("", "/showcase/regions/x/cable?y", "/showcase/regions/x/cable?y"),
    ("", "/files/%E4%BD%A0//double", "/files/%E4%BD%A0//double"),
])
def test_the_target_path_replaces_the_matched_one_and_the_query_travels_on(start, upstream, target, asked, arrives):
    paths = ["/cable", "/showcase/cable", "/showcase/regions/{region}/cable", "/files/*"]
    daemon = start(service(path=paths, target=f"http://127.0.0.1:{upstream.port}{target}"))
    _, _, head = tunnel(daemon, upstream, path=asked)
    assert head.first_line == f"GET {arrives} HTTP/1.1"


def test_the_most_specific_path_wins(start):
    with Listener() as general, Listener() as special, Listener() as exact:
        daemon = start(
            service(general.port, name="general", path="/a/*"),
            service(special.port, name="special", path="/a/{any}/c"),
            service(exact.port, name="exact", path="/a/b/c"))
        tunnel(daemon, exact, path="/a/b/c")
        tunnel(daemon, special, path="/a/x/c")
        tunnel(daemon, general, path="/a/x/y/z")
        assert daemon.ask(request(path="/b")).status == 404


# Tunnels


def test_bytes_sent_behind_the_upgrade_head_arrive_behind_it(relay, upstream):
    client = relay.connect()
    client.send(upgrade() + text_frame("too early") + text_frame("and more"))
    backend = upstream.accept()
    backend.read_head()
    backend.send(SWITCHING)
    assert backend.read_frame() == (1, b"too early") and backend.read_frame() == (1, b"and more")


def test_bytes_sent_behind_the_upgrade_head_survive_the_wait_for_a_cold_backend(start):
    daemon = start(sleeping_double("--listen-after", "200ms"))
    client = daemon.connect()
    client.send(upgrade() + text_frame("patient"))
    assert client.read_head().status == 101
    assert client.read_frame() == (1, b"patient")


def test_frames_in_the_same_write_as_the_101_are_not_lost(start):
    daemon = start(sleeping_double(path="/*"))
    for _ in range(20):
        with daemon.open_tunnel(path="/early-frames") as client:
            opcode, payload = client.read_frame()
            assert opcode == 1 and payload


def test_a_head_that_trickles_in_byte_by_byte_is_understood(relay, upstream):
    client = relay.connect()
    for byte in upgrade():
        client.send(bytes([byte]))
    backend, _ = upstream.accept_tunnel()
    assert client.read_head().status == 101


def test_an_answer_that_trickles_out_byte_by_byte_is_relayed(relay, upstream):
    client = relay.connect()
    client.send(upgrade())
    backend = upstream.accept()
    backend.read_head()
    for byte in SWITCHING + plain_frame(1, b"hello"):
        backend.send(bytes([byte]))
        time.sleep(0.0005)
    assert client.read_head().raw == SWITCHING and client.read_frame() == (1, b"hello")


def test_a_client_that_ends_its_side_still_gets_the_rest(relay, upstream):
    client, backend, _ = tunnel(relay, upstream)
    client.send(text_frame("last words"))
    client.finish_sending()
    assert backend.read_frame() == (1, b"last words") and backend.has_ended()
    time.sleep(0.1)
    answer = plain_frame(1, b"answer after the end") * 10_000
    backend.send(answer)
    backend.close()
    assert client.read_to_end() == answer


def test_a_backend_that_ends_its_side_still_gets_the_rest(relay, upstream):
    client, backend, _ = tunnel(relay, upstream)
    backend.send(plain_frame(1, b"server is done"))
    backend.finish_sending()
    # It has sent no close frame, so the daemon sends one.
    assert client.read_to_end() == plain_frame(1, b"server is done") + plain_frame(8, struct.pack("!H", 1011))
    time.sleep(0.1)
    more = text_frame("client is not") * 10_000
    client.send(more)
    client.finish_sending()
    assert backend.read_to_end() == more


@pytest.mark.parametrize("reader", ["client", "backend"])
def test_a_slow_reader_stops_the_other_side_and_costs_no_memory(relay, upstream, reader, measured):
    client, backend, _ = tunnel(relay, upstream)
    slow, fast = (client, backend) if reader == "client" else (backend, client)
    before = processes.anonymous_kib(relay.pid)

    size = 64 * 1024 * 1024
    frame = plain_frame if fast is backend else masked_frame
    # Sixteen frames of a mebibyte in all, heads included.
    head = len(frame(2, b"\0" * 65_530)) - 65_530
    block = b"".join(frame(2, os.urandom(65_536 - head)) for _ in range(16))
    sent = hashlib.sha256()
    written = [0]

    def write():
        fast.socket.settimeout(45)
        while written[0] < size:
            fast.send(block)
            sent.update(block)
            written[0] += len(block)
        fast.finish_sending()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    settled = -1
    while settled != written[0]:
        settled = written[0]
        time.sleep(0.4)
    assert settled < size / 2, "without a reader the writer must be throttled"
    grown = processes.anonymous_kib(relay.pid) - before
    # The buffer for large reads is shared; a tunnel buffers one ordinary read.
    assert grown <= 512 + 128, f"the daemon grew by {grown} KiB for one slow {reader}"

    received, count = hashlib.sha256(), 0
    while count < size:
        data = slow.socket.recv(min(1024 * 1024, size - count))
        assert data, f"the stream ended after {count} bytes"
        received.update(data)
        count += len(data)
    writer.join()
    assert received.digest() == sent.digest()
    assert slow.has_ended()
    measured(f"memory for a {reader} that does not read, 64 MiB offered", f"{grown} KiB")


def test_a_vanished_client_ends_the_tunnel_on_the_other_side(relay, upstream):
    client, backend, _ = tunnel(relay, upstream)
    client.reset()
    assert backend.has_ended()
    client, backend, _ = tunnel(relay, upstream)
    backend.reset()
    assert client.has_ended()


def test_the_kernel_watches_for_clients_that_vanish_and_not_for_a_backend_on_this_machine(relay, upstream):
    need("ss")
    client, backend, _ = tunnel(relay, upstream)
    client.send(text_frame("seen"))
    assert backend.read_frame() == (1, b"seen")

    def timers(filter):
        command = ["ss", "--no-header", "--tcp", "--numeric", "--options", "state", "established", filter]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    # While bytes are not acknowledged yet, another timer is shown in its place.
    processes.eventually(
        lambda: "keepalive" in timers(f"sport = :{relay.port}"), within=2, every=0.05, what="probes for the client")
    # What runs here cannot vanish without its kernel, which is ours, telling.
    processes.eventually(
        lambda: "timer:" not in timers(f"dport = :{upstream.port}"), within=2, every=0.05,
        what="a connection to the backend that no timer is armed for")


def test_many_tunnels_carry_their_own_bytes(start):
    daemon = start(sleeping_double())
    clients = [daemon.open_tunnel() for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(text_frame(f"for {number} only " + "x" * (number * 37)))
    for number, client in enumerate(clients):
        assert client.read_frame() == (1, f"for {number} only {'x' * (number * 37)}".encode())
        client.send(close_frame())
        client.close()
    daemon.wait_for_status(open=0)


# Upgrades that are not answered with 101


def test_an_upgrade_answered_404_is_relayed_and_releases_the_backend(start):
    port = free_port()
    daemon = start(service(port, on_demand=scripted(port, "--refuse-upgrades", idle_timeout="300ms")))
    with daemon.connect() as client:
        answer = client.ask(upgrade())
        answered = time.monotonic()
        assert (answer.status, answer.body) == (404, b"Page not found")
        # The client stays connected: only a request in progress may keep the backend awake.
        stopped = daemon.wait_for("stopped")
        assert 0.25 <= stopped["at"] - answered <= 1.0
    assert daemon.offspring() == []


def test_a_backend_that_answers_garbage_is_a_502(start):
    daemon = start(sleeping_double(path="/*"))
    assert daemon.ask(request(path="/garbage")).status == 502
    assert daemon.ask(upgrade(path="/garbage")).status == 502
    assert daemon.ask(request(path="/fine")).status == 200


@pytest.mark.parametrize("asked", [upgrade(), request()], ids=["upgrade", "request"])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2"], ids=["nothing", "half a line"])
def test_a_backend_that_dies_before_its_answer_is_a_502(relay, upstream, asked, answer):
    client = relay.connect()
    client.send(asked)
    backend = upstream.accept()
    backend.read_head()
    backend.send(answer)
    backend.close()
    assert client.read_response().status == 502


# Plain HTTP


def test_a_plain_request_wakes_the_backend_and_is_answered(start):
    daemon = start(sleeping_double("--listen-after", "200ms", path="/*", idle_timeout="300ms"))
    answer = daemon.ask(request(path="/hello?x=1", extra=["Origin: http://example.test", "X-Trace: a"]))
    assert answer.status == 200
    told = answer.body.decode()
    for expected in ("/hello?x=1", "Host: example.test", "Origin: http://example.test", "X-Trace: a"):
        assert expected in told
    assert daemon.starts() == 1
    daemon.wait_for("stopped")


def test_one_connection_carries_requests_and_answers_of_every_framing_in_turn(start):
    daemon = start(sleeping_double(path="/*"))
    chunked = ["Transfer-Encoding: chunked"]
    with daemon.connect() as client:
        for _ in range(2):
            assert client.ask(request(path="/a")).status == 200
            assert client.ask(request("POST", "/b", body=b"length" * 5_000)).body == b"length" * 5_000
            assert client.ask(request(
                "POST", "/c", extra=chunked, body=b"4\r\nchun\r\n3;x=y\r\nked\r\n0\r\n\r\n")).body == b"chunked"
            assert client.ask(request(path="/status/204")).status == 204
            assert client.ask(request(path="/status/304")).status == 304
            assert client.ask(request("HEAD", "/d"), method="HEAD").status == 200
            streamed = client.ask(request(path="/chunked"))
            assert streamed.value("Transfer-Encoding").lower() == "chunked" and streamed.body
            assert client.ask(request("POST", "/e", body=b"")).status == 200
        tunneled = client.ask(upgrade(path="/f"))
        assert tunneled.status == 101, "and the connection may still become a WebSocket"
        client.send(text_frame("at last"))
        assert client.read_frame() == (1, b"at last")


def test_a_get_may_bring_a_body(relay, upstream):
    client = relay.connect()
    client.send(request("GET", body=b"unusual"))
    backend = upstream.accept()
    assert backend.read_head().value("Content-Length") == "7"
    assert backend.read_exactly(7) == b"unusual"
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert client.read_response().body == b"ok"


def test_pipelined_requests_are_answered_in_order(start):
    daemon = start(sleeping_double(path="/*"))
    with daemon.connect() as client:
        client.send(request(path="/slow?ms=100") + request("POST", "/p", body=b"second") + request(path="/status/204"))
        assert client.read_response().status == 200
        assert client.read_response().body == b"second"
        assert client.read_response().status == 204


def test_a_connection_is_closed_after_the_answer_when_the_client_asks_for_it(start):
    daemon = start(sleeping_double(path="/*"))
    with daemon.connect() as client:
        assert client.ask(request(extra=["Connection: close"])).status == 200
        assert client.has_ended()
    with daemon.connect() as client:
        client.send(b"GET /old HTTP/1.0\r\nHost: example.test\r\n\r\n")
        assert client.read_response().status == 200
        assert client.has_ended()


def test_an_answer_without_a_length_ends_with_its_connection(relay, upstream):
    client = relay.connect()
    client.send(request())
    backend = upstream.accept()
    backend.read_head()
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"until the end " * 20_000)
    backend.close()
    assert client.read_response().body == b"until the end " * 20_000
    assert client.has_ended()


def test_an_answer_that_ends_with_its_connection_releases_the_backend(start):
    daemon = start(sleeping_double(path="/*", idle_timeout="200ms"))
    answer = daemon.ask(request(path="/close"))
    assert answer.status == 200 and b"/close" in answer.body
    daemon.wait_for("stopped")


@pytest.mark.parametrize("is_chunked", [True, False], ids=["in chunks", "until it closes"])
def test_each_server_sent_event_arrives_as_it_is_said_for_as_long_as_they_come(start, upstream, is_chunked):
    daemon = start(service(upstream.port, path="/*", limits={"response_timeout": "300ms"}))
    with daemon.connect() as client:
        client.send(request(path="/events", extra=["Accept: text/event-stream"]))
        backend = upstream.accept()
        backend.read_head()
        framing = b"Transfer-Encoding: chunked\r\n" if is_chunked else b""
        backend.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n")
        assert client.read_head().status == 200
        for number in range(5):
            event = b"data: %d\n\n" % number
            said = b"%x\r\n%s\r\n" % (len(event), event) if is_chunked else event
            assert client.is_quiet(0.1)
            backend.send(said)
            assert client.read_exactly(len(said)) == said


def test_an_interim_answer_is_relayed_before_the_final_one(relay, upstream):
    client = relay.connect()
    client.send(request("POST", extra=["Expect: 100-continue", "Content-Length: 4"]))
    backend = upstream.accept()
    backend.read_head()
    backend.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_head().status == 100
    client.send(b"body")
    assert backend.read_exactly(4) == b"body"
    backend.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
    assert client.read_response().status == 201


def test_a_body_streams_through_while_it_is_still_being_sent(relay, upstream):
    client = relay.connect()
    client.send(request("POST", extra=["Content-Length: 10"]) + b"first")
    backend = upstream.accept()
    backend.read_head()
    assert backend.read_exactly(5) == b"first"
    client.send(b"later")
    assert backend.read_exactly(5) == b"later"
    backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    assert b"one" in client.read_until(b"one\r\n")
    backend.send(b"3\r\ntwo\r\n0\r\n\r\n")
    assert b"two" in client.read_until(b"0\r\n\r\n")


def head(*lines):
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


@pytest.mark.parametrize("name, sent", [
    ("bare line feeds", b"GET /cable HTTP/1.1\nHost: a\n\n"),
    ("a folded line", head("GET /cable HTTP/1.1", "Host: a", "X-A: b", " folded")),
    ("a space before the colon", head("GET /cable HTTP/1.1", "Host: a", "X-A : b")),
    ("a line without a colon", head("GET /cable HTTP/1.1", "Host: a", "nonsense")),
    ("an empty name", head("GET /cable HTTP/1.1", "Host: a", ": b")),
    ("no host", head("GET /cable HTTP/1.1", "X-A: b")),
    ("two hosts", head("GET /cable HTTP/1.1", "Host: a", "Host: b")),
    ("a NUL in a value", head("GET /cable HTTP/1.1", "Host: a", "X-A: b\0c")),
    ("a bare carriage return", head("GET /cable HTTP/1.1", "Host: a", "X-A: b\rX-B: c")),
    ("a space in the target", head("GET /ca ble HTTP/1.1", "Host: a")),
    ("no version", head("GET /cable", "Host: a")),
    ("not HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ("two lengths", head("POST /cable HTTP/1.1", "Host: a", "Content-Length: 1", "Content-Length: 2")),
    ("a length list", head("POST /cable HTTP/1.1", "Host: a", "Content-Length: 1, 2")),
    ("a signed length", head("POST /cable HTTP/1.1", "Host: a", "Content-Length: +1")),
    ("a huge length", head("POST /cable HTTP/1.1", "Host: a", "Content-Length: 99999999999999999999")),
    ("length and chunked", head("POST /cable HTTP/1.1", "Host: a", "Content-Length: 3", "Transfer-Encoding: chunked")),
    ("chunked twice", head("POST /cable HTTP/1.1", "Host: a", "Transfer-Encoding: chunked, chunked")),
    ("chunked not last", head("POST /cable HTTP/1.1", "Host: a", "Transfer-Encoding: chunked, gzip")),
    ("a chunked lookalike", head("POST /cable HTTP/1.1", "Host: a", "Transfer-Encoding: xchunked")),
    ("chunked in HTTP/1.0", head("POST /cable HTTP/1.0", "Host: a", "Transfer-Encoding: chunked")),
], ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "")
def test_a_malformed_or_ambiguous_head_gets_400_and_wakes_nothing(start, name, sent):
    daemon = start(sleeping_double(path="/*"))
    with daemon.connect() as client:
        client.send(sent)
        assert client.read_response().status == 400, name
        assert client.has_ended(), "what follows such a head cannot be trusted"
    daemon.assert_never("started")
    assert daemon.offspring() == []


def test_a_head_without_end_is_refused_and_wakes_nothing(start):
    daemon = start(sleeping_double(path="/*"))
    before = processes.anonymous_kib(daemon.pid)
    with daemon.connect() as client:
        try:
            client.send(b"GET /cable HTTP/1.1\r\nHost: a\r\n" + b"X-Filler: " + b"f" * 1_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Refused before all of it was sent, as it should be.
        try:
            assert client.read_head().status in (400, 431)
        except ConnectionResetError:
            pass  # The refusal was overtaken by the reset that unread bytes cause.
    daemon.assert_never("started")
    assert processes.anonymous_kib(daemon.pid) - before <= 512


def test_a_connection_that_sends_nothing_wakes_nothing(start):
    daemon = start(sleeping_double(path="/*"))
    silent = [daemon.connect() for _ in range(20)]
    half = daemon.connect()
    half.send(b"GET /cable HTTP/1.1\r\nHo")
    time.sleep(0.3)
    daemon.assert_never("started")
    for client in [*silent, half]:
        client.close()


def test_a_tunnel_that_opens_during_the_shutdown_ends_with_a_close_frame_at_once(start):
    with wire.Listener() as listener:
        daemon = start(service(listener.port))
        with daemon.connect() as client:
            client.send(upgrade())
            backend = listener.accept()
            backend.read_head()
            daemon.signal(signal.SIGTERM)
            daemon.wait_for("shutting_down")
            backend.send(wire.SWITCHING)
            assert client.read_head().status == 101
            assert client.read_frame() == (8, struct.pack("!H", 1001))
            client.send(wire.close_frame(1001))
            assert daemon.wait(2) == 0


def test_what_the_client_may_not_ask_is_not_held_against_the_backend(start):
    with wire.Listener() as listener:
        daemon = start(service(listener.port))
        for text in (b"GET /cable HTTP/2.7\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"):
            assert daemon.ask(text).status in (501, 505)
        daemon.assert_never("upstream_error")
