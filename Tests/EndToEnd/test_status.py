"""What the status listener tells machines: health, readiness, and to whom."""

import signal

import processes
import wire
from daemon import sleeping_double
from wire import Wire, request

TOKEN = "0123456789abcdef-._~+/=="


def asked(daemon, path, *extra):
    """One question to the status listener."""
    daemon.status()  # It listens by now.
    with Wire(daemon.status_address) as connection:
        return connection.ask(request(path=path, host="127.0.0.1", extra=["Connection: close", *extra]))


def test_readiness_ends_with_the_drain_and_health_does_not(start):
    daemon = start(sleeping_double(path="/*"))
    ready = asked(daemon, "/readyz")
    assert (ready.status, ready.body) == (200, b"ready\n")
    with daemon.connect() as client, Wire(daemon.status_address):
        client.send(request(path="/slow?ms=1500"))
        daemon.wait_for("first_request")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("shutting_down")
        leaving = asked(daemon, "/readyz")
        assert (leaving.status, leaving.body) == (503, b"shutting down\n")
        assert asked(daemon, "/healthz").status == 200
        with Wire(daemon.status_address) as watcher:
            watcher.send(request(path="/events", host="127.0.0.1"))
            watcher.read_until(b"data: ")
            assert client.read_response().status == 200
            assert daemon.wait(within=3) == 0, "who only watches, or comes and says nothing, is not waited for"
    daemon.assert_never("forced_shutdown")


def test_with_a_token_only_those_who_name_it_are_told_anything(start):
    port = wire.free_port()
    daemon = start(
        sleeping_double(), top={"status": {"listen": f"0.0.0.0:{port}", "token": "${SECRET}"}},
        environment={"SECRET": TOKEN})
    daemon.status_address = ("127.0.0.1", port)
    processes.eventually(daemon._status_socket, what="the status address").close()

    def answer(path, *extra):
        with Wire(daemon.status_address) as connection:
            return connection.ask(request(path=path, host="127.0.0.1", extra=["Connection: close", *extra]))

    for path in ["/api/status", "/events"]:
        for guess in [[], [f"Authorization: Bearer {TOKEN[:-1]}"], [f"Authorization: Basic {TOKEN}"]]:
            refused = answer(path, *guess)
            assert refused.status == 401 and refused.head.value("WWW-Authenticate") == "Bearer", (path, guess)
            assert b"cable" not in refused.body
    assert answer("/api/status", f"Authorization: Bearer {TOKEN}").status == 200
    for path in ["/", "/healthz", "/readyz"]:
        assert answer(path).status == 200
    wrong = daemon.wait_for("unauthorized", path="/events")
    assert wrong["client"] == "127.0.0.1" and wrong["level"] == "warning"
    # Without a token there is no guess; repeated guesses do not fill the log.
    daemon.wait_for_count(4, "unauthorized")
    for _ in range(30):
        assert answer("/api/status?token=wrong", "Authorization: Bearer wrong-wrong-wrong-wrong").status == 401
    assert answer("/healthz").status == 200
    assert len(daemon.events("unauthorized")) == 10 and "wrong" not in daemon.log_text()
    assert TOKEN not in daemon.log_text()
