"""The control socket and its commands: what an operator can do while the daemon runs, and what clients see of it."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

import processes
from daemon import double, executable, launches_double, service, sleeping_double
from wire import free_port, request, text_frame, upgrade


@pytest.fixture
def control(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def begin(start, control):
    def listening(*services, **options):
        daemon = start(*services, top={"control": f"unix:{control}"}, **options)
        # It is opened after the addresses of clients.
        daemon.wait_for("listening", **{"for": "control"})
        return daemon

    return listening


def run(*words, environment=None, within=20):
    return subprocess.run(
        [executable(), *map(str, words)], capture_output=True, text=True, timeout=within,
        env={**os.environ, **(environment or {})})


@pytest.fixture
def order(control):
    """order("start", "cable") is the finished command."""
    return lambda *words: run(*words, "--control", f"unix:{control}")


def close_code(tunnel):
    """What the close frame of the daemon's says; whatever came before it is skipped."""
    while True:
        opcode, payload = tunnel.read_frame()
        if opcode == 8:
            return int.from_bytes(payload[:2], "big")


def test_only_its_owner_may_use_the_socket_and_it_is_gone_with_the_daemon(begin, control):
    daemon = begin(sleeping_double())
    assert stat.S_IMODE(control.stat().st_mode) == 0o600
    assert daemon.stop() == 0
    assert not control.exists()


def test_a_socket_left_by_a_killed_daemon_is_replaced(begin, control, order):
    first = begin(sleeping_double())
    first.kill()
    assert control.exists()
    begin(sleeping_double())
    assert order("status").returncode == 0


def test_the_socket_of_a_daemon_that_lives_is_not_taken_over(begin, control, order, tmp_path):
    begin(sleeping_double())
    file = tmp_path / "second.json"
    file.write_text(json.dumps({
        "listen": "127.0.0.1:0", "control": f"unix:{control}", "reverse_proxies": [service(free_port())]}))
    second = run("--config", file)
    assert second.returncode == 71
    assert f"bind unix:{control}: address already in use" in second.stderr
    assert order("status").returncode == 0


def test_a_directory_that_is_missing_is_named(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({
        "listen": "127.0.0.1:0", "control": f"unix:{tmp_path}/nowhere/control.sock",
        "reverse_proxies": [service(free_port())]}))
    result = run("--config", file)
    assert result.returncode == 71
    assert f"{tmp_path}/nowhere/control.sock: no such file or directory" in result.stderr


def test_trap_p9_what_is_started_by_hand_and_never_visited_goes_to_sleep(begin, order):
    daemon = begin(sleeping_double(idle_timeout="500ms"))
    result = order("start", "cable")
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"cable is awake \(pid \d+, startup \d+ ms\)\n", result.stdout)
    ready = daemon.wait_for("ready")
    assert 0.5 <= daemon.wait_for("stopping")["at"] - ready["at"] <= 0.9
    daemon.wait_for("stopped")
    assert daemon.status()["wakes"] == {
            "upgrade": 0, "request": 0, "command": 0, "subscription": 0, "operator": 1, "always_on": 0, "required": 0}


def test_a_start_that_fails_says_why(begin, order):
    begin(service(free_port(), on_demand={"command": "false"}))
    result = order("start", "cable")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "ondemandd: cable did not start: ended with status 1 before it accepted connections\n"
        "  command    false\n  directory  .\n  exit       status 1\n")


def test_a_failed_start_teaches_command_directory_exit_and_last_lines_wherever_an_operator_looks(
        begin, order, tmp_path):
    """But never the client, who is only told that it failed."""
    script = "for i in $(seq 1 30); do echo line $i; done; echo boom >&2; exit 3"
    daemon = begin(service(free_port(), on_demand={"command": "sh", "args": ["-c", script],
                                                   "working_dir": str(tmp_path), "restart_backoff": {"min": "60s"}}))
    answer = daemon.ask(upgrade())
    assert answer.status == 503 and b"boom" not in answer.body and b"seq" not in answer.body

    failed = daemon.wait_for("start_failed")
    assert failed["directory"] == str(tmp_path) and failed["command"] == f'sh -c "{script}"'
    lines = failed["output"].split("\n")
    assert len(lines) == 20 and "3" in failed["detail"]
    assert {"stdout line 30", "stderr boom"} <= {line.split(" ", 1)[1] for line in lines}

    status = daemon.status()
    assert status["last_failure"] == failed["detail"]
    assert status["failure"] == {
        "command": failed["command"], "directory": str(tmp_path), "exit": "status 3", "output": lines}

    table = order("status").stdout
    for text in [f"cable: last failure: {failed['detail']}", f"  command    {failed['command']}",
                 f"  directory  {tmp_path}", "  exit       status 3", *lines]:
        assert text in table
    assert "stderr boom" in order("start", "cable").stderr


