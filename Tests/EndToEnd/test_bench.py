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


@pytest.mark.timeout(120)
def test_the_benchmark_of_cables_runs_and_every_delivery_is_right():
    finished = subprocess.run(
        [sys.executable, str(REPOSITORY / "Bench" / "run"), "--smoke", "--cables"],
        env={**os.environ, "POLITE": "1", "ONDEMANDD": executable()}, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for figure in (
        "CPU s per 100,000 deliveries", "8 publishers at once", "50 messages in a request", "until the last of",
        "response to the publisher", "a message beside one", "connect, subscribe, confirm", "a subscribed client",
        "a hibernating client", "wake-ups per second", "stops reading", "an action wakes the backend",
    ):
        assert figure in finished.stdout, f"no line says {figure}:\n{finished.stdout}"


@pytest.mark.parametrize("fault, complaint", [
    ("change", "a wrong message came"), ("repeat", "came where"), ("swallow", "came where")])
def test_a_hub_with_a_wrong_delivery_is_found_out(tmp_path, fault, complaint):
    """The alarm of the load: a relay in front of the bare hub that changes, repeats or swallows one message."""
    bench = str(REPOSITORY / ".build" / "bench" / "bench")
    script = tmp_path / "crooked.py"
    script.write_text(CROOKED.replace("{alter}", CHANGE_A_DELIVERY))
    front, back = wire.free_port(), wire.free_port()
    hub = subprocess.Popen([bench, "hub", f"127.0.0.1:{back}"])
    crooked = subprocess.Popen([sys.executable, str(script), str(front), str(back), fault], stdout=subprocess.PIPE)
    try:
        assert crooked.stdout.readline() == b"listening\n"
        finished = subprocess.run(
            [bench, "cable", "--connect", f"127.0.0.1:{front}", "--publish", f"127.0.0.1:{back}", "--dialect",
             "action-cable"],
            input="open 1 1\npublish 20 64 1 8 1\n", capture_output=True, text=True, timeout=30)
    finally:
        for process in crooked, hub:
            process.kill()
            process.wait()
    assert finished.returncode == 1
    assert complaint in finished.stderr


def test_a_proxy_that_breaks_a_payload_is_found_out(tmp_path):
    """The generator's own alarm: a relay that changes one byte in the middle of a message."""
    bench = str(REPOSITORY / ".build" / "bench" / "bench")
    script = tmp_path / "crooked.py"
    script.write_text(CROOKED.replace("{alter}", CHANGE))
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


# A relay in front of a server. `alter` may change what the server sent.
CROOKED = """
import socket, sys, threading
front = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
client, _ = front.accept()
server = socket.create_connection(("127.0.0.1", int(sys.argv[2])))

def pass_on(source, sink, alter):
    while data := bytearray(source.recv(65536)):
        sink.sendall(alter(data))

count = 0
{alter}
threading.Thread(target=pass_on, args=(client, server, lambda data: data), daemon=True).start()
pass_on(server, client, alter)
"""

CHANGE = """
def alter(data):
    global count
    count += 1
    if count == 20:
        data[len(data) // 2] ^= 1
    return data
"""

CHANGE_A_DELIVERY = """
def alter(data):
    global count
    count += b'"message":"00' in data
    if count != 3:
        return data
    count = 1000
    if sys.argv[3] == "change":
        data[-5] ^= 1
    return {"swallow": b"", "change": data, "repeat": data + data}[sys.argv[3]]
"""
