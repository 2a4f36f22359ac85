"""Runs of commands: real programs on their terminals, requests by HTTP, and the clients that see the output."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import guard_tools as tools
import processes
import wire
from clock import FastClock
from daemon import executable, service, sleeping_double
from page import rails_page
from subscribers import Subscribers
from test_cables import ACTION_CABLE, Client, facts, post, publish
from test_inheritance import OF_THE_DAEMON, blocking, ignoring
from test_reload import reload

KEY = "a-key-of-commands-in-tests"
STREAMS_SECRET = "a-secret-of-signed-streams"
SECRET_KEY_BASE = "0" * 64
CABLE = {"name": "cable", "path": "/cable", "streams": {"secret": STREAMS_SECRET, "public": ["out*", "news"]},
         "broadcast": {"path": "/_broadcast"}}
END = "\x04"
# A program waits here until the test has seen what it wants to see.
GATE = 'while [ ! -e "$FOLDER/go" ]; do sleep 0.02; done\n'
STUBBORN = 'trap "" TERM HUP INT\n'


class Program:
    """Executable files in a folder that the program knows as FOLDER, and signs between it and the test."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, text, interpreter="/bin/sh", **keys):
        file = self.folder / f"program-{len(list(self.folder.iterdir()))}"
        file.write_text(f"#!{interpreter}\n{text}\n")
        file.chmod(0o755)
        environment = {"FOLDER": str(self.folder), **keys.pop("env", {})}
        return {"name": "run", "path": "/run", "cable": "cable", "key": KEY, "command": str(file), "stream": "out_{id}",
                "env": environment, **keys}

    def python(self, text, **keys):
        return self("import os, sys, time\n" + text, sys.executable, **keys)

    def go(self):
        (self.folder / "go").touch()

    def await_file(self, name, within=10.0):
        """The content of a file, once the program has written it."""
        file = self.folder / name
        processes.eventually(file.exists, within, what=f"{name} being written by the program")
        return file.read_text()


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    return Program(folder)


@pytest.fixture
def serve(start):
    """serve(command...) gives a running daemon with these commands."""
    return lambda *commands, cables=None, services=(), top=None, **options: start(
        *services, top={"cables": cables or [CABLE], "commands": list(commands), **(top or {})}, **options)


class Asked:
    def __init__(self, response):
        self.status, self.text = response.status, response.read().decode()
        self.fields = {name.lower(): value for name, value in response.getheaders()}

    @property
    def json(self):
        return json.loads(self.text)


def ask(daemon, method, path, body=None, key=KEY, **headers):
    """One request with the key, unless `key` is None; `body` is bytes, or made JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=15)
    try:
        body = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        fields = {"Authorization": f"Bearer {key}"} if key else {}
        fields |= {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request(method, path, body, fields)
        return Asked(connection.getresponse())
    finally:
        connection.close()


def begin(daemon, path="/run", key=KEY, **parameters):
    """Starts a run; gives the response, with the path of the run."""
    response = ask(daemon, "POST", path, parameters, key)
    assert response.status == 202, response.text
    return {**response.json, "path": f"{path}/{response.json['id']}"}


def state(daemon, run, key=KEY):
    response = ask(daemon, "GET", run["path"], key=key)
    assert response.status == 200, response.text
    return response.json


def ended(daemon, run, within=10.0):
    """The state of a run, once it has ended."""
    def found():
        now = state(daemon, run)
        return now if now["state"] == "ended" else None

    return processes.eventually(found, within, 0.02, what="the end of the run")


def stop(daemon, run):
    return ask(daemon, "DELETE", run["path"])


def facts_of(daemon, name="run"):
    return next(one for one in daemon.snapshot()["commands"] if one["name"] == name)


class Viewer:
    """A client that follows the output of a run, and keeps what arrives and when."""

    def __init__(self, daemon, run=None, stream=None, protocol=ACTION_CABLE, path="/cable"):
        self.client = Client(daemon, path=path, subprotocol=protocol)
        self.arrivals, self.text, self.member = [], "", "message" if protocol else "data"
        stream = stream or run["stream"]
        if protocol:
            assert self.client.next()["type"] == "welcome"
            named = {"channel": "Turbo::StreamsChannel", "signed_stream_name": run["signed_stream_name"]} if run else {
                "channel": "$pubsub", "stream_name": stream}
            assert self.client.subscribe(**named) == "confirm_subscription"
        else:
            self.client.send(type="subscribe", stream=stream)
            assert self.client.next() == {"type": "subscribed", "stream": stream}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.socket.close()

    def read(self, within=10.0):
        """The next message, which is a string."""
        text = self.client.next(within)[self.member]
        assert isinstance(text, str), f"not a string: {text!r}"
        assert text == END or END not in text
        self.arrivals.append((time.monotonic(), text))
        return text

    def until(self, part, within=10.0):
        """Reads until this has been printed."""
        deadline = time.monotonic() + within
        while part not in self.text:
            text = self.read(max(0.01, deadline - time.monotonic()))
            assert text != END, f"{part!r} was never printed: {self.text[-2000:]!r}"
            self.text += text
        return self.text

    def rest(self, within=10.0):
        """The whole output, once U+0004 has come."""
        deadline = time.monotonic() + within
        while (text := self.read(max(0.01, deadline - time.monotonic()))) != END:
            self.text += text
        return self.text


PROTOCOLS = pytest.mark.parametrize("protocol", [ACTION_CABLE, None], ids=["action_cable", "turbo_cable"])


def output(daemon, run=None, within=10.0, **options):
    with Viewer(daemon, run or begin(daemon), **options) as viewer:
        return viewer.rest(within)


# Programs


@PROTOCOLS
def test_colours_and_cursor_movement_of_a_shell_script_arrive_as_they_were_printed(serve, program, protocol):
    daemon = serve(program(r"""
        printf '\033[1;32mgreen\033[0m\n\033[2J\033[H\033[3;5Hhere\033[K'
        for step in 1 2 3; do printf '\r%s0%%\033[K' $step; sleep 0.02; done
        printf '\n\033]0;title\007"quoted" \\ \342\200\250 \b\t\177'
        """))
    run = begin(daemon)
    assert output(daemon, run, protocol=protocol) == (
        "\x1b[1;32mgreen\x1b[0m\r\n\x1b[2J\x1b[H\x1b[3;5Hhere\x1b[K\r10%\x1b[K\r20%\x1b[K\r30%\x1b[K"
        '\r\n\x1b]0;title\x07"quoted" \\ \u2028 \x08\t\x7f')
    result = ended(daemon, run)
    assert (result["exit_status"], result["ending"], result.get("signal")) == (0, "exited", None)


@PROTOCOLS
@pytest.mark.parametrize("text", ["42", "null", "true", '{"a": 1}', '"x"', "[1]", " "])
def test_what_looks_like_json_stays_a_string(serve, program, text, protocol):
    daemon = serve(program(f"printf '%s' '{text}'"))
    assert output(daemon, protocol=protocol) == text


def test_top_draws_its_table_three_times(serve, program):
    assert shutil.which("top"), "make test installs procps"
    daemon = serve(program("exec top -b -n 3 -d 0.2"))
    run = begin(daemon)
    text = output(daemon, run, within=20)
    assert text.count("top - ") == 3 and text.count("PID USER") == 3 and "ondemandd" in text
    assert max(len(line) for line in text.splitlines()) <= 80, "it asks the terminal for its width"
    assert ended(daemon, run)["exit_status"] == 0


@pytest.mark.parametrize("prefix", ["", "setsid ", "setsid env -i "], ids=["child", "setsid", "setsid without environment"])
def test_a_process_left_behind_is_stopped_and_its_output_comes_before_the_end(serve, program, prefix):
    mark = tools.unique()
    child = program(f"trap '' HUP; trap 'echo child ends; kill %1 2>/dev/null; exit' TERM\n"
                    f"echo child $$; sleep {mark} & wait")["command"]
    daemon = serve(program(f"{prefix}{child} &\n{GATE} echo leader ends; exit 5"))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        pid = int(re.search(r"child (\d+)\r\n", viewer.until("\r\n"))[1])
        processes.eventually(lambda: tools.with_argument(mark), what="the sleep of the child")
        assert processes.is_alive(pid)
        program.go()
        text = viewer.rest()
        assert not processes.is_alive(pid) and not tools.with_argument(mark), "U+0004 comes when all are gone"
    assert text.index("leader ends") < text.index("child ends")
    assert ended(daemon, run)["exit_status"] == 5 and "Exited with status 5." in text


@pytest.mark.parametrize("left", ["", "setsid "], ids=["child", "setsid"])
def test_what_ignores_term_is_killed_after_the_plan_also_when_the_leader_has_exited(serve, program, left):
    mark = tools.unique()
    daemon = serve(program(f"{left}sh -c 'trap \"\" TERM HUP; echo ready; sleep {mark}' & {GATE} exit 0",
                           stop=["TERM", "700ms", "KILL"]))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        processes.eventually(lambda: tools.with_argument(mark), what="the sleep of the child")
        begun = time.monotonic()
        program.go()
        viewer.rest()
    assert 0.6 < time.monotonic() - begun < 3 and not tools.with_argument(mark)
    assert ended(daemon, run)["exit_status"] == 0


def test_a_program_that_ignores_term_is_killed_after_its_plan(serve, program):
    daemon = serve(program(f"{STUBBORN} echo ready; while :; do sleep 0.05; done", stop=["TERM", "600ms", "KILL"]))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        begun = time.monotonic()
        assert stop(daemon, run).status == 202
        assert state(daemon, run)["state"] == "stopping"
        assert "Stopped." in viewer.rest()
        assert 0.5 < time.monotonic() - begun < 3
    result = ended(daemon, run)
    assert (result["signal"], result["ending"]) == (9, "stopped")


def test_a_program_that_closes_its_terminal_goes_on_until_it_exits(serve, program):
    daemon = serve(program(f"echo before; exec <&- >&- 2>&-\n touch $FOLDER/closed\n {GATE} exit 7"))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("before")
        program.await_file("closed")
        pid = daemon.wait_for("run_started")["pid"]
        processes.eventually(lambda: not {0, 1, 2} & set(processes.open_descriptors(pid)), what="a closed terminal")
        processors = processes.cpu_seconds(daemon.pid)
        for _ in range(20):
            assert state(daemon, run)["state"] == "running"
        time.sleep(0.5)
        assert processes.cpu_seconds(daemon.pid) - processors < 0.2, "a terminal that hung up is not read all the time"
        assert ask(daemon, "POST", "/run", {}).status == 409
        program.go()
        assert "Exited with status 7." in viewer.rest()
    assert ended(daemon, run)["exit_status"] == 7


def test_a_program_may_open_its_terminal_again_after_it_has_closed_it(serve, program):
    daemon = serve(program.python("""
