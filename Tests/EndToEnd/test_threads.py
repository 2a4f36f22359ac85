"""Tunnels on several threads: what clients, backends, operators and the system see is what it is with one."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

import guard_tools
import processes
import wire
from daemon import on_demand, service, sleeping_double
from test_commands import guarded, ordered
from test_reload import answers, close_code, reload, service_of
from wire import close_frame, free_port, text_frame, upgrade

CONNECTIONS = 40


@pytest.fixture
def threaded(start):
    """A daemon of several threads."""

    def begin(*services, threads=3, top=None, **options):
        return start(*services, top={"threads": threads, **(top or {})}, **options)

    return begin


def threads(daemon):
    """The names of its threads and how often each has been woken, in the order in which they were started."""
    found = {}
    for thread in sorted(os.listdir(f"/proc/{daemon.pid}/task"), key=int):
        text = Path(f"/proc/{daemon.pid}/task/{thread}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in text.splitlines())
        found[fields["Name"]] = int(fields["voluntary_ctxt_switches"])
    return found


def opened(daemon, count=CONNECTIONS, **parts):
    return [daemon.open_tunnel(**parts) for _ in range(count)]


def say_goodbye(tunnels, code):
    """Every client is told this code and answers; every connection ends."""
    for tunnel in tunnels:
        assert close_code(tunnel) == code
        tunnel.send(close_frame(code))
        assert tunnel.has_ended()


def test_tunnels_are_shared_out_and_every_thread_carries_its_own(threaded):
    daemon = threaded(sleeping_double())
    tunnels = opened(daemon)
    assert all(answers(tunnel) for tunnel in tunnels)
    before = threads(daemon)
    assert list(before) == ["ondemandd", "thread-2", "thread-3"]
    for _ in range(5):
        assert all(answers(tunnel) for tunnel in tunnels)
    after = threads(daemon)
    assert all(after[name] > before[name] for name in before), (before, after)
    assert daemon.status()["open"] == daemon.status()["tunnels"]["opened"] == CONNECTIONS


def test_clients_that_all_speak_at_once_get_their_own_bytes(threaded):
    daemon = threaded(sleeping_double())
    tunnels = opened(daemon, 24)
    failures = []

    def talk(number, tunnel):
        for turn in range(150):
            text = f"{number}:{turn}:" + chr(97 + number) * (turn * 37 % 3000)
            tunnel.send(text_frame(text))
            if tunnel.read_frame() != (1, text.encode()):
                return failures.append((number, turn))

    talkers = [threading.Thread(target=talk, args=pair) for pair in enumerate(tunnels)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join(30)
    assert not failures and not any(talker.is_alive() for talker in talkers)


def test_the_last_tunnel_to_end_starts_the_idle_clock_whoever_carried_it(threaded):
    daemon = threaded(sleeping_double(idle_timeout="300ms"))
    for generation in (1, 2):
        tunnels = opened(daemon, 7)
        for tunnel in tunnels[1:]:
            tunnel.close()
        assert answers(tunnels[0])
        tunnels[0].close()
        daemon.wait_for("stopped", generation=generation)
    daemon.wait_for_status(state="asleep", open=0)


def test_only_data_of_clients_keeps_it_awake_where_that_is_what_counts(threaded):
    daemon = threaded(sleeping_double(idle_when="no_client_data", idle_timeout="900ms"))
    tunnels = opened(daemon, 4)
    ready = daemon.wait_for("ready")["at"]
    for turn in range(8):
        assert answers(tunnels[turn % 4])
        threading.Event().wait(0.3)
    assert daemon.status()["generation"] == 1 and not daemon.events("stopping")
    assert daemon.wait_for("stopping")["at"] - ready > 2.4
    say_goodbye(tunnels, 1001)
    daemon.wait_for("stopped")


def test_an_operators_restart_says_1012_on_every_thread(start):
    daemon = guarded(start, sleeping_double(), top={"threads": 3, "close_jitter": "200ms"})
    tunnels = opened(daemon)
    answer = []
    order = threading.Thread(target=lambda: answer.append(ordered(daemon, "restart").status))
    order.start()
    say_goodbye(tunnels, 1012)
    order.join(20)
    assert answer == [200] and daemon.starts() == 2
    assert answers(daemon.open_tunnel())


def test_a_crash_is_told_with_1011_on_every_thread(threaded):
    daemon = threaded(sleeping_double())
    tunnels = opened(daemon)
    os.kill(daemon.status()["pid"], signal.SIGKILL)
    say_goodbye(tunnels, 1011)
    daemon.wait_for("crashed")
    daemon.wait_for_status(open=0)
    assert answers(daemon.open_tunnel())


HANDS_OVER = """
import socket, sys
holder = socket.socket(socket.AF_UNIX)
holder.connect(sys.argv[2])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    if connection.recv(65536):
        connection.sendall(bytes.fromhex(sys.argv[3]))
        socket.send_fds(holder, [b"."], [connection.fileno()])
