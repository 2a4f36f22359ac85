"""A backend's connection serves one request of its client after the other, and keeps no backend awake."""

import sys
import time
from pathlib import Path

import pytest

import rails
from daemon import on_demand, service, sleeping_double
from wire import SWITCHING, free_port, request, upgrade

HERE = Path(__file__).parent


def answer(text):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.fixture
def relay(start, upstream):
    """A daemon that is a plain proxy to the test itself."""
    return start(service(upstream.port, path="/*"))


def ask(client, backend, text, **parts):
    """One request, answered by the test."""
    client.send(request(**parts))
    head = backend.read_head()
    backend.send(answer(text))
    assert client.read_response().body == text.encode()
    return head


def first_answer(client, upstream):
    """The backend's side of a connection that has served its first request."""
    client.send(request(path="/1"))
    backend = upstream.accept()
    backend.read_head()
    backend.send(answer("one"))
    assert client.read_response().body == b"one"
    return backend


def test_the_requests_of_a_client_reach_the_backend_on_one_connection(relay, upstream):
    with relay.connect() as client:
        client.send(request(path="/1"))
        backend = upstream.accept()
        assert backend.read_head().value("Connection") is None
        backend.send(answer("one"))
        assert client.read_response().body == b"one"
        assert ask(client, backend, "two", path="/2").first_line == "GET /2 HTTP/1.1"
        with relay.connect() as other:
            other.send(request(path="/other"))
            assert upstream.accept().read_head().first_line == "GET /other HTTP/1.1", "no two clients share a connection"
        assert ask(client, backend, "three", path="/3").first_line == "GET /3 HTTP/1.1"


def test_a_request_that_changes_something_and_a_websocket_have_a_connection_of_their_own(relay, upstream):
    with relay.connect() as client:
        first = first_answer(client, upstream)
        client.send(request("POST", body=b"text"))
        second = upstream.accept()
        assert first.has_ended(), "the connection that waited is closed"
        assert second.read_head().first_line.startswith("POST ") and second.read_exactly(4) == b"text"
        second.send(answer("two"))
        assert client.read_response().body == b"two"
        ask(client, second, "three")
        client.send(upgrade())
        tunnel = upstream.accept()
        assert tunnel.read_head().value("Upgrade") == "websocket" and second.has_ended()
        tunnel.send(SWITCHING)
        assert client.read_head().status == 101


def test_a_backend_that_closes_between_two_requests_is_asked_on_another_connection(relay, upstream):
    with relay.connect() as client:
        for text in ["one", "two", "three"]:
            client.send(request(path=f"/{text}"))
            backend = upstream.accept()
            assert backend.read_head().first_line == f"GET /{text} HTTP/1.1"
            backend.send(answer(text))
            assert client.read_response().body == text.encode()
            backend.close()


def test_a_request_that_meets_the_close_of_its_connection_is_sent_once_more(relay, upstream):
    with relay.connect() as client:
        backend = first_answer(client, upstream)
        client.send(request(path="/2"))
        backend.peek()
        backend.close()  # Its system resets the connection: there were unread bytes.
        again = upstream.accept()
        assert again.read_head().first_line == "GET /2 HTTP/1.1"
        again.send(answer("two"))
        assert client.read_response().body == b"two"


def test_a_request_that_the_backend_has_read_before_it_broke_is_not_sent_once_more(relay, upstream):
    with relay.connect() as client:
        backend = first_answer(client, upstream)
        client.send(request(path="/crash"))
        assert backend.read_head().first_line == "GET /crash HTTP/1.1"
        backend.close()
        assert client.read_response().status == 502
        client.send(request(path="/3"))
        assert upstream.accept().read_head().first_line == "GET /3 HTTP/1.1"


def test_what_a_backend_says_between_two_requests_answers_neither(relay, upstream):
    with relay.connect() as client:
        backend = first_answer(client, upstream)
        backend.send(answer("evil"))
        assert backend.has_ended()
        client.send(request(path="/2"))
        again = upstream.accept()
        again.read_head()
        again.send(answer("two"))
        assert client.read_response().body == b"two"


def test_a_connection_waits_for_as_long_as_its_service_says(start, upstream):
    daemon = start(service(upstream.port, path="/*", limits={"upstream_keep_alive": "300ms"}))
    with daemon.connect() as client:
        client.send(request())
        backend = upstream.accept()
        backend.read_head()
        begun = time.monotonic()
        backend.send(answer("one"))
        client.read_response()
        assert backend.has_ended()
        assert 0.25 <= time.monotonic() - begun <= 2
        client.send(request())
        upstream.accept().read_head()


def test_a_connection_that_waits_keeps_nobody_awake_and_the_next_request_wakes_the_backend(start):
    daemon = start(sleeping_double(path="/*", idle_timeout="300ms"))
    with daemon.connect() as client:
        for life in [1, 2, 3]:
            assert client.ask(request(path="/1")).status == 200
            assert client.ask(request(path="/2")).status == 200
            quiet = time.monotonic()
            stopped = daemon.wait_for("stopped", generation=life)
            assert stopped["at"] - quiet < 0.9, "the client's connection has nothing to do with it"
    assert daemon.starts() == 3


@pytest.mark.timeout(60)
def test_puma_reads_a_clients_requests_from_one_connection_and_serves_others_meanwhile(start):
    rails.need("puma")
    port = free_port()
    # One thread: if the connection that waits held it, no other client would be served.
    puma = ["-b", f"tcp://127.0.0.1:{port}", "-t", "1:1", str(HERE / "ports.ru")]
    daemon = start(service(port, path="/*", on_demand=on_demand("puma", *puma, startup_timeout="30s")))
    with daemon.connect(30) as client, daemon.connect() as other:
        first = client.ask(request()).body
        assert [client.ask(request()).body for _ in range(15)] == [first] * 15
        begun = time.monotonic()
        assert other.ask(request()).body != first
        assert time.monotonic() - begun < 0.9, "Puma lets go of a silent connection after 0.2 s"
        assert client.ask(request()).body == first


def test_a_worker_that_stays_with_its_connection_has_it_back_after_a_moment_or_at_once(start):
    def seconds_of_another(limits):
        port = free_port()
        server = on_demand(sys.executable, str(HERE / "one_at_a_time.py"), str(port))
        daemon = start(service(port, path="/*", on_demand=server, limits=limits))
        with daemon.connect() as client, daemon.connect() as other:
            client.ask(request())
            begun = time.monotonic()
            other.ask(request())
            return time.monotonic() - begun

    assert 0.5 < seconds_of_another({}) < 3, "the connection that waits is closed after a second"
    assert seconds_of_another({"upstream_keep_alive": "off"}) < 0.5