os.close(0); os.close(1); os.close(2)
time.sleep(0.3)
os.write(os.open("/dev/tty", os.O_WRONLY), b"again\\n")
"""))
    assert output(daemon) == "again\r\n"


def collapsed(text):
    return re.sub("\ufffd+", "\ufffd", text)


@PROTOCOLS
def test_random_bytes_become_text_without_a_damaged_character(serve, program, protocol):
    """Each maximal run of invalid bytes may have its own number of U+FFFD; what is valid is never damaged."""
    content = os.urandom(300_000) + "é€😀".encode() * 20_000 + os.urandom(100_000)
    (program.folder / "bytes").write_bytes(content)
    daemon = serve(program("cat $FOLDER/bytes"))
    with Viewer(daemon, begin(daemon), protocol=protocol) as viewer:
        text = viewer.rest(20)
        assert all(len(part.encode()) <= 16 * 1024 for _, part in viewer.arrivals)
    expected = content.replace(b"\n", b"\r\n").decode(errors="replace").replace(END, "\ufffd")
    assert collapsed(text) == collapsed(expected)


@pytest.mark.parametrize("written, shown", [
    (b"\xed\xa0\x80|", "\ufffd|"), (b"\xf8\x88\x80\x80\x80|", "\ufffd|"), (b"\xc0\xaf|", "\ufffd|"),
    (b"\xe2\x82", "\ufffd"),
    (b"\xf4\x90\x80\x80|", "\ufffd|"), (b"\xe2\x82|\xac|", "\ufffd|\ufffd|"),
    (b"\x00\x01\x1b\x7f|", "\x00\x01\x1b\x7f|"),
    (b"a\x04b", "a\ufffdb"), (b"\x04", "\ufffd"), (b"\xef\xbf\xbf\xef\xbb\xbf", "\uffff\ufeff")])
def test_special_bytes(serve, program, written, shown):
    (program.folder / "bytes").write_bytes(written)
    daemon = serve(program("cat $FOLDER/bytes"))
    assert collapsed(output(daemon)) == shown


def test_a_character_that_is_written_in_two_parts_is_not_split(serve, program):
    daemon = serve(program.python("""
os.write(1, b"a\\xf0\\x9f")
while not os.path.exists(os.environ["FOLDER"] + "/go"): time.sleep(0.02)
os.write(1, b"\\x98\\x80b")
"""))
    with Viewer(daemon, begin(daemon)) as viewer:
        viewer.until("a")
        with pytest.raises(TimeoutError):
            viewer.read(0.5)
        assert viewer.text == "a"
        program.go()
        assert viewer.rest() == "a😀b"


@pytest.mark.parametrize("script, status, number, line", [
    ("exit 0", 0, None, None), ("exit 3", 3, None, "Exited with status 3."),
    ("exit 255", 255, None, "Exited with status 255."),
    ("kill -9 $$", None, 9, "Ended by signal 9."), ("kill -TERM $$", None, 15, "Ended by signal 15."),
    ("kill -SEGV $$", None, 11, "Ended by signal 11.")])
def test_the_result_is_in_the_stream_and_in_the_state(serve, program, script, status, number, line):
    daemon = serve(program(f"printf out; {script}"))
    run = begin(daemon)
    text = output(daemon, run)
    assert text == "out" + (f"\r\n{line}\r\n" if line else "")
    result = ended(daemon, run)
    assert (result.get("exit_status"), result.get("signal")) == (status, number)
    assert result["ending"] == ("killed" if number else "exited") and result["output_bytes"] == 3
    assert result["id"] == run["id"] and result["command"] == "run"
    assert abs(result["started_at"] - time.time()) < 30 and 0 <= result["duration_seconds"] < 10
    record = daemon.wait_for("run_ended")
    assert record["run"] == run["id"] and record["command"] == "run" and record["level"] == "info"
    assert record["ending"] == result["ending"] and {"exit", "duration_ms"} <= record.keys()


def test_a_run_is_stopped_by_its_timeout_and_says_so(serve, program):
    daemon = serve(program(f"{STUBBORN} echo ready; while :; do sleep 0.05; done",
                           timeout="1s", stop=["INT", "100ms", "TERM", "100ms", "KILL"]))
    begun = time.monotonic()
    run = begin(daemon)
    text = output(daemon, run)
    assert 1.1 < time.monotonic() - begun < 4
    assert text == "ready\r\n\r\nTimed out after 1s.\r\n"
    assert ended(daemon, run)["ending"] == "timed_out"


@pytest.mark.parametrize("wrong", ["missing", "not executable", "directory", "interpreter", "working_dir"])
def test_a_program_that_cannot_be_started_says_so_on_the_stream(serve, program, wrong):
    command = program("true")
    daemon = serve(command | ({"working_dir": str(program.folder)} if wrong == "working_dir" else {}))
    file = program.folder / command["command"].rpartition("/")[2]
    if wrong in ("missing", "directory"):
        file.unlink()
    if wrong == "directory":
        file.mkdir()
    if wrong == "not executable":
        file.chmod(0o644)
    if wrong == "interpreter":
        file.write_text("#!/not/there\n")
    if wrong == "working_dir":
        shutil.rmtree(program.folder)
    run = begin(daemon)
    assert output(daemon, run).strip() == "Could not be started."
    result = ended(daemon, run)
    assert result["ending"] == "spawn_failed" and result.get("exit_status") is None
    assert processes.eventually(lambda: begin(daemon), what="the next run")


# What a program gets


REPORT = """
import fcntl, json, resource, struct, termios
descriptors = {number: os.readlink(f"/proc/self/fd/{number}") for number in map(int, os.listdir("/proc/self/fd"))
               if os.path.exists(f"/proc/self/fd/{number}")}
size = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[:2]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
report = dict(
    descriptors=descriptors, size=size, pid=os.getpid(), session=os.getsid(0), group=os.getpgrp(),
    foreground=os.tcgetpgrp(0), tty=[os.ttyname(number) for number in range(3)],
    ignored=status["SigIgn"], blocked=status["SigBlk"], arguments=sys.argv[1:], directory=os.getcwd(),
    files=resource.getrlimit(resource.RLIMIT_NOFILE), environment=dict(os.environ),
    echo=bool(termios.tcgetattr(0)[3] & termios.ECHO))