@pytest.mark.parametrize("accept, starts_with", [
    ("text/html,application/xhtml+xml,*/*;q=0.8", b"<!DOCTYPE html>"), ("application/json", b"{"), ("*/*", b"The service")])
def test_a_client_is_answered_in_its_form_and_names_what_the_log_knows(begin, accept, starts_with):
    daemon = begin(service(free_port(), on_demand={"command": "false"}))
    answer = daemon.ask(request(path="/cable", extra=[f"Accept: {accept}"]))
    assert answer.status == 503 and answer.body.startswith(starts_with)
    name = answer.value("X-Request-Id")
    assert daemon.wait_for("refused")["request_id"] == name
    assert accept == "*/*" or name.encode() in answer.body
    if accept == "application/json":
        assert json.loads(answer.body) == {
            "error": 'The service "cable" exited before it was ready.', "status": 503, "id": name,
            "retry_after": int(answer.value("Retry-After"))}


def test_a_start_that_is_over_in_time_takes_its_failure_with_it(begin, order, tmp_path):
    flag = tmp_path / "flag"
    port = free_port()
    script = f"test -e {flag} || {{ echo not yet; exit 1; }}; exec {double()} --port {port}"
    daemon = begin(service(port, on_demand={"command": "sh", "args": ["-c", script],
                                            "restart_backoff": {"min": "100ms", "max": "100ms"}}))
    assert order("start", "cable").returncode == 1
    assert daemon.status()["failure"] is not None
    flag.touch()
    assert order("start", "cable").returncode == 0
    assert daemon.status()["failure"] is None and daemon.status()["last_failure"] is None


def test_stop_ends_it_with_close_frames_and_the_next_client_wakes_it(begin, order):
    daemon = begin(sleeping_double())
    tunnel = daemon.open_tunnel()
    result = order("stop", "cable")
    assert (result.returncode, result.stdout) == (0, "cable is stopped\n")
    assert close_code(tunnel) == 1001
    daemon.wait_for("stopped", how="TERM")
    assert daemon.status()["state"] == "asleep"
    daemon.open_tunnel().close()
    assert daemon.starts() == 2


def test_a_request_in_progress_finishes_before_an_ordered_stop(begin, control):
    daemon = begin(sleeping_double(path="/*"))
    with daemon.connect() as client:
        client.send(request(path="/slow?ms=700"))
        daemon.wait_for("first_request")
        stop = subprocess.Popen([executable(), "stop", "cable", "--control", f"unix:{control}"])
        assert client.read_response().status == 200
        assert stop.wait(10) == 0


def test_restart_tells_clients_that_it_is_one_and_holds_those_who_come(begin, control):
    daemon = begin(sleeping_double())
    tunnel = daemon.open_tunnel()
    first = daemon.status()["pid"]
    restart = subprocess.Popen([executable(), "restart", "cable", "--control", f"unix:{control}"])
    assert close_code(tunnel) == 1012
    daemon.open_tunnel().close()
    assert restart.wait(10) == 0
    second = daemon.status()
    assert second["state"] == "awake" and second["pid"] != first and second["starts"] == 2


def test_pin_keeps_it_awake_until_unpin(begin, order):
    daemon = begin(sleeping_double(idle_timeout="300ms"))
    result = order("pin", "cable")
    assert result.returncode == 0 and result.stdout.startswith("cable is pinned and awake (pid ")
    time.sleep(0.9)
    assert daemon.status()["state"] == "awake" and daemon.status()["pinned"]
    assert order("unpin", "cable").stdout == "cable is no longer pinned\n"
    daemon.wait_for("stopped")


def test_what_is_pinned_comes_back_after_a_crash(begin, order):
    daemon = begin(sleeping_double())
    order("pin", "cable")
    os.kill(daemon.status()["pid"], signal.SIGKILL)
    daemon.wait_for_count(2, "ready")


