"""What a failed start says, and what a backend finds in its environment and at its socket's path."""

import socket
import subprocess
import sys

import pytest

from daemon import executable, on_demand, service
from wire import free_port, request

SERVER = """
import http.server, os, socket, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = repr({name: os.environ.get(name) for name in ("PWD", "OLDPWD", "PORT")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
    def address_string(self): return "client"
class Unix(socketserver.UnixStreamServer):
    def get_request(self): return (super().get_request()[0], ("client", 0))
where = sys.argv[1]
if where.startswith("/"):
    server = Unix(where, Handler)
elif ":" in where:
    class Six(http.server.HTTPServer):
        address_family = socket.AF_INET6
    server = Six(("::1", int(where.rsplit(":", 1)[1])), Handler)
else:
    server = http.server.HTTPServer(("127.0.0.1", int(where)), Handler)
server.serve_forever()
"""


@pytest.fixture
def server(tmp_path):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    return lambda where, **keys: on_demand(sys.executable, str(script), str(where), **keys)


def failure(start, *services):
    daemon = start(*services)
    assert daemon.ask(request(path="/")).status == 503
    return daemon.wait_for("start_failed")["detail"]


def test_a_server_that_listens_elsewhere_is_told_where(start, server):
    port = free_port()
    detail = failure(start, service(port, path="/*", on_demand=server(f"[::1]:{port}", startup_timeout="700ms")))
    assert detail.endswith(f"it listens on [::1]:{port}, the target is 127.0.0.1:{port}"), detail


@pytest.mark.parametrize(
    "first_line, hint",
    [("#!/bin/sh\r\n", '"/bin/sh" ends with CRLF'), ("#!/usr/bin/env sh\r\n", '"/usr/bin/env sh" ends with CRLF'),
     ("#!/opt/no-such-ruby\n", '"/opt/no-such-ruby" is not on this')])
def test_a_script_without_a_usable_interpreter_is_told_why(start, tmp_path, first_line, hint):
    script = tmp_path / "run"
    script.write_bytes(first_line.encode() + b"exit 0\n")
    script.chmod(0o755)
    assert hint in failure(start, service(free_port(), path="/*", on_demand=on_demand(str(script))))


@pytest.mark.parametrize(
    "command, hint",
    [("bundle exec puma", "a whole command line"), ("~/bin/app", 'no shell expands "~"'),
     ("$HOME/bin/app", 'write "${HOME}"'), ("FOO=1 puma", '"env": {"FOO": "1"}'),
     ('puma", "working_dir": "~/app', 'no shell expands "~"'),
     ('puma", "working_dir": "$HOME/app', 'write "${HOME}"')])
def test_check_finds_what_only_a_shell_understands(tmp_path, command, hint):
    file = tmp_path / "on.json"
    file.write_text(
        '{"listen": ":3000", "reverse_proxies": [{"name": "a", "path": "/*", "target": "http://127.0.0.1:3001",'
        f' "on_demand": {{"enabled": true, "command": "{command}"}}}}]}}')
    done = subprocess.run([executable(), "check", "--config", str(file)], capture_output=True, text=True)
    assert done.returncode == 78 and hint in done.stderr, done.stderr


def test_a_backend_finds_its_own_directory_and_not_the_daemons_port(start, server, tmp_path):
    port, place = free_port(), tmp_path / "release"
    place.mkdir()
    daemon = start(
        service(port, path="/*", on_demand=server(port, working_dir=str(place))),
        environment={"PORT": "8080", "PWD": "/somewhere/else"})
    assert eval(daemon.ask(request(path="/")).body) == {"PWD": str(place), "OLDPWD": None, "PORT": None}


@pytest.mark.parametrize("written, found", [("../wd", "wd"), ("./../wd/.", "wd"), ("{here}/own/../wd", "wd"),
                                            ("link", "own/link"), ("link/../wd", None)])