"""


def test_connections_that_a_stranger_holds_for_a_dead_backend_end_on_every_thread(threaded, tmp_path):
    holder, port = socket.socket(socket.AF_UNIX), free_port()
    holder.bind(str(tmp_path / "holder"))
    holder.listen()
    daemon = threaded(service(port, on_demand=on_demand(
        sys.executable, "-c", HANDS_OVER, str(port), str(tmp_path / "holder"), wire.SWITCHING.hex())))
    tunnels = opened(daemon, 9)
    hand, _ = holder.accept()
    held = [socket.recv_fds(hand, 1, 1)[1][0] for _ in tunnels]
    os.kill(daemon.status()["pid"], signal.SIGKILL)
    say_goodbye(tunnels, 1011)
    daemon.wait_for_status(open=0)
    for descriptor in held:
        os.close(descriptor)
    hand.close()
    holder.close()


def test_a_shutdown_says_1001_on_every_thread_and_waits_for_all_of_them(threaded):
    daemon = threaded(sleeping_double(), top={"close_jitter": "300ms"})
    tunnels = opened(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_for("shutting_down")["open"] == CONNECTIONS
    say_goodbye(tunnels, 1001)
    assert daemon.wait() == 0
    assert daemon.offspring() == []


def test_a_shutdown_does_not_wait_for_clients_that_never_answer(threaded):
    daemon = threaded(sleeping_double(), top={"close_jitter": "0", "drain_timeout": "300ms"})
    tunnels = opened(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(8) == 0
    for tunnel in tunnels:
        assert close_code(tunnel) == 1001


def test_what_a_reload_takes_out_leaves_on_every_thread_and_the_rest_stays(threaded):
    daemon = threaded(
        sleeping_double(), sleeping_double(name="other", path="/other"), top={"close_jitter": "0"})
    stay, leave = opened(daemon, 9), opened(daemon, 9, path="/other")
    reload(daemon, lambda file: file["reverse_proxies"].remove(service_of(file, "other")))
    say_goodbye(leave, 1001)
    assert all(answers(tunnel) for tunnel in stay)
    # Its ID is reused by another service, and every thread has to know it.
    reload(daemon, lambda file: file["reverse_proxies"].append(sleeping_double(name="third", path="/third")))
    third = opened(daemon, 9, path="/third")
    assert all(answers(tunnel) for tunnel in stay + third)
    assert daemon.status("third")["tunnels"]["opened"] == 9


def test_their_number_counts_for_a_daemon_that_starts_and_a_reload_says_so(threaded):
    daemon = threaded(sleeping_double(), threads=2)
    assert reload(daemon, lambda file: file.update(threads=4))["after_restart"] == "threads"
    assert len(threads(daemon)) == 2
    assert "after_restart" not in reload(daemon, lambda file: file.update(threads=2))


def test_what_passes_on_every_thread_is_counted(threaded):
    daemon = threaded(sleeping_double())
    tunnels = opened(daemon)
    for tunnel in tunnels:
        tunnel.send(text_frame("twelve bytes"))
        assert tunnel.read_frame() == (1, b"twelve bytes")
    for tunnel in tunnels:
        tunnel.send(close_frame(4002))
        assert close_code(tunnel) == 4002
        tunnel.close()
    daemon.wait_for_status(open=0)
    counts = daemon.status()["tunnels"]
    assert counts["opened"] == CONNECTIONS and counts["closes"] == {"4002": 2 * CONNECTIONS, "other": 0}
    assert counts["from_clients"]["messages"] == CONNECTIONS
    assert counts["from_clients"]["bytes"] == CONNECTIONS * (6 + 12 + 6 + 2)
    assert counts["from_backend"]["messages"] == CONNECTIONS


def test_a_frame_that_breaks_the_rules_is_told_in_the_log_from_any_thread(threaded):
    daemon = threaded(sleeping_double(), log={"level": "debug"})
    for tunnel in opened(daemon, 6):
        tunnel.send(wire.plain_frame(1, b"unmasked"))
        assert close_code(tunnel) == 1002
    assert daemon.wait_for_count(6, "connection_aborted", close_code=1002)["service"] == "cable"


def test_asleep_no_thread_wakes(threaded, measured):
    daemon = threaded(sleeping_double(idle_timeout="100ms"))
    for tunnel in opened(daemon):
        tunnel.close()
    daemon.wait_for("stopped")
    threading.Event().wait(1.5)
    before = processes.context_switches(daemon.pid)
    threading.Event().wait(10)
    assert processes.context_switches(daemon.pid) == before
    measured("three threads, asleep: resident memory", f"{processes.resident_kib(daemon.pid)} KiB")


def test_d4_a_killed_daemon_of_several_threads_takes_its_backend_with_it(threaded):
    daemon = threaded(sleeping_double("--ignore-term"))
    opened(daemon, 8)
    backend = daemon.wait_for("ready")["pid"]
    guard = guard_tools.told_guard_of(daemon)
    daemon.kill()
    # The guard follows the stop plan: TERM, which is ignored, then KILL.
    processes.eventually(lambda: not processes.is_alive(backend), within=15, what="the end of the backend")
    processes.eventually(lambda: not processes.is_alive(guard), within=5, what="the end of the guard")
    assert daemon.offspring() == []


def test_no_descriptor_stays_with_any_thread(threaded):
    daemon = threaded(service(0, target=f"http://127.0.0.1:{(backend := wire.Listener()).port}"))
    daemon.wait_for("listening", **{"for": "status"})

    def sockets():
        return sum(name.startswith("socket:") for name in processes.open_descriptors(daemon.pid).values())

    before = sockets()
    for _ in range(5):
        pairs = []
        for _ in range(10):
            client = daemon.connect()
            client.send(upgrade())
            pairs.append((client, backend.accept_tunnel()[0]))
            assert client.read_head().status == 101
        for client, behind in pairs:
            client.close()
            behind.close()
        daemon.wait_for_status(open=0)
    processes.eventually(lambda: sockets() == before, what="as many sockets as before")
