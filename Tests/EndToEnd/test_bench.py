"""The benchmark itself still works: a run of seconds, whose figures mean nothing."""

import os
import subprocess
import sys

import pytest

import wire
from daemon import REPOSITORY, executable


@pytest.mark.timeout(120)
def test_the_benchmark_runs_and_every_payload_is_right():
    finished = subprocess.run(
        [sys.executable, str(REPOSITORY / "Bench" / "run"), "--smoke"],
        # A test asks for no priority over the rest of the machine.
        env={**os.environ, "POLITE": "1", "ONDEMANDD": executable()}, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for figure in "messages/s, 64 connections", "bulk one way", "boot of 0 ms", "context switches":
        assert figure in finished.stdout, f"no line says {figure}:\n{finished.stdout}"


def test_a_proxy_that_breaks_a_payload_is_found_out(tmp_path):
    """The generator's own alarm: a relay that changes one byte in the middle of a message."""
    bench = str(REPOSITORY / ".build" / "bench" / "bench")
    script = tmp_path / "crooked.py"
    script.write_text(CROOKED)
    front, back = wire.free_port(), wire.free_port()
    crooked = subprocess.Popen([sys.executable, str(script), str(front), str(back)], stdout=subprocess.PIPE)
    try:
        assert crooked.stdout.readline() == b"listening\n"
        finished = subprocess.run(
            [bench, "load", "--connect", f"127.0.0.1:{front}", "--listen", f"127.0.0.1:{back}", "--messages", "50"],
            capture_output=True, text=True, timeout=30)
    finally:
        crooked.kill()
        crooked.wait()
    assert finished.returncode == 1
    assert "a wrong message came back" in finished.stderr


CROOKED = """
import socket, sys, threading
front = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
client, _ = front.accept()
backend = socket.create_connection(("127.0.0.1", int(sys.argv[2])))

def pass_on(source, sink, crooked):
    count = 0
    while data := bytearray(source.recv(65536)):
        count += 1
        if crooked and count == 20:
            data[len(data) // 2] ^= 1
        sink.sendall(data)

threading.Thread(target=pass_on, args=(client, backend, False), daemon=True).start()
pass_on(backend, client, True)
"""
