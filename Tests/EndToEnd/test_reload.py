"""SIGHUP with real processes: what changes, what stays, and what a client sees meanwhile."""

import json
import signal
import struct
import subprocess
from pathlib import Path

import guard_tools
import processes
import wire
from daemon import executable, sleeping_double
from wire import free_port, request, text_frame


def reload(daemon, change=None):
    """Changes the file, asks for a reload, and gives the record of it."""
    count = len(daemon.events("reloaded")) + 1
    if change is not None:
        configuration = json.loads(daemon.file.read_text())
        change(configuration)
        daemon.file.write_text(json.dumps(configuration, indent=2))
    daemon.signal(signal.SIGHUP)
    return daemon.wait_for_count(count, "reloaded")


def service_of(configuration, name="cable"):
    return next(entry for entry in configuration["reverse_proxies"] if entry["name"] == name)


def close_code(tunnel):
    """The code of the close frame that comes next; pings and messages before it are skipped."""
    while True:
        opcode, payload = tunnel.read_frame()
        if opcode == 8:
            return struct.unpack("!H", payload[:2])[0]


def environment_of(pid):
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")


def answers(tunnel):
    """Whether the backend still hears and says something through it."""
    tunnel.send(text_frame("still there?"))
    return tunnel.read_frame() == (1, b"still there?")


def test_trap_d3_sighup_does_not_terminate_and_an_unchanged_service_keeps_its_tunnel_and_its_process(start):
    daemon = start(sleeping_double(), sleeping_double(name="other", path="/other"))
    tunnel = daemon.open_tunnel()
    before = daemon.status()
    for _ in range(3):
        record = reload(daemon)
        assert not {"added", "changed", "removed"} & record.keys()
    record = reload(daemon, lambda file: service_of(file, "other").update(path="/elsewhere"))
    assert record["changed"] == "other"
    after = daemon.status()
    assert (after["pid"], after["generation"], after["starts"]) == (before["pid"], before["generation"], before["starts"])
    assert answers(tunnel)
    assert daemon.starts() == 1
    daemon.ask(request(path="/elsewhere"))
    assert daemon.ask(request(path="/other")).status == 404


def test_a_broken_file_is_told_like_a_compiler_would_and_nothing_changes(start):
    daemon = start(sleeping_double())
    tunnel = daemon.open_tunnel()
    text = daemon.file.read_text()
    daemon.file.write_text(text.replace('"idle_timeout"', '"idle_timeuot"').replace('"websocket": true', '"websocket": 1'))
    daemon.signal(signal.SIGHUP)
    first, second = daemon.wait_for_count(1, "reload_failed"), daemon.wait_for_count(2, "reload_failed")
    assert first["error"].startswith(f"{daemon.file}:") and "websocket: expected true or false" in first["error"]
    assert 'unknown key "idle_timeuot"; did you mean "idle_timeout"?' in second["error"]
    daemon.file.unlink()
    daemon.signal(signal.SIGHUP)
    assert "no such file or directory" in daemon.wait_for_count(3, "reload_failed")["error"]
    daemon.assert_never("reloaded")
    assert answers(tunnel)
    assert daemon.open_tunnel() is not None
    daemon.file.write_text(text)
    reload(daemon)


def test_a_changed_service_takes_effect_at_its_next_start_and_its_routes_at_once(start):
    daemon = start(sleeping_double(idle_timeout="300ms"))
    tunnel = daemon.open_tunnel()
    pid, port = daemon.status()["pid"], free_port()

    def move(file):
        cable = service_of(file)
        cable["path"] = ["/cable", "/second"]
        cable["target"] = f"http://127.0.0.1:{port}"
        cable["on_demand"]["args"] = ["--port", str(port)]

    reload(daemon, move)
    # The running one is used on, where it is.
    second = daemon.open_tunnel(path="/second")
    assert daemon.status()["pid"] == pid and answers(tunnel) and answers(second)
    tunnel.close()
    second.close()
    daemon.wait_for("stopped")
    assert answers(daemon.open_tunnel())
    assert str(port) in daemon.wait_for("started", generation=2)["command"]


def test_on_reload_restart_tells_clients_1012_and_holds_whoever_comes_back(start):
    daemon = start(sleeping_double(on_reload="restart"))
    tunnel = daemon.open_tunnel()

    def slower(file):
        service_of(file)["on_demand"]["env"] = {"CHANGED": "1"}
        file["close_jitter"] = "100ms"

    assert reload(daemon, slower)["restarted"] == "cable"
    assert close_code(tunnel) == 1012
    # The reconnect comes while the old one is being stopped, and is held for the new one.
    again = daemon.open_tunnel()
    assert answers(again)
    assert daemon.status()["generation"] == 2
    daemon.assert_never("upstream_error")
    daemon.assert_never("refused")


