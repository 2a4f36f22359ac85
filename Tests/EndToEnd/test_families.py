"""No process outlives its starter: process trees, killed daemons, and foreign listeners."""

import os
import signal
import socket
import time

import guard_tools
import processes
import wire
from daemon import double, launches_double, on_demand, service, sleeping_double
from wire import free_port


def grandchild(daemon):
    line = daemon.wait_for("output", stream="stdout")["line"]
    assert line.startswith("grandchild ")
    return int(line.split()[1])


def test_d4_a_killed_daemon_takes_its_backend_with_it(start):
    daemon = start(sleeping_double("--ignore-term", stop_timeout="400ms"))
    daemon.open_tunnel()
    backend = daemon.wait_for("ready")["pid"]
    guard_tools.told_guard_of(daemon)
    daemon.kill()
    processes.eventually(lambda: not processes.is_alive(backend), within=5, what="the end of the backend")


def test_d4_what_a_killed_daemon_and_its_guard_left_behind_is_stopped_before_the_next_one_listens(start):
    first = start(sleeping_double("--grandchild-own-session"))
    first.open_tunnel()
    backend, left = first.wait_for("ready")["pid"], grandchild(first)
    guard = guard_tools.told_guard_of(first)
    # Neither sees the other's end.
    os.kill(first.pid, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    first.kill()
    assert processes.is_alive(backend) and processes.is_alive(left)

    second = start(sleeping_double())
    assert second.wait_for("orphan_killed", pid=left)
    assert second.wait_for("orphan_killed", pid=backend)
    assert not processes.is_alive(left) and not processes.is_alive(backend)


def test_a_running_daemons_backends_are_nobodys_orphans(start):
    first = start(sleeping_double())
    first.open_tunnel()
    backend = first.wait_for("ready")["pid"]
    second = start(sleeping_double())
    second.assert_never("orphan_killed")
    assert processes.is_alive(backend)


def test_a_grandchild_in_a_session_of_its_own_is_stopped_with_its_family(start):
    daemon = start(sleeping_double("--grandchild-own-session", idle_timeout="300ms"))
    tunnel = daemon.open_tunnel()
    left = grandchild(daemon)
    tunnel.close()
    daemon.wait_for("stopped")
    assert not processes.is_alive(left)
    assert daemon.offspring() == []


def test_a_double_fork_that_ignores_term_holds_the_stop_until_it_is_killed(start):
    port = free_port()
    script = f"(setsid sh -c 'trap \"\" TERM; sleep 1000 & wait; sleep 1000' &) ; exec {double()} --port {port}"
    daemon = start(service(port, on_demand=on_demand(
        "sh", "-c", script, idle_timeout="300ms", stop_timeout="400ms")))
    daemon.open_tunnel().close()
    daemon.wait_for("stopped")
    assert daemon.offspring() == []
    daemon.open_tunnel().close()
    assert daemon.wait_for("ready", generation=2)


def test_s1_a_stranger_that_takes_the_address_during_the_start_gets_no_client(start):
    port = free_port()
    daemon = start(service(port, on_demand=on_demand("sleep", "1000", startup_timeout="1500ms")))
    client = daemon.connect()
    client.send(wire.upgrade())
    daemon.wait_for("started")
    with wire.Listener(port) as foreign:
        answer = client.read_response()
        foreign.socket.setblocking(False)
        assert answer.status == 503
        taken = daemon.wait_for("address_conflict")
        assert taken["process"].startswith(("python", "pytest"))
    daemon.assert_never("ready")


def test_a_command_that_cannot_be_executed_says_so(start, tmp_path):
    program = tmp_path / "no-program"
    program.write_text("this is no program\n")
    program.chmod(0o755)
    daemon = start(service(free_port(), on_demand=on_demand(str(program))))
    began = time.monotonic()
    answer = daemon.ask(wire.upgrade())
    assert answer.status == 503 and time.monotonic() - began < 2
    failed = daemon.wait_for("start_failed")
    assert failed["reason"] == "spawn_failed" and "neither a program nor a script" in failed["detail"]


def test_a_stranger_on_the_same_port_of_another_address_is_in_nobodys_way(start):
    port = free_port()
    with socket.create_server(("127.0.0.2", port)):
        daemon = start(service(port, on_demand=launches_double(port, startup_timeout="2s")))
        assert daemon.ask(wire.request()).status == 200
        daemon.assert_never("address_conflict")
