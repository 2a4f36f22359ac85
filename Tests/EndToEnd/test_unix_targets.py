"""Whose listener a Unix socket is: shown by process and inode, never by the spelling of its path."""

import os
import subprocess
import sys

import pytest

import processes
from daemon import executable, on_demand, service
from wire import request

# Binds, lets a child listen on, and ends itself: the credentials of the listener name no process any more.
HANDING_ON = """
import os, socket, sys
directory, name = sys.argv[1:]
os.chdir(directory)
listener = socket.socket(socket.AF_UNIX)
listener.bind(name)
listener.listen()
if os.fork():
    os._exit(0)
print("listening", flush=True)
while True:
    with listener.accept()[0] as client:
        if client.recv(65536):
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\nhello")
"""


@pytest.fixture
def handing_on(tmp_path):
    script = tmp_path / "handing_on.py"
    script.write_text(HANDING_ON)
    return lambda name: [sys.executable, str(script), str(tmp_path), name]


@pytest.fixture
def foreign(handing_on):
    """Begins a foreign server, and ends it."""
    begun = []

    def begin(name):
        process = subprocess.Popen(handing_on(name), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                   process_group=0)
        begun.append(process)
        assert process.stdout.readline() == "listening\n"
        assert process.wait() == 0

    yield begin
    for process in begun:
        os.killpg(process.pid, 9)
        process.stdout.close()


@pytest.mark.parametrize("name", ["app.sock", "./app.sock"])
def test_a_listener_whose_first_process_has_ended_is_not_the_backends(start, foreign, tmp_path, name):
    path = tmp_path / "app.sock"
    daemon = start(service(
        path="/*", target=f"unix:{path}", on_demand=on_demand("sleep", "1000", startup_timeout="1500ms")))
    with daemon.connect() as client:
        client.send(request(path="/"))
        daemon.wait_for("started")
        foreign(name)
        assert client.read_response().status == 503
    assert daemon.wait_for("address_conflict", address=f"unix:{path}")
    daemon.assert_never("ready")


@pytest.mark.parametrize("name", ["app.sock", "./app.sock"])
def test_a_backend_that_hands_its_listener_on_is_found_by_inode(start, handing_on, tmp_path, name):
    """It stays in its process tree, and its path is relative to a directory that the daemon is not in."""
    command = " ".join(handing_on(name)) + "; exec sleep 1000"
    daemon = start(service(
        path="/*", target=f"unix:{tmp_path}/app.sock", on_demand=on_demand("sh", "-c", command)))
    assert daemon.ask(request(path="/")).body == b"hello"
    daemon.assert_never("address_conflict")


@pytest.mark.parametrize("name", ["app.sock", "./app.sock"])
def test_a_listener_of_another_pid_namespace_is_not_the_backends(start, foreign, tmp_path, name):
    """The daemon is in a namespace of its own, and the listener's process has no number there."""
    path = tmp_path / "app.sock"
    daemon = start(
        service(path="/*", target=f"unix:{path}", on_demand=on_demand("sleep", "1000", startup_timeout="1500ms")),
        wrapper=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    with daemon.connect() as client:
        client.send(request(path="/"))
        daemon.wait_for("started")
        foreign(name)
        assert client.read_response().status == 503
    assert daemon.wait_for("address_conflict", address=f"unix:{path}")
    daemon.assert_never("ready")
    # unshare(1) passes no signal on.
    (inside,) = processes.children(daemon.pid)
    os.kill(inside, 15)
    assert daemon.wait() == 0


@pytest.mark.parametrize("spelling", ["linked directory", "relative", "linked file"])
def test_a_target_that_is_the_daemons_own_socket_gets_a_reason_and_no_loop(start, tmp_path, spelling):
    """The links are made once the daemon runs, so nothing that reads the configuration can see them."""
    inside = tmp_path / "inside"
    inside.mkdir()
    own = inside / "own.sock"
    target = {"linked directory": f"{tmp_path}/link/own.sock", "relative": "link/own.sock",
              "linked file": f"{tmp_path}/alias.sock"}[spelling]
    daemon = start(
        service(name="plain", path="/plain", target=f"unix:{target}"),
        service(name="woken", path="/woken", target=f"unix:{target}", on_demand=on_demand("sleep", "1000")),
        listen=["127.0.0.1:0", f"unix:{own}"], directory=str(tmp_path))
    (tmp_path / "link").symlink_to(inside)
    (tmp_path / "alias.sock").symlink_to(own)
    plain = daemon.ask(request(path="/plain"))
    assert plain.status == 502 and b"a listener of this daemon" in plain.body, plain.body
    daemon.wait_for("upstream_error")
    assert daemon.ask(request(path="/woken")).status == 503
    assert "the daemon itself listens" in daemon.wait_for("start_failed")["detail"]
    assert len(daemon.events("upstream_error")) == 1, "no request came back"
    assert own.exists()


@pytest.mark.parametrize(
    "listen, target",
    [("x.sock", "{here}/x.sock"), ("{here}/x.sock", "./x.sock"), ("{here}/x.sock", "link/x.sock"),
     ("{here}/link/x.sock", "{here}/x.sock"), ("{here}/x.sock", "../{name}/x.sock")])
def test_check_compares_the_directories_that_paths_lead_to(tmp_path, listen, target):
    (tmp_path / "link").symlink_to(tmp_path)
    listen, target = (text.format(here=tmp_path, name=tmp_path.name) for text in (listen, target))
    file = tmp_path / "on.json"
    file.write_text(
        f'{{"listen": "unix:{listen}", "reverse_proxies": [{{"name": "a", "path": "/*", "target": "unix:{target}"}}]}}')
    check = [executable(), "check", "--config", str(file)]
    done = subprocess.run(check, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 78 and "is a listener of this daemon" in done.stderr, done.stderr
    file.write_text(file.read_text().replace(f'"target": "unix:{target}"', f'"target": "unix:{target}.other"'))
    assert subprocess.run(check, cwd=tmp_path).returncode == 0
