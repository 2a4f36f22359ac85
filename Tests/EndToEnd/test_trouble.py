"""Trouble of the machine: clients that vanish without a word, descriptors that run out, queues that are full."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

import processes
import wire
from daemon import service, sleeping_double
from wire import request, upgrade

# Peers that vanished

CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(bytes.fromhex(sys.argv[3]))
head = b""
while b"\\r\\n\\r\\n" not in head:
    head += connection.recv(4096)
print(head.split(b"\\r\\n")[0].decode(), flush=True)
sys.stdin.read()
"""


class Elsewhere:
    """A network namespace at the other end of a cable."""

    def __init__(self):
        self.name, self.near, self.far = (f"od{kind}{os.getpid() % 10_000}" for kind in "nab")
        number = os.getpid() % 250
        self.here, self.there = f"198.18.{number}.1", f"198.18.{number}.2"
        self.clients = []

    def build(self):
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        run("ip", "address", "add", f"{self.here}/24", "dev", self.near)
        run("ip", "link", "set", self.near, "up")
        inside = ["ip", "-n", self.name]
        run(*inside, "address", "add", f"{self.there}/24", "dev", self.far)
        run(*inside, "link", "set", self.far, "up")

    def client(self, port, sends):
        command = ["ip", "netns", "exec", self.name, sys.executable, "-c", CLIENT, self.here, str(port), sends.hex()]
        self.clients.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return self.clients[-1].stdout.readline()

    def pull_the_cable(self):
        # At the far end: here the route stays, so that what is sent vanishes instead of being refused.
        run("ip", "-n", self.name, "link", "set", self.far, "down")

    def remove(self):
        for client in self.clients:
            client.kill()
            client.wait()
            client.stdin.close()
            client.stdout.close()
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)
        subprocess.run(["ip", "link", "delete", self.near], capture_output=True)


def run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=10)


@pytest.fixture
def elsewhere():
    place = Elsewhere()
    try:
        place.build()
        yield place
    finally:
        place.remove()


@pytest.mark.timeout(120)
def test_r8_clients_that_vanish_without_a_word_stop_counting_within_the_keepalive_limits(start, elsewhere, measured):
    daemon = start(
        sleeping_double(path="/*", idle_timeout="100ms"), listen=f"{elsewhere.here}:0", log={"level": "debug"})
    # One tunnel that says nothing, and a connection that has never asked.
    assert " 101 " in elsewhere.client(daemon.port, upgrade())
    daemon.wait_for("tunnel_opened")
    cut = time.monotonic()
    elsewhere.pull_the_cable()
    daemon.assert_never("idle")
    idle = daemon.wait_for("idle", within=45)
    daemon.wait_for("stopped")
    measured("a silent client behind a pulled cable: noticed after", f"{idle['at'] - cut:.1f} s")
    # 15 s of silence, three probes 5 s apart, and the kernel's own slack; never before the probes were lost.
    assert 20 <= idle["at"] - cut <= 36
    daemon.wait_for("tunnel_closed", reason="client_reset")


def test_r10_connections_that_never_ask_do_not_count(start):
    daemon = start(sleeping_double(idle_timeout="300ms"))
    silent = [daemon.connect() for _ in range(20)]
    daemon.open_tunnel().close()
    daemon.wait_for("stopped", within=2)
    assert daemon.starts() == 1
    for connection in silent:
        connection.close()


# The stop window


@pytest.mark.timeout(120)
def test_p1_at_each_millisecond_across_the_stop_a_request_and_an_upgrade_are_served(start):
    daemon = start(sleeping_double(path="/*", idle_timeout="30ms"))
    for millisecond in range(60):
        daemon.open_tunnel().close()
        time.sleep((10 + millisecond) / 1000)
        with daemon.connect() as client:
            client.send(request(path="/slow?ms=1"))
            tunnel = daemon.open_tunnel()
            assert client.read_response().status == 200, f"{10 + millisecond} ms after the last one left"
            tunnel.send(wire.text_frame("here"))
            assert tunnel.read_frame() == (1, b"here")
            tunnel.close()
        daemon.wait_for_status(state="asleep")
    assert daemon.starts() > 60, "some met a backend that was awake, and some one that was being stopped"
    daemon.assert_never("crashed")
    daemon.assert_never("upstream_error")


# What runs out


def limited(count):
    """A daemon that may have so many descriptors; its children get the same."""
    return {"wrapper": ["prlimit", f"--nofile={count}:{count}"]}


def test_without_descriptors_clients_wait_or_are_told_and_the_log_says_it_once(start):
    daemon = start(sleeping_double(path="/*"), **limited(24))
    assert daemon.ask(request()).status == 200
    tunnels, refused = [], 0
    # Each takes two; the last ones find one left, or none.
    for _ in range(8):
        client = daemon.connect()
        client.socket.settimeout(1)
        try:
            answer = client.ask(upgrade())
        except TimeoutError:
            client.close()
            continue
        if answer.status == 101:
            tunnels.append(client)
        else:
            assert answer.status == 503 and answer.value("Retry-After") == "1", answer
            refused += 1
    assert len(tunnels) >= 3
    clients = [daemon.connect() for _ in range(20)]
    daemon.wait_for("listener_paused")
    time.sleep(0.5)
    assert len(daemon.events("listener_paused")) == 1, "it says so once, however long it lasts"
    for client in clients + tunnels:
        client.close()
    daemon.wait_for("listener_resumed")
    assert daemon.ask(request()).status == 200
    daemon.assert_never("upstream_error")


def test_connections_that_wait_for_a_next_request_make_room_for_clients(start):
    daemon = start(sleeping_double(path="/*"), **limited(28))
    idle = []
    for _ in range(30):
        client = daemon.connect()
        assert client.ask(request()).status == 200
        idle.append(client)
    assert any(client.has_ended() for client in idle[:16]), "none of the first ones was let go"
    daemon.assert_never("listener_paused")
    for client in idle:
        client.close()


def test_a_unix_socket_whose_queue_is_full_is_asked_again(start, tmp_path):
    path = str(tmp_path / "backend.sock")
    with socket.socket(socket.AF_UNIX) as backend:
        backend.bind(path)
        backend.listen(0)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(8)]
        for one in clients:
            one.setblocking(False)
        # Until the queue takes no more.
        full = [one for one in clients if one.connect_ex(path) != 0]
        assert full
        daemon = start(service(target=f"unix:{path}", path="/*"))

        def serve():
            time.sleep(0.3)
            while True:
                connection, _ = backend.accept()
                if connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    connection.close()
                    return
                connection.close()

        def make_room():
            time.sleep(0.3)
            for one in clients:
                one.close()
            serve()

        server = threading.Thread(target=make_room)
        server.start()
        begun = time.monotonic()
        assert daemon.ask(request()).status == 204
        assert time.monotonic() - begun >= 0.3
        server.join()
