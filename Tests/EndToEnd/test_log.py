"""Where the log goes: the journal, a file that stays below its bound, and a disk that is full."""

import json
import os
import re
import signal
import subprocess

import pytest

import processes
from daemon import double, executable
from wire import Wire, free_port, request


class Logged:
    """A daemon whose log goes where its configuration says; `stderr` is what else it gets."""

    def __init__(self, folder, log, arguments=(), stderr=subprocess.PIPE, environment=None):
        port = free_port()
        self.address = str(folder / "clients.sock")
        self.file = folder / "config.json"
        self.configuration = {
            "listen": f"unix:{self.address}", "log": log,
            "reverse_proxies": [{
                "name": "cable", "path": "/*", "target": f"http://127.0.0.1:{port}",
                "on_demand": {"command": double(), "args": ["--port", str(port), *arguments]}}]}
        self.write()
        self.process = subprocess.Popen(
            [executable(), "--config", str(self.file)], stderr=stderr,
            env={**os.environ, "JOURNAL_STREAM": "", **(environment or {})})

    def write(self, **log):
        self.configuration["log"].update(log)
        self.file.write_text(json.dumps(self.configuration))

    def ask(self):
        processes.eventually(lambda: os.path.exists(self.address), what="a listener")
        with Wire(self.address) as connection:
            return connection.ask(request(path="/hello"))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return (errors or b"").decode()


@pytest.fixture
def run(tmp_path):
    started = []

    def start(log, *arguments, **options):
        started.append(Logged(tmp_path, log, arguments, **options))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.communicate()


def holds(file, text):
    processes.eventually(lambda: file.exists() and text in file.read_text(), what=f"{text} in {file.name}")


def test_a_file_gets_the_log_and_standard_error_nothing(run, tmp_path):
    file = tmp_path / "daemon.log"
    daemon = run({"file": str(file)})
    assert daemon.ask().status == 200
    assert daemon.end() == ""
    text = file.read_text()
    assert re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+Z info    listening ", text) and text.endswith(" exited\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_flood_of_output_stays_below_the_bound_in_two_files_that_end_with_whole_lines(run, tmp_path):
    file, predecessor = tmp_path / "daemon.log", tmp_path / "daemon.log.1"
    daemon = run({"file": str(file), "max_size": "64KiB", "format": "json"}, "--flood", "2000")
    assert daemon.ask().status == 200
    processes.eventually(predecessor.exists, what="a predecessor")
    daemon.end()
    for part in (predecessor, file):
        assert part.stat().st_size <= 64 * 1024
        for line in part.read_text().splitlines():
            record = json.loads(line)
            assert record["event"] != "output" or record["stream"] in ("stdout", "stderr")
    assert sorted(path.name for path in tmp_path.glob("daemon.log*")) == ["daemon.log", "daemon.log.1"]


def test_after_a_rotation_usr1_opens_the_file_anew_and_no_line_is_lost(run, tmp_path):
    file, moved = tmp_path / "daemon.log", tmp_path / "daemon.log.old"
    daemon = run({"file": str(file)})
    holds(file, "listening")
    file.rename(moved)
    assert daemon.ask().status == 200
    holds(moved, " ready ")
    daemon.process.send_signal(signal.SIGUSR1)
    holds(file, "log_reopened")
    daemon.end()
    assert " listening " in moved.read_text() and " exited" not in moved.read_text()
    assert file.read_text().endswith(" exited\n")


def test_usr1_means_nothing_without_a_file_and_ends_nobody(run):
    daemon = run({})
    assert daemon.ask().status == 200
    daemon.process.send_signal(signal.SIGUSR1)
    assert daemon.ask().status == 200
    assert "signal_ignored signal=USR1" in daemon.end()


def test_a_reload_moves_the_log_and_one_that_cannot_changes_nothing(run, tmp_path):
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    daemon = run({"file": str(first)})
    holds(first, "listening")
    daemon.write(file=str(tmp_path / "nowhere" / "x.log"))
    daemon.process.send_signal(signal.SIGHUP)
    holds(first, f"reload_failed error=\"open {tmp_path}/nowhere/x.log: no such file or directory\"")
    daemon.write(file=str(second), format="json")
    daemon.process.send_signal(signal.SIGHUP)
    holds(second, '"event":"reloaded"')
    daemon.end()
    assert " exited" not in first.read_text() and '"event":"exited"' in second.read_text()


def test_a_file_that_cannot_be_opened_is_named_at_the_start(run, tmp_path):
    daemon = run({"file": str(tmp_path / "nowhere" / "x.log")})
    _, errors = daemon.process.communicate(timeout=10)
    assert daemon.process.returncode == 71
    assert errors.decode() == f"ondemandd: open {tmp_path}/nowhere/x.log: no such file or directory\n"


def test_a_full_disk_neither_stalls_nor_ends_anybody(run):
    daemon = run({"file": "/dev/full", "level": "debug"}, "--flood", "20000")
    for _ in range(20):
        assert daemon.ask().status == 200
    before = processes.cpu_seconds(daemon.process.pid)
    processes.eventually(lambda: daemon.ask().status == 200, what="an answer")
    assert daemon.process.poll() is None and processes.cpu_seconds(daemon.process.pid) - before < 1
    assert daemon.end() == ""


def journal(daemon_of):
    """A stream of which the journal says that it reads it, and all that was written to it."""
    reading, writing = os.pipe()
    status = os.fstat(writing)
    daemon = daemon_of(writing, f"{status.st_dev}:{status.st_ino}")
    os.close(writing)
    assert daemon.ask().status == 200
    daemon.end()
    with open(reading) as stream:
        return stream.read().splitlines()


def test_the_journal_gets_priorities_and_no_times_of_ours(run):
    lines = journal(lambda stderr, name: run({}, stderr=stderr, environment={"JOURNAL_STREAM": name}))
    assert lines[0].startswith("<6>listening address=unix:") and lines[-1] == "<6>exited"
    assert all(re.match(r"<[3-7]>[a-z_]+( |$)", line) for line in lines)


def test_whoever_inherits_the_word_journal_and_not_its_stream_writes_for_people(run):
    lines = journal(lambda stderr, name: run({}, stderr=stderr, environment={"JOURNAL_STREAM": "1:1"}))
    assert lines[0].split(" ", 2)[1] == "info"


def test_json_stays_json_in_the_journal(run):
    lines = journal(lambda stderr, name: run({"format": "json"}, stderr=stderr, environment={"JOURNAL_STREAM": name}))
    assert json.loads(lines[0])["event"] == "listening"