open(os.environ["FOLDER"] + "/report.new", "w").write(json.dumps(report))
os.rename(os.environ["FOLDER"] + "/report.new", os.environ["FOLDER"] + "/report")
os.write(os.open("/dev/tty", os.O_RDWR), b"reported")
"""


@pytest.mark.parametrize(
    "prepare", [None, ignoring(*OF_THE_DAEMON), blocking(*OF_THE_DAEMON)], ids=["", "ignored", "blocked"])
def test_a_program_has_a_terminal_a_session_and_no_other_descriptor(serve, program, tmp_path, prepare):
    command = program.python(
        REPORT, args=["{database}", "$PARAM_DATABASE", "--all"], params=["database", "home", "user_id"],
        working_dir=str(tmp_path), stream="out_{database}_{user_id}_{id}")
    daemon = serve(command, environment={"COLUMNS": "200", "LINES": "7", "TERM": "dumb"},
                   popen={"preexec_fn": prepare} if prepare else None)
    run = begin(daemon, database="copy-1.b_C", user_id=-42, home="x")
    assert run["stream"] == f"out_copy-1.b_C_-42_{run['id']}"
    assert output(daemon, run) == "reported"
    report = json.loads(program.await_file("report"))
    terminal = report["tty"][0]
    assert re.fullmatch(r"/dev/pts/\d+", terminal) and report["tty"] == [terminal] * 3
    assert {int(number): target for number, target in report["descriptors"].items()} == dict.fromkeys(range(3), terminal)
    assert report["size"] == [24, 80]
    assert {report[one] for one in ("pid", "session", "group", "foreground")} == {daemon.wait_for("run_started")["pid"]}
    # Python ignores PIPE and XFSZ itself.
    assert int(report["ignored"], 16) & ~sum(1 << (one - 1) for one in (signal.SIGPIPE, signal.SIGXFSZ)) == 0
    assert int(report["blocked"], 16) == 0
    assert report["arguments"] == ["{database}", "$PARAM_DATABASE", "--all"], "no parameter becomes an argument"
    assert report["directory"] == str(tmp_path)
    assert report["files"] == list(resource.getrlimit(resource.RLIMIT_NOFILE))
    environment = report["environment"]
    assert environment["TERM"] == "xterm-256color" and environment["RUN_ID"] == run["id"]
    assert not {"COLUMNS", "LINES"} & environment.keys()
    parameters = {name: text for name, text in environment.items() if name.startswith("PARAM_")}
    assert parameters == {"PARAM_DATABASE": "copy-1.b_C", "PARAM_USER_ID": "-42", "PARAM_HOME": "x"}
    assert environment["HOME"] == os.environ["HOME"]


def test_a_variable_of_the_daemon_is_no_parameter(serve, program):
    file = program.folder / "variables"
    file.write_text("PARAM_DATABASE=old\nPARAM_FILE=old\nRUN_ID=old\nOTHER=kept\n")
    daemon = serve(program("env", params=["database"]), top={"env_file": str(file)}, environment={
        "PARAM_DATABASE": "old", "PARAM_SECRET": "old", "RUN_ID": "old", "PARAMETER": "kept"})
    run = begin(daemon, database="new")
    lines = output(daemon, run).split("\r\n")
    assert "PARAM_DATABASE=new" in lines and f"RUN_ID={run['id']}" in lines
    assert "OTHER=kept" in lines and "PARAMETER=kept" in lines
    assert [line for line in lines if line.startswith("PARAM_")] == ["PARAM_DATABASE=new"]
    assert not [line for line in lines if line.endswith("=old")]


def test_nothing_is_typed_and_the_input_has_no_end(serve, program):
    daemon = serve(program('read -t 0.5 line; echo "$?"', "/bin/bash"))
    assert int(output(daemon).split()[0]) > 128, "read was ended by its own timeout"


# Output


@pytest.mark.timeout(120)
def test_a_hundred_megabytes_at_a_bounded_rate_for_a_fast_and_a_slow_client(serve, program, measured):
    size = 100_000_000
    daemon = serve(program("seq 10000000 19999999"))
    news = Viewer(daemon, stream="news")
    slow = wire.Wire(daemon.address, 60)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    run = begin(daemon)
    delays, resident, is_over = [], [processes.resident_kib(daemon.pid)], threading.Event()

    def publish_news():
        number = 0
        while not is_over.wait(0.05):
            begun = time.monotonic()
            assert post(daemon, {"stream": "news", "data": f"news {number}"})[0] == 201
            assert news.read() == f"news {number}"
            delays.append(time.monotonic() - begun)
            resident.append(processes.resident_kib(daemon.pid))
            number += 1

    with ThreadPoolExecutor() as threads, news, Viewer(daemon, run) as viewer:
        assert slow.ask(wire.upgrade(extra=[f"Sec-WebSocket-Protocol: {ACTION_CABLE}"])).status == 101
        slow.send(wire.text_frame(json.dumps(
            {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": run["stream"]})})))
        publishing = threads.submit(publish_news)
        try:
            digest, count, lengths = hashlib.sha256(), 0, []
            while (text := viewer.read(15)) != END:
                digest.update(text.encode())
                count += len(text)
                lengths.append(len(text))
        finally:
            is_over.set()
        publishing.result()
        arrivals = [at for at, _ in viewer.arrivals]
    expected = subprocess.run(
        "seq 10000000 19999999 | sed 's/$/\\r/' | sha256sum", shell=True, capture_output=True, text=True, check=True)
    assert count == size and digest.hexdigest() == expected.stdout.split()[0]
    assert ended(daemon, run)["output_bytes"] in (size, size - 10_000_000)
    seconds = arrivals[-1] - arrivals[0]
    rate = size / seconds / (1 << 20)
    measured("100 MB of output: MiB/s, growth of the daemon, slowest message of another stream", (
        f"{rate:.2f} MiB/s, {max(resident) - resident[0]} KiB, {max(delays) * 1000:.0f} ms"))
    assert 2 < rate < 4.4
    window = 0
    for index, at in enumerate(arrivals):
        while arrivals[window] < at - 1:
            window += 1
        assert sum(lengths[window:index]) < 6 << 20, "no second has much more than the rate"
    assert max(lengths) <= 16 * 1024 and sum(length < 16 * 1024 - 3 for length in lengths) <= seconds * 21 + 5
    # What waits is bounded by the message and by the client that reads nothing.
    assert max(resident) - resident[0] < 16 * 1024
    assert statistics.quantiles(delays, n=20)[-1] < 0.1 and max(delays) < 1 and len(delays) > 100
    assert daemon.wait_for("connection_aborted")["reason"] == "too_slow"
    slow.close()


def test_twenty_runs_that_print_without_end_delay_no_message_and_no_request(serve, program):
    daemon = serve(program("exec yes 0123456789", stream="out", max_running=20), top={"drain_timeout": "5s"})
    delays = []
    with Viewer(daemon, stream="news") as news, Viewer(daemon, stream="out"):
        runs = [begin(daemon) for _ in range(20)]
        for run in runs:
            processes.eventually(lambda: state(daemon, run)["output_bytes"] > 1 << 20, 15, what="a MiB of each run")
        for number in range(60):
            begun = time.monotonic()
            assert post(daemon, {"stream": "news", "data": f"news {number}"})[0] == 201
            assert news.read() == f"news {number}"
            delays.append(time.monotonic() - begun)
        assert stop(daemon, runs[0]).status == 202
        ended(daemon, runs[0], within=3)
    assert statistics.median(delays) < 0.05 and max(delays) < 0.5, sorted(delays)[-5:]


@pytest.mark.timeout(120)
def test_a_hundred_runs_with_leftovers_delay_no_message(serve, program, measured):
    """All leaders exit at the same time, and all processes that they leave are killed at the same time."""
    leftover = '(trap "" HUP TERM; exec sleep 100) &\n'
    daemon = serve(
        program(f'trap "" HUP\n{leftover}while [ ! -e "$FOLDER/go" ]; do sleep 0.5; done', max_running=100,
                stop=["TERM", "1s", "KILL"]), top={"drain_timeout": "5s"})
    delays, is_over = [], threading.Event()

    def publish_news():
        number = 0
        while not is_over.wait(0.005):
            begun = time.monotonic()
            assert post(daemon, {"stream": "news", "data": f"news {number}"})[0] == 201
            assert news.read() == f"news {number}"
            delays.append(time.monotonic() - begun)
            number += 1

    with ThreadPoolExecutor() as threads, Viewer(daemon, stream="news") as news:
        runs = [begin(daemon) for _ in range(100)]
        usual = time.monotonic()
        publishing = threads.submit(publish_news)
        try:
            time.sleep(0.5)
            quiet = max(delays)
            delays.clear()
            program.go()
            for run in runs:
                ended(daemon, run, within=30)
        finally:
            is_over.set()
        publishing.result()
    measured("100 runs with leftovers: slowest message of another stream before, and while they end", (
        f"{quiet * 1000:.0f}, {max(delays) * 1000:.0f} ms; they took {time.monotonic() - usual:.1f} s"))
    # The machine has two cores, and the shells themselves keep them busy. It was two seconds.
    assert statistics.median(delays) < 0.05 and max(delays) < 0.5 + 4 * quiet, sorted(delays)[-5:]


def test_a_program_that_prints_faster_than_its_clients_get_it_waits_and_costs_a_bounded_amount_of_memory(
        serve, program, measured):
    limits = {"max_queued_bytes": "64MiB"}
    daemon = serve(program("exec seq 1 100000000", stream="out"), cables=[{**CABLE, "limits": limits}],
                   top={"drain_timeout": "30s"})
    with Subscribers(daemon, 400, "out") as clients:
        run = begin(daemon)
        processes.eventually(lambda: state(daemon, run)["output_bytes"] > 1 << 20, 15, what="a MiB of output")
        resident = [processes.resident_kib(daemon.pid)]
        for _ in range(20):
            time.sleep(0.5)
            resident.append(processes.resident_kib(daemon.pid))
        printed = state(daemon, run)["output_bytes"]
        measured("10 s of output for 400 clients: growth of the daemon, printed", (
            f"{max(resident) - resident[0]} KiB, {printed >> 10} KiB"))
        assert max(resident) - resident[0] < 40 * 1024
        assert stop(daemon, run).status == 202
        processes.eventually(lambda: clients.have(b'"\\u0004"') == 400, 40, what="the end at all clients")
        text = "".join(clients.messages())
    lines = text.removesuffix(END).removesuffix("\r\nStopped.\r\n").split("\r\n")
    numbers = [int(line) for line in lines[:-1]]
    assert numbers == list(range(1, len(numbers) + 1)), "nothing is missing, and nothing is there twice"
    assert ended(daemon, run)["output_bytes"] in range(len(text) - 200, len(text) + 200)


def test_messages_are_joined_when_they_come_fast(serve, program):
    daemon = serve(program.python("""
for number in range(1000):
    os.write(1, b"line %d\\n" % number)
    time.sleep(0.002)
