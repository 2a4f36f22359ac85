"""The daemon under a service manager: what it tells it, word for word, and the sockets it is handed."""

import os
import signal
import socket
import subprocess
import time

import pytest

import guard_tools
import processes
import wire
from daemon import executable, service, sleeping_double
from wire import free_port, request


class Manager:
    """The receiving end of sd_notify(3), on a datagram socket in a folder or under an abstract name."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(5)
        self.name = address.replace("\0", "@")

    def next(self):
        return self.socket.recv(4096).decode()

    def next_but_status(self):
        while (message := self.next()).startswith("STATUS="):
            pass
        return message

    def wait_for(self, message):
        heard = []
        while not heard or heard[-1] != message:
            heard.append(self.next())
        return heard


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    abstract = request.param == "abstract"
    manager = Manager(f"\0ondemandd-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def test_an_ipv4_client_of_a_socket_for_both_families_has_its_ipv4_address_everywhere(start, upstream):
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    daemon = start(
        service(upstream.port, path="/*", headers={"X-Address": "$remote_addr"}), listen="fd:web",
        top={"trusted_proxies": ["127.0.0.1"], "limits": {"max_connections_per_address": 2}},
        **inheriting([both], ["web"]))
    address = ("127.0.0.1", both.getsockname()[1])
    with wire.Wire(address) as client, wire.Wire(address) as told:
        client.send(request(path="/"))
        head = upstream.accept().read_head()
        assert head.value("X-Forwarded-For") == head.value("X-Address") == "127.0.0.1"
        assert head.value("Forwarded").startswith("for=127.0.0.1;")
        # Its word counts, because its address is the trusted one.
        told.send(request(path="/", extra=["X-Forwarded-For: ::ffff:198.51.100.7"]))
        assert upstream.accept().read_head().value("X-Address") == "198.51.100.7"
        with wire.Wire(address) as third:
            assert third.read_response().status == 503
    daemon.wait_for("refused", client="127.0.0.1")
    assert daemon.wait_for("first_request")["client"] == "127.0.0.1"
    assert "ffff" not in daemon.log_text()
    both.close()


def test_the_manager_hears_ready_status_and_stopping(start, manager):
    daemon = start(sleeping_double(idle_timeout="300ms"), environment={"NOTIFY_SOCKET": manager.name})
    assert manager.next() == "READY=1"
    # A reader of this message finds the listener open.
    daemon.connect().close()
    assert manager.next() == "STATUS=0 of 1 backends awake"
    daemon.open_tunnel().close()
    assert manager.next() == "STATUS=1 of 1 backends awake"
    assert manager.next() == "STATUS=0 of 1 backends awake"
    daemon.stop()
    assert manager.next() == "STOPPING=1"


def test_a_watchdog_hears_twice_in_its_time_that_the_daemon_lives(start, manager):
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"}
    start(sleeping_double(), environment=environment)
    assert [manager.next(), manager.next_but_status()] == ["READY=1", "WATCHDOG=1"]
    begun = time.monotonic()
    assert [manager.next_but_status() for _ in range(3)] == ["WATCHDOG=1"] * 3
    assert 0.55 <= time.monotonic() - begun <= 1.0


def test_a_watchdog_of_another_process_is_none_of_ours(start, manager):
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}
    start(sleeping_double(), environment=environment)
    manager.wait_for("STATUS=0 of 1 backends awake")
    manager.socket.settimeout(0.4)
    with pytest.raises(TimeoutError):
        manager.next()


def test_a_manager_that_does_not_listen_is_no_trouble(start, tmp_path):
    daemon = start(sleeping_double(), environment={"NOTIFY_SOCKET": str(tmp_path / "missing")})
    assert daemon.ask(request()).status == 200


# Sockets from the manager


def inheriting(sockets, names=None):
    """Popen's words for a process that finds these sockets from descriptor 3 on, as systemd hands them over."""
    def prepare():
        # Out of the way first: a number that is wanted may be one that is still needed.
        spare = [os.dup(listener.fileno()) for listener in sockets]
        spare = [os.dup2(number, 100 + position) for position, number in enumerate(spare)]
        for position, number in enumerate(spare):
            os.dup2(number, 3 + position, inheritable=True)

    # Only the process itself knows its number in time.
    shell = ["/bin/sh", "-c", 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"']
    environment = {"LISTEN_FDS": str(len(sockets))}
    if names is not None:
        environment["LISTEN_FDNAMES"] = ":".join(names)
    return {
        "wrapper": shell,
        "environment": environment,
        "popen": {"preexec_fn": prepare, "pass_fds": range(3, 3 + len(sockets))},
    }


def test_an_inherited_socket_is_used_where_its_address_is_listened_on(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        daemon = start(sleeping_double(), listen=f"127.0.0.1:{port}", **inheriting([listener]))
        assert daemon.port == port
        assert daemon.ask(request()).status == 200
        daemon.stop()
        # It is still open here, and so a client that comes now waits for the next daemon.
        with wire.Wire(("127.0.0.1", port)) as early:
            early.send(request())
            again = start(sleeping_double(), listen=f"127.0.0.1:{port}", **inheriting([listener]))
            assert early.read_response().status == 200
        again.wait_for("first_request")


def test_clients_of_an_inherited_socket_may_be_announced_by_a_proxy(start):
    with socket.create_server(("127.0.0.1", 0)) as listener, wire.Listener() as upstream:
        daemon = start(
            service(upstream.port, path="/*"), listen={"address": "fd:edge", "proxy_protocol": True},
            **inheriting([listener], ["edge"]))
        with daemon.connect() as client:
            client.send(b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 443\r\n" + request(path="/"))
            assert upstream.accept().read_head().value("X-Forwarded-For") == "198.51.100.7"
        assert daemon.ask(request(path="/")).status == 400, "who comes without a header"


def test_inherited_sockets_are_found_by_their_name_and_a_unix_socket_keeps_its_file(start, tmp_path):
    path = str(tmp_path / "web.sock")
    with socket.create_server(("127.0.0.1", 0)) as first, socket.socket(socket.AF_UNIX) as second:
        second.bind(path)
        second.listen()
        daemon = start(sleeping_double(), listen="fd:web", **inheriting([first, second], ["web", "web"]))
        processes.eventually(lambda: len(daemon.listening()) == 2, what="two listeners")
        assert daemon.ask(request()).status == 200
        with wire.Wire(wire.connected(path)) as client:
            assert client.ask(request()).status == 200
        daemon.stop()
        assert os.path.exists(path), "it is the manager's"


def test_a_socket_that_nobody_wants_is_closed_with_a_warning_and_no_child_inherits_any(start):
    with socket.create_server(("127.0.0.1", 0)) as wanted, socket.create_server(("127.0.0.1", 0)) as unwanted, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        daemon = start(
            sleeping_double(), listen="fd:web", **inheriting([wanted, unwanted, datagrams], ["web", "other", "web"]))
        warning = daemon.wait_for("socket_unused", name="other")
        assert warning["address"] == f"127.0.0.1:{unwanted.getsockname()[1]}" and warning["level"] == "warning"
        daemon.wait_for("socket_unused", name="web")
        daemon.open_tunnel()
        child = daemon.wait_for("ready")["pid"]
        ours = {os.fstat(one.fileno()).st_ino for one in (wanted, unwanted, datagrams)}
        held = {target for target in processes.open_descriptors(child).values()}
        assert not held & {f"socket:[{inode}]" for inode in ours}
        environment = open(f"/proc/{child}/environ", "rb").read().split(b"\0")
        assert not [entry for entry in environment if entry.startswith((b"LISTEN_", b"NOTIFY_", b"WATCHDOG_"))]


def test_a_name_that_no_manager_has_opened_is_told_in_one_sentence(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(
        '{"listen": "fd:web", "reverse_proxies": [{"name": "a", "path": "/", "target": "http://127.0.0.1:1"}]}')
    run = subprocess.run([executable(), "--config", file], capture_output=True, text=True, timeout=5)
    assert run.returncode == 71
    assert "fd:web, not passed by the service manager" in run.stderr


def test_sockets_for_another_process_are_left_alone(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = inheriting([listener])
        words["environment"]["LISTEN_PID"] = "1"
        words["wrapper"] = ["/bin/sh", "-c", 'exec "$0" "$@"']
        daemon = start(sleeping_double(), **words)
        assert daemon.ask(request()).status == 200
        daemon.assert_never("socket_unused")


def test_systemd_socket_activate_starts_the_daemon_with_the_first_client(start):
    port = free_port()
    daemon = start(
        sleeping_double(), listen="fd:web", wait=False,
        wrapper=["systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=web"])
    with wire.Wire(processes.eventually(lambda: connected_or_none(port), what="the activator")) as client:
        assert client.ask(request()).status == 200
    daemon.wait_for("listening", inherited="web", address=f"127.0.0.1:{port}")


def connected_or_none(port):
    try:
        return wire.connected(("127.0.0.1", port))
    except ConnectionRefusedError:
        return None


# The first process of a container


def test_as_pid_1_it_reaps_strangers_and_its_end_is_orderly(start):
    daemon = start(sleeping_double("--grandchild"), wrapper=["unshare", "--pid", "--fork", "--mount-proc"])
    daemon.open_tunnel()
    (inside,) = processes.children(daemon.pid)
    own = processes.children(inside)
    # A foreign process, which loses its parent: the namespace gives it to its first process. It lives until the
    # test lets go of a pipe, however busy the machine is.
    to_end, held = os.pipe()
    subprocess.run(
        ["nsenter", "--pid", "--target", str(inside), "sh", "-c", "exec 3<&0; (read line <&3; true) & exit 0"],
        stdin=to_end, check=True)
    os.close(to_end)
    foreign = lambda: [
        pid for pid in processes.children(inside) if pid not in own and guard_tools.name(pid) != guard_tools.GUARD]
    processes.eventually(foreign, what="an adopted foreign process")
    os.close(held)
    processes.eventually(lambda: not foreign(), what="the foreign process being reaped")
    assert not [pid for pid in processes.all_pids() if processes.is_zombie(pid) and parent(pid) == inside]
    os.kill(inside, signal.SIGTERM)
    assert daemon.wait() == 0
    daemon.wait_for("exited")


def parent(pid):
    fields = processes._stat(pid)
    return fields and int(fields[1])