def test_disable_refuses_everybody_and_enable_takes_it_back(begin, order):
    daemon = begin(sleeping_double())
    tunnel = daemon.open_tunnel()
    assert order("disable", "cable").stdout == "cable is disabled\n"
    assert close_code(tunnel) == 1001
    answer = daemon.ask(request(path="/cable"))
    assert answer.status == 503 and b"is disabled" in answer.body
    assert daemon.status()["state"] == "disabled"
    refused = order("start", "cable")
    assert (refused.returncode, refused.stderr) == (1, "ondemandd: cable is disabled; enable it first\n")
    assert order("enable", "cable").stdout == "cable is enabled\n"
    daemon.open_tunnel().close()


def test_what_is_required_may_be_stopped_disabled_and_enabled_by_hand(begin, order):
    port = free_port()
    helper = {
        "name": "helper", "address": f"127.0.0.1:{port}", "start": "when_required", "idle_timeout": "10s",
        "command": double(), "args": ["--port", str(port)]}
    daemon = begin(
        sleeping_double(requires=["helper"], idle_timeout="300ms"), managed_processes=[helper])
    daemon.open_tunnel().close()
    daemon.wait_for("stopped", service="cable")

    assert order("disable", "helper").stdout == "helper is disabled\n"
    answer = daemon.ask(request(path="/cable"))
    assert answer.status == 503 and b"requires helper, which is disabled" in answer.body
    assert int(answer.value("retry-after")) >= 1
    failed = order("pin", "cable")
    assert failed.returncode == 1 and "requires helper, which is disabled" in failed.stderr
    daemon.assert_never("backoff")

    # The pinned service waited only for this.
    assert order("enable", "helper").stdout == "helper is enabled\n"
    daemon.wait_for("ready", service="cable", generation=2)

    tunnel = daemon.open_tunnel()
    assert order("stop", "helper").stdout == "helper is stopped\n"
    daemon.wait_for("ready", service="helper", generation=3)  # A running dependent requests it again, like a client.
    tunnel.send(text_frame("still there?"))
    assert tunnel.read_frame() == (1, b"still there?")


def test_what_the_file_disables_can_be_enabled_unless_its_neighbour_has_the_address(begin, order):
    port = free_port()
    daemon = begin(
        service(port, name="old", path="/old", on_demand=launches_double(port)),
        service(port, name="new", path="/new", enabled=False, on_demand=launches_double(port)))
    refused = order("enable", "new")
    assert refused.returncode == 1
    assert refused.stderr == (
        f'ondemandd: new has the same target as "old", 127.0.0.1:{port}; disable that first\n')
    assert order("disable", "old").returncode == 0
    assert order("enable", "new").returncode == 0
    daemon.open_tunnel(path="/new").close()


def test_names_that_nobody_has_and_services_that_are_not_ours_to_run(begin, order):
    begin(sleeping_double(name="cable"), service(free_port(), name="plain", path="/plain"))
    for command in ("start", "stop", "restart", "pin", "unpin", "enable", "disable", "logs"):
        unknown = order(command, "kable")
        assert unknown.returncode == 1
        assert unknown.stderr == 'ondemandd: No service is named "kable"; there are cable, plain.\n'
        plain = order(command, "plain")
        assert plain.returncode == 1 and "plain has no command" in plain.stderr


def test_without_a_daemon_the_socket_is_named_and_the_code_is_69(tmp_path):
    missing = f"unix:{tmp_path}/none.sock"
    for words in (["status"], ["start", "cable"], ["logs", "cable", "-f"]):
        result = run(*words, "--control", missing)
        assert result.returncode == 69
        assert result.stderr == f"ondemandd: no daemon answers at {missing}: no such file or directory\n"