"""))
    with Viewer(daemon, begin(daemon)) as viewer:
        text = viewer.rest(20)
        times = [at for at, _ in viewer.arrivals]
    assert text == "".join(f"line {number}\r\n" for number in range(1000))
    seconds = times[-1] - times[0]
    assert seconds > 2 and seconds * 5 < len(times) <= seconds * 20 + 4
    for index in range(len(times) - 25):
        assert times[index + 25] - times[index] > 0.9, "no second has many more than 20"


def test_slow_lines_leave_at_once_and_alone(serve, program):
    daemon = serve(program.python("""
while not os.path.exists(os.environ["FOLDER"] + "/go"): time.sleep(0.02)
for number in range(8):
    os.write(1, b"%f\\n" % time.monotonic())
    time.sleep(0.2)
"""))
    with Viewer(daemon, begin(daemon)) as viewer:
        program.go()
        viewer.rest()
        lines = viewer.arrivals[:-1]
    assert len(lines) == 8
    delays = sorted(at - float(text) for at, text in lines)
    assert delays[4] < 0.03 and delays[-1] < 0.3, delays


@PROTOCOLS
def test_a_late_subscriber_gets_everything_of_a_program_that_has_ended(serve, program, protocol):
    daemon = serve(program.python("""
sys.stdout.write("x" * 40000 + "é" * 5000); sys.stdout.flush()
os.close(0); os.close(1); os.close(2)
open(os.environ["FOLDER"] + "/done", "w")
os._exit(4)
"""))
    run = begin(daemon)
    pid = daemon.wait_for("run_started")["pid"]
    program.await_file("done")
    processes.eventually(lambda: not os.path.exists(f"/proc/{pid}"), what="the exit of the program")
    with Viewer(daemon, run, protocol=protocol) as viewer:
        assert viewer.rest() == "x" * 40000 + "é" * 5000 + "\r\nExited with status 4.\r\n"
        assert all(len(text.encode()) <= 16 * 1024 for _, text in viewer.arrivals)
    assert ended(daemon, run)["exit_status"] == 4


LONG = """
for number in range(20000):
    os.write(1, b"%08d\\n" % number)
open(os.environ["FOLDER"] + "/done", "w")
"""
LONG_OUTPUT = "".join(f"{number:08}\r\n" for number in range(20000))


def test_a_program_waits_for_its_first_subscriber_once_64_kib_wait(serve, program):
    daemon = serve(program.python(LONG))
    run = begin(daemon)
    processes.eventually(lambda: state(daemon, run)["output_bytes"] >= 60_000, what="a full buffer")
    for _ in range(20):
        time.sleep(0.02)
        assert state(daemon, run)["output_bytes"] <= 64 * 1024 and not (program.folder / "done").exists()
    with Viewer(daemon, run) as viewer:
        assert viewer.rest() == LONG_OUTPUT, "nothing is missing, and nothing is there twice"
    program.await_file("done")


@pytest.mark.parametrize("is_long", [True, False], ids=["200 KB", "a line"])
def test_after_ten_seconds_the_output_waits_for_no_subscriber(serve, program, is_long):
    """By a faster clock: the program waits for room in its terminal, and that for the daemon's clock."""
    clock = FastClock(program.folder, 0)
    text = LONG if is_long else "print('short')"
    daemon = serve(program.python(text, env=clock.for_backends), environment=clock.environment)
    run = begin(daemon)
    begun = clock.hours()
    if is_long:
        processes.eventually(lambda: state(daemon, run)["output_bytes"] >= 60_000, what="a full buffer")
    else:
        processes.eventually(lambda: state(daemon, run)["output_bytes"] == 7, what="the line")
    clock.pass_until(begun + 8 / 3600, speed=20)
    time.sleep(0.1)
    if is_long:
        assert state(daemon, run)["state"] == "running" and not (program.folder / "done").exists()
    clock.pass_until(begun + 11 / 3600, speed=20)
    result = ended(daemon, run)
    assert result["exit_status"] == 0 and result["ending"] == "exited"
    with Viewer(daemon, run) as viewer:
        assert post(daemon, {"stream": run["stream"], "data": "after"})[0] == 201
        assert viewer.read() == "after", "what has left does not come again"


def test_a_second_subscriber_gets_what_comes_from_then_on(serve, program):
    daemon = serve(program(f"echo first; {GATE} echo second"))
    run = begin(daemon)
    with Viewer(daemon, run) as one:
        one.until("first")
        with Viewer(daemon, run, protocol=None) as other:
            program.go()
            assert other.rest() == "second\r\n" and one.rest() == "first\r\nsecond\r\n"


def test_a_stream_without_an_id_has_subscribers_before_the_run(serve, program):
    daemon = serve(program("echo $RUN_ID; exit 1", stream="out"))
    with Viewer(daemon, stream="out") as action, Viewer(daemon, stream="out", protocol=None) as turbo:
        for _ in range(3):
            begun = time.monotonic()
            run = begin(daemon)
            for viewer in (action, turbo):
                viewer.text = ""
                assert viewer.rest() == f"{run['id']}\r\n\r\nExited with status 1.\r\n"
            assert time.monotonic() - begun < 2
            ended(daemon, run)


def test_a_channel_that_is_mapped_to_the_stream_is_its_first_subscriber(serve, program):
    streams = {"channels": {"OutputChannel": "out_{user}_{id}"}}
    daemon = serve(program("echo out", params=["user"], stream="out_{user}_{id}"), cables=[{**CABLE, "streams": streams}])
    run = begin(daemon, user=15)
    client = Client(daemon)
    assert client.next()["type"] == "welcome"
    assert client.subscribe(channel="OutputChannel", user=15, id=run["id"]) == "confirm_subscription"
    assert [client.next()["message"] for _ in range(2)] == ["out\r\n", END]
    client.socket.close()


def test_a_subscriber_that_leaves_changes_nothing_for_the_program(serve, program):
    daemon = serve(program(f"echo first; {GATE} seq 100000; exit 6"))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("first")
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="the client being gone")
    program.go()
    result = ended(daemon, run)
    assert result["exit_status"] == 6 and result["output_bytes"] > 500_000


@PROTOCOLS
def test_u_0004_is_the_last_message(serve, program, protocol):
    daemon = serve(program("seq 1000; exit 1"))
    with Viewer(daemon, run := begin(daemon), protocol=protocol) as viewer:
        assert viewer.rest().endswith("1000\r\n\r\nExited with status 1.\r\n")
        ended(daemon, run)
        assert post(daemon, {"stream": run["stream"], "data": "after"})[0] == 201
        assert viewer.read() == "after"


def test_runs_at_the_same_time_do_not_mix_their_output(serve, program):
    daemon = serve(program('for n in $(seq 300); do echo "$PARAM_NAME $n"; done', params=["name"], max_running=8))
    runs = {f"run-{number}": begin(daemon, name=f"run-{number}") for number in range(8)}
    assert len({run["id"] for run in runs.values()}) == 8
    for name, run in runs.items():
        assert output(daemon, run) == "".join(f"{name} {n}\r\n" for n in range(1, 301))


def test_output_goes_through_redis_to_the_clients_of_every_daemon_once(serve, program, redis):
    with_redis = {**CABLE, "redis": {"url": redis.url}}
    command = program(f"echo first; {GATE} echo 2; exit 3")
    one, other = serve(command, cables=[with_redis]), serve(cables=[with_redis])
    run = begin(one)
    with Viewer(one, run) as near, Viewer(other, run) as far:
        near.until("first")
        program.go()
        assert near.rest() == "first\r\n2\r\n\r\nExited with status 3.\r\n"
        assert far.rest().endswith("2\r\n\r\nExited with status 3.\r\n")
        publish(redis, run["stream"], '"after"')
        assert near.read() == far.read() == "after"


# Requests


def verified(signed, key):
    """Returns the name in it as the verifiers of Rails and of AnyCable read it, and whether the signature is right."""
    data, _, signature = signed.partition("--")
    is_right = hmac.compare_digest(signature, hmac.new(key, data.encode(), hashlib.sha256).hexdigest())
    return json.loads(base64.b64decode(data)), is_right


def test_the_signed_name_is_one_that_rails_itself_verifies(serve, program):
    command = program("echo ü", params=["name"], stream="out_{name}_{id}")
    secrets = {"secret": STREAMS_SECRET}, {"rails_secret_key_base": SECRET_KEY_BASE}
    script = """
      require "active_support"; require "active_support/message_verifier"; require "active_support/key_generator"
      require "openssl"; require "json"
      digest, salt = OpenSSL::Digest.new("SHA256"), "turbo/signed_stream_verifier_key"
      rails = OpenSSL::PKCS5.pbkdf2_hmac(ARGV[0], salt, 1000, 64, digest)
      puts JSON.generate([ARGV[1], rails].zip(ARGV[2, 2]).map { |key, name|
        ActiveSupport::MessageVerifier.new(key, digest: "SHA256", serializer: JSON).verify(name) })
    """
    runs = []
    for streams in secrets:
        daemon = serve(command, cables=[{**CABLE, "streams": streams}])
        runs.append(run := begin(daemon, name="a-1"))
        assert run.keys() == {"id", "stream", "signed_stream_name", "path"} and run["stream"] == f"out_a-1_{run['id']}"
        assert output(daemon, run) == "ü\r\n"
    said = subprocess.run(
        ["ruby", "-e", script, SECRET_KEY_BASE, STREAMS_SECRET, *(run["signed_stream_name"] for run in runs)],
        check=True, capture_output=True, timeout=30).stdout
    assert json.loads(said) == [run["stream"] for run in runs]
    assert verified(runs[0]["signed_stream_name"], STREAMS_SECRET.encode()) == (runs[0]["stream"], True)


