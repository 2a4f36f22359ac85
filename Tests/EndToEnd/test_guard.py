"""The guard ends the families of a daemon that was killed; the mark finds what both have left."""

import os
import signal
import subprocess
import sys
import time

import pytest

import guard_tools as tools
import processes
import wire
from daemon import double, launches_double, on_demand, service, sleeping_double
from wire import free_port


def stray(argument):
    """A shell's words that leave a process behind: another session, another user, no environment."""
    return f"(setsid env -i {' '.join(tools.AS_NOBODY)} sleep {argument} &) ;"


IN_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def end_inside(daemon):
    """unshare(1) passes no signal on."""
    (inside,) = processes.children(daemon.pid)
    os.kill(inside, signal.SIGTERM)
    assert daemon.wait() == 0


def backend_with(prelude, port, *switches, dropping=(), **keys):
    command = " ".join([*dropping, double(), "--port", str(port), *switches])
    return service(port, on_demand=on_demand(
        "sh", "-c", f"{prelude} exec {command}", **{"stop_timeout": "400ms", **keys}))


def strays(argument, count=1):
    return processes.eventually(
        lambda: len(tools.with_argument(argument)) == count and tools.with_argument(argument), what="the strays")


# The daemon is killed


def test_a_daemon_killed_while_its_backend_starts_takes_it_along(start):
    daemon = start(sleeping_double("--never-listen", stop_timeout="400ms"))
    with daemon.connect() as client:
        client.send(wire.request(path="/cable"))
        backend = daemon.wait_for("started")["pid"]
        tools.told_guard_of(daemon)
        daemon.kill()
        tools.ended(backend)


def test_a_daemon_killed_while_its_backend_is_used_takes_the_whole_family_along(start):
    mark = tools.unique()
    port = free_port()
    daemon = start(backend_with(stray(mark), port, "--grandchild"))
    daemon.open_tunnel()
    backend = daemon.wait_for("ready")["pid"]
    left = strays(mark)
    family = [backend, *left, *tools.descendants(backend)]
    guard = tools.told_guard_of(daemon)
    daemon.kill()
    tools.ended(*family, guard)


def test_a_daemon_killed_while_it_stops_a_backend_leaves_the_rest_of_the_stop_to_the_guard(start):
    daemon = start(sleeping_double("--ignore-term", stop_timeout="1500ms", idle_timeout="50ms"))
    daemon.open_tunnel().close()
    backend = daemon.wait_for("stopping")["pid"]
    guard = tools.guard_of(daemon)
    daemon.kill()
    killed = time.monotonic()
    tools.ended(backend, guard)
    assert time.monotonic() - killed > 1.0, "TERM comes first, with its timeout"


def test_a_daemon_killed_in_a_backoff_leaves_nothing_not_even_a_guard(start):
    mark = tools.unique()
    port = free_port()
    daemon = start(service(port, on_demand=on_demand(
        "sh", "-c", f"{stray(mark)} sleep 0.1; exit 3", stop_timeout="400ms", startup_timeout="5s")))
    assert daemon.ask(wire.request(path="/cable")).status == 503
    daemon.wait_for("backoff")
    assert tools.with_argument(mark) == [], "the stop took the stray along"
    daemon.kill()
    processes.eventually(lambda: not tools.guards(daemon), what="the end of the guard")


def test_the_guard_outlives_a_signal_to_the_whole_group_of_the_daemon(start):
    daemon = start(sleeping_double("--ignore-term", stop_timeout="400ms"))
    daemon.open_tunnel()
    backend = daemon.wait_for("ready")["pid"]
    guard = tools.told_guard_of(daemon)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(guard, number)
    daemon.was_killed = True
    # As a terminal does with everything in front of it.
    os.killpg(os.getpgid(daemon.pid), signal.SIGKILL)
    daemon.process.wait()
    tools.ended(backend, guard)


# The guard is killed


def test_a_guard_that_is_killed_is_replaced_and_the_next_one_knows_every_family(start):
    mark = tools.unique()
    port = free_port()
    daemon = start(backend_with(stray(mark), port))
    daemon.open_tunnel()
    backend = daemon.wait_for("ready")["pid"]
    left = strays(mark)
    first = tools.told_guard_of(daemon)
    os.kill(first, signal.SIGKILL)
    failed = daemon.wait_for("guard_failed")
    assert failed["level"] == "warning" and failed["pid"] == first and failed["exit"] == "signal 9"
    second = tools.guard_of(daemon, but=first)
    processes.eventually(lambda: tools.blocked_in(second) in ("recvfrom", None), what="the new guard to wait")
    assert processes.is_alive(backend) and not processes.is_zombie(first)
    daemon.kill()
    tools.ended(backend, *left, second)