def test_the_directory_in_the_environment_has_no_dot_components(start, server, tmp_path, written, found):
    """Where a link makes `..` lead elsewhere than the text says, nothing is told, and programs ask the system."""
    for name in ("own", "wd", "far/away", "far/wd"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "own" / "wd").mkdir()
    (tmp_path / "own" / "link").symlink_to(tmp_path / "far" / "away")
    port = free_port()
    daemon = start(
        service(port, path="/*", on_demand=server(port, working_dir=written.format(here=tmp_path))),
        environment={"PWD": "/somewhere/else", "OLDPWD": "/somewhere"}, directory=str(tmp_path / "own"))
    told = eval(daemon.ask(request(path="/")).body)
    assert (told["PWD"], told["OLDPWD"]) == (found and f"{tmp_path}/{found}", None)


def test_an_argument_that_a_shell_would_expand_explains_a_failed_start(start):
    detail = failure(start, service(free_port(), path="/*", on_demand=on_demand("ls", "~/no-such-file")))
    assert 'argument "~/no-such-file": no shell expands "~"' in detail, detail


def test_the_stale_socket_of_a_killed_backend_does_not_keep_the_next_one_from_starting(start, server, tmp_path):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    daemon = start(service(path="/*", target=f"unix:{path}", on_demand=server(path)))
    assert daemon.ask(request(path="/")).status == 200


def test_a_file_that_is_no_socket_is_left_alone(start, server, tmp_path):
    path = tmp_path / "app.sock"
    path.write_text("precious")
    daemon = start(service(path="/*", target=f"unix:{path}", on_demand=server(path)))
    assert daemon.ask(request(path="/")).status == 503
    assert path.read_text() == "precious"


def test_a_stranger_that_binds_the_target_by_another_spelling_gets_no_request(start, tmp_path):
    path = tmp_path / "app.sock"
    daemon = start(service(
        path="/*", target=f"unix:{path}", on_demand=on_demand("sleep", "1000", startup_timeout="1500ms")))
    with daemon.connect() as client, socket.socket(socket.AF_UNIX) as foreign:
        client.send(request(path="/"))
        daemon.wait_for("started")
        foreign.bind(f"{tmp_path}/./app.sock")
        foreign.listen()
        assert client.read_response().status == 503
        assert daemon.wait_for("address_conflict", address=f"unix:{path}")


def test_a_daemon_that_ends_leaves_its_successors_socket_alone(start, tmp_path):
    control = tmp_path / "control.sock"
    first = start(service(free_port(), path="/*"), top={"control": f"unix:{control}"})
    first.wait_for("listening", **{"for": "control"})
    control.unlink()
    second = start(service(free_port(), path="/*"), top={"control": f"unix:{control}"})
    second.wait_for("listening", **{"for": "control"})
    assert first.stop() == 0
    assert control.exists()
    assert second.stop() == 0
    assert not control.exists()


def test_an_address_in_time_wait_is_told_apart_from_one_that_is_taken(start):
    port = free_port()
    # The side that closes first keeps the address for a minute.
    with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = server.accept()
        accepted.close()
        assert client.recv(1) == b""
    script = f"import socket; s = socket.socket(); s.bind(('127.0.0.1', {port}))"
    detail = failure(start, service(port, path="/*", on_demand=on_demand(sys.executable, "-c", script)))
    assert "TIME_WAIT" in detail and "SO_REUSEADDR" in detail, detail


def test_an_unset_port_hints_at_the_placeholder(tmp_path):
    file = tmp_path / "on.json"
    file.write_text('{"listen": ":${PORT}", "reverse_proxies": []}')
    done = subprocess.run([executable(), "check", "--config", str(file)], capture_output=True, text=True, env={})
    assert done.returncode == 78 and "{port}" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "listen, target",
    [("unix:x.sock", "unix:./x.sock"), ("unix:/run//x.sock", "unix:/run/./x.sock"),
     ("127.0.0.1:3000", "http://[::ffff:127.0.0.1]:3000"), (":3000", "http://[::ffff:127.0.0.1]:3000")])
def test_check_sees_its_own_listener_in_every_spelling(tmp_path, listen, target):
    file = tmp_path / "on.json"
    file.write_text(
        f'{{"listen": "{listen}", "reverse_proxies": [{{"name": "a", "path": "/*", "target": "{target}"}}]}}')
    done = subprocess.run([executable(), "check", "--config", str(file)], capture_output=True, text=True)
    assert done.returncode == 78 and "is a listener of this daemon" in done.stderr, done.stderr