def test_without_a_secret_there_is_no_signed_name(serve, program):
    daemon = serve(program("echo out"), cables=[{**CABLE, "streams": {"public": ["out_*"]}}])
    response = ask(daemon, "POST", "/run", {})
    assert response.status == 202 and response.json.keys() == {"id", "stream"}
    assert response.fields["content-type"].startswith("application/json")
    assert output(daemon, response.json, protocol=None) == "out\r\n"


def test_ids_cannot_be_guessed(serve, program):
    daemon = serve(program("sleep 60", max_running=50))
    ids = [begin(daemon)["id"] for _ in range(50)]
    assert len(set(ids)) == 50 and all(re.fullmatch(r"[A-Za-z0-9_-]{22,}", one) for one in ids)
    # Each place of so many texts has many values: none of them counts, or is the time.
    assert all(len({one[place] for one in ids}) > 15 for place in range(20))


def test_max_running_gives_409_with_the_id_of_the_run(serve, program):
    daemon = serve(program("sleep 60"), program("sleep 60", name="two", path="/two", max_running=2))
    run = begin(daemon)
    for _ in range(2):
        busy = ask(daemon, "POST", "/run", {})
        assert busy.status == 409 and busy.json == {"id": run["id"]}
    assert ask(daemon, "POST", "/run", {"x": 1}).status == 400, "also while a run is in progress"
    pair = [begin(daemon, "/two") for _ in range(2)]
    assert ask(daemon, "POST", "/two", {}).json["id"] in [one["id"] for one in pair]
    assert stop(daemon, run).status == 202
    ended(daemon, run, within=15)
    assert begin(daemon)["id"] != run["id"]
    assert facts_of(daemon)["started"] == facts_of(daemon, "two")["started"] == 2


WITHOUT_KEY = {
    "missing": {}, "wrong": {"Authorization": "Bearer a-key-of-commands-in-testz"},
    "shorter": {"Authorization": f"Bearer {KEY[:-1]}"}, "longer": {"Authorization": f"Bearer {KEY}x"},
    "empty": {"Authorization": "Bearer "}, "no key": {"Authorization": "Bearer"}, "no scheme": {"Authorization": KEY},
    "basic": {"Authorization": f"Basic {KEY}"}, "of another command": {"Authorization": "Bearer another-key-of-commands"},
    "basic password": {"Authorization": "Basic " + base64.b64encode(f"x:{KEY}".encode()).decode()},
    "other fields": {"Proxy-Authorization": f"Bearer {KEY}", "X-Authorization": f"Bearer {KEY}", "Cookie": f"key={KEY}"}}


@pytest.mark.parametrize("case", WITHOUT_KEY)
def test_without_the_key_every_request_gets_401_and_nothing_else(serve, program, case):
    daemon = serve(program("sleep 60"), program("true", name="other", path="/other", key="another-key-of-commands"))
    run = begin(daemon)
    fields = {name.replace("-", "_"): text for name, text in WITHOUT_KEY[case].items()}
    for method, path, body in [
        ("POST", "/run", {}), ("POST", f"/run?key={KEY}", {}), ("POST", "/run", b"{"), ("POST", "/run", {"secret": "x"}),
        ("GET", run["path"], None), ("DELETE", run["path"], None), ("GET", "/run/" + "A" * 22, None),
        ("DELETE", "/run/" + "A" * 22, None)]:
        refused = ask(daemon, method, path, body, None, **fields)
        assert refused.status == 401, (method, path)
        assert run["id"] not in refused.text and "secret" not in refused.text
    assert state(daemon, run)["state"] == "running" and facts_of(daemon)["started"] == 1
    if "wrong" in case or "another" in case:
        assert daemon.wait_for("unauthorized")["level"] == "warning"
    assert KEY not in daemon.log_text() and KEY[:-1] not in daemon.log_text()


@pytest.mark.parametrize("key", [None, "wrong-wrong-wrong-wrong"])
def test_the_key_is_checked_before_the_size_of_the_body(serve, program, key):
    daemon = serve(program("true"))
    assert ask(daemon, "POST", "/run", b"x" * 70_000, key).status == 401
    assert facts_of(daemon)["rejected"]["unauthorized"] == 1


def test_two_authorization_fields_are_not_two_attempts(serve, program):
    daemon = serve(program("sleep 60"))
    answer = daemon.ask(wire.request("POST", "/run", extra=[
        "Authorization: Bearer wrong-wrong-wrong", f"Authorization: Bearer {KEY}"], body=b"{}"))
    assert answer.status in (400, 401) and facts_of(daemon)["started"] == 0


PARAMETERS = ["database", "user_id"]
WRONG_VALUES = [
    "", " ", "a b", "a/b", "../etc", ".", "..", "a\n", "a\x00", "é", "a" * 129, "$(touch x)", "`id`", "a;b", "a|b",
    "a&b", "*",
    "~", "a'b", 'a"b', "a\\b", "{id}", "${HOME}", "%2e", "a:b", "a=b", "a,b", "@", "#", "!", "\u202e", "a\r\nb",
    "\u0660", "\uff41",
    1.5, True, False, None, [], ["a"], {}, {"a": "b"}, 10**128]


@pytest.mark.parametrize("value", WRONG_VALUES, ids=ascii)
def test_a_value_of_other_characters_gets_400_and_starts_nothing(serve, program, value):
    daemon = serve(program("true", params=PARAMETERS))
    refused = ask(daemon, "POST", "/run", {"database": value, "user_id": "the-good-value"})
    assert refused.status == 400 and "database" in refused.text and "user_id" not in refused.text
    shown = str(value)
    assert len(shown) < 3 or shown not in refused.text, "the sentence has no value"
    assert facts_of(daemon)["started"] == 0 and "the-good-value" not in daemon.log_text()
    assert begin(daemon, database="good", user_id=1)


@pytest.mark.parametrize("body, named", [
    (b"", None), (b"{", None), (b"[]", None), (b"null", None), (b'"x"', None), (b"{}", "database"),
    (b"database=a&user_id=1", None),
    (b'{"database":"a"}', "user_id"), (b'{"user_id":"a"}', "database"),
    (b'{"database":"a","user_id":1,"extra_one":2}', "extra_one"),
    (b'{"database":"a","user_id":1,"id":"x"}', "id"), (b'{"database":"a","user_id":1,"Database":"x"}', "Database"),
    (b'{"database":"a","database":"b","user_id":1}', None), (b'{"database":"a","user_id":1} x', None),
    (b'{"database":"a","user_id":1e2}', "user_id"), (b'{"database":"a","user_id":1.0}', "user_id"),
    (b'{"database":"\xff","user_id":1}', None),
    (b'{"database":"a","user_id":01}', None), (b'{"database":"a\\ud800","user_id":1}', None),
    (b'{"database":"a","user_id":"b","PARAM_X":"c"}', "PARAM_X"), (b"[" * 60_000, None)])
def test_a_body_that_is_not_exactly_the_parameters_gets_400(serve, program, body, named):
    daemon = serve(program("true", params=PARAMETERS))
    refused = ask(daemon, "POST", "/run", body)
    assert refused.status == 400 and refused.text.strip()
    assert named is None or named in refused.text
    assert facts_of(daemon)["started"] == 0 and facts_of(daemon)["rejected"]["invalid"] == 1


@pytest.mark.parametrize("value, text", [
    ("a", "a"), ("A-Za.z_09", "A-Za.z_09"), ("x" * 128, "x" * 128), (7, "7"), (-7, "-7"), (0, "0"), ("-rf", "-rf"),
    ("...", "..."),
    (12345678901234567890123456789, "12345678901234567890123456789"), ("0x1F", "0x1F"), (".a", ".a"),
    ("007", "007")], ids=ascii)
def test_a_good_value_reaches_the_stream_and_the_program_as_it_is(serve, program, value, text):
    daemon = serve(program('printf "%s" "$PARAM_DATABASE"', params=["database"], stream="out_{database}_{id}"))
    run = begin(daemon, database=value)
    assert run["stream"] == f"out_{text}_{run['id']}" and output(daemon, run) == text


def test_a_command_without_parameters_takes_an_empty_object_only(serve, program):
    daemon = serve(program("true", max_running=5))
    assert ask(daemon, "POST", "/run", {}).status == 202
    assert ask(daemon, "POST", "/run", b" \r\n{ }\t").status == 202
    assert ask(daemon, "POST", "/run", {"database": "a"}).status == 400


