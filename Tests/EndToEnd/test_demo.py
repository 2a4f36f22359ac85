"""`ondemandd demo`: a backend's whole life, out of nothing but the executable."""

import json
import os
import signal
import subprocess
import uuid

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver.common.by import By

import processes
import wire
from daemon import executable
from page import Windows

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


@pytest.mark.timeout(90)
def test_two_windows_update_each_other_through_the_cable_while_the_backend_sleeps(demo, browser):
    processes.eventually(lambda: "Ctrl-C" in demo.output.read_text(), what="the introduction")
    assert f"http://127.0.0.1:{demo.listen}/    in two browser windows" in demo.output.read_text()

    windows = Windows(browser, f"http://127.0.0.1:{demo.listen}/")
    windows.both("#state", "Connected.")

    windows.send(0, "<b>one</b>")
    windows.both("#messages", "<b>one</b>")
    windows.send(1, "two")
    windows.both("#messages", "two\n<b>one</b>")

    processes.eventually(lambda: state(demo) == "asleep", within=20, what="the backend asleep")
    assert processes.with_environment(demo.marker) == [demo.pid], "only the daemon serves the windows"
    windows.send(0, "three")
    windows.both("#messages", "three\ntwo\n<b>one</b>")
    assert state(demo) == "asleep"
    assert windows.errors() == []
    assert Axe().run(browser)["violations"] == []

    # A stopped daemon: the windows say so, and a message is not lost in silence.
    demo.send_signal(signal.SIGINT)
    assert demo.wait(10) == 0, demo.output.read_text()
    windows.both("#state", "Disconnected. The next attempt follows within three seconds.")
    windows.send(1, "four")
    processes.eventually(lambda: windows.text("#state").startswith("Not sent: "), what="the error")
    assert browser.find_element(By.CSS_SELECTOR, "#text").get_attribute("value") == "four"