def test_what_a_daemon_and_its_guard_leave_together_is_ended_by_the_next_daemon(start):
    mark = tools.unique()
    port = free_port()
    first = start(backend_with(stray(mark), port, dropping=tools.AS_NOBODY), wrapper=tools.IN_CONTAINER)
    first.open_tunnel()
    backend = first.wait_for("ready")["pid"]
    left = strays(mark)
    guard = tools.told_guard_of(first)
    os.kill(first.pid, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    first.kill()
    assert processes.is_alive(backend) and processes.is_alive(left[0])
    second = start(sleeping_double(), wrapper=tools.IN_CONTAINER)
    assert second.wait_for("orphan_killed", pid=backend)
    assert second.wait_for("orphan_killed", pid=left[0])
    tools.ended(backend, *left)


# What it is and costs


def test_the_guard_holds_nothing_of_the_daemon_and_is_gone_with_the_last_backend(start, measured):
    services = [
        sleeping_double(name="one", path="/one", idle_timeout="200ms"),
        sleeping_double(name="two", path="/two", idle_timeout="200ms")]
    daemon = start(*services)
    assert tools.guards(daemon) == []
    one = daemon.open_tunnel(path="/one")
    guard = tools.told_guard_of(daemon)
    two = daemon.open_tunnel(path="/two")
    daemon.wait_for("ready", service="two")
    assert tools.guards(daemon) == [guard], "one for all"
    held = processes.open_descriptors(guard)
    # Besides its channel and nothing twice: a handle of each leader, which is no file of the daemon.
    assert held[0].startswith("socket:") and held[1] == held[2] == "/dev/null", held
    assert all(target == "anon_inode:[pidfd]" or "pidfd" in target for fd, target in held.items() if fd > 2), held
    assert os.readlink(f"/proc/{guard}/cwd") == "/"
    assert os.getsid(guard) == guard
    with open(f"/proc/{guard}/environ", "rb") as environment:
        assert environment.read().strip(b"\0") == b""
    resident, own = tools.status_kib(guard, "VmRSS"), tools.status_kib(guard, "RssAnon")
    measured("the guard of an awake backend", f"{resident} KiB resident, {own} KiB of them its own")
    assert resident <= 1536
    one.close()
    daemon.wait_for("stopped", service="one")
    assert tools.guards(daemon) == [guard]
    two.close()
    daemon.wait_for("stopped", service="two")
    processes.eventually(lambda: processes.children(daemon.pid) == [], what="a daemon without children")
    daemon.assert_never("guard_failed")


# A container's root


def in_container(start, *services, **keys):
    return start(*services, wrapper=tools.IN_CONTAINER, **keys)


def test_in_a_container_a_backend_that_drops_root_is_served_and_stopped_with_all_it_left_behind(start):
    mark = tools.unique()
    port = free_port()
    daemon = in_container(
        start, backend_with(stray(mark), port, dropping=tools.AS_NOBODY, idle_timeout="200ms"))
    for generation in (1, 2, 3):
        daemon.open_tunnel().close()
        daemon.wait_for("stopped", generation=generation)
        assert tools.with_argument(mark) == [], "no stray is left after a stop"
    daemon.assert_never("address_conflict")
    daemon.assert_never("process_tree_limited")


def test_in_a_container_the_backends_of_a_killed_daemon_end_although_they_changed_their_user(start):
    mark = tools.unique()
    port = free_port()
    daemon = in_container(start, backend_with(stray(mark), port, dropping=tools.AS_NOBODY))
    daemon.open_tunnel()
    backend = daemon.wait_for("ready")["pid"]
    left = strays(mark)
    guard = tools.told_guard_of(daemon)
    daemon.kill()
    tools.ended(backend, *left, guard)
    # The address is free again at once.
    next_daemon = in_container(start, service(port, on_demand=launches_double(port)))
    assert next_daemon.ask(wire.request(path="/cable")).status in (200, 404)


LISTENER = """
import ctypes, os, socket, sys, time
os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[3]))
ctypes.CDLL(None).prctl(4, int(sys.argv[2]), 0, 0, 0)
family = socket.AF_UNIX if "/" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.bind(sys.argv[1] if family == socket.AF_UNIX else ("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    got = connection.recv(100)
    if got:
        print("got a request", flush=True)
    connection.close()
"""


@pytest.fixture
def foreign(tmp_path):
    """Starts a process of another user that listens; the lines it has printed are read by the test."""
    started = []

    def listen(place, dumpable, user=12345):
        process = subprocess.Popen(
            [sys.executable, "-c", LISTENER, str(place), "1" if dumpable else "0", str(user)],
            stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "listening\n"
        return process

    yield listen
    for process in started:
        process.kill()
        process.stdout.close()
        process.wait()


@pytest.mark.parametrize("dumpable", [True, False], ids=["can be looked into", "cannot be looked into"])
def test_in_a_container_a_foreign_process_on_the_port_is_not_the_backend(start, foreign, dumpable):
    port = free_port()
    daemon = in_container(start, service(port, on_demand=on_demand(
        *tools.AS_NOBODY, "sleep", "1000", startup_timeout="1500ms", stop_timeout="400ms")))
    with daemon.connect() as client:
        client.send(wire.upgrade())
        daemon.wait_for("started")
        intruder = foreign(port, dumpable)
        assert client.read_response().status == 503
        daemon.wait_for("address_conflict")
        daemon.assert_never("ready")
        intruder.kill()
        assert "got a request" not in intruder.stdout.read()


def test_a_foreign_process_on_the_unix_socket_is_known_by_its_credentials(start, foreign, tmp_path):
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:3]:
        if parent != parent.parent and parent.owner() == "root" and str(parent) != "/tmp":
            parent.chmod(0o755)
    path = tmp_path / "app.sock"
    daemon = in_container(start, service(target=f"unix:{path}", on_demand=on_demand(
        *tools.AS_NOBODY, "sleep", "1000", startup_timeout="1500ms", stop_timeout="400ms")))
    with daemon.connect() as client:
        client.send(wire.upgrade())
        daemon.wait_for("started")
        intruder = foreign(path, False)
        assert client.read_response().status == 503
        daemon.wait_for("address_conflict")
        daemon.assert_never("ready")
        intruder.kill()
        assert "got a request" not in intruder.stdout.read()


def test_in_a_container_a_backend_that_hides_its_sockets_is_known_because_nothing_else_can_hold_them(start):
    port = free_port()
    daemon = start(
        service(port, on_demand=on_demand(
            sys.executable, "-c", LISTENER, str(port), "0", "65534", stop_timeout="400ms")),
        wrapper=[*IN_NAMESPACE, *tools.IN_CONTAINER])
    with daemon.connect() as client:
        client.send(wire.upgrade())
        daemon.wait_for("ready")
        daemon.assert_never("address_conflict")
    end_inside(daemon)


# Namespaces of processes


def test_a_daemon_outside_leaves_the_backends_of_a_daemon_in_a_pid_namespace_alone(start):
    inside = start(sleeping_double(), wrapper=IN_NAMESPACE)
    inside.open_tunnel()
    inside.wait_for("ready")
    backends = [pid for pid in inside.offspring() if tools.name(pid) == "cable-double"]
    assert len(backends) == 1
    outside = start(sleeping_double())
    outside.open_tunnel()
    outside.assert_never("orphan_killed")
    assert processes.is_alive(backends[0])
    end_inside(inside)



# Numbers that were given back

TAKES_NUMBER = """
import os, sys, time
wanted = int(sys.argv[1])
for _ in range(200):
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(wanted - 1))
    child = os.fork()
    if child == 0:
        if os.getpid() != wanted:
            os._exit(1)
        os.setsid()
        print("taken", flush=True)
        time.sleep(60)
        os._exit(0)
    if child == wanted:
        os.waitpid(child, 0)
        break
    os.waitpid(child, 0)
"""


def test_the_number_of_a_reaped_leader_is_not_signalled_when_a_foreign_process_has_it(start):
    port = free_port()
    stubborn = "(setsid sh -c 'trap \"\" TERM; sleep 1000 & wait; sleep 1000' &) ;"
    daemon = start(
        backend_with(stubborn, port, idle_timeout="50ms", stop_timeout="3s"),
        wrapper=IN_NAMESPACE)
    daemon.open_tunnel().close()
    leader = daemon.wait_for("stopping")["pid"]
    inner = processes.children(daemon.pid)[0]
    # The leader ends at TERM and is reaped; what it left in another session holds up the stop.
    processes.eventually(
        lambda: not os.path.exists(f"/proc/{inner}/root/proc/{leader}"), within=2, what="the leader to be reaped")
    foreign = subprocess.Popen(
        ["nsenter", "--target", str(inner), "--pid", "--mount", sys.executable, "-c", TAKES_NUMBER, str(leader)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert foreign.stdout.readline() == "taken\n"
        assert not daemon.events("stopped"), "the number was taken while the stop went on"
        daemon.wait_for("stopped", within=6)
        assert foreign.poll() is None, "the process that has the number now was killed"
        end_inside(daemon)
    finally:
        foreign.kill()
        foreign.stdout.close()
        foreign.wait()