def test_other_methods_get_405_with_allow(serve, program):
    daemon = serve(program("sleep 60"))
    run = begin(daemon)
    for path, methods, allowed in [
        ("/run", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"], {"POST"}),
        (run["path"], ["POST", "PUT", "PATCH", "OPTIONS"], {"GET", "DELETE"})]:
        for method in methods:
            refused = ask(daemon, method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None)
            assert refused.status == 405, (method, path, refused.status)
            assert {one.strip() for one in refused.fields["allow"].split(",")} - {"HEAD"} == allowed
    assert facts_of(daemon)["started"] == 1 and state(daemon, run)["state"] == "running"


UNKNOWN = ["/run/{other}", "/run/{id}x", "/run/{short}", "/run/", "/run/{id}/", "/run/{id}/x",
           "/run/../run/{id}/..", "/run/..",
           "/run/%2e%2e/etc", "/run/..%2f{id}", "/run//{id}", "/runs/{id}", "/two/{id}", "/run/{id}%00",
           "/run/{id};x", "/run/.",
           "/run/{id}%20", "/Run/{id}", "/run/{lower}", "/run/*", "/run/" + "A" * 5000]


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_run_gets_404_however_it_is_written(serve, program, path):
    daemon = serve(program("sleep 60"), program("sleep 60", name="two", path="/two"))
    run = begin(daemon)
    path = path.format(id=run["id"], other="A" * 22, short=run["id"][:-1], lower=run["id"].swapcase())
    for method in ("GET", "DELETE"):
        answer = daemon.ask(wire.request(method, path, extra=[f"Authorization: Bearer {KEY}"]))
        assert answer.status in (400, 404), (method, answer.status, answer.body)
        assert run["id"].encode() not in answer.body or b"state" not in answer.body
    assert state(daemon, run)["state"] == "running"


def test_a_body_over_64_kib_gets_413_with_a_length_and_in_chunks(serve, program):
    daemon = serve(program("true", params=["database"]))
    large = json.dumps({"database": "a", "filling": "x" * 70_000}).encode()
    assert ask(daemon, "POST", "/run", large).status == 413

    def pieces(body):
        return iter([body[at:at + 1000] for at in range(0, len(body), 1000)])

    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=15)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/run", pieces(large), {"Authorization": f"Bearer {KEY}"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=15)
    connection.request("POST", "/run", pieces(b'{"database":"a"}'), {"Authorization": f"Bearer {KEY}"}, encode_chunked=True)
    assert connection.getresponse().status == 202
    connection.close()
    limit = b'{"database":"a"}'.ljust(64 * 1024)
    assert ask(daemon, "POST", "/run", limit + b" ").status == 413
    processes.eventually(lambda: ask(daemon, "POST", "/run", limit).status == 202, 15, what="exactly 64 KiB")
    assert facts_of(daemon)["rejected"]["too_large"] == 3


def test_a_body_that_never_arrives_starts_nothing(serve, program):
    daemon = serve(program("true"))
    head = f"POST /run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 2\r\n\r\n".encode()
    with daemon.connect() as connection:
        connection.send(head + b"{")
    with daemon.connect() as connection:
        connection.send(head)
        connection.send(b"{")
        assert connection.is_quiet(0.2) and facts_of(daemon)["started"] == 0
        connection.send(b"}")
        assert connection.read_response("POST").status == 202
    with daemon.connect() as connection:
        connection.send(head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert b" 100 " in connection.read_until(b"\r\n\r\n")
        connection.send(b"{}")
        assert connection.read_response("POST").status in (202, 409)


def test_one_connection_carries_all_requests_one_after_the_other(serve, program):
    daemon = serve(program(f"{STUBBORN} touch $FOLDER/ready; while :; do sleep 0.05; done", stop=["TERM", "2s", "KILL"]))
    key = f"Authorization: Bearer {KEY}"
    with daemon.connect() as connection:
        run = json.loads(connection.ask(wire.request("POST", "/run", extra=[key], body=b"{}")).body)
        program.await_file("ready")
        path = f"/run/{run['id']}"
        connection.send(b"".join([
            wire.request("GET", path, extra=[key]), wire.request("POST", "/run", extra=[key], body=b"{}"),
            wire.request("DELETE", path, extra=[key]), wire.request("DELETE", path, extra=[key]),
            wire.request("GET", path, extra=[key])]))
        answers = [connection.read_response() for _ in range(5)]
        assert [one.status for one in answers] == [200, 409, 202, 202, 200]
        assert [json.loads(answers[number].body).get("state") for number in (0, 4)] == ["running", "stopping"]


def test_delete_begins_the_stop_plan_once_and_returns_the_state_afterwards(serve, program):
    daemon = serve(program("trap 'echo got term' TERM; echo ready; while :; do sleep 0.05; done",
                           stop=["TERM", "800ms", "KILL"]))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        begun = time.monotonic()
        assert stop(daemon, run).status == 202
        viewer.until("got term")
        assert stop(daemon, run).status == 202
        text = viewer.rest()
        assert 0.7 < time.monotonic() - begun < 3, "the second DELETE neither shortens the plan nor begins it again"
    assert text.count("got term") == 1 and text.endswith("\r\nStopped.\r\n")
    result = ended(daemon, run)
    assert result["ending"] == "stopped" and result["signal"] == 9
    again = stop(daemon, run)
    assert again.status == 200 and again.json["state"] == "ended" and again.json["ending"] == "stopped"


def test_a_program_that_was_suspended_is_stopped_by_its_plan(serve, program):
    daemon = serve(program("echo ready; kill -STOP $$; sleep 60", stop=["TERM", "500ms", "KILL"]))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        pid = daemon.wait_for("run_started")["pid"]
        processes.eventually(lambda: processes._stat(pid)[0] == "T", what="a suspended program")
        assert state(daemon, run)["state"] == "running"
        assert stop(daemon, run).status == 202
        viewer.rest(3)
    assert ended(daemon, run)["ending"] == "stopped"


@pytest.mark.parametrize("is_followed", [True, False], ids=["followed", "not followed"])
def test_a_run_that_prints_without_end_is_stopped_at_once(serve, program, is_followed):
    daemon = serve(program("exec yes"))
    run = begin(daemon)
    processes.eventually(lambda: state(daemon, run)["output_bytes"] >= 60_000, what="output")
    begun = time.monotonic()
    if is_followed:
        with Viewer(daemon, run) as viewer:
            viewer.until("y\r\n" * 1000)
            assert stop(daemon, run).status == 202
            assert viewer.rest().endswith("Stopped.\r\n")
    else:
        assert stop(daemon, run).status == 202
        pid = daemon.wait_for("run_started")["pid"]
        processes.eventually(lambda: not processes.is_alive(pid), 3, what="the end of the program")
    assert time.monotonic() - begun < 4


def test_the_state_of_a_run_is_known_for_ten_minutes(serve, program):
    clock = FastClock(program.folder, 0)
    daemon = serve(program("exit 2", env=clock.for_backends), environment=clock.environment)
    run = begin(daemon)
    output(daemon, run)
    ended(daemon, run)
    over = clock.hours()
    clock.pass_until(over + 9.5 / 60, speed=1000)
    assert state(daemon, run)["exit_status"] == 2
    clock.pass_until(over + 10.5 / 60, speed=1000)
    processes.eventually(lambda: ask(daemon, "GET", run["path"]).status == 404, what="the run being forgotten")
    assert stop(daemon, run).status == 404


def test_twenty_runs_are_known_and_many_leave_nothing_behind(serve, program):
    daemon = serve(program("exit 0"))

    def one():
        run = begin(daemon)
        output(daemon, run)
        ended(daemon, run)
        return run

    first = one()
    processes.childless(daemon.pid)
    before = len(processes.open_descriptors(daemon.pid))
    runs = [one() for _ in range(60)]
    assert all(state(daemon, run)["state"] == "ended" for run in runs[-20:])
    assert {ask(daemon, "GET", run["path"]).status for run in [first, *runs[:-20]]} == {404}
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="all clients being gone")
    processes.childless(daemon.pid)
    processes.eventually(
        lambda: len(processes.open_descriptors(daemon.pid)) <= before, what="no descriptor more than before")
    entry = facts_of(daemon)
    assert entry["started"] == entry["succeeded"] == 61 and entry["running"] == [] and len(entry["last"]) == 20


# Security


def test_neither_values_nor_output_are_in_the_log_the_status_or_the_metrics(serve, program):
    daemon = serve(program('echo "printed-by-the-program"; exit 3', params=PARAMETERS, stream="out_{database}_{id}"))
    run = begin(daemon, database="value-of-database", user_id=987654321)
    assert "printed-by-the-program" in output(daemon, run)
    assert ask(daemon, "POST", "/run", {"database": "value of database", "user_id": 987654321}).status == 400
    ended(daemon, run)
    daemon.wait_for("run_ended")
    with wire.Wire(daemon.status_address) as connection:
        metrics = connection.ask(wire.request(path="/metrics", host="127.0.0.1", extra=["Connection: close"])).body.decode()
    started = daemon.wait_for("run_started")
    assert (started["command"], started["run"], started["level"]) == ("run", run["id"], "info") and started["pid"] > 1
    everything = daemon.log_text(10_000) + json.dumps(daemon.snapshot()) + metrics
    for secret in ["value-of", "value of", "987654321", "printed-by", KEY, STREAMS_SECRET, run["signed_stream_name"]]:
        assert secret not in everything, secret
    assert 'ondemandd_command_runs_ended_total{command="run",result="failed"} 1\n' in metrics


def test_a_parameter_is_in_no_argument_of_any_process(serve, program):
    daemon = serve(program('echo ready; sleep 60', params=["database"], args=["{database}", "$PARAM_DATABASE"]))
    run = begin(daemon, database="to-be-hidden")
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        for pid in [daemon.pid, *daemon.offspring()]:
            with open(f"/proc/{pid}/cmdline", "rb") as words:
                assert b"to-be-hidden" not in words.read()
        stop(daemon, run)
        viewer.rest()


