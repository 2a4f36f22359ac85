"""`ondemandd commands` and `ondemandd run`: an operator starts programs and follows their output."""

import json
import os
import pty
import signal
import subprocess

import pytest

import processes
from daemon import executable

CABLE = {"name": "cable", "path": "/cable", "streams": {"secret": "a-secret-of-signed-streams"}}


def command(script, **keys):
    return {"name": "apply", "path": "/apply", "cable": "cable", "key": "a-key-of-commands", "command": "sh",
            "args": ["-c", script], "stream": "out_{id}", "params": ["database"], **keys}


@pytest.fixture
def begin(start, tmp_path):
    """begin(command...) gives a daemon with these commands."""

    def listening(*commands, **top):
        daemon = start(top={"control": f"unix:{tmp_path}/control.sock", "cables": [CABLE], "commands": commands, **top})
        daemon.wait_for("listening", **{"for": "control"})
        return daemon

    return listening


@pytest.fixture
def words(tmp_path):
    return lambda *words: [executable(), *words, "--control", f"unix:{tmp_path}/control.sock"]


@pytest.fixture
def run(words):
    return lambda *arguments: subprocess.run(words(*arguments), capture_output=True, text=True, timeout=20)


def commands(run):
    return json.loads(run("commands", "--json").stdout)["commands"]


def running(run):
    return [one["id"] for one in commands(run)[0]["running"]]


def test_a_run_prints_its_output_and_exits_as_its_program_does(begin, run):
    daemon = begin(command(r'printf "\033[1m%s\033[0m\n" "$PARAM_DATABASE"; [ -t 1 ]; exit $([ "$PARAM_DATABASE" = a ]; echo $?)'))
    good = run("run", "apply", "database=a")
    assert (good.returncode, good.stdout, good.stderr) == (0, "\x1b[1ma\x1b[0m\n", "")
    bad = run("run", "apply", "database=b")
    assert bad.returncode == 1 and "Exited with status 1." in bad.stdout
    assert bad.stderr.startswith("ondemandd: apply: status 1 after ")
    (entry,) = commands(run)
    assert (entry["started"], entry["succeeded"], entry["failed"], entry["running"]) == (2, 1, 1, [])
    assert [one["exit_status"] for one in entry["last"]] == [1, 0]
    table = run("commands").stdout.splitlines()
    assert table[0].split() == ["NAME", "PARAMETERS", "RUNNING", "STARTED", "SUCCEEDED", "FAILED", "STOPPED", "LAST"]
    assert table[1].startswith("apply  database    0 of 1")
    assert "command apply: 0 of 1 running, 2 started, 1 succeeded, last: status 1" in run("status").stdout
    assert "boston" not in str(daemon.records)


def test_what_is_wrong_is_said_before_a_run_is_started(begin, run):
    begin(command("true"))
    for arguments, code, sentence in [
        (["aply", "database=a"], 1, 'No command is named "aply"; there are apply.'),
        (["apply"], 1, 'The parameter "database" is missing.'),
        (["apply", "database=a", "other=b"], 1, 'The command has no parameter "other".'),
        (["apply", "database=a", "database=b"], 1, 'The parameter "database" is given twice.'),
        (["apply", "database=a b"], 64, "invalid value of database"),
        (["apply", "database=../etc"], 64, "invalid value of database"),
        (["apply", "--stop", "A" * 22], 1, "No such run is known."),
    ]:
        said = run("run", *arguments)
        assert said.returncode == code and sentence in said.stderr, arguments
    assert commands(run)[0]["started"] == 0


