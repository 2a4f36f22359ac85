"""A real Redis and other processes next to the services: ready before, gone after, and ended in order."""

import json
import os
import signal
import socket
import time

import pytest
import websockets.sync.client

import processes
import rails
import wire
from daemon import REPOSITORY, double, on_demand, service, sleeping_double


def redis(port, **keys):
    """A Redis that is started when it is required, unless the test says otherwise."""
    return {
        "name": "redis", "command": "redis-server", "address": f"127.0.0.1:{port}", "start": "when_required",
        "idle_timeout": "300ms", "stop_timeout": "2s",
        "args": ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"], **keys}


def answers_ping(port):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(100) == b"+PONG\r\n"


def order(daemon, *events):
    """The life of all backends in the order of the log."""
    return [f"{record['event']} {record['service']}" for record in daemon.records if record.get("event") in events]


def test_redis_is_ready_before_its_service_and_idles_out_after_it(start):
    rails.need("redis-server")
    port = wire.free_port()
    daemon = start(sleeping_double(requires=["redis"], idle_timeout="300ms"), managed_processes=[redis(port)])
    assert daemon.offspring() == [], "no process may run before anyone asked"

    tunnel = daemon.open_tunnel()
    assert answers_ping(port)
    assert order(daemon, "started", "ready") == ["started redis", "ready redis", "started cable", "ready cable"]
    assert daemon.status("redis")["kind"] == "process" and daemon.status("redis")["open"] == 1
    time.sleep(0.5)  # Longer than the idle time of Redis, whose only user is still there.
    assert answers_ping(port)

    tunnel.close()
    daemon.wait_for("stopped", service="redis")
    assert order(daemon, "idle", "stopped") == ["idle cable", "stopped cable", "idle redis", "stopped redis"]
    assert daemon.offspring() == []
    assert daemon.open_tunnel()


def test_a_redis_that_crashes_is_back_at_once_and_ends_no_tunnel(start):
    port = wire.free_port()
    daemon = start(sleeping_double(requires=["redis"]), managed_processes=[redis(port)])
    tunnel = daemon.open_tunnel()
    os.kill(daemon.wait_for("ready", service="redis")["pid"], signal.SIGKILL)
    daemon.wait_for("ready", service="redis", generation=2)
    assert answers_ping(port)
    assert not tunnel.has_ended()
    assert len(daemon.events("started", service="cable")) == 1


def test_when_what_is_required_cannot_start_clients_are_told_its_name_at_once(start):
    port = wire.free_port()
    daemon = start(
        sleeping_double(requires=["redis"]), managed_processes=[redis(port, args=["--port", "no such number"])])
    begun = time.monotonic()
    answer = daemon.ask(wire.upgrade())
    assert answer.status == 503 and int(answer.value("retry-after")) >= 1
    assert b"requires redis, which exited before it was ready" in answer.body
    assert time.monotonic() - begun < 5
    assert daemon.wait_for("start_failed", service="cable")["reason"] == "dependency_failed"
    daemon.assert_never("started", service="cable")


def test_a_process_can_say_by_itself_that_it_is_ready(start):
    says = "import os,socket,time; time.sleep(0.3); s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);" \
        "a=os.environ['NOTIFY_SOCKET']; s.sendto(b'READY=1', '\\0'+a[1:] if a[0]=='@' else a); time.sleep(60)"
    worker = {
        "name": "worker", "command": "python3", "args": ["-c", says], "start": "when_required", "readiness": "notify"}
    daemon = start(sleeping_double(requires=["worker"]), managed_processes=[worker])
    daemon.open_tunnel()
    assert daemon.wait_for("ready", service="worker")["startup_ms"] >= 300
    daemon.wait_for("ready", service="cable")
    assert order(daemon, "started", "ready") == ["started worker", "ready worker", "started cable", "ready cable"]


def test_a_stranger_at_its_address_is_not_taken_for_it(start):
    with wire.Listener() as foreign:
        port = foreign.socket.getsockname()[1]
        daemon = start(sleeping_double(requires=["redis"]), managed_processes=[redis(port)])
        answer = daemon.ask(wire.upgrade())
        assert answer.status == 503 and b"requires redis" in answer.body
        assert daemon.wait_for("address_conflict", service="redis")
        daemon.assert_never("started")


def sleeper(name, **keys):
    return {"name": name, "command": "sleep", "args": ["1000"], **keys}


def test_processes_end_in_the_reverse_of_their_order_after_the_services(start):
    # TERM takes each of them a moment, so that who is told too early is seen.
    slow = {"command": "sh", "args": ["-c", "trap 'sleep 0.2; exit 0' TERM; while :; do sleep 0.05; done"]}
    names = ["first", "second", "third"]
    daemon = start(
        sleeping_double("--ignore-term", stop_timeout="300ms"),
        managed_processes=[sleeper(name, **slow) for name in names])
    for name in names:
        daemon.wait_for("ready", service=name)
    assert order(daemon, "started") == ["started first", "started second", "started third"]
    daemon.open_tunnel()
    assert daemon.stop() == 0
    assert order(daemon, "stopping", "stopped") == [
        "stopping cable", "stopped cable", "stopping third", "stopped third", "stopping second", "stopped second",
        "stopping first", "stopped first"]


def test_what_is_always_on_comes_back_and_what_is_not_restarted_stays_down(start):
    daemon = start(
        sleeping_double(), managed_processes=[sleeper("back"), sleeper("gone", auto_restart=False), {
            "name": "job", "command": "echo", "args": ["done"], "auto_restart": "off"}])
    daemon.wait_for("output", service="job", line="done")
    daemon.wait_for("stopped", service="job", exit="0")
    for name in ("back", "gone"):
        os.kill(daemon.wait_for("ready", service=name)["pid"], signal.SIGTERM)
    daemon.wait_for("ready", service="back", generation=2)
    daemon.wait_for("stopped", service="gone")
    daemon.wait_for_status(name="gone", state="asleep")
    assert len(daemon.events("started", service="gone")) == 1
    assert daemon.events("crashed", service="gone") and not daemon.events("crashed", service="job")


def test_an_always_on_service_behind_the_proxy_runs_before_anybody_asks_and_comes_back_after_a_crash(start):
    port = wire.free_port()
    daemon = start(service(port, on_demand=on_demand(
        double(), "--port", str(port), enabled=False, idle_timeout="100ms",
        restart_backoff={"min": "50ms", "max": "100ms"})))
    pid = daemon.wait_for("ready")["pid"]
    assert daemon.open_tunnel()
    for generation in (2, 3):
        os.kill(pid, signal.SIGKILL)
        pid = daemon.wait_for("ready", generation=generation)["pid"]
    daemon.assert_never("idle")


@pytest.mark.timeout(90)
def test_the_rails_example_brings_its_own_redis(start):
    rails.need("puma", "ruby", "redis-server")
    example = json.loads((REPOSITORY / "examples" / "actioncable-redis.json").read_text())
    ports = {name: str(wire.free_port()) for name in ("CABLE_PORT", "REDIS_PORT")}
    daemon = start(
        *example["reverse_proxies"], managed_processes=example["managed_processes"],
        environment={**ports, "IDLE_TIMEOUT": "500ms"})
    host, port = daemon.address
    connecting = websockets.sync.client.connect(
        f"ws://{host}:{port}/cable", subprotocols=["actioncable-v1-json"], origin=f"http://{host}:{port}",
        open_timeout=30)
    with connecting as cable:
        assert json.loads(cable.recv(timeout=10)) == {"type": "welcome"}
        identifier = json.dumps({"channel": "NewsChannel", "topic": "weather"})
        cable.send(json.dumps({"command": "subscribe", "identifier": identifier}))
        said = heard(cable, "confirm_subscription")
        assert said["identifier"] == identifier
    daemon.wait_for("stopped", within=30, service="redis")
    assert order(daemon, "stopped") == ["stopped action-cable", "stopped redis"]
    processes.eventually(lambda: not daemon.offspring(), what="no process of the application")


def heard(cable, kind):
    """Subscribing needs Redis, so its confirmation shows that Redis answers."""
    while True:
        said = json.loads(cable.recv(timeout=10))
        if said.get("type") == kind:
            return said