def check(file, *commands, **options):
    file.write_text(json.dumps({"listen": "127.0.0.1:0", "cables": [CABLE], "commands": commands}))
    words = [executable(), "check", "--config", str(file)]
    return subprocess.run(words, capture_output=True, text=True, timeout=10, **options)


@pytest.mark.parametrize("change, words", [
    ({"key": None}, '"key" is missing'), ({"key": ""}, "key"), ({"key": "fifteen-letters"}, "key"),
    ({"key": "${NOT_SET_AT_ALL}"}, "not set"),
    ({"key": "a key of sixteen letters"}, "key"), ({"key": "k" * 1025}, "key"), ({"cable": "cabel"}, "cable"),
    ({"cable": None}, "cable"),
    ({"stream": "out_{nothing}"}, "nothing"), ({"stream": None}, "stream"), ({"stream": ""}, "stream"),
    ({"params": ["Database"]}, "params"),
    ({"params": ["id"]}, "id"), ({"params": ["a", "a"]}, "a"), ({"params": ["1a"]}, "params"),
    ({"params": ["a" * 65]}, "params"),
    ({"params": ["a-b"]}, "params"), ({"timeout": "500ms"}, "timeout"), ({"timeout": "25h"}, "timeout"),
    ({"timeout": "0"}, "timeout"),
    ({"max_running": 0}, "max_running"), ({"max_running": 101}, "max_running"), ({"path": "/run/*"}, "path"),
    ({"path": "/run/"}, "path"),
    ({"path": "/{run}"}, "path"), ({"path": "/cable"}, "/cable"), ({"name": "cable"}, "cable"),
    ({"command": None}, "command"),
    ({"env": {"PARAM_A": "b"}}, "PARAM_A"), ({"env": {"RUN_ID": "b"}}, "RUN_ID"), ({"stop": ["KILLL"]}, "KILLL"),
    ({"kee": "x"}, "kee"),
    ({"path": "/_broadcast"}, "/_broadcast"), ({"path": None}, "path"),
    ({"params": [f"p{n}" for n in range(33)]}, "params")], ids=repr)
def test_a_wrong_configuration_is_an_error(program, tmp_path, change, words):
    command = {name: value for name, value in {**program("true"), **change}.items() if value is not None}
    file = tmp_path / "wrong.json"
    checked = check(file, command)
    first = checked.stderr.splitlines()[0]
    assert checked.returncode != 0 and ": error: " in first and words in first, checked.stderr
    started = subprocess.run([executable(), "--config", str(file)], capture_output=True, text=True, timeout=10)
    assert started.returncode not in (0, -signal.SIGTERM)


def test_two_commands_cannot_have_one_name_or_one_path(program, tmp_path):
    file = tmp_path / "config.json"
    assert check(file, program("true"), {**program("true"), "name": "other", "path": "/other"}).returncode == 0
    for change in ({"path": "/other"}, {"name": "other"}):
        assert check(file, program("true"), {**program("true"), **change}).returncode != 0, change


def test_the_key_is_shown_nowhere(program, tmp_path):
    file = tmp_path / "config.json"
    environment = {**os.environ, "THE_KEY": KEY}
    assert check(file, {**program("true"), "key": "${THE_KEY}"}, env=environment).returncode == 0
    for words in (["config", "show"], ["explain"], ["check"]):
        shown = subprocess.run([executable(), *words, "--config", str(file)], capture_output=True, text=True, timeout=10,
                               env=environment)
        assert shown.returncode == 0, shown.stderr
        assert KEY not in shown.stdout + shown.stderr


# Life of the daemon


@pytest.mark.parametrize("moment", ["while it runs", "while it is stopped", "after its leader's exit"])
def test_when_the_daemon_is_killed_the_guard_stops_the_whole_tree(serve, program, moment):
    mark = tools.unique()
    leader = "exit 0" if "exit" in moment else "while :; do sleep 0.05; done"
    daemon = serve(program(f"{STUBBORN} (setsid env -i sh -c 'trap \"\" TERM HUP; sleep {mark}' &)\n"
                           f"sh -c 'trap \"\" TERM HUP; sleep {mark}' &\n echo ready; {GATE} {leader}",
                           stop=["TERM", "600ms", "KILL"]))
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        pid = daemon.wait_for("run_started")["pid"]
        # Two shells (or what they became) and their sleeps.
        processes.eventually(lambda: len(tools.with_argument(mark)) >= 2, what="the children")
        left = tools.with_argument(mark)
        guard = tools.told_guard_of(daemon)
        program.go()
        if "stopped" in moment:
            assert stop(daemon, run).status == 202
        elif "exit" in moment:
            processes.eventually(lambda: not processes.is_alive(pid), what="the exit of the leader")
    daemon.kill()
    tools.ended(pid, *left, guard)
    assert not tools.with_argument(mark) and daemon.offspring() == []


def test_what_a_daemon_leaves_that_was_killed_right_after_202_is_ended_by_its_guard_or_by_the_next_daemon(serve, program):
    """The guard is told of a tree a few milliseconds after its start."""
    mark = tools.unique()
    daemon = serve(program(f"{STUBBORN} (setsid sleep {mark} &) ; sleep {mark}", stop=["TERM", "200ms", "KILL"]))
    begin(daemon)
    daemon.kill()
    serve(program("true"))
    processes.eventually(lambda: daemon.offspring() == [] and not tools.with_argument(mark), what="the end of every process")


def test_a_shutdown_stops_the_run_and_its_clients_get_the_end_first(serve, program):
    script = f"trap 'echo got term; {GATE.strip()}; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    daemon = serve(program(script, stop=["TERM", "8s", "KILL"]),
                   top={"close_jitter": "0", "drain_timeout": "10s"})
    run = begin(daemon)
    late = daemon.connect()
    late.send(f"POST /run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 2\r\n\r\n{{".encode())
    with late, Viewer(daemon, run) as viewer, Viewer(daemon, run, protocol=None) as turbo:
        viewer.until("ready")
        daemon.signal(signal.SIGTERM)
        viewer.until("got term")
        late.send(b"}")
        refused = late.read_response("POST")
        assert refused.status == 503 and refused.value("Retry-After")
        program.go()
        for one in (viewer, turbo):
            assert one.rest().endswith("\r\nStopped, because the daemon shuts down.\r\n")
        messages, code = viewer.client.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "server_restart", "reconnect": True} and code == 1001
        assert turbo.client.closing()[1] == 1001
    assert daemon.wait() == 0
    record = daemon.wait_for("run_ended")
    assert record["ending"] == "shutdown" and len(daemon.events("run_started")) == 1


@pytest.mark.parametrize("through", ["", "redis"])
def test_a_shutdown_ends_no_client_before_it_has_the_last_message(serve, program, request, through):
    cable = {**CABLE, "redis": {"url": request.getfixturevalue("redis").url}} if through else CABLE
    daemon = serve(program("echo ready; exec sleep 100", stream="out"), cables=[cable], top={"close_jitter": "0"})
    with Subscribers(daemon, 1500, "out") as clients:
        begin(daemon)
        processes.eventually(lambda: clients.have(b"ready") == 1500, 20, what="the first line at all clients")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        processes.eventually(lambda: clients.ended == 1500, what="the end of all clients")
        assert (clients.have(b"Stopped"), clients.have(b'"\\u0004"'), clients.have(b"server_restart")) == (1500,) * 3


@pytest.mark.parametrize("change", ["removed", "disabled"])
def test_a_reload_ends_no_client_before_it_has_what_was_accepted(serve, program, change):
    daemon = serve(program("true"), top={"close_jitter": "0"})
    text = "x" * 20_000
    with Subscribers(daemon, 1000, "news") as clients:
        assert post(daemon, {"stream": "news", "data": text})[0] == 201
        assert post(daemon, {"stream": "news", "data": "the last one"})[0] == 201
        reload(daemon, lambda configuration: configuration.update(
            {"cables": [{**CABLE, "enabled": False}]} if change == "disabled" else
            {"cables": [{**CABLE, "name": "new", "path": "/new"}], "commands": []}))
        processes.eventually(lambda: clients.ended == 1000, what="the end of all clients")
        assert (clients.have(b"the last one"), clients.have(b"server_restart")) == (1000, 1000)
        assert daemon.stop() == 0


def test_a_process_outside_of_a_run_that_prints_to_its_terminal_does_not_keep_the_run(serve, program):
    daemon = serve(program(f"tty > $FOLDER/tty.new; mv $FOLDER/tty.new $FOLDER/tty; {GATE} exit 3", stream="out"))
    run = begin(daemon)
    terminal = program.await_file("tty").strip()
    writer = ["sh", "-c", f"exec yes 0123456789 > {terminal}"]
    with Viewer(daemon, stream="out") as viewer, subprocess.Popen(writer) as other:
        try:
            viewer.until("0123456789")
            program.go()
            viewer.rest()
            assert ended(daemon, run)["exit_status"] == 3
        finally:
            other.kill()


def test_a_shutdown_kills_what_takes_longer_than_the_drain(serve, program):
    mark = tools.unique()
    script = f"{STUBBORN} setsid sh -c 'trap \"\" TERM; sleep {mark}' & echo ready; while :; do sleep 0.05; done"
    daemon = serve(program(script, stop=["TERM", "1m", "KILL"]), top={"close_jitter": "0", "drain_timeout": "1500ms"})
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        begun = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert viewer.rest().endswith("Stopped, because the daemon shuts down.\r\n")
        assert daemon.wait() == 0
        assert time.monotonic() - begun < 5
    assert not tools.with_argument(mark)


