"""Process state that the daemon inherits: signals, descriptors and limits that its parent has changed."""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess

import pytest

import processes
from daemon import Daemon, executable, launches_double, on_demand, service, sleeping_double
from wire import Wire, free_port, request

LIBC = ctypes.CDLL(None, use_errno=True)
# The same numbers on every architecture (asm-generic/unistd.h).
PIDFD_GETFD, PIDFD_OPEN, EPOLL_PWAIT2 = 438, 434, 441


def ignoring(*signals):
    def prepare():
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
    return prepare


def blocking(*signals):
    return lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signals)


OF_THE_DAEMON = [signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE]


@pytest.mark.parametrize("prepare", [ignoring(*OF_THE_DAEMON), blocking(*OF_THE_DAEMON)], ids=["ignored", "blocked"])
def test_the_daemon_hears_of_its_children_and_of_its_operator_whatever_its_parent_left(start, prepare):
    early = free_port()
    daemon = start(
        sleeping_double(idle_timeout="200ms"),
        service(early, name="early", path="/early", on_demand=on_demand("false", startup_timeout="30s")),
        popen={"preexec_fn": prepare})
    assert daemon.ask(request(path="/early")).status == 503
    daemon.wait_for("start_failed", service="early", reason="exited_early")
    assert daemon.ask(request()).status == 200
    stopped = daemon.wait_for("stopped", service="cable")
    assert stopped["exit"] in ("0", "TERM") or stopped["how"] == "TERM"
    assert daemon.ask(request()).status == 200, "and it wakes again"
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("reloaded")
    # How it ends by TERM is judged by the fixture.


