"""Plain sockets that speak just enough HTTP and WebSocket to see every byte the daemon sends; every wait has an end."""

import itertools
import os
import random
import socket
import struct
from dataclasses import dataclass, field

TIMEOUT = 10.0
CRLF = b"\r\n"


class Ended(Exception):
    """The peer ended the stream before what was asked for had come."""


@dataclass
class Head:
    first_line: str
    lines: list  # Header lines exactly as they came, in order.
    raw: bytes

    @property
    def status(self):
        return int(self.first_line.split(" ", 2)[1])

    @property
    def fields(self):
        return [(name, value.strip()) for name, _, value in (line.partition(":") for line in self.lines)]

    def values(self, wanted):
        return [value for name, value in self.fields if name.lower() == wanted.lower()]

    def value(self, wanted):
        """The only value of a field, or None."""
        found = self.values(wanted)
        assert len(found) <= 1, f"{wanted} came {len(found)} times: {found}"
        return found[0] if found else None


@dataclass
class Response:
    head: Head
    body: bytes = b""

    @property
    def status(self):
        return self.head.status

    def value(self, wanted):
        return self.head.value(wanted)


class Wire:
    """One connected socket."""

    def __init__(self, address_or_socket, timeout=TIMEOUT):
        if isinstance(address_or_socket, socket.socket):
            self.socket = address_or_socket
        else:
            self.socket = connected(address_or_socket, timeout)
        self.socket.settimeout(timeout)
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def _receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Ended(f"the stream ended; read so far and not used: {self.pending[:200]!r}")
        self.pending += data

    def read_until(self, mark):
        while mark not in self.pending:
            self._receive()
        end = self.pending.index(mark) + len(mark)
        taken, self.pending = self.pending[:end], self.pending[end:]
        return taken

    def read_exactly(self, count):
        while len(self.pending) < count:
            self._receive()
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def read_to_end(self):
        try:
            while True:
                self._receive()
        except Ended:
            taken, self.pending = self.pending, b""
            return taken

    def read_to_end_or_reset(self):
        try:
            return self.read_to_end()
        except ConnectionResetError:
            taken, self.pending = self.pending, b""
            return taken

    def read_head(self):
        raw = self.read_until(CRLF + CRLF)
        lines = raw[:-4].decode("latin-1").split("\r\n")
        return Head(lines[0], lines[1:], raw)

    def read_chunked(self):
        body = b""
        while True:
            size = int(self.read_until(CRLF)[:-2].split(b";")[0], 16)
            if size == 0:
                while self.read_until(CRLF) != CRLF:
                    pass
                return body
            body += self.read_exactly(size)
            assert self.read_exactly(2) == CRLF

    def read_response(self, method="GET"):
        head = self.read_head()
        if method == "HEAD" or head.status in (101, 204, 304):
            return Response(head)
        if (head.value("Transfer-Encoding") or "").lower() == "chunked":
            return Response(head, self.read_chunked())
        length = head.value("Content-Length")
        return Response(head, self.read_to_end() if length is None else self.read_exactly(int(length)))

    def ask(self, request, method="GET"):
        self.send(request)
        return self.read_response(method)

    def read_frame(self):
        """Opcode and payload of one frame; masked ones are unmasked."""
        first, second = self.read_exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.read_exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.read_exactly(8))
        mask = self.read_exactly(4) if second & 0x80 else None
        payload = self.read_exactly(length)
        return first & 0x0F, _masked(payload, mask) if mask else payload

    def peek(self):
        """Waits until something has arrived, and leaves it unread."""
        self.socket.recv(1, socket.MSG_PEEK)

    def has_ended(self):
        """Whether the peer ends the stream, after whatever it still has to say (a close frame, for one)."""
        try:
            while True:
                self._receive()
        except (Ended, ConnectionResetError):
            return True
        except TimeoutError:
            return False

    def is_quiet(self, seconds):
        """Whether nothing arrives, not even an end, for so long."""
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._receive()
            return False
        except TimeoutError:
            return True
        except (Ended, ConnectionResetError):
            return False
        finally:
            self.socket.settimeout(before)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST, as a crashed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class Listener:
    """A backend in the test's own process: what the daemon sends is read here byte by byte."""

    def __init__(self, port=None):
        self.socket = socket.create_server(("127.0.0.1", port or free_port()))
        self.socket.settimeout(TIMEOUT)
        self.port = self.socket.getsockname()[1]
        self.accepted = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for wire in self.accepted:
            wire.close()
        self.socket.close()

    def accept(self):
        connection, _ = self.socket.accept()
        wire = Wire(connection)
        self.accepted.append(wire)
        return wire

    def accept_tunnel(self):
        """Accepts, reads the upgrade and answers 101; returns the wire and the head it was asked with."""
        wire = self.accept()
        head = wire.read_head()
        wire.send(SWITCHING)
        return wire, head


SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def connected(address, timeout=TIMEOUT):
    if isinstance(address, str):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(timeout)
        made.connect(address)
        return made
    return socket.create_connection(address, timeout=timeout)


def upgrade(path="/cable", host="example.test", extra=(), connection="Upgrade"):
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        f"Connection: {connection}",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *extra,
    ]
    return "\r\n".join(lines).encode("latin-1") + CRLF + CRLF


def request(method="GET", path="/cable", host="example.test", extra=(), body=b""):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *extra]
    if body and not any(line.lower().startswith("transfer-encoding") for line in extra):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + CRLF + CRLF + body


def text_frame(text):
    """A client's text frame, masked as RFC 6455 5.3 wants it."""
    payload = text.encode()
    mask = os.urandom(4)
    if len(payload) < 126:
        head = bytes([0x81, 0x80 | len(payload)])
    else:
        head = bytes([0x81, 0x80 | 126]) + struct.pack("!H", len(payload))
    return head + mask + _masked(payload, mask)


def masked_frame(opcode, payload, length=None):
    """A client's frame; `length` announces another length than the payload has."""
    mask = os.urandom(4)
    return _frame_head(opcode, length or len(payload), 0x80) + mask + _masked(payload, mask)


def plain_frame(opcode, payload):
    """A server's frame."""
    return _frame_head(opcode, len(payload), 0) + payload


def _frame_head(opcode, length, masked):
    first = bytes([0x80 | opcode])
    if length < 126:
        return first + bytes([masked | length])
    if length < 65_536:
        return first + bytes([masked | 126]) + struct.pack("!H", length)
    return first + bytes([masked | 127]) + struct.pack("!Q", length)


def close_frame(code=1000):
    mask = os.urandom(4)
    return bytes([0x88, 0x82]) + mask + _masked(struct.pack("!H", code), mask)


def _masked(payload, mask):
    return bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask)))


_last_port = random.randrange(20_000, 31_000)


def free_port():
    """A port without a listener, below the range outgoing connections use, so that none of them takes it meanwhile."""
    global _last_port
    for _ in range(2_000):
        _last_port = _last_port + 1 if _last_port < 32_000 else 20_000
        try:
            with socket.create_server(("127.0.0.1", _last_port)):
                return _last_port
        except OSError:
            continue
    raise AssertionError("no free port between 20000 and 32000")
