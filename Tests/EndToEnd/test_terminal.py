"""What a person at a terminal sees, and what a pipe never gets."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from daemon import executable, sleeping_double

COLOUR = re.compile(r"\x1b\[[0-9]+m")
WIPE = "\r\x1b[K"


def at_terminal(*words, within=20, **variables):
    """Runs a command with a terminal as its output and its errors; the exit code and all that was written to it."""
    terminal, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen([executable(), *map(str, words)], stdin=side, stdout=side, stderr=side,
                               env={**environment, "TERM": "xterm-256color", **variables})
    os.close(side)
    heard = b""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and select.select([terminal], [], [], within)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # The other side is closed.
            break
        heard += piece
    os.close(terminal)
    return process.wait(within), heard.decode()


@pytest.fixture
def daemon(start, tmp_path):
    control = f"unix:{tmp_path}/control.sock"
    daemon = start(sleeping_double("--listen-after", "600ms"), top={"control": control})
    daemon.wait_for("listening", **{"for": "control"})
    daemon.control = control
    return daemon


def test_a_wait_at_a_terminal_is_one_line_that_is_wiped_away_before_the_answer(daemon):
    code, heard = at_terminal("start", "cable", "--control", daemon.control)
    assert code == 0
    shown = heard.split(WIPE)
    assert shown[0] == "" and shown[-1].startswith("cable is awake (pid "), heard
    waited = [float(re.fullmatch(r"cable is starting: ([0-9.]+) s", line)[1]) for line in shown[1:-1] if line]
    assert len(waited) >= 3 and waited == sorted(waited)

    assert at_terminal("stop", "cable", "--control", daemon.control)[0] == 0
    _, again = at_terminal("start", "cable", "--control", daemon.control)
    assert re.search(r"cable is starting: [0-9.]+ s, last start [0-9.]+ s", again)


def test_a_pipe_and_a_dumb_terminal_get_the_answer_alone(daemon):
    run = subprocess.run([executable(), "start", "cable", "--control", daemon.control], capture_output=True, text=True)
    assert run.stderr == "" and re.fullmatch(r"cable is awake \(pid \d+, startup \d+ ms\)\n", run.stdout)
    code, heard = at_terminal("restart", "cable", "--control", daemon.control, TERM="dumb")
    assert code == 0 and re.fullmatch(r"cable is awake \(pid \d+, startup \d+ ms\)\r\n", heard)


def test_colours_are_for_terminals_whose_users_want_them(daemon, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{")
    for words in [("status", "--control", daemon.control), ("check", "--config", wrong)]:
        assert COLOUR.search(at_terminal(*words)[1])
        for variables in [{"NO_COLOR": "1"}, {"TERM": "dumb"}]:
            assert not COLOUR.search(at_terminal(*words, **variables)[1])
        piped = subprocess.run([executable(), *map(str, words)], capture_output=True, text=True)
        assert not COLOUR.search(piped.stdout + piped.stderr)