def test_a_backend_gets_default_signals_whatever_the_daemon_ignores(start, tmp_path):
    daemon = start(
        sleeping_double(),
        popen={"preexec_fn": ignoring(signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR2, signal.SIGQUIT)})
    assert daemon.ask(request()).status == 200
    pid = daemon.wait_for("started")["pid"]
    status = dict(line.split(":\t") for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    # Python-free: the double changes nothing but PIPE.
    ignored = int(status["SigIgn"], 16) & ~(1 << (signal.SIGPIPE - 1))
    assert ignored == 0 and int(status["SigBlk"], 16) == 0


def test_closed_standard_descriptors_are_given_to_no_other_file(tmp_path):
    port, log = free_port(), tmp_path / "daemon.log"
    listen = str(tmp_path / "clients.sock")
    configuration = tmp_path / "config.json"
    configuration.write_text(json.dumps({
        "listen": f"unix:{listen}", "log": {"file": str(log), "format": "json"},
        "reverse_proxies": [service(port, path="/*", on_demand=launches_double(port, "--flood", "50"))]}))

    def close_all():
        for descriptor in range(3):
            os.close(descriptor)

    process = subprocess.Popen([executable(), "--config", str(configuration)], preexec_fn=close_all, close_fds=False)
    try:
        processes.eventually(lambda: os.path.exists(listen), what="a listener")
        with Wire(listen) as connection:
            assert connection.ask(request(path="/hello")).status == 200
        for descriptor in range(3):
            assert os.readlink(f"/proc/{process.pid}/fd/{descriptor}") == "/dev/null"
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert all(json.loads(line) for line in log.read_text().splitlines()), "whole lines, and nothing between them"


def test_a_file_size_limit_costs_log_lines_and_nothing_else(start, tmp_path):
    log = tmp_path / "daemon.log"
    listen = str(tmp_path / "clients.sock")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    port = free_port()
    configuration = tmp_path / "config.json"
    configuration.write_text(json.dumps({
        "listen": f"unix:{listen}", "log": {"file": str(log)},
        "reverse_proxies": [service(port, path="/*", on_demand=launches_double(port, "--flood", "200"))]}))
    process = subprocess.Popen([executable(), "--config", str(configuration)], preexec_fn=limit)
    try:
        processes.eventually(lambda: os.path.exists(listen), what="a listener")
        for _ in range(20):
            with Wire(listen) as connection:
                assert connection.ask(request(path="/hello")).status == 200
        processes.eventually(lambda: log.stat().st_size == 2000, what="a full file")
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(20) == 0


def refuse(number, code):
    """Has a system call fail from now on, as container engines do (seccomp(2))."""
    load, equal, give = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("HBBI", *line) for line in [
        (load, 0, 0, 0), (equal, 0, 1, number), (give, 0, 0, 0x0005_0000 | code), (give, 0, 0, 0x7fff_0000)])
    buffer = ctypes.create_string_buffer(program)
    filter = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
    assert LIBC.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert LIBC.prctl(22, 2, filter, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


@pytest.mark.parametrize("code", [1, 13, 38], ids=["EPERM", "EACCES", "ENOSYS"])
def test_where_a_container_engine_refuses_epoll_pwait2_the_older_call_is_used(start, code):
    daemon = start(
        sleeping_double(idle_timeout="200ms"), popen={"preexec_fn": lambda: refuse(EPOLL_PWAIT2, code)})
    assert daemon.ask(request()).status == 200
    daemon.wait_for("stopped")


def descriptor_of(daemon, address):
    """A copy of the daemon's own listening socket, as a debugger would have it (pidfd_getfd(2))."""
    pidfd = LIBC.syscall(PIDFD_OPEN, daemon.pid, 0)
    assert pidfd >= 0
    for name in os.listdir(f"/proc/{daemon.pid}/fd"):
        if not os.readlink(f"/proc/{daemon.pid}/fd/{name}").startswith("socket:"):
            continue
        copy = LIBC.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        assert copy >= 0, os.strerror(ctypes.get_errno())
        taken = socket.socket(fileno=copy)
        try:
            if taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and taken.getsockname() == address:
                os.close(pidfd)
                return taken
        except OSError:
            pass
        taken.close()
    raise AssertionError("the daemon has no such listener")


def test_a_listener_that_is_shut_down_from_outside_is_opened_again_and_tunnels_live_on(start):
    daemon = start(sleeping_double())
    with daemon.open_tunnel():
        generation = daemon.wait_for("ready")["generation"]
        listener = descriptor_of(daemon, daemon.address)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        lost = daemon.wait_for("listener_closed")
        assert lost["for"] == "clients" and "again" in lost["next"]
        daemon.wait_for_count(2, "listening", **{"for": "clients"})
        assert daemon.ask(request()).status == 200
        assert daemon.process.poll() is None
        assert daemon.events("ready")[-1]["generation"] == generation, "the backend has lived on"
        daemon.assert_never("tunnel_closed")


def test_an_inherited_listener_that_its_opener_shuts_down_is_closed_and_told(start):
    with socket.create_server(("127.0.0.1", 0)) as shared:
        address = shared.getsockname()

        def hand_over():
            os.dup2(shared.fileno(), 3)
            os.set_inheritable(3, True)

        daemon = start(
            sleeping_double(), listen="fd:web", environment={"LISTEN_FDS": "9", "LISTEN_FDNAMES": "web"},
            wrapper=["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"],
            popen={"preexec_fn": hand_over, "pass_fds": [3, shared.fileno()]})
        assert daemon.ask(request()).status == 200, "LISTEN_FDS names more than there are"
        with daemon.open_tunnel():
            shared.shutdown(socket.SHUT_RDWR)
            lost = daemon.wait_for("listener_closed")
            assert lost["address"] == f"{address[0]}:{address[1]}" and "restart" in lost["next"]
            assert daemon.process.poll() is None
            daemon.assert_never("tunnel_closed")


def test_a_log_to_standard_output_is_never_renamed(tmp_path):
    listen, folder = str(tmp_path / "clients.sock"), tmp_path / "out"
    folder.mkdir()
    port, out = free_port(), folder / "out.log"
    configuration = tmp_path / "config.json"
    configuration.write_text(json.dumps({
        "listen": f"unix:{listen}", "log": {"file": "/dev/stdout", "max_size": "64KiB"},
        "reverse_proxies": [service(port, path="/*", on_demand=launches_double(port, "--flood", "2000"))]}))
    before = os.lstat("/dev/stdout")
    with open(out, "wb") as file:
        process = subprocess.Popen([executable(), "--config", str(configuration)], stdout=file)
    try:
        processes.eventually(lambda: os.path.exists(listen), what="a listener")
        with Wire(listen) as connection:
            assert connection.ask(request(path="/hello")).status == 200
        processes.eventually(lambda: out.stat().st_size > 100_000, what="a log beyond the bound")
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert os.listdir(folder) == ["out.log"] and not os.path.exists("/dev/stdout.1")
    assert os.lstat("/dev/stdout").st_ino == before.st_ino


def test_a_pipe_in_place_of_the_configuration_is_read_at_the_start_and_refused_by_a_reload(tmp_path):
    listen = str(tmp_path / "clients.sock")
    text = json.dumps({
        "listen": f"unix:{listen}", "log": {"format": "json"},
        "reverse_proxies": [service(free_port(), path="/*")]})
    bash = shutil.which("bash")
    check = subprocess.run(
        [bash, "-c", f'"{executable()}" check --config <(printf "%s" "$1")', "bash", text], capture_output=True,
        timeout=20)
    assert check.returncode == 0, check.stderr
    fifo = tmp_path / "config.json"
    fifo.write_text(text)
    process = subprocess.Popen([executable(), "--config", str(fifo)], stderr=subprocess.PIPE, text=True)
    try:
        processes.eventually(lambda: os.path.exists(listen), what="a listener")
        fifo.unlink()
        os.mkfifo(fifo)
        process.send_signal(signal.SIGHUP)
        for line in process.stderr:
            record = json.loads(line)
            if record["event"] == "reload_failed":
                break
        assert "not a regular file" in record["error"]
        with Wire(listen) as connection:
            assert connection.ask(request(path="/hello")).status == 502, "it serves on"
    finally:
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0