def test_a_second_signal_ends_runs_at_once(serve, program):
    daemon = serve(program(f"{STUBBORN} echo ready; while :; do sleep 0.05; done", stop=["TERM", "1m", "KILL"]),
                   top={"close_jitter": "0", "drain_timeout": "50s"})
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("shutting_down")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for("forced_shutdown")
        assert daemon.wait() == 0


def test_a_shutdown_ends_also_runs_without_a_subscriber(serve, program):
    daemon = serve(program("exec yes", max_running=3), program("true", name="two", path="/two"),
                   top={"drain_timeout": "30s"})
    for _ in range(3):
        run = begin(daemon)
    begin(daemon, "/two")
    processes.eventually(lambda: state(daemon, run)["output_bytes"] >= 60_000, what="a full buffer")
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 5


def test_a_reload_leaves_runs_alone_and_new_ones_get_the_new_definition(serve, program):
    daemon = serve(program(f"echo old $$; {GATE} echo old again; exit 4", max_running=2, timeout="30s"))
    run = begin(daemon)
    new = program('echo "new $PARAM_X"', params=["x"], max_running=2, key="another-key-of-commands",
                  stream="out_new_{x}_{id}")
    with Viewer(daemon, run) as viewer:
        viewer.until("old ")
        pid = daemon.wait_for("run_started")["pid"]
        reload(daemon, lambda configuration: configuration.update(commands=[new]))
        assert processes.is_alive(pid)
        assert ask(daemon, "POST", "/run", {}).status == 401
        second = begin(daemon, key="another-key-of-commands", x="y")
        assert second["stream"].startswith("out_new_y_") and output(daemon, second) == "new y\r\n"
        assert state(daemon, run, key="another-key-of-commands")["state"] == "running"
        program.go()
        assert viewer.rest().endswith("old again\r\n\r\nExited with status 4.\r\n")
    assert state(daemon, run, key="another-key-of-commands")["exit_status"] == 4


@pytest.mark.parametrize("also", ["nothing", "its cable"])
def test_the_path_of_a_removed_command_gets_404_and_its_run_goes_on(serve, program, also):
    daemon = serve(program(f"echo ready; {GATE} echo still there; touch $FOLDER/end"), top={"close_jitter": "0"},
                   services=[sleeping_double(name="service", path="/service")])
    command = json.loads(daemon.file.read_text())["commands"]
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        pid = daemon.wait_for("run_started")["pid"]
        reload(daemon, lambda configuration: configuration.update(
            commands=[], cables=[CABLE] if also == "nothing" else [{**CABLE, "name": "new", "path": "/new"}]))
        assert ask(daemon, "POST", "/run", {}).status == 404
        assert processes.is_alive(pid)
        program.go()
        if also == "nothing":
            assert viewer.rest() == "ready\r\nstill there\r\n"
        program.await_file("end")
        assert daemon.wait_for("run_ended", run=run["id"])["ending"] == "exited"
    reload(daemon, lambda configuration: configuration.update(commands=command, cables=[CABLE]))
    again = begin(daemon)
    assert output(daemon, again) == "ready\r\nstill there\r\n"


def test_a_removed_command_is_stopped_by_the_shutdown(serve, program):
    daemon = serve(program("echo ready; sleep 60"), services=[sleeping_double(name="service", path="/service")])
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("ready")
        reload(daemon, lambda configuration: configuration.update(commands=[]))
        daemon.signal(signal.SIGTERM)
        assert viewer.rest().endswith("Stopped, because the daemon shuts down.\r\n")
    assert daemon.wait() == 0


def test_a_run_keeps_no_backend_awake(serve, program):
    backend = sleeping_double(name="backend", idle_timeout="400ms")
    del backend["path"]
    daemon = serve(program("while [ ! -e $FOLDER/go ]; do echo tick; sleep 0.05; done"),
                   cables=[{**CABLE, "backend": "backend", "connect": "local", "allowed_origins": "*"}],
                   services=[backend, sleeping_double(name="other", path="/other", idle_timeout="400ms")])
    run = begin(daemon)
    with Viewer(daemon, run) as viewer:
        viewer.until("tick")
        for name, path in (("backend", "/cable"), ("other", "/other")):
            assert daemon.ask(wire.request(path=path)).status == 200
            daemon.wait_for("ready", service=name)
        for name in ("backend", "other"):
            daemon.wait_for("stopped", service=name)
        viewer.until("tick\r\n" * 3)
        assert state(daemon, run)["state"] == "running"
        program.go()
        viewer.rest()
    assert daemon.starts() == 2


def test_a_silent_run_does_not_wake_the_daemon(serve, program):
    daemon = serve(program("echo ready; sleep 60"), cables=[{**CABLE, "protocols": ["turbo_cable"]}])
    with Viewer(daemon, begin(daemon), protocol=None) as viewer:
        viewer.until("ready")
        time.sleep(1)
        before = processes.context_switches(daemon.pid)
        time.sleep(2)
        assert processes.context_switches(daemon.pid) - before <= 3


# Browsers


PAGE = """<!doctype html><meta charset=utf-8><title>run</title><pre id=screen></pre><script src="/action_cable.js"></script>
<script>
// A terminal of 80 columns and 24 rows, with the few sequences that the program uses.
class Terminal {
  rows = Array.from({ length: 24 }, () => Array(80).fill({ text: " ", colour: 0 }));
  row = 0; column = 0; colour = 0; kept = "";
  write(text) {
    text = this.kept + text;
    this.kept = "";
    const pattern = /\\x1b\\[([0-9;?]*)([A-Za-z])|[^]/gu;
    const part = text.match(/\\x1b(\\[[0-9;?]*)?$/);
    if (part) [text, this.kept] = [text.slice(0, part.index), part[0]];
    for (const [whole, parameters, letter] of text.matchAll(pattern)) {
      const number = parseInt(parameters || "1");
      if (letter === "A") this.row = Math.max(0, this.row - number);
      else if (letter === "C") this.column = Math.min(79, this.column + number);
      else if (letter === "H") [this.row, this.column] = (parameters || "1;1").split(";").map((one) => one - 1);
      else if (letter === "J") this.rows.forEach((row) => row.fill({ text: " ", colour: 0 }));
      else if (letter === "K") this.rows[this.row].fill({ text: " ", colour: 0 }, this.column);
      else if (letter === "m") this.colour = parseInt(parameters || "0");
      else if (letter) continue;
      else if (whole === "\\r") this.column = 0;
      else if (whole === "\\n") this.line();
      else if (whole === "\\b") this.column--;
      else this.rows[this.row][this.column++] = { text: whole, colour: this.colour };
    }
    screen.textContent = this.rows.map((row) => row.map((cell) => cell.text).join("").trimEnd()).join("\\n").trimEnd();
  }
  line() {
    if (this.row < 23) return this.row++;
    this.rows.push(this.rows.shift().fill({ text: " ", colour: 0 }));
  }
}
const screen = document.getElementById("screen"), terminal = new Terminal();
const run = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const received = (text) => text === "\\u0004" ? document.title = "ended" : terminal.write(text);
if (run.protocol === "action_cable") {
  ActionCable.createConsumer("/cable").subscriptions.create(
    { channel: "Turbo::StreamsChannel", signed_stream_name: run.signed_stream_name }, { received });
} else {
  const socket = new WebSocket(`ws://${location.host}/cable`);
  socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", stream: run.stream }));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "message") received(message.data);
  };
}
</script>"""

DRAWING = r"""
printf '\033[2J\033[H\033[1mCopy of %s\033[0m\n' "$PARAM_DATABASE"
for step in 1 2 3 4 5 6 7 8 9 10; do printf '\r\033[K%d0 %% ' $step; sleep 0.03; done
printf '\n<b>ü</b> & 日本\n'
printf 'working\nnext\033[1A\r\033[32mdone\033[0m\033[K\n'
printf '\033[6;11Hhere'
printf '\n'
"""


@PROTOCOLS
def test_a_page_in_a_browser_shows_what_a_terminal_would_show(serve, program, browser, tmp_path, protocol):
    with rails_page(tmp_path, PAGE) as port:
        page = service(port, name="page", path="/*", websocket=False)
        daemon = serve(program(DRAWING, params=["database"]), services=[page])
        run = begin(daemon, database="boston")
        run["protocol"] = "action_cable" if protocol else "turbo_cable"
        browser.get(f"http://127.0.0.1:{daemon.port}/index.html#" + json.dumps(run).replace('"', "%22"))
        processes.eventually(lambda: browser.title == "ended", 20, 0.05, what="the end of the run on the page")
        shown = browser.execute_script("return screen.textContent")
        assert shown.split("\n") == ["Copy of boston", "100 %", "<b>ü</b> & 日本", "done", "next      here"] or (
            shown.split("\n") == ["Copy of boston", "100 %", "<b>ü</b> & 日本", "done", "next", "          here"]), shown
        colours = browser.execute_script("return [terminal.rows[0][0], terminal.rows[3][0]].map(cell => cell.colour)")
        assert colours == [1, 32]
        assert state(daemon, run)["exit_status"] == 0
