"""A backend that keeps every byte it is sent and reads requests with a parser of its own, stricter than any server's."""

import re
import threading

import wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recorder(wire.Listener):
    """Answers every whole request; `answer` may look at its head and say something else than OK."""

    def __init__(self, answer=lambda head: OK):
        super().__init__()
        self.answer = answer
        self.streams = []  # One bytearray for each connection, in the order they were accepted.
        self.requests = []  # (first line, lines, body) of every request that came whole.
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self):
        self.streams.clear()
        self.requests.clear()

    @property
    def bytes_received(self):
        return b"".join(bytes(stream) for stream in self.streams)

    def _accept(self):
        self.socket.settimeout(None)
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            stream = bytearray()
            self.streams.append(stream)
            threading.Thread(target=self._serve, args=(connection, stream), daemon=True).start()

    def _serve(self, connection, stream):
        read = 0
        with connection:
            try:
                while data := connection.recv(65536):
                    stream += data
                    while whole := whole_request(bytes(stream[read:])):
                        length, request = whole
                        read += length
                        self.requests.append(request)
                        connection.sendall(self.answer(request[0]))
            except OSError:
                pass  # The daemon cut it; what came before is kept.
            except AssertionError as ambiguous:
                self.requests.append((f"AMBIGUOUS {ambiguous} -", [], b""))  # What no test expects.


def whole_request(data):
    """(length on the wire, (first line, lines, body)) of the request these bytes begin with, or None until it is whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    lengths = [value for name, value in fields if name == "content-length"]
    encodings = [value.lower() for name, value in fields if name == "transfer-encoding"]
    assert not (lengths and encodings) and len(lengths) <= 1 and encodings in ([], ["chunked"]), f"ambiguous: {lines}"
    assert all(re.fullmatch("0|[1-9][0-9]*", length) for length in lengths), f"ambiguous: {lines}"
    rest = data[end + 4:]
    if encodings:
        found = chunked(rest)
        if found is None:
            return None
        used, body = found
    else:
        used = int(lengths[0]) if lengths else 0
        if len(rest) < used:
            return None
        body = rest[:used]
    return end + 4 + used, (first, lines, body)


def chunked(data):
    """(length on the wire, content), or None until the last chunk and the trailers are there."""
    position, body = 0, b""
    while True:
        line = re.compile(rb"(0|[1-9A-Fa-f][0-9A-Fa-f]{0,14})\r\n").match(data, position)
        if line is None:
            assert b"\r\n" not in data[position:position + 64], f"a chunk line in the body: {data[position:][:64]!r}"
            return None
        size = int(line[1], 16)
        position = line.end()
        if size == 0:
            trailers = re.compile(rb"(?:[^\r\n]+\r\n)*\r\n").match(data, position)
            return (trailers.end(), body) if trailers else None
        if len(data) < position + size + 2:
            return None
        body += data[position:position + size]
        assert data[position + size:position + size + 2] == b"\r\n", "a chunk without its end"
        position += size + 2