def test_a_daemon_that_does_not_listen_any_more_is_none(tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    result = run("status", "--control", f"unix:{path}")
    assert result.returncode == 69 and "connection refused" in result.stderr


def test_the_socket_is_found_by_variable_and_by_configuration(begin, control):
    daemon = begin(sleeping_double())
    assert run("status", "--config", daemon.file).returncode == 0
    assert run("status", environment={"ONDEMANDD_CONTROL": f"unix:{control}"}).returncode == 0
    wrong = run("status", environment={"ONDEMANDD_CONTROL": "/tmp/x.sock"})
    assert wrong.returncode == 64 and "write unix:PATH" in wrong.stderr


def test_a_configuration_without_control_says_so(start):
    daemon = start(sleeping_double())
    result = run("status", "--config", daemon.file)
    assert result.returncode == 78 and '"control" is missing' in result.stderr


def test_status_as_table_and_as_json(begin, order):
    daemon = begin(sleeping_double(idle_timeout="200ms"))
    daemon.open_tunnel().close()
    daemon.wait_for("stopped")
    time.sleep(0.3)
    table = order("status").stdout
    lines = table.splitlines()
    assert lines[2].split()[:3] == ["NAME", "STATE", "FOR"]
    assert lines[3].split()[:2] == ["cable", "asleep"]
    assert "woken by upgrade 1" in table
    facts = json.loads(order("status", "--json").stdout)["services"][0]
    assert facts["wakes"]["upgrade"] == 1 and 0 < facts["resident_share"] < 1
    assert facts["saved_mb_hours"] is not None and facts["last_exit"]


def test_logs_show_what_it_printed_and_follow_what_it_prints(begin, control, order):
    daemon = begin(service(free_port(), name="chatty", on_demand={
        "command": "sh",
        "args": ["-c", "echo one; echo two >&2; printf 'a\\033[2Jb\\n'; i=0; "
                 "while sleep 0.1; do i=$((i+1)); echo tick $i; done"],
        "startup_timeout": "30s"}))
    order("start", "chatty", "--no-wait")
    daemon.wait_for("output", line="tick 1")
    printed = order("logs", "chatty").stdout.splitlines()
    texts = [line.split(" ", 1)[1] for line in printed]
    assert "stdout one" in texts and "stderr two" in texts and "stdout a\\u001b[2Jb" in texts
    assert len(order("logs", "chatty", "-n", "1").stdout.splitlines()) == 1
    follower = subprocess.Popen(
        [executable(), "logs", "chatty", "-f", "-n", "0", "--control", f"unix:{control}"],
        stdout=subprocess.PIPE, text=True)
    seen = [follower.stdout.readline() for _ in range(3)]
    numbers = [int(line.split()[-1]) for line in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    follower.terminate()
    follower.wait(5)


def test_a_follower_that_does_not_read_stalls_nobody(begin, control):
    daemon = begin(
        sleeping_double(),
        service(free_port(), name="flood", path="/flood", on_demand={
            "command": "sh", "args": ["-c", "while :; do echo " + "x" * 1000 + "; done"], "startup_timeout": "60s"}))
    with socket.socket(socket.AF_UNIX) as follower:
        follower.connect(str(control))
        follower.sendall(b"GET /v1/services/flood/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert run("start", "flood", "--no-wait", "--control", f"unix:{control}").returncode == 0
        time.sleep(1.5)
        asked = time.monotonic()
        assert run("start", "cable", "--control", f"unix:{control}").returncode == 0
        assert time.monotonic() - asked < 5
        resident = processes.resident_kib(daemon.pid)
        assert resident < 24 * 1024, resident


def test_who_asks_for_the_status_wakes_nothing_and_keeps_nothing_awake(begin, order):
    daemon = begin(sleeping_double(idle_timeout="600ms"))
    for _ in range(3):
        assert order("status").returncode == 0
    assert daemon.starts() == 0
    daemon.open_tunnel().close()
    for _ in range(6):
        order("status")
        order("logs", "cable")
        time.sleep(0.15)
    daemon.wait_for("stopped", within=2)


def test_curl_speaks_it_too(begin, control):
    daemon = begin(sleeping_double())

    def curl(*words):
        result = subprocess.run(
            ["curl", "-s", "-i", "--unix-socket", str(control), *words], capture_output=True, text=True, timeout=20)
        return result.stdout

    assert curl("-X", "POST", "http://x/v1/services/cable/start").startswith("HTTP/1.1 200 ")
    wrong = curl("http://x/v1/services/cable/start")
    assert wrong.startswith("HTTP/1.1 405 ") and "Allow: POST" in wrong
    assert curl("-X", "POST", "http://x/v1/services/no/start").startswith("HTTP/1.1 404 ")
