"""What a message and a connection cost, in counts that do not depend on the machine's mood; limits are in cost.json."""

import json
import os
import signal
import socket

import pytest

import cost
import processes
import wire

pytestmark = pytest.mark.timeout(180)


def least(each):
    """The least of three counts: on a busy machine a turn has fewer events or less time, which only adds to costs."""
    return map(min, zip(*(each() for _ in range(3))))


def of_one(life):
    """Instructions and allocations of one piece of work, of which `life(count)` does so many."""
    return least(lambda: [(many - few) / 1000 for few, many in zip(life(100), life(1100))])


def test_a_message_costs_few_instructions_and_no_allocation(tmp_path, measured):
    instructions, allocations = cost.per_unit(
        tmp_path, lambda count: ["--connections", 1, "--messages", count], (1000, 81000))
    measured("instructions per echoed message", f"{instructions:,.0f}")
    measured("allocations per echoed message", f"{allocations:.2f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_message"]
    assert allocations <= limits["allocations_per_message"]


def test_a_message_among_many_costs_less_because_they_share_a_turn(tmp_path, measured):
    instructions, allocations = cost.per_unit(
        tmp_path, lambda count: ["--connections", 64, "--messages", count], (1000, 41000))
    measured("instructions per echoed message, 64 connections", f"{instructions:,.0f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_message_among_many"]
    assert allocations <= limits["allocations_per_message"]


def test_a_websocket_from_connect_to_close_costs_few_instructions_and_allocations(tmp_path, measured):
    instructions, allocations = least(lambda: cost.per_unit(
        tmp_path, lambda count: ["--work", "idle", "--connections", count], (50, 1250)))
    measured("instructions per WebSocket, connect to close", f"{instructions:,.0f}")
    measured("allocations per WebSocket, connect to close", f"{allocations:.1f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_connection"]
    assert allocations <= limits["allocations_per_connection"]


def test_a_request_on_a_kept_connection_costs_few_instructions_and_allocations(tmp_path, measured):
    def life(count):
        def work(relay):
            with cost.Answering(relay.backend_port), wire.Wire(("127.0.0.1", relay.port), 60) as client:
                for _ in range(count):
                    assert client.ask(wire.request(path="/x")).status == 200

        return cost.counted_life(tmp_path, work)

    instructions, allocations = of_one(life)
    measured("instructions per request on a kept connection", f"{instructions:,.0f}")
    measured("allocations per request on a kept connection", f"{allocations:.1f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_request"]
    assert allocations <= limits["allocations_per_request"]


