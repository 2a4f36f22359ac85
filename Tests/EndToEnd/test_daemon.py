"""The daemon as a guest of its machine: signals, descriptors, memory, quiet, output of its children, command line."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

import processes
import wire
from daemon import double, executable, launches_double, on_demand, service, sleeping_double
from test_waking import scripted
from wire import Wire, free_port, request, text_frame, upgrade

# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_tunnels_stops_the_backend_and_exits_0(start, number):
    daemon = start(sleeping_double("--grandchild"))
    tunnels = [daemon.open_tunnel() for _ in range(5)]
    group = daemon.wait_for("ready")["pid"]
    daemon.signal(number)
    assert daemon.wait() == 0
    assert all(tunnel.has_ended() for tunnel in tunnels)
    assert not processes.group_members(group) and daemon.offspring() == []
    daemon.wait_for("exited")
    order = [record["event"] for record in daemon.records]
    assert order.index("shutting_down") < order.index("stopped") < order.index("exited")


def test_a_signal_while_asleep_ends_at_once(start):
    daemon = start(sleeping_double())
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 0.5


def test_a_signal_during_a_start_refuses_the_waiters_and_ends_the_half_started(start):
    daemon = start(sleeping_double("--never-listen"))
    client = daemon.connect()
    client.send(upgrade())
    daemon.wait_for("started")
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 2
    assert client.read_response().status == 503
    assert daemon.offspring() == []


def test_after_a_signal_nobody_new_is_accepted_while_the_backend_stops(start):
    daemon = start(sleeping_double("--ignore-term", stop_timeout="1s"))
    daemon.open_tunnel()
    daemon.signal(signal.SIGTERM)
    daemon.wait_for("shutting_down")
    with pytest.raises((ConnectionError, wire.Ended)):
        assert daemon.ask(upgrade()).status == 503
        raise ConnectionError("refused politely")
    assert daemon.wait() == 0


def test_a_second_signal_hurries(start):
    daemon = start(sleeping_double("--ignore-term", stop_timeout="30s"))
    tunnel = daemon.open_tunnel()
    daemon.signal(signal.SIGTERM)
    daemon.wait_for("shutting_down")
    time.sleep(0.3)
    assert daemon.process.poll() is None, "one signal alone waits for the stop timeout"
    begun = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(within=3) == 0
    assert time.monotonic() - begun < 2
    assert daemon.offspring() == []
    tunnel.close()


def test_sigpipe_never_kills(start):
    daemon = start(sleeping_double(path="/*"))
    for _ in range(20):
        rude = daemon.open_tunnel()
        rude.send(text_frame("x" * 60_000) * 5)
        rude.reset()
        rude = daemon.connect()
        rude.send(request("POST", "/x", body=b"y" * 100_000))
        rude.reset()
    daemon.signal(signal.SIGPIPE)
    time.sleep(0.1)
    assert daemon.ask(request()).status == 200
    assert daemon.process.poll() is None


# Quiet and small


def test_asleep_the_daemon_does_not_wake_for_two_seconds_and_stays_within_6_mb(start, measured):
    daemon = start(sleeping_double(idle_timeout="100ms"))
    for moment, generation in (("before the first client", None), ("after a first life", 1)):
        if generation:
            daemon.open_tunnel().close()
            daemon.wait_for("stopped", generation=generation)
        time.sleep(0.3)
        before = processes.context_switches(daemon.pid)
        time.sleep(2)
        woken = processes.context_switches(daemon.pid) - before
        resident = processes.resident_kib(daemon.pid)
        measured(f"asleep, {moment}: context switches in 2 s, VmRSS", f"{woken}, {resident} KiB")
        assert woken == 0, moment
        assert resident <= 6 * 1024, moment


def test_with_silent_tunnels_open_the_daemon_does_not_wake_either(start):
    daemon = start(sleeping_double())  # Echoes; it pings only Action Cable clients.
    tunnels = [daemon.open_tunnel() for _ in range(20)]
    time.sleep(0.3)
    before = processes.context_switches(daemon.pid)
    time.sleep(1)
    assert processes.context_switches(daemon.pid) == before
    for tunnel in tunnels:
        tunnel.close()


def test_descriptors_return_to_what_they_were_after_every_kind_of_end(start):
    daemon = start(sleeping_double(path="/*", idle_timeout="200ms"))
    daemon.ask(request())
    daemon.wait_for("stopped", generation=1)
    daemon.status()
    # Everything that is opened once has been opened.
    processes.eventually(lambda: daemon.status()["open"] == 0)
    before = len(processes.open_descriptors(daemon.pid))
    for _ in range(10):
        daemon.open_tunnel().close()
        daemon.open_tunnel().reset()
        daemon.ask(request(path="/close"))
        daemon.ask(b"nonsense\r\n\r\n")
        held = daemon.connect()
        held.send(upgrade())
        held.reset()
    daemon.wait_for_count(len(daemon.events("started")), "stopped")
    processes.eventually(
        lambda: len(processes.open_descriptors(daemon.pid)) <= before,
        what=f"{before} descriptors, not {processes.open_descriptors(daemon.pid)}")


# What a backend inherits


def test_a_backend_starts_with_its_own_session_clean_signals_three_descriptors_and_the_merged_environment(
        start, tmp_path):
    port = free_port()
    (tmp_path / "home").mkdir()
    # Each a simple command, so that it shows what the shell itself was given.
    script = f"""
        env -0 >"$REPORT/environment"
        pwd -P >"$REPORT/directory"
        cat /proc/self/status >"$REPORT/signals"
        ls -l /proc/self/fd >"$REPORT/descriptors"
        cat /proc/$$/stat >"$REPORT/stat"
        exec {double()} --port {port}
    """
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    try:
        daemon = start(
            service(port, on_demand=on_demand(
                "sh", "-c", script, working_dir=str(tmp_path / "home"),
                env={"REPORT": str(tmp_path), "COLOUR": "blue", "EMPTY": ""})),
            environment={"COLOUR": "red", "KEPT": "yes"})
    finally:
        os.close(extra)
    assert daemon.ask(upgrade()).status == 101
    pid = daemon.wait_for("started")["pid"]

    pairs = (tmp_path / "environment").read_text().rstrip("\0").split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs)
    assert len(pairs) == len(environment), "no name may come twice"
    assert (environment["COLOUR"], environment["KEPT"], environment["EMPTY"]) == ("blue", "yes", "")
    assert (tmp_path / "directory").read_text().strip() == str((tmp_path / "home").resolve())

    signals = dict(line.split(":\t", 1) for line in (tmp_path / "signals").read_text().splitlines())
    assert int(signals["SigBlk"], 16) == 0 and int(signals["SigIgn"], 16) == 0, signals

    _, parent, group, session = (tmp_path / "stat").read_text().rpartition(")")[2].split()[:4]
    assert int(parent) == daemon.pid and int(group) == pid and int(session) != os.getsid(daemon.pid)

    descriptors = {}
    for line in (tmp_path / "descriptors").read_text().splitlines():
        if " -> " in line:
            left, target = line.split(" -> ")
            descriptors[int(left.split()[-1])] = target
    # ls itself: 1 goes to the file, and one more is the folder it reads.
    assert descriptors.pop(0) == "/dev/null"
    assert descriptors.pop(1).endswith("descriptors")
    assert descriptors.pop(2).startswith(("pipe:", "socket:"))
    assert len(descriptors) == 1 and next(iter(descriptors.values())).startswith("/proc/"), descriptors


# Output of backends


def test_what_a_backend_prints_becomes_log_lines_of_its_service(start):
    port = free_port()
    daemon = start(service(port, name="talker", on_demand=scripted(port, "--output")))
    daemon.open_tunnel()
    daemon.wait_for("output", service="talker", stream="stdout", line="to standard output")
    daemon.wait_for("output", service="talker", stream="stderr", line="to standard error")
    daemon.wait_for("output", line="in two pieces")
    daemon.wait_for("output", line="quoted \" backslash \\ tab \t umlaut \u00fc")
    long = [record["line"] for record in daemon.events("output") if record["line"].startswith("xxx")]
    assert long and all(len(line) <= 64 * 1024 for line in long), "long lines are bounded"
    escaped = processes.eventually(
        lambda: [record for record in daemon.events("output") if record["line"].startswith("not utf-8")])
    assert "and an escape" in escaped[0]["line"]
    assert all(record["event"] for record in daemon.records), "every line of the log is JSON"


def test_in_the_text_log_output_is_prefixed_with_the_services_name(tmp_path):
    port = free_port()
    configuration = {
        "listen": "127.0.0.1:0",
        "reverse_proxies": [service(port, name="talker", on_demand=scripted(port, "--output", enabled=False))],
        "log": {"level": "info", "format": "text"},
    }
    file = tmp_path / "talker.json"
    file.write_text(json.dumps(configuration))
    process = subprocess.Popen([executable(), "--config", str(file)], stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "to standard error" in line:
                break
        assert line.index("talker") < line.index("to standard error")
        assert "\x1b" not in line
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize("switches", [["--flood", "20000"], ["--unterminated"]], ids=["flood", "unterminated"])
def test_a_backend_that_floods_its_output_is_not_blocked_and_costs_no_memory(start, switches):
    daemon = start(sleeping_double(*switches))
    before = processes.anonymous_kib(daemon.pid)
    tunnel = daemon.open_tunnel(timeout=30)
    tunnel.send(text_frame("still here"))
    assert tunnel.read_frame() == (1, b"still here")
    grown = processes.anonymous_kib(daemon.pid) - before
    # The backlog for a reader slower than the flood is 1 MiB.
    assert grown <= 2048, f"the daemon grew by {grown} KiB"
    tunnel.close()
    assert daemon.stop() == 0
    assert daemon.events("output"), "the end of the process ends its last line"


def test_a_flood_does_not_delay_other_services(start):
    daemon = start(
        sleeping_double("--flood", "100000", name="loud", path="/loud"),
        sleeping_double(name="calm", path="/calm"))
    calm = daemon.open_tunnel(path="/calm")
    loud = daemon.connect()
    loud.send(upgrade(path="/loud"))
    daemon.wait_for("output")
    waits = []
    for number in range(50):
        begun = time.monotonic()
        calm.send(text_frame(f"{number}"))
        assert calm.read_frame() == (1, f"{number}".encode())
        waits.append(time.monotonic() - begun)
    assert sorted(waits)[25] < 0.05, "the median echo while another backend floods"
    loud.close()


# Addresses


def test_unix_sockets_work_on_both_sides(start, tmp_path):
    front, back = str(tmp_path / "front"), str(tmp_path / "back")
    daemon = start(
        service(target=f"unix:{back}", on_demand=on_demand(double(), "--unix", back, idle_timeout="200ms")),
        listen=f"unix:{front}")
    for generation in (1, 2):
        with Wire(front) as client:
            client.send(upgrade())
            assert client.read_head().status == 101
            client.send(text_frame("by file"))
            assert client.read_frame() == (1, b"by file")
        daemon.wait_for("stopped", generation=generation)
    assert daemon.stop() == 0
    assert not os.path.exists(front), "the daemon takes its socket's name away"


def test_a_unix_socket_left_by_a_killed_daemon_does_not_prevent_the_next(start, tmp_path):
    front = str(tmp_path / "front")
    first = start(sleeping_double(), listen=f"unix:{front}")
    first.signal(signal.SIGKILL)
    first.wait()
    first.process.returncode = 0  # Killed on purpose.
    assert os.path.exists(front)
    second = start(sleeping_double(), listen=f"unix:{front}")
    assert second.ask(upgrade()).status == 101


def has_ipv6_loopback():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_ipv6_and_several_addresses_are_listened_on(start, tmp_path):
    if not has_ipv6_loopback():
        result = run_with({"listen": ["127.0.0.1:0", "[::1]:0"], "reverse_proxies": [service(free_port())]}, tmp_path)
        assert result.returncode not in (0, -6, -11)
        assert "[::1]:0" in result.stderr
    port = free_port()
    daemon = start(
        service(port, headers={"X-From": "$remote_addr"}, path="/*", on_demand=launches_double(port)),
        listen=["127.0.0.1:0", "localhost:0", *(["[::1]:0"] if has_ipv6_loopback() else [])])
    for address in daemon.addresses:
        with Wire(address) as client:
            told = client.ask(request()).body.decode()
            assert f"X-From: {'::1' if ':' in address[0] else '127.0.0.1'}" in told
    assert daemon.starts() == 1


def test_an_address_that_is_taken_is_an_error_that_names_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run_with({"listen": address, "reverse_proxies": [service(free_port())]}, tmp_path)
    assert result.returncode not in (0, -6, -11)
    assert address in result.stderr


# Command line and configuration


def run(*arguments, environment=None):
    return subprocess.run(
        [executable(), *arguments], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})})


def run_with(configuration, folder, *arguments, environment=None):
    """Runs with a configuration, given as text or as a value."""
    file = folder / "ondemandd.json"
    file.write_text(configuration if isinstance(configuration, str) else json.dumps(configuration, indent=2))
    return run("--config", str(file), *arguments, environment=environment)


def valid():
    return {"listen": "127.0.0.1:0", "reverse_proxies": [service(28080, on_demand=on_demand("true"))]}


def test_help_and_version_are_printed_and_exit_0():
    for flag in ("--help", "--version"):
        result = run(flag)
        assert result.returncode == 0 and "ondemandd" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--nonsense"], ["stray"], ["--check"]], ids=str)
def test_wrong_arguments_exit_64_and_say_how(arguments):
    result = run(*arguments)
    assert result.returncode == 64
    assert "--config" in result.stderr


def test_a_good_configuration_passes_the_check(tmp_path):
    result = run_with(valid(), tmp_path, "--check")
    assert result.returncode == 0, result.stderr


def test_the_example_passes_the_check():
    from rails import EXAMPLE

    result = run("--check", "--config", str(EXAMPLE))
    assert result.returncode == 0, result.stderr


def test_the_configuration_may_come_before_or_after_check(tmp_path):
    file = tmp_path / "ondemandd.json"
    file.write_text(json.dumps(valid()))
    assert run("--check", "--config", str(file)).returncode == 0


def test_a_file_that_is_not_there_exits_78_and_is_named(tmp_path):
    result = run("--config", str(tmp_path / "nowhere.json"))
    assert result.returncode == 78 and "nowhere.json" in result.stderr


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_an_unknown_key_exits_78_with_line_column_and_a_suggestion(tmp_path, check):
    result = run_with('{\n  "listne": "127.0.0.1:0",\n  "reverse_proxies": []\n}\n', tmp_path,
                      *(["--check"] if check else []))
    assert result.returncode == 78
    assert "ondemandd.json:2:3" in result.stderr and "listne" in result.stderr and '"listen"' in result.stderr


def wrong(change):
    configuration = valid()
    change(configuration, configuration["reverse_proxies"][0])
    return configuration


@pytest.mark.parametrize("named, configuration", [
    ("idle_timeout", wrong(lambda _, proxy: proxy["on_demand"].update(idle_timeout="15 minutes"))),
    ("max_queue", wrong(lambda _, proxy: proxy["on_demand"].update(max_queue=-1))),
    ("command", wrong(lambda _, proxy: proxy["on_demand"].pop("command"))),
    ("target", wrong(lambda _, proxy: proxy.update(target="ftp://127.0.0.1:1/"))),
    ("listen", wrong(lambda whole, _: whole.update(listen="127.0.0.1:99999"))),
    ("websocket", wrong(lambda _, proxy: proxy.update(websocket="yes please"))),
    ("/cable", wrong(lambda whole, proxy: whole["reverse_proxies"].append({**proxy, "name": "twin"}))),
    ("name", wrong(lambda whole, proxy: whole["reverse_proxies"].append({**proxy, "path": "/other"}))),
    ("level", wrong(lambda whole, _: whole.update(log={"level": "loud"}))),
    ("NOT_SET_ANYWHERE", wrong(lambda _, proxy: proxy["on_demand"].update(working_dir="${NOT_SET_ANYWHERE}"))),
], ids=lambda value: value if isinstance(value, str) else "")
def test_an_impossible_value_exits_78_and_the_error_names_it(tmp_path, named, configuration):
    result = run_with(configuration, tmp_path, "--check")
    assert result.returncode == 78
    assert named in result.stderr and "ondemandd.json:" in result.stderr


def test_a_nonsensical_flag_names_where_the_value_came_from(tmp_path):
    configuration = valid()
    configuration["reverse_proxies"][0]["enabled"] = "${ENABLE_IT:-false}"
    result = run_with(configuration, tmp_path, "--check", environment={"ENABLE_IT": "maybe"})
    assert result.returncode == 78
    assert "ENABLE_IT" in result.stderr and "maybe" in result.stderr


def test_independent_errors_are_reported_in_one_run(tmp_path):
    configuration = wrong(lambda whole, proxy: (
        proxy.update(target="nowhere"), proxy["on_demand"].update(idle_timeout="soon"), whole.update(listne=1)))
    result = run_with(configuration, tmp_path, "--check")
    assert result.returncode == 78
    assert all(word in result.stderr for word in ("target", "idle_timeout", "listne"))


@pytest.mark.parametrize("text", [
    '{"listen": "127.0.0.1:0",}', '{"listen": 1, "listen": 2}', "{} {}", "", "{'listen': 1}", "[" * 100_000],
    ids=["trailing comma", "duplicate key", "two values", "empty", "single quotes", "deep"])
def test_what_is_not_strict_json_exits_78_with_a_position(tmp_path, text):
    result = run_with(text, tmp_path, "--check")
    assert result.returncode == 78
    assert "ondemandd.json:1:" in result.stderr