def test_a_removed_service_tells_its_clients_1001_lets_requests_finish_and_is_gone(start):
    daemon = start(sleeping_double(path=["/cable", "/slow"]), sleeping_double(name="other", path="/other"))
    tunnel, slow = daemon.open_tunnel(), daemon.connect()
    slow.send(request(path="/slow?ms=1500"))
    processes.eventually(lambda: daemon.status()["open"] == 2, 5.0, what="both being in progress")
    daemon_pid = daemon.status()["pid"]
    assert reload(daemon, lambda file: file["reverse_proxies"].pop(0))["removed"] == "cable"
    assert daemon.ask(request()).status == 404
    assert close_code(tunnel) == 1001
    assert slow.read_response().status == 200
    assert daemon.wait_for("stopped", service="cable")["pid"] == daemon_pid
    processes.eventually(lambda: not daemon.offspring(), 5.0, what="nothing being left of it")


def test_a_service_put_back_or_renamed_at_once_waits_for_its_address_instead_of_failing(start):
    daemon = start(sleeping_double("--ignore-term", path="/*", stop_timeout="400ms"))
    tunnel = daemon.open_tunnel()
    reload(daemon, lambda file: service_of(file).update(name="new"))
    # Its predecessor is still told to leave; this one is held and served.
    assert daemon.ask(request(path="/hello")).status == 200
    assert close_code(tunnel) == 1001
    assert daemon.wait_for("stopped", service="cable")["at"] <= daemon.wait_for("started", service="new")["at"]
    for event in ("address_conflict", "start_failed", "refused"):
        daemon.assert_never(event)


def test_the_flag_in_the_env_file_switches_a_service_off_and_on_and_reaches_its_process(start, tmp_path):
    variables = tmp_path / "variables"
    variables.write_text("ENABLE_CABLE=true\nGREETING='hello there'\n")
    switch = sleeping_double(path="/*")
    switch["enabled"] = "${ENABLE_CABLE}"
    daemon = start(switch, top={"env_file": str(variables)})
    tunnel = daemon.open_tunnel()
    pid = daemon.status()["pid"]
    assert "GREETING=hello there" in environment_of(pid)
    variables.write_text("ENABLE_CABLE=false\n")
    assert reload(daemon)["disabled"] == "cable"
    assert close_code(tunnel) == 1001
    assert daemon.ask(request(path="/hello")).status == 503
    daemon.wait_for("stopped")
    variables.write_text("ENABLE_CABLE=true\nBROKEN\n")
    daemon.signal(signal.SIGHUP)
    assert daemon.wait_for("reload_failed")["error"].startswith(f"{variables}:2:1: error: there is no equals sign")
    assert daemon.ask(request(path="/hello")).status == 503
    variables.write_text("ENABLE_CABLE=true\nGREETING=again\n")
    assert reload(daemon)["enabled"] == "cable"
    assert daemon.ask(request(path="/hello")).status == 200
    assert "GREETING=again" in environment_of(daemon.status()["pid"])


def test_listeners_come_and_go_and_those_who_came_in_stay(start):
    first, second = free_port(), free_port()
    daemon = start(sleeping_double(), listen=f"127.0.0.1:{first}")
    tunnel = daemon.open_tunnel()
    record = reload(daemon, lambda file: file.update(listen=[f"127.0.0.1:{second}"]))
    assert (record["opened"], record["closed"]) == (f"127.0.0.1:{second}", f"127.0.0.1:{first}")
    assert answers(tunnel)
    with wire.Wire(("127.0.0.1", second)) as client:
        assert client.ask(wire.upgrade()).status == 101
    try:
        wire.connected(("127.0.0.1", first))
        raise AssertionError("the removed listener still accepts")
    except ConnectionRefusedError:
        pass


def test_a_listener_that_cannot_be_opened_leaves_everything_as_it_was(start):
    daemon = start(sleeping_double())
    with wire.Listener() as taken:

        def change(file):
            file["listen"] = [file["listen"], f"127.0.0.1:{taken.port}"]
            service_of(file)["path"] = "/elsewhere"

        configuration = json.loads(daemon.file.read_text())
        change(configuration)
        daemon.file.write_text(json.dumps(configuration))
        daemon.signal(signal.SIGHUP)
        assert "address already in use" in daemon.wait_for("reload_failed")["error"]
    assert daemon.ask(request(path="/elsewhere")).status == 404
    assert answers(daemon.open_tunnel())


