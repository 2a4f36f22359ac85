"""How a backend is put back to sleep: when, how thoroughly, and what a client sees who comes at that moment."""

import json
import os
import signal
import time

import pytest

import processes
import wire
from daemon import double, on_demand, service, sleeping_double
from wire import free_port, request, upgrade


def test_the_idle_clock_is_exact_and_starts_when_the_last_connection_ends(start, measured):
    daemon = start(sleeping_double(idle_timeout="1s"))
    late = []
    for generation in (1, 2, 3):
        first, second = daemon.open_tunnel(), daemon.open_tunnel()
        first.close()
        time.sleep(0.3)
        closed = time.monotonic()
        second.close()
        stopping = daemon.wait_for_count(generation, "stopping")
        late.append(stopping["at"] - closed)
        daemon.wait_for("stopped", generation=generation)
    measured("idle_timeout of 1 s: stop begins after (worst of 3)", f"{max(late) * 1000:.0f} ms")
    assert all(1.0 <= seconds <= 1.25 for seconds in late), late


def test_the_idle_clock_starts_when_the_last_request_ends_and_an_idle_connection_is_no_use(start):
    daemon = start(sleeping_double(path="/*", idle_timeout="500ms"))
    with daemon.connect() as client:
        assert client.ask(request(path="/slow?ms=900")).status == 200
        answered = time.monotonic()
        # The connection stays open and silent.
        assert 0.5 <= daemon.wait_for("stopping")["at"] - answered <= 0.75
        daemon.wait_for("stopped")
        # And is good for another life.
        assert client.ask(request(path="/again")).status == 200
    assert daemon.starts() == 2


def test_a_silent_open_tunnel_keeps_the_backend_awake(start):
    daemon = start(sleeping_double(idle_timeout="300ms"))
    tunnel = daemon.open_tunnel()
    time.sleep(1.0)
    daemon.assert_never("stopping")
    tunnel.close()
    daemon.wait_for("stopped")


def test_a_new_connection_restarts_the_idle_clock(start):
    daemon = start(sleeping_double(idle_timeout="600ms"))
    for _ in range(4):
        daemon.open_tunnel().close()
        time.sleep(0.3)
    daemon.assert_never("stopping")
    assert daemon.starts() == 1
    daemon.wait_for("stopped")


def test_idle_zero_means_never(start):
    daemon = start(sleeping_double(idle_timeout="0"))
    daemon.open_tunnel().close()
    time.sleep(1.0)
    daemon.assert_never("stopping")


def test_a_backend_that_obeys_is_ended_with_term_and_leaves_no_zombie(start):
    daemon = start(sleeping_double(idle_timeout="100ms"))
    daemon.open_tunnel().close()
    stopped = daemon.wait_for("stopped")
    assert stopped["how"] == "TERM"
    assert processes.childless(daemon.pid) and daemon.offspring() == []
    daemon.wait_for_status(state="asleep")


def test_a_backend_that_ignores_term_is_killed_after_the_stop_timeout(start):
    daemon = start(sleeping_double("--ignore-term", idle_timeout="100ms", stop_timeout="600ms"))
    daemon.open_tunnel().close()
    stopping = daemon.wait_for("stopping")
    stopped = daemon.wait_for("stopped")
    assert (stopped["how"], stopped["exit"]) == ("KILL", "signal 9")
    assert 0.55 <= stopped["at"] - stopping["at"] <= 1.0
    assert daemon.offspring() == [] and processes.childless(daemon.pid)


@pytest.mark.parametrize("switches", [["--grandchild"], ["--grandchild", "--ignore-term"]], ids=["obeys", "ignores"])
def test_a_grandchild_goes_with_its_family(start, switches):
    daemon = start(sleeping_double(*switches, idle_timeout="400ms", stop_timeout="400ms"))
    tunnel = daemon.open_tunnel()
    group = daemon.wait_for("ready")["pid"]
    assert len(processes.group_members(group)) >= 2
    tunnel.close()
    daemon.wait_for("stopped")
    processes.eventually(lambda: not processes.group_members(group), what="an empty process group")
    assert daemon.offspring() == []


def test_a_shell_that_does_not_pass_signals_on_takes_its_child_with_it(start):
    port = free_port()
    daemon = start(service(port, on_demand=on_demand(
        "sh", "-c", f"trap '' TERM; {double()} --port {port}; true", idle_timeout="300ms", stop_timeout="500ms")))
    daemon.open_tunnel().close()
    daemon.wait_for("stopped")
    processes.eventually(lambda: daemon.offspring() == [], what="nothing left")


