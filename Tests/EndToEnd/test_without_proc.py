"""A system on which /proc is not mounted: what cannot be shown is said in a sentence, and nothing aborts."""

import json
import subprocess
import sys

import pytest

from daemon import executable, on_demand, service
from test_hints import SERVER
from wire import free_port, request

WITHOUT_PROC = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")

INHERITING = """
import socket
listener = socket.socket(fileno=3)
while True:
    with listener.accept()[0] as client:
        if client.recv(65536):
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
"""


def run(*words):
    return subprocess.run([*WITHOUT_PROC, executable(), *words], capture_output=True, text=True, timeout=10)


@pytest.fixture
def server(tmp_path):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    return lambda where, **keys: on_demand(sys.executable, str(script), str(where), **keys)


def test_the_daemon_serves_a_unix_socket_and_stops_its_backend(start, server, tmp_path):
    path = tmp_path / "app.sock"
    daemon = start(service(path="/*", target=f"unix:{path}", on_demand=server(path)), wrapper=WITHOUT_PROC)
    assert "/proc is not mounted" in daemon.wait_for("process_tree_limited")["detail"]
    assert daemon.ask(request(path="/")).status == 200
    assert daemon.stop() == 0
    assert daemon.events("stopped")
    daemon.assert_never("guard_failed")
    assert daemon.offspring() == []


def test_the_daemon_gives_a_backend_its_socket(start):
    port = free_port()
    daemon = start(
        service(port, path="/*", on_demand=on_demand(sys.executable, "-c", INHERITING, readiness="socket")),
        wrapper=WITHOUT_PROC)
    assert daemon.ask(request(path="/")).body == b"ok"
    assert daemon.stop() == 0
    assert daemon.offspring() == []


def test_a_port_whose_owner_cannot_be_shown_is_a_failed_start_with_a_reason(start, server):
    port = free_port()
    daemon = start(
        service(port, path="/*", on_demand=server(port, startup_timeout="1s")), wrapper=WITHOUT_PROC)
    assert daemon.ask(request(path="/")).status == 503
    assert "could not be shown to be the backend's" in daemon.wait_for("start_failed")["detail"]
    assert daemon.stop() == 0
    assert daemon.offspring() == []


def test_the_command_line_is_read(tmp_path):
    file = tmp_path / "on.json"
    file.write_text(json.dumps({
        "listen": "127.0.0.1:3000",
        "reverse_proxies": [{"name": "app", "path": "/*", "target": "http://127.0.0.1:3001"}]}))
    assert run("--version").stdout.startswith("ondemandd ")
    assert run("check", "--config", str(file)).returncode == 0
    mistake = run("check", "--config", str(file), "--bogus")
    assert mistake.returncode == 64 and "--bogus" in mistake.stderr
    assert run().returncode == 64


def test_the_demo_says_why_it_does_not_start():
    demo = run("demo")
    assert demo.returncode > 0 and "cannot read /proc/self/exe" in demo.stdout + demo.stderr
