"""Hostile clients and backends: memory stays bounded, and other clients are served."""

import resource
import selectors
import socket
import threading
import time
from contextlib import contextmanager

import pytest

import processes
import wire
from daemon import service, sleeping_double
from wire import Ended, request, text_frame


@pytest.fixture
def front(start):
    """One backend that is in order, below /well; and what the test adds."""

    def begin(*others, **options):
        return start(sleeping_double(name="well", path="/well/*"), *others, **options)

    return begin


@contextmanager
def well_served(daemon, measured, meanwhile):
    """Two clients with good manners, one with requests and one with messages; both must be served all the time."""
    seconds, failures, over = [], [], threading.Event()

    def ask():
        with daemon.connect() as client:
            while not over.wait(0.005):
                begun = time.monotonic()
                assert client.ask(request("POST", "/well/x", body=b"hello")).body == b"hello"
                seconds.append(time.monotonic() - begun)

    def talk():
        with daemon.open_tunnel(path="/well/cable") as client:
            while not over.wait(0.005):
                begun = time.monotonic()
                client.send(text_frame("hello"))
                assert client.read_frame() == (1, b"hello")
                seconds.append(time.monotonic() - begun)

    def kept(work):
        try:
            work()
        except BaseException as wrong:
            failures.append(repr(wrong))

    daemon.ask(request(path="/well/awake"))
    before = processes.anonymous_kib(daemon.pid)
    threads = [threading.Thread(target=kept, args=(work,), daemon=True) for work in (ask, talk)]
    for thread in threads:
        thread.start()
    peak = [before]

    def look():
        """How much more memory the daemon holds than before, at most so far, in KiB."""
        peak[0] = max(peak[0], processes.anonymous_kib(daemon.pid))
        return peak[0] - before

    try:
        yield look
    finally:
        look()
        over.set()
        for thread in threads:
            thread.join(10)
    assert not failures, failures
    assert len(seconds) > 5, f"only {len(seconds)} requests were answered"
    seconds.sort()
    measured(f"abuse: {meanwhile}: memory on top", f"{look()} KiB")
    measured(f"abuse: {meanwhile}: the others' p99 of {len(seconds)}", f"{seconds[len(seconds) * 99 // 100] * 1000:.1f} ms")


def sources(count):
    """Loopback has many addresses: this test does not reach the limit of an address."""
    for number in range(count):
        yield (f"127.0.{1 + number // 200 // 200}.{1 + number // 200 % 200}", 0)


def connect_from(source, address):
    made = socket.create_connection(address, timeout=10, source_address=source)
    made.setblocking(False)
    return made


def until_closed(sockets, within, trickle=None, every=0.2):
    """Reads all of them to their end; an open connection gets a byte of `trickle` now and then. Returns the bytes of each."""
    read = {one: b"" for one in sockets}
    deadline = time.monotonic() + within
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        fed = time.monotonic()
        while selector.get_map():
            assert time.monotonic() < deadline, f"{len(selector.get_map())} are still open after {within} s"
            for key, _ in selector.select(timeout=0.05):
                try:
                    data = key.fileobj.recv(65536)
                except ConnectionResetError:
                    data = b""
                read[key.fileobj] += data
                if not data:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
            if trickle and time.monotonic() - fed > every:
                fed = time.monotonic()
                for key in list(selector.get_map().values()):
                    try:
                        key.fileobj.send(trickle)
                    except OSError:
                        pass  # Closing; its end is read above.
    return list(read.values())


