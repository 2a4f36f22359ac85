"""`ondemandd demo`: a backend's whole life, out of nothing but the executable."""

import json
import os
import signal
import subprocess
import uuid

import pytest

import processes
import wire
from daemon import executable

CLOSE = 8


@pytest.fixture
def demo(tmp_path):
    """A running demonstration, its two addresses, and what finds everything that it starts."""
    listen, status = wire.free_port(), wire.free_port()
    marker = f"ONDEMANDD_TEST={uuid.uuid4().hex}"
    output = tmp_path / "output"
    command = [executable(), "demo", "--listen", f"127.0.0.1:{listen}", "--status", f"127.0.0.1:{status}"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), **dict([marker.split("=")])}
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=tmp_path, env=environment,
            start_new_session=True)
    process.listen, process.status_address, process.marker, process.output = listen, status, marker, output
    yield process
    process.kill()
    process.wait()
    left = processes.with_environment(marker)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, output.read_text()


def state(demo):
    request = wire.request(path="/api/status", host="127.0.0.1", extra=["Connection: close"])
    with wire.Wire(("127.0.0.1", demo.status_address)) as connection:
        (service,) = json.loads(connection.ask(request).body)["services"]
    return service["state"]


def test_a_websocket_wakes_it_is_talked_to_and_it_sleeps_again_and_leaves_nothing(demo, tmp_path):
    processes.eventually(lambda: "Ctrl-C" in demo.output.read_text(), what="the introduction")
    assert f"http://127.0.0.1:{demo.status_address}/ " in demo.output.read_text()
    assert state(demo) == "asleep"
    assert processes.with_environment(demo.marker) == [demo.pid], "asleep there is no backend"

    with wire.Wire(("127.0.0.1", demo.listen)) as client:
        assert client.ask(wire.upgrade(path="/cable")).status == 101
        assert client.read_frame() == (1, b'{"type":"welcome"}')
        client.send(wire.text_frame("Is anybody there?"))
        assert client.read_frame() == (1, b"Is anybody there?")
        opcode, payload = client.read_frame()
        assert opcode == 1 and json.loads(payload)["type"] == "ping"
        assert state(demo) == "awake"
        client.send(wire.close_frame(1000))
        assert client.read_frame()[0] == CLOSE
        assert client.has_ended()

    processes.eventually(lambda: state(demo) == "asleep", within=15, what="the backend asleep again")
    assert processes.with_environment(demo.marker) == [demo.pid]

    with wire.Wire(("127.0.0.1", demo.listen)) as client:
        answer = client.ask(wire.request(path="/"))
        assert (answer.status, answer.body) == (200, b"The backend of ondemandd demo is awake.\n")

    # Ctrl-C, with a backend that is awake.
    demo.send_signal(signal.SIGINT)
    assert demo.wait(10) == 0, demo.output.read_text()
    assert processes.with_environment(demo.marker) == []
    assert os.listdir(tmp_path) == ["output"]