def test_who_waits_for_what_is_left_out_is_not_refused(start):
    port = free_port()
    slow = {
        "name": "slow", "address": f"127.0.0.1:{port}", "start": "when_required", "command": "sleep", "args": ["60"]}
    daemon = start(sleeping_double(requires=["slow"]), managed_processes=[slow])
    held = daemon.connect()
    held.send(request(path="/cable"))
    daemon.wait_for("started", service="slow")

    def leave_out(configuration):
        configuration["managed_processes"] = []
        service_of(configuration)["on_demand"]["requires"] = []

    reload(daemon, leave_out)
    assert held.read_response().status == 200
    daemon.assert_never("start_failed")
    daemon.wait_for("stopped", service="slow")


def test_the_log_changes_at_once(start):
    daemon = start(sleeping_double())
    assert reload(daemon, lambda file: file["log"].update(level="debug"))["settings"] == "changed"
    daemon.open_tunnel()
    daemon.wait_for("tunnel_opened")


def test_the_command_says_what_changed_or_what_is_wrong(start, tmp_path):
    socket = tmp_path / "control.sock"
    daemon = start(sleeping_double(), top={"control": f"unix:{socket}"})
    daemon.wait_for("listening", **{"for": "control"})

    def command():
        return subprocess.run(
            [executable(), "reload", "--control", f"unix:{socket}"], capture_output=True, text=True, timeout=20)

    done = command()
    assert (done.returncode, done.stdout.strip()) == (0, "reloaded: nothing has changed"), done
    text = daemon.file.read_text()
    daemon.file.write_text(text.replace('"/cable"', '"/other"'))
    assert command().stdout.strip() == "reloaded: changed cable"
    daemon.file.write_text(text.replace('"idle_timeout"', '"idle_timeuot"'))
    wrong = command()
    assert wrong.returncode == 1 and f"{daemon.file}:" in wrong.stderr and "did you mean" in wrong.stderr, wrong
    assert daemon.ask(request(path="/other")).status == 200
    # The socket itself may go, and the client of that command still gets the response.
    daemon.file.write_text(json.dumps({k: v for k, v in json.loads(text).items() if k != "control"}))
    assert f"closed unix:{socket}" in command().stdout
    assert command().returncode == 69


def test_two_hundred_reloads_leave_nothing_behind(start, measured):
    daemon = start(sleeping_double(), sleeping_double(name="other", path="/other"))
    tunnel = daemon.open_tunnel()
    other = json.loads(daemon.file.read_text())["reverse_proxies"][1]

    def turn(file):
        """The other service goes and comes, a little different each time, and with it a listener."""
        if len(file["reverse_proxies"]) == 2:
            file["reverse_proxies"].pop()
            file["listen"] = file["listen"][:1]
        else:
            other["on_demand"]["env"] = {"TURN": str(len(daemon.events("reloaded")))}
            file["reverse_proxies"].append(other)
            file["listen"] = [*file["listen"], f"127.0.0.1:{extra}"]

    extra = free_port()
    reload(daemon, lambda file: file.update(listen=[file["listen"]]))
    reload(daemon, turn)
    reload(daemon, turn)
    guard_tools.told_guard_of(daemon)
    before = (len(processes.open_descriptors(daemon.pid)), processes.anonymous_kib(daemon.pid))
    for _ in range(100):
        # A client uses it at its removal, so that its process has to stop as well.
        assert daemon.ask(request(path="/other")).status == 200
        reload(daemon, turn)
        reload(daemon, turn)
    processes.eventually(lambda: len(daemon.offspring()) == 1, 10.0, what="all other processes being gone")
    after = (len(processes.open_descriptors(daemon.pid)), processes.anonymous_kib(daemon.pid))
    measured("200 reloads: descriptors and private memory before and after", f"{before} {after}")
    assert after[0] == before[0]
    assert after[1] - before[1] < 512
    assert answers(tunnel)


def test_who_follows_the_lines_of_a_service_that_goes_is_let_go(start, tmp_path):
    socket = tmp_path / "control.sock"
    daemon = start(
        sleeping_double(path="/*"), sleeping_double(name="other", path="/other"), top={"control": f"unix:{socket}"})
    daemon.wait_for("listening", **{"for": "control"})
    daemon.ask(request(path="/hello"))
    follower = subprocess.Popen(
        [executable(), "logs", "cable", "-f", "--control", f"unix:{socket}"], stdout=subprocess.PIPE, text=True)
    assert "listening on" in follower.stdout.readline()
    reload(daemon, lambda file: file["reverse_proxies"].pop(0))
    assert follower.wait(10) is not None


def test_a_reload_while_the_daemon_leaves_is_ignored(start):
    daemon = start(sleeping_double(path="/*"))
    with daemon.connect() as slow:
        slow.send(request(path="/slow?ms=1000"))
        processes.eventually(lambda: daemon.status()["open"] == 1, 5.0, what="the request being in progress")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("shutting_down")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("signal_ignored", signal="HUP")
        assert slow.read_response().status == 200
    assert daemon.wait() == 0
    daemon.assert_never("reloaded")