def test_slow_heads_are_cut_after_their_time_whatever_they_trickle(front, measured):
    daemon = front()
    with well_served(daemon, measured, "500 slow heads") as memory:
        slow = [connect_from(source, daemon.address) for source in sources(500)]
        begun = time.monotonic()
        for one in slow:
            one.send(b"GET /well/x HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        answers = until_closed(slow, within=25, trickle=b"s")
        assert 9 <= time.monotonic() - begun <= 19, "the clock runs from the first byte, not from the latest"
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        # A head of 16 KiB is the most one of them may make the daemon keep; these are much shorter.
        assert memory() <= 4 * 1024


@pytest.mark.timeout(90)
def test_ten_thousand_connections_that_say_nothing(front, measured):
    count = 10_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= count + 1000, f"this test needs {count + 1000} descriptors, the hard limit is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # The daemon inherits it.
    daemon = front()
    with well_served(daemon, measured, "10,000 silent connections") as memory:
        silent = [connect_from(source, daemon.address) for source in sources(count)]
        processes.eventually(
            lambda: len(processes.open_descriptors(daemon.pid)) >= count, within=20, every=0.5, what="10,000 accepted")
        grown = memory()
        assert grown <= 20 * 1024, f"{grown} KiB for {count} connections"
        measured("abuse: a silent connection", f"{grown * 1024 / count:.0f} bytes")
        for one in silent:
            one.close()
        processes.eventually(
            lambda: len(processes.open_descriptors(daemon.pid)) < 100, within=20, every=0.2, what="all of them closed")


def test_floods_of_header_fields_are_refused_early(front, measured):
    daemon = front()
    floods = {
        "many fields": b"GET /well/x HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 20_000,
        "one long field": b"GET /well/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 65_536 + b"\r\n\r\n",
        "64 KiB of fields": b"GET /well/x HTTP/1.1\r\nHost: a\r\n" + b"X-Filler: " + b"z" * 500 + b"\r\n",
        "a long target": b"GET /well/" + b"t" * 65_536 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "a long method": b"G" * 65_536,
        "a name without end": b"GET /well/x HTTP/1.1\r\nHost: a\r\n" + b"n" * 65_536,
    }
    floods["64 KiB of fields"] += floods["64 KiB of fields"][-512:] * 128 + b"\r\n"
    starts = daemon.starts()
    with well_served(daemon, measured, "floods of header fields") as memory:
        for name, flood in floods.items():
            statuses = set()
            for _ in range(25):
                with daemon.connect() as client:
                    try:
                        client.send(flood)
                    except (BrokenPipeError, ConnectionResetError):
                        pass
                    try:
                        statuses.add(client.read_head().status)
                        assert client.has_ended()
                    except (Ended, ConnectionResetError):
                        pass  # Unread bytes may destroy the answer on its way; the end is what counts.
            assert statuses <= {400, 414, 431, 501}, f"{name}: {statuses}"
        assert memory() <= 2 * 1024
    assert daemon.starts() - starts == 1, "only the valid requests woke it"


def test_requests_and_frames_in_segments_of_one_byte(front, measured):
    daemon = front()
    sent = request("POST", "/well/x", body=b"hello") + request("POST", "/well/y", extra=[
        "Transfer-Encoding: chunked"], body=b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n")
    with well_served(daemon, measured, "segments of one byte") as memory:
        clients = [daemon.connect() for _ in range(40)]
        for place in range(len(sent)):
            for client in clients:
                client.send(sent[place:place + 1])
        for client in clients:
            assert client.read_response().body == b"hello" and client.read_response().body == b"hello"
        tunnels = [daemon.open_tunnel(path="/well/cable") for _ in range(20)]
        frame = text_frame("x" * 300)
        for place in range(len(frame)):
            for tunnel in tunnels:
                tunnel.send(frame[place:place + 1])
        for tunnel in tunnels:
            assert tunnel.read_frame() == (1, b"x" * 300)
        assert memory() <= 2 * 1024
        for one in clients + tunnels:
            one.close()


class Endless(wire.Listener):
    """A backend that answers with a stream that does not end, or that takes connections and never reads."""

    def __init__(self, answers):
        super().__init__()
        self.socket.settimeout(None)
        self.kept = []
        threading.Thread(target=self._accept, args=(answers,), daemon=True).start()

    def _accept(self, answers):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.kept.append(connection)  # Or it would be closed.
            if answers:
                threading.Thread(target=self._flood, args=(connection,), daemon=True).start()

    def _flood(self, connection):
        try:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while True:
                connection.sendall(b"endless " * 4096)
        except OSError:
            pass

    def __exit__(self, *_):
        super().__exit__()
        for connection in self.kept:
            connection.close()


def test_clients_that_never_read_their_answers_are_given_up(front, measured):
    with Endless(answers=True) as backend:
        daemon = front(service(backend.port, name="endless", path="/endless"))
        with well_served(daemon, measured, "50 clients that never read") as memory:
            deaf = [daemon.connect() for _ in range(50)]
            begun = time.monotonic()
            for client in deaf:
                client.send(request(path="/endless"))
            processes.eventually(lambda: len(backend.kept) == 50, within=10, what="50 answers on their way")
            time.sleep(1)  # Whatever would pile up does so now.
            # What one read of the scratch buffer can leave behind, for each of them.
            assert memory() <= 50 * 80 + 1024
            processes.eventually(
                lambda: memory() and daemon.status("endless")["open"] == 0, within=20, every=0.5,
                what="an empty queue")
            assert time.monotonic() - begun >= 8
            for client in deaf:
                client.close()


def test_backends_that_never_read_hold_their_clients_back(front, measured):
    with Endless(answers=False) as backend:
        daemon = front(service(backend.port, name="deaf", path="/deaf"))
        with well_served(daemon, measured, "50 clients of a backend that never reads") as memory:
            clients = [daemon.connect() for _ in range(50)]
            for client in clients:
                client.send(request("POST", "/deaf", extra=["Content-Length: 1000000000"]))
                client.socket.setblocking(False)
            sent, quiet_since = 0, time.monotonic()
            while time.monotonic() - quiet_since < 1:
                for client in clients:
                    try:
                        sent += client.socket.send(b"x" * 65536)
                        quiet_since = time.monotonic()
                    except BlockingIOError:
                        pass
                time.sleep(0.01)
            assert sent < 50 * 100_000_000, "the backend has read"
            measured("abuse: taken from a client whose backend never reads", f"{sent // 50 // 1024} KiB")
            assert memory() <= 50 * 80 + 1024
            for client in clients:
                client.close()