def filled(name, piece, room, fields=0):
    """A head of about so many bytes, most of them in one field of that name, beside so many others of short names."""
    lines = ["GET / HTTP/1.1", "Host: a", *(f"{chr(97 + place % 26)}{'q' * (place // 26)}:" for place in range(fields))]
    rest = room - sum(len(line) + 2 for line in lines) - len(name) - 6
    value = piece * (rest // len(piece)) if isinstance(piece, str) else ",".join(piece)[:rest]
    return "\r\n".join([*lines, f"{name}: {value}", "", ""]).encode()


# What makes heads dear, for the number of bytes that a head has.
DEAR_HEADS = {
    "options": lambda room: filled("Connection", "q,z,", room, fields=room // 136),
    "distinct options": lambda room: filled(
        "Connection", [f"q{place * 7919 % 10007:x}" for place in range(10007)], room, fields=room // 136),
    "addresses": lambda room: filled("X-Forwarded-For", "127.0.0.1,", room),
    "short addresses": lambda room: filled("X-Forwarded-For", "a,", room),
    "long addresses": lambda room: filled("X-Forwarded-For", "fd00:1:2:3:4:5:6:7,", room),
    "nodes": lambda room: filled("Forwarded", "for=127.0.0.1,", room),
    "parameters": lambda room: filled("Forwarded", "a=b;", room),
    "quotes": lambda room: filled("Forwarded", 'for="\\a",', room),
    "hosts": lambda room: filled("X-Forwarded-Host", "a,", room),
    "fields": lambda room: filled("X", "y", room, fields=room // 136),
}


@pytest.fixture(scope="module")
def plain_request(tmp_path_factory):
    """Instructions of a request of few bytes."""
    return cost.instructions_per_request(tmp_path_factory.mktemp("plain"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize("kind", DEAR_HEADS)
def test_the_cost_of_a_head_is_proportional_to_its_bytes_whatever_stands_in_it(
        tmp_path, measured, plain_request, kind):
    small, large = DEAR_HEADS[kind](1024), DEAR_HEADS[kind](15 * 1024)
    assert len(small) <= 1100 and 14 * 1024 < len(large) < 16 * 1024
    per_byte = [
        (cost.instructions_per_request(tmp_path, sent) - plain_request) / len(sent) for sent in (small, large)]
    measured(f"instructions per byte of a head of {kind}, 1 KB and 15 KB", f"{per_byte[0]:,.0f}, {per_byte[1]:,.0f}")
    limits = cost.thresholds()
    assert per_byte[1] <= limits["instructions_per_byte_of_a_head"]
    # A search among what was read before grows by its depth, and by no more. Of a head that costs next to nothing the
    # small one is measured too roughly: a turn of the loop more or less is ten instructions for each of its bytes.
    small_cost = max(per_byte[0], limits["instructions_per_byte_of_a_cheap_head"])
    assert per_byte[1] <= limits["growth_of_a_head_per_byte"] * small_cost


def test_a_crowd_that_has_settled_gives_back_what_opening_it_needed(tmp_path, measured):
    relay = cost.Relay(tmp_path, [])
    asleep = processes.file_kib(relay.process.pid)
    with relay.many(300):
        opened = processes.file_kib(relay.process.pid)
        assert opened > asleep + 300, "opening 300 tunnels runs through code that sleeping does not need"
        processes.eventually(
            lambda: processes.file_kib(relay.process.pid) <= asleep + 300, within=5, every=0.1,
            what=f"at most {asleep + 300} KiB of files in memory")
        measured("pages of files, 300 tunnels: open, settled", f"{opened}, {processes.file_kib(relay.process.pid)} KiB")
    relay.end()


def test_a_message_costs_six_system_calls(tmp_path, measured):
    counts = tmp_path / "strace"

    def calls(messages):
        relay = cost.Relay(tmp_path, ["strace", "-f", "-c", "-o", str(counts)])
        relay.load("--connections", 1, "--messages", messages)
        # strace hands on what it gets, but only ends when the daemon does.
        os.kill(processes.children(relay.process.pid)[0], signal.SIGTERM)
        relay.process.wait(30)
        total = next(line for line in counts.read_text().splitlines() if line.endswith("total"))
        return int(total.split()[3])

    each = (calls(1500) - calls(500)) / 1000
    measured("system calls per echoed message", f"{each:.2f}")
    assert each <= cost.thresholds()["system_calls_per_message"]


CABLE = {"name": "cable", "path": "/cable", "streams": {"public": True}, "broadcast": {"path": "/_broadcast"},
         "ping_interval": "60s"}
SUBSCRIBE = json.dumps({"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "s"})})


class Subscriber:
    """A client of the cable that sends its subscription with its handshake."""

    def __init__(self, relay):
        self.socket = wire.connected(("127.0.0.1", relay.port), 60)
        self.socket.sendall(wire.request(
            path="/cable", extra=[
                "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: actioncable-v1-json"],
        ) + wire.text_frame(SUBSCRIBE))
        self.unread = b""
        self.until(b"confirm_subscription", 1)

    def until(self, word, count):
        while self.unread.count(word) < count:
            data = self.socket.recv(65536)
            assert data, self.unread
            self.unread += data

    def leave(self):
        """Waits for the daemon's end: under the tool its shares of time hold little, and what they put off costs more."""
        self.socket.shutdown(socket.SHUT_WR)
        while self.socket.recv(65536):
            pass
        self.socket.close()


def test_a_client_of_a_cable_takes_little_memory_and_gives_it_back(tmp_path, measured):
    relay = cost.Relay(tmp_path, [], cables=[CABLE])
    pid, count = relay.process.pid, 600
    # What the first clients ever need is not each client's.
    for subscriber in [Subscriber(relay) for _ in range(30)]:
        subscriber.leave()
    before, files = processes.own_kib(pid), processes.file_kib(pid)
    subscribers = [Subscriber(relay) for _ in range(count)]
    grown = processes.own_kib(pid) - before
    measured("memory of a cable's client", f"{grown * 1024 / count:,.0f} bytes")
    assert grown * 1024 / count <= cost.thresholds()["bytes_per_cable_client"]
    processes.eventually(
        lambda: processes.file_kib(pid) <= files - 500, within=5, every=0.1,
        what="less of the program in memory than the first clients needed")
    for subscriber in subscribers:
        subscriber.leave()
    processes.eventually(
        lambda: processes.own_kib(pid) <= before + grown / 2, within=5, every=0.1, what="freed memory is given back")
    relay.end()


def counts_of_cable(folder, clients, broadcasts):
    """Instructions and allocations of a life with so many subscribers and broadcasts to all of them."""

    def work(relay):
        subscribers = [Subscriber(relay) for _ in range(clients)]
        with wire.Wire(("127.0.0.1", relay.port), 60) as publisher:
            for number in range(broadcasts):
                body = json.dumps({"stream": "s", "data": f"message {number:04}" + "x" * 40})
                assert publisher.ask(wire.request("POST", "/_broadcast", body=body.encode())).status == 201
        for subscriber in subscribers:
            subscriber.until(b'"message":"message', broadcasts)
            subscriber.leave()

    return cost.counted_life(folder, work, cables=[CABLE])


def test_a_delivery_to_a_subscriber_costs_few_instructions_and_no_allocation(tmp_path, measured):
    clients = 100

    def each():
        few, many = (counts_of_cable(tmp_path, clients, broadcasts) for broadcasts in (5, 45))
        return [(after - before) / (40 * clients) for before, after in zip(few, many)]

    instructions, allocations = least(each)
    measured("instructions per delivery, with its share of the broadcast", f"{instructions:,.0f}")
    measured("allocations per delivery, with its share of the broadcast", f"{allocations:.2f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_delivery"]
    assert allocations <= limits["allocations_per_delivery"]


def test_a_broadcast_of_a_program_costs_few_instructions_and_allocations(tmp_path, measured):
    def life(count):
        def work(relay):
            with wire.Wire(("127.0.0.1", relay.port), 60) as publisher:
                for number in range(count):
                    body = json.dumps({"stream": f"s{number % 8}", "data": f"message {number:04}" + "x" * 40})
                    assert publisher.ask(wire.request("POST", "/_broadcast", body=body.encode())).status == 201

        return cost.counted_life(tmp_path, work, cables=[CABLE])

    instructions, allocations = of_one(life)
    measured("instructions per broadcast of a program, without a subscriber", f"{instructions:,.0f}")
    measured("allocations per broadcast of a program, without a subscriber", f"{allocations:.1f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_broadcast"]
    assert allocations <= limits["allocations_per_broadcast"]


def test_a_client_of_a_cable_costs_few_instructions_and_allocations(tmp_path, measured):
    def each():
        few, many = (counts_of_cable(tmp_path, clients, 0) for clients in (20, 220))
        return [(after - before) / 200 for before, after in zip(few, many)]

    instructions, allocations = least(each)
    measured("instructions per cable client, connect to close", f"{instructions:,.0f}")
    measured("allocations per cable client, connect to close", f"{allocations:.1f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_cable_client"]
    assert allocations <= limits["allocations_per_cable_client"]