def test_a_request_in_the_stop_window_waits_and_gets_a_fresh_start(start):
    daemon = start(sleeping_double("--ignore-term", idle_timeout="200ms", stop_timeout="700ms"))
    daemon.open_tunnel().close()
    daemon.wait_for("stopping")
    tunnel = daemon.open_tunnel()
    tunnel.send(wire.text_frame("fresh"))
    assert tunnel.read_frame() == (1, b"fresh")
    assert daemon.events("stopped", generation=1), "the second life begins after the first"
    assert daemon.wait_for("ready", generation=2)["pid"] != daemon.wait_for("ready", generation=1)["pid"]


def test_no_client_is_lost_however_its_arrival_meets_the_stop(start):
    # Arrivals are swept across the moment of the stop in steps of two milliseconds.
    daemon = start(sleeping_double(idle_timeout="40ms"))
    answers = []
    for step in range(40):
        daemon.open_tunnel().close()
        time.sleep(0.020 + step * 0.002)
        tunnel = daemon.open_tunnel()
        tunnel.send(wire.text_frame("here"))
        answers.append(tunnel.read_frame())
        tunnel.close()
    assert answers == [(1, b"here")] * 40
    assert daemon.starts() > 1, "the sweep met no stop"


def test_a_backend_that_ends_by_itself_while_idle_is_asleep_and_starts_again(start):
    daemon = start(sleeping_double("--exit-after", "500ms"))
    daemon.open_tunnel().close()
    assert daemon.wait_for("stopped", generation=1)["how"] == "exited"
    processes.eventually(lambda: processes.children(daemon.pid) == [], what="no zombie")

    def opened():
        with daemon.connect() as client:
            return client.ask(upgrade()).status == 101

    processes.eventually(opened, within=10, every=0.1, what="a second life")


def test_p6_a_stopped_backend_does_not_take_a_signal_meant_for_nobody(start):
    # A backend killed from outside while it is being stopped is still one stop, reported once.
    daemon = start(sleeping_double("--ignore-term", idle_timeout="100ms", stop_timeout="3s"))
    daemon.open_tunnel().close()
    daemon.wait_for("stopping")
    os.kill(daemon.wait_for("ready")["pid"], signal.SIGKILL)
    daemon.wait_for("stopped", within=1.0)
    daemon.wait_for_status(state="asleep")
    assert len(daemon.events("stopped")) == 1


def test_a_state_that_never_changed_is_as_old_as_the_daemon(start):
    daemon = start(sleeping_double())
    assert 0 <= daemon.status()["state_age_ms"] < 10_000


def test_server_pings_do_not_keep_it_awake_where_only_client_data_counts(start):
    daemon = start(sleeping_double(idle_timeout="1500ms", idle_when="no_client_data"))
    cable = ["Sec-WebSocket-Protocol: actioncable-v1-json"]
    tunnel = daemon.open_tunnel(extra=cable)
    assert json.loads(tunnel.read_frame()[1]) == {"type": "welcome"}
    for _ in range(3):
        time.sleep(0.8)
        tunnel.send(wire.text_frame('{"command":"subscribe","identifier":"{\\"channel\\":\\"A\\"}"}'))
    daemon.assert_never("idle")
    spoke = time.monotonic()
    daemon.wait_for("idle")
    assert 1.4 < time.monotonic() - spoke < 2.2
    frames = []
    while not frames or frames[-1][0] != 8:
        frames.append(tunnel.read_frame())
    assert frames[-1] == (8, b"\x03\xe9"), "going away, at a frame boundary"
    tunnel.send(wire.close_frame(1001))
    assert tunnel.has_ended()
    daemon.wait_for("stopped")


def test_at_a_shutdown_tunnels_get_a_close_frame(start):
    daemon = start(sleeping_double())
    tunnels = [daemon.open_tunnel() for _ in range(5)]
    daemon.signal(signal.SIGTERM)
    for tunnel in tunnels:
        assert tunnel.read_frame() == (8, b"\x03\xe9")
        tunnel.send(wire.close_frame(1001))
        assert tunnel.has_ended()
    assert daemon.wait(within=3) == 0


def test_a_minimum_uptime_holds_an_idle_stop_back(start):
    daemon = start(sleeping_double(idle_timeout="100ms", min_uptime="1s"))
    begun = time.monotonic()
    daemon.open_tunnel().close()
    daemon.wait_for("idle")
    assert 0.9 < time.monotonic() - begun < 1.6
