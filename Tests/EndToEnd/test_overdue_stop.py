"""A stop that does not end: the daemon may not signal a process, or KILL does not end it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import processes
from daemon import executable, on_demand, service
from wire import free_port, request

UNPRIVILEGED = 65534


# As in a container that has dropped this capability.
WITHOUT_KILL = ("setpriv", "--bounding-set=-kill", "--inh-caps=-kill")


def of_another_user(port, **keys):
    """A server that drops root before it runs."""
    return on_demand(
        "setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups",
        "/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", str(port),
        stop_timeout="300ms", **keys)


def test_a_backend_that_may_not_be_signalled_holds_up_neither_clients_nor_operators(start, tmp_path):
    port, control = free_port(), tmp_path / "control.sock"
    daemon = start(
        service(port, path="/*", on_demand=of_another_user(port)),
        wrapper=WITHOUT_KILL,
        top={"control": f"unix:{control}"})
    daemon.wait_for("listening", **{"for": "control"})
    assert daemon.ask(request(path="/")).status == 200
    backend = daemon.wait_for("ready")["pid"]

    stop = [executable(), "stop", "cable", "--control", f"unix:{control}"]
    stopping = subprocess.Popen(stop, stderr=subprocess.PIPE, text=True)
    refused = daemon.wait_for("signal_refused", pid=backend)
    assert (refused["signal"], refused["detail"]) == ("TERM", "operation not permitted")

    # The request is queued until the stop plan and five seconds are over.
    queued = daemon.ask(request(path="/"), timeout=10)
    assert queued.status == 503 and queued.value("Retry-After")
    assert "is still stopping" in queued.body.decode()
    _, error = stopping.communicate(timeout=5)
    assert stopping.returncode == 1
    assert f"{backend} (" in error and "not permitted to signal" in error

    overdue = daemon.wait_for("stop_timed_out")
    assert f"{backend} (" in overdue["remaining"]
    assert any(entry.startswith(f"{backend} (") for entry in daemon.status()["remaining"])
    table = subprocess.run(
        [executable(), "status", "--control", f"unix:{control}"], capture_output=True, text=True, timeout=5).stdout
    assert f"cable: stop overdue: {backend} (" in table, table
    assert daemon.ask(request(path="/")).status == 503
    again = subprocess.run(stop, capture_output=True, text=True, timeout=5)
    assert again.returncode == 1 and f"{backend} (" in again.stderr

    # After its exit, whatever the cause, the backend is asleep and can be woken.
    os.kill(backend, signal.SIGKILL)
    daemon.wait_for("stopped")
    assert daemon.status()["state"] == "asleep"
    assert daemon.status()["remaining"] == []
    assert daemon.ask(request(path="/")).status == 200
    second = daemon.wait_for("ready", generation=2)["pid"]
    assert len(daemon.events("signal_refused")) == 1 and len(daemon.events("stop_timed_out")) == 1

    daemon.signal(signal.SIGTERM)
    daemon.wait_for("signal_refused", pid=second)
    os.kill(second, signal.SIGKILL)
    assert daemon.wait() == 0
    assert not processes.is_alive(second)


KEY = "a-key-of-commands-in-tests"


def run_of_another_user(start, script):
    """A daemon that may not signal other users, and a running program of one, as under sudo."""
    words = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", "/bin/sh", "-c", script]
    command = {"name": "run", "path": "/run", "cable": "cable", "key": KEY, "command": words[0], "args": words[1:],
               "stream": "out", "stop": ["TERM", "300ms", "KILL"]}
    cable = {"name": "cable", "path": "/cable", "streams": {"public": ["out"]}}
    daemon = start(wrapper=WITHOUT_KILL, top={"cables": [cable], "commands": [command]})
    response = daemon.ask(request("POST", "/run", extra=[f"Authorization: Bearer {KEY}"], body=b"{}"))
    assert response.status == 202
    return daemon, json.loads(response.body)["id"]


def asked(daemon, method, run):
    response = daemon.ask(request(method, f"/run/{run}", extra=[f"Authorization: Bearer {KEY}"]))
    return json.loads(response.body)


def test_the_program_of_a_run_that_may_not_be_killed_is_hung_up(start):
    daemon, run = run_of_another_user(start, "exec sleep 100")
    pid = daemon.wait_for("run_started")["pid"]
    processes.eventually(lambda: processes.name(pid) == "sleep", what="the program of the other user")
    assert asked(daemon, "DELETE", run)["state"] == "stopping"
    refused = daemon.wait_for("signal_refused", pid=pid)
    assert (refused["signal"], refused["detail"], refused["run"]) == ("TERM", "operation not permitted", run)
    assert daemon.wait_for("run_ended")["ending"] == "stopped"
    assert asked(daemon, "GET", run)["signal"] == signal.SIGHUP
    assert not processes.is_alive(pid) and not daemon.events("stop_timed_out")


def test_a_run_that_nothing_ends_is_reported_and_ends_with_its_program(start):
    daemon, run = run_of_another_user(start, 'trap "" HUP TERM; sleep 100; sleep 100')
    pid = daemon.wait_for("run_started")["pid"]
    children = Path(f"/proc/{pid}/task/{pid}/children")
    processes.eventually(lambda: processes.name(pid) == "sh" and children.read_text(), what="a shell that ignores HUP")
    asked(daemon, "DELETE", run)
    overdue = daemon.wait_for("stop_timed_out", within=10)
    assert overdue["run"] == run and f"{pid} (sh)" in overdue["remaining"]
    running = daemon.snapshot()["commands"][0]["running"]
    assert [one["id"] for one in running] == [run] and f"{pid} (sh)" in running[0]["remaining"]
    assert asked(daemon, "GET", run)["state"] == "stopping"
    for name in overdue["remaining"].split(", "):
        os.kill(int(name.split()[0]), signal.SIGKILL)
    daemon.wait_for("run_ended")
    assert asked(daemon, "GET", run)["ending"] == "stopped"
