"""When a backend counts as ready: each kind with real processes, and what clients hear when it never does."""

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

import processes
from daemon import double, on_demand, service
from wire import Listener, free_port, request, upgrade

PROBER = str(Path(__file__).with_name("prober.py"))

ASKING = {
    "http": {"kind": "http", "path": "/up", "status": "2xx"},
    "websocket": {"kind": "websocket", "path": "/cable"},
}


def probed(port, readiness, *switches, **keys):
    """prober.py behind the daemon."""
    launch = on_demand(sys.executable, "-I", PROBER, "--port", str(port), *switches, readiness=readiness, **keys)
    return service(port, path="/*", on_demand=launch)


def descriptors_when_all_listen(daemon):
    daemon.wait_for("listening", **{"for": "status"})
    return len(processes.open_descriptors(daemon.pid))


def reports(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("kind", ASKING)
def test_a_backend_that_accepts_before_it_serves_gets_its_first_client_when_it_serves(start, tmp_path, kind):
    port, told = free_port(), tmp_path / "told"
    daemon = start(probed(port, ASKING[kind], "--up-after", "0.5", "--report", str(told)))
    assert daemon.ask(request(path="/page")).status == 200
    asked = reports(told)
    probes, page = asked[:-1], asked[-1]
    assert page["asked"] == "GET /page HTTP/1.1", "trap S4: no client came before the answer was right"
    assert [probe["status"] for probe in probes[:-1]] == [503] * (len(probes) - 1) and len(probes) > 3
    path = ASKING[kind]["path"]
    assert {(probe["asked"], probe["host"]) for probe in probes} == {(f"GET {path} HTTP/1.1", f"127.0.0.1:{port}")}
    if kind == "websocket":
        assert (probes[-1]["status"], probes[-1]["close"]) == (101, 1000)
        assert probes[-1]["origin"] == f"http://127.0.0.1:{port}"
    assert daemon.starts() == 1


def test_a_healthy_404_is_ready_where_any_status_will_do(start):
    port = free_port()
    daemon = start(probed(port, "http", "--status", "404"))
    assert daemon.ask(request(path="/page")).status == 404
    assert daemon.wait_for("ready")


def test_a_backend_that_has_to_accept_is_not_even_connected_to_before_its_first_client(start, tmp_path):
    port, told = free_port(), tmp_path / "told"
    daemon = start(probed(port, "tcp", "--report", str(told)))
    assert daemon.ask(request(path="/page")).status == 200
    assert [entry["asked"] for entry in reports(told)] == ["GET /page HTTP/1.1"]


@pytest.mark.parametrize("kind", ASKING)
def test_an_answer_that_is_never_right_is_a_503_that_the_log_explains(start, kind):
    port = free_port()
    daemon = start(probed(port, ASKING[kind], "--up-after", "3600", startup_timeout="700ms"))
    begun = time.monotonic()
    answer = daemon.ask(request(path="/page"))
    assert answer.status == 503 and 0.7 <= time.monotonic() - begun < 1.2
    failed = daemon.wait_for("start_failed")
    assert failed["reason"] == "start_timed_out" and "it answered 503" in failed["detail"]
    processes.eventually(lambda: processes.children(daemon.pid) == [], what="no child left")


@pytest.mark.parametrize("kind", ASKING)
def test_a_process_that_ends_while_its_answer_is_awaited_is_a_503_at_once(start, tmp_path, kind):
    port, told = free_port(), tmp_path / "told"
    daemon = start(probed(port, ASKING[kind], "--hang", "--exit-after", "0.4", "--report", str(told)))
    client = daemon.connect()
    client.send(upgrade())
    answer = client.read_response()
    answered = time.monotonic()
    assert answer.status == 503 and b"exited before it was ready" in answer.body
    assert reports(told)[0]["asked"].startswith("GET /"), "it had accepted the question"
    assert answered - daemon.wait_for("started")["at"] < 1.0
    assert "3" in daemon.wait_for("start_failed")["detail"]


def test_a_prober_leaves_no_descriptor_behind(start):
    port = free_port()
    daemon = start(probed(port, ASKING["websocket"], idle_timeout="1ms"))
    before = descriptors_when_all_listen(daemon)
    for generation in range(1, 6):
        assert daemon.ask(request(path="/page")).status == 200
        daemon.wait_for("stopped", generation=generation)
    processes.eventually(lambda: len(processes.open_descriptors(daemon.pid)) <= before, what="as few descriptors")


# Its own word


@pytest.mark.parametrize("switches", [[], ["--notify-from-child"]], ids=["itself", "a-child"])
def test_a_backend_that_says_when_it_is_ready_gets_its_first_client_then(start, tmp_path, switches):
    port, told = free_port(), tmp_path / "told"
    daemon = start(probed(port, "notify", "--notify-after", "0.5", "--report", str(told), *switches))
    before = descriptors_when_all_listen(daemon)
    assert daemon.ask(request(path="/page")).status == 200
    asked = [entry for entry in reports(told) if entry.get("asked")]
    notified = next(entry["notified"] for entry in reports(told) if "notified" in entry)
    assert [entry["asked"] for entry in asked] == ["GET /page HTTP/1.1"] and asked[0]["at"] > notified
    # Four while a child is awake (output, errors, notify socket, the channel to the guard); what came with the message was dropped.
    processes.eventually(lambda: len(processes.open_descriptors(daemon.pid)) <= before + 4, what="no descriptor taken")


def test_a_strangers_ready_counts_for_nothing(start):
    port = free_port()
    daemon = start(probed(port, "notify", "--notify-after", "3600", startup_timeout="1500ms"))
    client = daemon.connect()
    client.send(request(path="/page"))
    pid = daemon.wait_for("started")["pid"]

    def notify_socket():
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return next((entry[14:].decode() for entry in entries if entry.startswith(b"NOTIFY_SOCKET=")), None)

    name = processes.eventually(notify_socket, what="the name of the notify socket")
    assert name.startswith("@")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as foreign:
        for _ in range(3):
            foreign.sendto(b"READY=1", "\0" + name[1:])
    seen = daemon.wait_for("address_conflict")
    assert seen["pid"] == os.getpid()
    assert client.read_response().status == 503
    failed = daemon.wait_for("start_failed")
    assert failed["reason"] == "start_timed_out" and "READY=1" in failed["detail"]
    assert len(daemon.events("address_conflict")) == 1


@pytest.mark.parametrize("readiness, switches", [("notify", ["--notify-after", "3600"]),
                                                 ("socket", ["--inherit", "--accept-after", "3600"])],
                         ids=["notify", "socket"])
def test_a_process_that_ends_before_it_is_ready_is_a_503_at_once(start, readiness, switches):
    daemon = start(probed(free_port(), readiness, "--exit-after", "0.4", *switches))
    client = daemon.connect()
    client.send(upgrade())
    answer = client.read_response()
    answered = time.monotonic()
    assert answer.status == 503 and b"exited before it was ready" in answer.body
    assert answered - daemon.wait_for("started")["at"] < 1.0
    assert "3" in daemon.wait_for("start_failed")["detail"]


# An inherited socket


def test_a_backend_that_inherits_its_socket_gets_clients_as_soon_as_it_takes_them(start, tmp_path, measured):
    told = tmp_path / "told"
    daemon = start(probed(free_port(), "socket", "--inherit", "--accept-after", "0.3", "--report", str(told),
                          idle_timeout="1ms"))
    added = []
    for generation in range(1, 11):
        with daemon.connect() as client:
            client.send(request(path="/page"))
            assert client.read_response().status == 200
            answered = time.monotonic()
        daemon.wait_for("stopped", generation=generation)
        accepting = [entry["accepting"] for entry in reports(told) if "accepting" in entry][-1]
        added.append((answered - accepting) * 1000)
    measured("answer after the first accept, inherited socket (median, worst of 10)",
             f"{sorted(added)[5]:.1f}, {max(added):.1f} ms")
    # Each life was asked twice: by the daemon, who says nothing, and by the client.
    asked = [entry["asked"] for entry in reports(told) if "asked" in entry]
    assert asked == [None, "GET /page HTTP/1.1"] * 10


def test_nobody_else_can_have_the_address_of_an_inherited_socket(start):
    port = free_port()
    daemon = start(probed(port, "socket", "--inherit"))
    daemon.wait_for("listening", **{"for": "cable"})
    with pytest.raises(OSError):
        socket.create_server(("127.0.0.1", port))
    daemon.assert_never("started")
    assert daemon.ask(request(path="/page")).status == 200
    assert daemon.stop() == 0
    socket.create_server(("127.0.0.1", port)).close()


def test_a_queue_that_a_process_never_took_is_no_concern_of_the_next_one(start, tmp_path):
    port, told, once = free_port(), tmp_path / "told", tmp_path / "once"
    daemon = start(probed(port, "socket", "--inherit", "--exit-after", "0.4", "--accept-after", "3600",
                          "--once", str(once), "--report", str(told)))
    client = daemon.connect()
    client.send(request(path="/lost"))
    daemon.wait_for("started")
    # A client that knows the address bypasses the daemon.
    ghost = socket.create_connection(("127.0.0.1", port))
    ghost.sendall(request(path="/ghost"))
    assert client.read_response().status == 503
    ghost.settimeout(5)
    with contextlib.suppress(ConnectionResetError):
        assert ghost.recv(1) == b"", "its connection is closed unaccepted"
    processes.eventually(lambda: daemon.ask(request(path="/page")).status == 200, within=10, every=0.1, what="a next life")
    asked = [entry["asked"] for entry in reports(told) if "asked" in entry]
    assert asked == [None, "GET /page HTTP/1.1"]
    assert "exited_early" in str(daemon.wait_for("start_failed"))


def test_a_backend_that_never_takes_a_connection_is_a_503_after_its_time(start):
    daemon = start(probed(free_port(), "socket", "--inherit", "--accept-after", "3600", startup_timeout="700ms"))
    begun = time.monotonic()
    assert daemon.ask(request(path="/page")).status == 503
    assert 0.7 <= time.monotonic() - begun < 1.2
    assert "its inherited socket" in daemon.wait_for("start_failed")["detail"]


def test_a_socket_in_the_file_system_can_be_inherited_too(start, tmp_path):
    path = tmp_path / "backend.sock"
    launch = on_demand(sys.executable, "-I", PROBER, "--inherit", readiness="socket")
    daemon = start(service(path="/*", target=f"unix:{path}", on_demand=launch))
    assert daemon.ask(request(path="/page")).status == 200
    assert daemon.stop() == 0
    assert not path.exists()


# Ports


def test_each_start_has_a_port_of_its_own_and_is_told(start, tmp_path):
    listing = tmp_path / "told"
    script = f'echo "$PORT $A $*" >>{listing}; exec {double()}'
    launch = on_demand("sh", "-c", script, "sh", "on-{port}", env={"A": "a{port}"}, port="auto", idle_timeout="50ms")
    daemon = start(service(target="http://127.0.0.1:{port}", on_demand=launch))
    for generation in (1, 2, 3):
        daemon.open_tunnel().close()
        daemon.wait_for("stopped", generation=generation)
    lines = [line.split() for line in listing.read_text().splitlines()]
    assert all(line == [line[0], f"a{line[0]}", f"on-{line[0]}"] for line in lines)
    assert len({line[0] for line in lines}) > 1
    started = [record["command"] for record in daemon.events("started")]
    assert [command.rsplit(" ", 1)[1] for command in started] == [f"on-{line[0]}" for line in lines]


def test_services_that_start_together_have_different_ports(start):
    daemon = start(*[
        service(name=name, path=f"/{name}", target="http://127.0.0.1:{port}",
                on_demand=on_demand(double(), port="auto"))
        for name in ("one", "two", "three")
    ])
    clients = [daemon.connect() for _ in range(3)]
    for client, name in zip(clients, ("one", "two", "three")):
        client.send(upgrade(path=f"/{name}"))
    assert [client.read_head().status for client in clients] == [101] * 3


def test_a_stranger_who_takes_the_port_first_gets_no_client_and_the_next_start_has_another(start, tmp_path):
    # The backend waits for a foreign listener, of this test, on its port.
    chosen, taken = tmp_path / "chosen", tmp_path / "taken"
    script = f'[ -e {taken} ] && exec {double()}; echo $PORT >{chosen}.new; mv {chosen}.new {chosen};' \
             f' while ! [ -e {taken} ]; do sleep 0.01; done; exec {double()}'
    daemon = start(service(path="/*", target="http://127.0.0.1:{port}",
                           on_demand=on_demand("sh", "-c", script, port="auto")))
    client = daemon.connect()
    client.send(request(path="/secret"))
    processes.eventually(chosen.exists, what="a port")
    port = int(chosen.read_text())
    with Listener(port) as foreign:
        taken.touch()
        assert client.read_response().status == 503, "trap S1"
        processes.eventually(lambda: daemon.ask(request(path="/page")).status == 200, within=10, every=0.1, what="another port")
        foreign.socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                assert foreign.accept().read_to_end() == b"", "a probe sends nothing"
