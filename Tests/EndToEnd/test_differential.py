"""What the daemon lets through, parsers that know nothing of each other must read as the same requests."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import rails
import recorder
import wire
from daemon import service
from random_requests import ROUTE, RandomRequests

HERE = Path(__file__).parent
COUNT = int(os.environ.get("DIFFERENTIAL_REQUESTS", "1200"))
SEED = int(os.environ.get("DIFFERENTIAL_SEED", random.SystemRandom().randrange(1 << 32)))
# Behind every request, to a path without a route: a reader that takes its bytes for something else shows it.
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
# What the daemon may add, different each time.
OURS = {"x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via", "connection"}


class Reader:
    """One parser: its port, and every request that it says it has read."""

    def __init__(self, name, route, port, process=None):
        self.name, self.route, self.port, self.process = name, route, port, process
        self.seen = 0

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def readers():
    rails.need("puma", "ruby")
    made = []

    def launch(name, route, *command):
        port = wire.free_port()
        arguments = [argument.replace("PORT", str(port)) for argument in command]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        made.append(Reader(name, route, port, subprocess.Popen(arguments, cwd=HERE, **quiet)))

    launch("puma", "puma", "puma", "--quiet", "--threads", "1:4", "-b", "tcp://127.0.0.1:PORT", "readers.ru")
    launch("aiohttp", "aioh", sys.executable, "readers.py", "aiohttp", "PORT")
    launch("h11", "h11s", sys.executable, "readers.py", "h11", "PORT")
    for reader in made:
        rails.seconds_until_accepting(reader.port)
    with recorder.Recorder(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nrecorded") as recorded:
        made.insert(0, Reader("recorder", "rawb", recorded.port))
        made[0].recorded = recorded
        yield made
    for reader in made:
        reader.stop()


def exchange(address, sent, timeout):
    """Everything that comes back until the end, or until nothing has come for so long; and whether that was the end."""
    with wire.Wire(address, timeout) as client:
        received = b""
        try:
            client.send(sent)
            while data := client.socket.recv(65536):
                received += data
        except TimeoutError:
            return received, False
        except (ConnectionResetError, BrokenPipeError):
            pass
        return received, True


def answers(received):
    """(status, body) of the whole answers in these bytes."""
    found = []
    while b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        fields = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in head.split(b"\r\n")[1:]}
        status = int(head.split(b" ", 2)[1])
        length = int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            break
        if status >= 200:
            found.append((status, rest[:length]))
        received = rest[length:]
    return found


def readings(reader, received):
    """What the reader says it read, in a form that all of them can speak; and the statuses of all other answers."""
    told, others = [], []
    if reader.name == "recorder":
        told = [normal(first.split()[0], first.split()[1], fields_of(lines), body.decode("latin-1"), reader)
                for first, lines, body in reader.recorded.requests]
        reader.recorded.forget()
        others = [status for status, body in answers(received) if body != b"recorded"]
        return told, others
    for status, body in answers(received):
        try:
            said = json.loads(body)
            assert said["reader"] == reader.name
        except (ValueError, TypeError, KeyError):
            others.append(status)
            continue
        told.append(normal(said["method"], said["target"], said["fields"], said["body"], reader))
        # A request that got no answer would have been counted nevertheless.
        reader.seen += 1
        if said["total"] != reader.seen:
            told.append(f"{said['total'] - reader.seen} more requests than answers")
            reader.seen = said["total"]
    return told, others


def fields_of(lines):
    return [(name, value) for name, _, value in (line.partition(":") for line in lines)]


def normal(method, target, fields, body, reader=None):
    """As Rack sees fields: one value for each name, in order; `chunked` and lengths show in the body anyway."""
    if reader:
        target = target.replace(f"/{reader.route}", f"/{ROUTE}", 1)
    joined = {}
    for name, value in fields:
        name = name.lower().replace("_", "-")
        if name in OURS or name in ("content-length", "transfer-encoding"):
            continue
        if reader and name == "host":
            value = value.replace(str(reader.port), "PORT")  # What an old request without one is given.
        joined.setdefault(name, []).extend(piece.strip(" \t") for piece in value.split(","))
    return method, target, tuple(sorted((name, ",".join(values)) for name, values in joined.items())), body


def declined(told, others):
    """A parser may refuse what is only nearly right: safe, since it says so and closes."""
    return not told and bool({400, 417} & set(others))


def directly(reader, request):
    """What the parser reads without the daemon in front, but for the sentinel; None when it declines."""
    sent = request.wire.replace(ROUTE.encode(), reader.route.encode())
    received, _ = exchange(("127.0.0.1", reader.port), sent + SENTINEL, timeout=0.15)
    told, others = readings(reader, received)
    told = [one for one in told if isinstance(one, tuple) and one[1] != "/sentinel"]
    return None if declined(told, others) else told


@pytest.mark.timeout(180)
def test_whatever_is_forwarded_is_the_same_request_for_every_parser(start, readers, measured):
    print(f"DIFFERENTIAL_SEED={SEED} DIFFERENTIAL_REQUESTS={COUNT}")
    daemon = start(*(service(reader.port, name=reader.route, path=f"/{reader.route}/*") for reader in readers))
    source = RandomRequests(SEED)
    requests = [source.next() for _ in range(COUNT)]
    wrong, counts = [], Counter()
    for number, request in enumerate(requests):
        found, answered, timeout = {}, {}, 0.4 if request.is_bent else 10
        for reader in readers:
            sent = request.wire.replace(ROUTE.encode(), reader.route.encode())
            received, ended = exchange(daemon.address, sent + SENTINEL, timeout)
            found[reader.name], answered[reader.name] = readings(reader, received)
            # A body that is longer than what came is awaited by every reader; the recorder comes first.
            timeout = 10 if ended else 0.1
        truth = found.pop("recorder")
        if request.is_bent:
            counts["nearly right"] += 1
            counts["nearly right, forwarded"] += bool(truth)
        else:
            counts["right"] += 1
            expected = [normal(request.method, request.target, request.fields, request.body.decode("latin-1"))]
            if truth != expected:
                wrong.append(f"{number}: {request.wire[:500]!r}\n  expected {expected}\n  forwarded {truth}, {answered}")
        for name, told in found.items():
            if request.is_bent and truth and declined(told, answered[name]):
                counts[f"nearly right, forwarded, declined by {name}"] += 1
            elif told != truth:
                wrong.append(f"{number}: {request.wire[:500]!r}\n  {name}: {told}, {answered}\n  forwarded {truth}")
        if len(wrong) > 4:
            break
    for request in requests[:COUNT // 2]:
        alone = [directly(reader, request) for reader in readers[1:]] if request.is_bent else []
        alone = [told for told in alone if told is not None]
        counts["without the daemon: nearly right, read"] += bool(alone)
        counts["without the daemon: nearly right, read in several ways"] += any(told != alone[0] for told in alone)
    for what, count in sorted(counts.items()):
        measured(f"differential: {what}", count)
    measured("differential: seed", SEED)
    assert not wrong, f"DIFFERENTIAL_SEED={SEED}\n" + "\n".join(wrong)
