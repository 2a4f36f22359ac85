"""How connections end when the daemon ends them, and when one side has ended: real sockets, real processes."""

import os
import signal
import socket
import threading
import time

import pytest

import processes
from daemon import service, sleeping_double
from test_frames import closed_with, tunnel
from wire import SWITCHING, free_port, masked_frame, plain_frame, request, text_frame, upgrade

LIMITS = {"limits": {"max_message_size": "1KiB", "max_backend_message_size": "1KiB"}}
TOO_BIG = b"m" * 1025


def ends_at_once(connection):
    """The end comes without anything of the client's, well before the two seconds that a client could have."""
    connection.socket.settimeout(1)
    return connection.has_ended()


@pytest.mark.parametrize("eager, early, code", [
    (bytes([0x81, 5]) + b"plain", b"", 1002),
    (masked_frame(2, TOO_BIG), b"", 1009),
    (b"", text_frame("masked"), 1011),
    (b"", plain_frame(2, TOO_BIG), 1011),
    (bytes([0x81, 5]) + b"plain", text_frame("masked"), 1011),
], ids=["unmasked", "too big", "masked by the backend", "too big from the backend", "both"])
def test_a_forbidden_frame_in_one_piece_with_a_head_ends_both_connections(start, upstream, eager, early, code):
    daemon = start(service(upstream.port, **LIMITS))
    client = daemon.connect()
    client.send(upgrade() + eager)
    backend = upstream.accept()
    backend.read_head()
    backend.send(SWITCHING + early)
    assert client.read_head().status == 101
    assert closed_with(client)[0] == code
    assert ends_at_once(client)
    assert backend.has_ended()
    # A client that does nothing about it holds nothing either.
    daemon.wait_for_status(within=4, open=0)
    client.socket.settimeout(4)
    processes.eventually(lambda: is_broken(client), within=4, what="the daemon's own end of the connection being closed")
    event = "upstream_error" if code == 1011 else "connection_aborted"
    assert daemon.wait_for(event, close_code=code)["client"] == "127.0.0.1"


def is_broken(client):
    """Whether what is sent is answered with a reset."""
    try:
        client.send(b"?")
        return False
    except OSError:
        return True


def test_fifty_clients_that_broke_the_rules_and_do_nothing_delay_no_shutdown(start, upstream):
    daemon = start(service(upstream.port))
    clients = []
    for _ in range(50):
        client = daemon.connect()
        client.send(upgrade() + bytes([0x81, 5]) + b"plain")
        upstream.accept_tunnel()
        assert client.read_head().status == 101
        clients.append(client)
    for client in clients:
        assert closed_with(client)[0] == 1002
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("frame", [bytes([0x81, 5]) + b"plain", bytes([0x83, 0x80, 1, 2, 3, 4]),
                                   bytes([0x09, 0x80, 1, 2, 3, 4]), bytes([0x80, 0x80, 1, 2, 3, 4]),
                                   bytes([0xC1, 0x80, 1, 2, 3, 4])],
                         ids=["unmasked", "opcode", "fragmented ping", "continuation", "reserved bit"])
def test_the_daemon_ends_the_connection_first_behind_its_close_frame(start, upstream, frame):
    daemon = start(service(upstream.port))
    client, backend = tunnel(daemon, upstream)
    client.send(frame)
    assert closed_with(client)[0] == 1002
    assert ends_at_once(client)
    client.send(text_frame("still something") * 1000)
    client.close()
    daemon.wait_for_status(open=0)


def test_a_client_is_called_as_a_trusted_proxy_says(start, upstream):
    daemon = start(service(upstream.port), top={"trusted_proxies": ["127.0.0.0/8"]})
    client = daemon.connect()
    client.send(upgrade(extra=["X-Forwarded-For: 203.0.113.7"]))
    upstream.accept_tunnel()
    assert client.read_head().status == 101
    client.send(bytes([0x81, 5]) + b"plain")
    assert closed_with(client)[0] == 1002
    told = daemon.wait_for("connection_aborted")
    assert (told["service"], told["client"], told["reason"]) == ("cable", "203.0.113.7", "protocol_violation")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("host, name", [("127.0.0.1", "127.0.0.1"), ("::1", "::1")])
def test_a_client_that_is_gone_is_named_all_the_same(start, upstream, threads, host, name):
    """Its reset comes while the close frame is written, and then the system does not tell its address any more."""
    listen = [f"127.0.0.1:{free_port()}", f"[::1]:{free_port()}"]
    daemon = start(service(upstream.port), listen=listen, top={"threads": threads})
    for _ in range(20):
        with socket.create_connection((host, int(listen[host == "::1"].rsplit(":", 1)[1]))) as client:
            client.sendall(upgrade())
            upstream.accept_tunnel()
            client.recv(4096)
            client.sendall(bytes([0x81, 5]) + b"plain")
    daemon.wait_for("connection_aborted", reason="protocol_violation")
    daemon.wait_for_status(open=0)
    told = daemon.events("connection_aborted")
    assert {line["client"] for line in told} == {name}, told


def test_a_hung_backend_whose_client_is_gone_is_stopped(start):
    daemon = start(sleeping_double(idle_timeout="100ms", stop_timeout="300ms") | {"limits": {"send_timeout": "1s"}})
    client = daemon.open_tunnel()
    pid = daemon.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    client.send(text_frame("unread"))
    client.close()
    closed = time.monotonic()
    told = daemon.wait_for("connection_aborted", reason="no_progress")
    assert 0.9 <= told["at"] - closed < 4
    daemon.wait_for("stopped")
    assert daemon.offspring() == []


def answering(upstream, head):
    backend = upstream.accept()
    backend.read_head()
    backend.send(head)
    return backend


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"],
                         ids=["pending", "streaming"])
@pytest.mark.parametrize("leave", ["close", "finish_sending", "reset"])
def test_the_backend_hears_within_a_moment_of_a_client_that_leaves(start, upstream, head, leave):
    daemon = start(service(upstream.port))
    client = daemon.connect()
    client.send(request())
    backend = answering(upstream, head)
    if head:
        client.read_until(b"data: 1\n\n")
    getattr(client, leave)()
    left = time.monotonic()
    backend.socket.settimeout(4)
    assert backend.has_ended(), "it has no client"
    assert time.monotonic() - left < 2.5
    daemon.wait_for_status(open=0)


def test_a_client_that_only_ends_its_side_and_reads_slowly_gets_everything(start, upstream):
    daemon = start(service(upstream.port))
    client = daemon.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.send(request())
    size = 8 * 1024 * 1024
    backend = answering(upstream, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    client.finish_sending()
    threading.Thread(target=backend.send, args=(b"b" * size,), daemon=True).start()
    assert client.read_head().status == 200
    count = 0
    for _ in range(3):
        count += len(client.read_exactly(200_000))
        time.sleep(1.4)  # Longer than a client has that ends its side and has nothing under way to it.
    rest = client.read_to_end()
    assert count + len(rest) == size and set(rest) == set(b"b")


def test_a_client_that_only_ends_its_side_gets_an_answer_that_comes_soon(start, upstream):
    daemon = start(service(upstream.port))
    client = daemon.connect()
    client.send(request())
    client.finish_sending()
    backend = answering(upstream, b"")
    time.sleep(0.4)
    backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert client.read_response().body == b"ok"
