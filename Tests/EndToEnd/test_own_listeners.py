"""Targets that lead back to a TCP listener of the daemon, which only the running daemon can see."""

import socket

import pytest

import wire
from daemon import on_demand, service
from test_manager import inheriting
from test_reload import reload
from wire import request


def create_server(kind):
    if kind == "dual-stack":
        return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("127.0.0.1" if kind == "exact" else "0.0.0.0", 0))


def assert_refused(address, daemon):
    with wire.Wire(address) as client:
        plain = client.ask(request(path="/plain"))
    assert plain.status == 502 and b"a listener of this daemon" in plain.body, plain.body
    daemon.wait_for("upstream_error")
    with wire.Wire(address) as client:
        assert client.ask(request(path="/woken")).status == 503
    assert "the daemon itself listens" in daemon.wait_for("start_failed")["detail"]
    assert len(daemon.events("upstream_error")) == 1, "no request came back"


@pytest.mark.parametrize("kind", ["exact", "wildcard", "dual-stack"])
def test_a_target_that_is_an_inherited_listener_gets_a_reason_and_no_loop(start, kind):
    with create_server(kind) as listener:
        address = ("127.0.0.1", listener.getsockname()[1])
        daemon = start(
            service(address[1], name="plain", path="/plain"),
            service(address[1], name="woken", path="/woken", on_demand=on_demand("sleep", "1000")),
            listen="fd:web", **inheriting([listener], ["web"]))
        assert_refused(address, daemon)


def test_a_target_that_is_a_chosen_port_gets_a_reason_after_a_reload(start):
    """Nothing that reads the configuration knows the port that the system chooses for port 0."""
    daemon = start(service(wire.free_port(), path="/other"))

    def turn_back(file):
        file["reverse_proxies"] = [
            service(daemon.port, name="plain", path="/plain"),
            service(daemon.port, name="woken", path="/woken", on_demand=on_demand("sleep", "1000"))]

    reload(daemon, turn_back)
    assert_refused(("127.0.0.1", daemon.port), daemon)