def test_an_interrupted_command_leaves_the_run_alone_and_stop_ends_it(begin, run, words):
    begin(command("echo begun; sleep 60"))
    # A shell without job control has its background jobs ignore the signal.
    following = subprocess.Popen(
        words("run", "apply", "database=a"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert following.stdout.readline() == "begun\n"
    (identifier,) = running(run)
    following.send_signal(signal.SIGINT)
    assert following.wait(10) == -signal.SIGINT
    assert running(run) == [identifier]
    busy = run("run", "apply", "database=b")
    assert busy.returncode == 1 and identifier in busy.stderr
    stopping = run("run", "apply", "--stop", identifier)
    assert stopping.returncode == 0 and json.loads(stopping.stdout)["state"] == "stopping"
    processes.eventually(lambda: commands(run)[0]["stopped"] == 1, what="the end of the run")
    again = run("run", "apply", "--stop", identifier)
    assert json.loads(again.stdout)["ending"] == "stopped", "a second stop tells the state"


def test_a_terminal_is_told_how_to_stop_the_run(begin, words):
    begin(command("echo ended"))
    master, slave = pty.openpty()
    following = subprocess.Popen(words("run", "apply", "database=a"), stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    assert following.wait(10) == 0
    said = os.read(master, 4096).decode()
    os.close(master)
    first, second = said.replace("\r", "").splitlines()
    assert first.startswith("run ") and first.endswith(" stops it") and "Ctrl-C leaves it running" in first
    assert second == "ended"


def test_a_run_that_is_stopped_by_its_timeout_or_by_the_shutdown_says_so(begin, run, words):
    daemon = begin(command("sleep 60", timeout="1s"), command("echo begun; sleep 60", name="long", path="/long"))
    late = run("run", "apply", "database=a")
    assert late.returncode == 1 and "Timed out after 1s." in late.stdout
    assert late.stderr.startswith("ondemandd: apply: timed out after ")
    following = subprocess.Popen(
        words("run", "long", "database=a"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert following.stdout.readline() == "begun\n"
    daemon.signal(signal.SIGTERM)
    output, errors = following.communicate(timeout=20)
    assert following.returncode == 1 and "Stopped, because the daemon shuts down." in output
    assert errors.startswith("ondemandd: long: stopped by the shutdown after ")


def test_a_reader_that_leaves_ends_the_command_and_not_the_run(begin, run, words):
    begin(command("while :; do echo line; sleep 0.01; done"))
    following = subprocess.Popen(words("run", "apply", "database=a"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert following.stdout.readline() == b"line\r\n"
    following.stdout.close()
    assert following.wait(10) == 1
    assert b"the output was closed before the run of apply ended" in following.stderr.read()
    assert len(running(run)) == 1


def test_a_follower_that_does_not_read_is_disconnected_and_the_run_goes_on(begin, run, words):
    begin(command("yes"))
    following = subprocess.Popen(words("run", "apply", "database=a"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert following.stdout.readline() == b"y\r\n"
    following.send_signal(signal.SIGSTOP)

    def written():
        return commands(run)[0]["running"][0]["output_bytes"]

    processes.eventually(lambda: written() > 12 << 20, within=30, what="more output than waits for a follower")
    following.send_signal(signal.SIGCONT)
    _, errors = following.communicate(timeout=20)
    assert following.returncode == 1 and b"closed the connection before the run of apply ended" in errors
    before = written()
    processes.eventually(lambda: written() > before, what="more output of the run")


def test_curl_speaks_it_too(begin, tmp_path):
    begin(command("echo $PARAM_DATABASE"))

    def asked(path, *options):
        words = ["curl", "--silent", "--unix-socket", f"{tmp_path}/control.sock", *options, f"http://x/v1/commands{path}"]
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout

    lines = [json.loads(line) for line in asked("/apply/run?database=a", "-X", "POST").splitlines()]
    assert "".join(line.get("output", "") for line in lines) == "a\r\n"
    assert lines[-1]["end"]["exit_status"] == 0 and lines[-1]["end"]["ending"] == "exited"
    state = json.loads(asked(f"/apply/runs/{lines[0]['id']}"))
    assert (state["command"], state["state"], state["exit_status"]) == ("apply", "ended", 0)
    assert "Method not allowed; use POST." in asked("/apply/run")
