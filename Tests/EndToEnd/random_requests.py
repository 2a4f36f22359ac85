"""Requests as a seed makes them: half of them right, half of them nearly."""

import random
from dataclasses import dataclass, field

# Stands for the first segment of the path; every route that replaces it is as long.
ROUTE = "@@@@"

METHODS = ["GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
NAMES = ["X-A", "x-b", "Accept", "Cookie", "User-Agent", "X-Trace", "Referer", "If-None-Match", "X-Empty", "Accept-Language"]
SEGMENTS = ["a", "b.c", "%2F", "%41", "..x", "~x", "", "a;b=c", "x,y", "(z)", "a+b", "!", "@", "v=1"]
# Servers may refuse these when they come twice.
ONCE = {"User-Agent", "Referer"}
EVIL_LINES = [
    "Content-Length: 0", "Content-Length: 3", "Content-Length: 1, 1", "Content-Length: +3", "Content-Length : 3",
    "Content_Length: 3", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding : chunked",
    "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding:\x0bchunked",
    "Transfer_Encoding: chunked", " Transfer-Encoding: chunked", "Host: b", "Host", "Connection: Content-Length",
    "Connection: Transfer-Encoding", "Connection: close", "Connection: X-A, X-Trace", "Upgrade: h2c",
    "Upgrade: websocket", "Connection: Upgrade", "Expect: nothing", "TE: trailers", "Keep-Alive: timeout=1",
    "Proxy-Connection: close", "Proxy: http://evil", "Content-Length: 0003", "Connection: q,q,Q", "X-\x00: y", "\tfolded", "X-Long: " + "y" * 3000, "X: \xe9\xff", "X:",
]
EVIL_BYTES = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"\x0b", b"\xa0", b"\r\n ", b"\n\n", b"#", b"0"]


@dataclass
class Request:
    wire: bytes
    is_bent: bool
    method: str = ""
    target: str = ""
    fields: list = field(default_factory=list)  # (name, value) that belong to the request and not to its hop.
    body: bytes = b""


class RandomRequests:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def next(self):
        made = self._right()
        if self.random.random() < 0.5:
            made = Request(self._bent(made.wire), is_bent=True)
        return made

    def _right(self):
        choose = self.random
        method = choose.choice(METHODS)
        target = f"/{ROUTE}/" + "/".join(choose.choice(SEGMENTS) for _ in range(choose.randrange(4)))
        if choose.random() < 0.3:
            target += "?" + choose.choice(["", "a=b", "a=%26&b", "?", "x/y", "q=a+b;c"])
        old = choose.random() < 0.08
        fields = [(choose.choice(["Host", "host", "HOST"]), choose.choice(["a", "example.test:8080", "[::1]"]))]
        names = [choose.choice(NAMES) for _ in range(choose.randrange(6))]
        names = [name for place, name in enumerate(names) if name not in ONCE or name not in names[:place]]
        fields += [(name, self._value()) for name in names]
        hop, body, framed = [], b"", b""
        if choose.random() < 0.5:
            body = choose.randbytes(choose.choice([1, 2, 10, 100, 2000]))
            if choose.random() < 0.3:
                body = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
            if old or choose.random() < 0.5:
                fields.append(("Content-Length", choose.choice(["", "", "", "000"]) + str(len(body))))
                framed = body
            else:
                hop.append(("Transfer-Encoding", choose.choice(["chunked", "Chunked"])))
                framed = self._chunked(body)
        if choose.random() < 0.2:
            hop.append(("Connection", choose.choice(["keep-alive", "X-Hop", "keep-alive, X-Hop", "TE"])))
            hop += [("X-Hop", "gone")] * ("X-Hop" in hop[-1][1])
        lines = fields + hop
        choose.shuffle(lines)
        # Duplicates keep their order among themselves.
        fields = [line for line in lines if line in fields]
        blank = choose.choice(["", " ", " ", "  ", "\t", " \t "])
        end = choose.choice(["", "", "", " ", "\t"])
        version = "1.0" if old else "1.1"
        # The host of an absolute target is the request's, whatever the field says.
        authority = choose.choice(["other.test", "[::2]:81"]) if choose.random() < 0.1 else None
        start = choose.choice([""] * 8 + ["\r\n", "\r\n\r\n"])
        asked = f"http://{authority}{target}" if authority else target
        if authority:
            fields = [(name, authority if name.lower() == "host" else value) for name, value in fields]
        head = f"{start}{method} {asked} HTTP/{version}\r\n" + "".join(f"{name}:{blank}{value}{end}\r\n" for name, value in lines)
        return Request(head.encode("latin-1") + b"\r\n" + framed, False, method, target, fields, body)

    def _value(self):
        return self.random.choice([
            "", "a", "b, c", "text/html;q=0.9", '"quoted"', "a=b; c=d", "x" * 300, "caf\xe9", "a\tb", "1  2", "{}", "*/*"])

    def _chunked(self, body):
        choose, rest, framed = self.random, body, b""
        while rest:
            size = choose.randint(1, len(rest))
            extension = choose.choice(["", "", "", ";x", ";x=y", ';x="y z"', " ;x", "\t; x=y"])
            digits = choose.choice([f"{size:x}", f"{size:X}", f"0{size:x}", f"{size:032x}"])
            framed += f"{digits}{extension}\r\n".encode() + rest[:size] + b"\r\n"
            rest = rest[size:]
        trailers = choose.choice([b""] * 7 + [b"X-Sum: 1\r\n", b"X-Forwarded-Port: 1\r\nX-Sum: 1\r\n", b"Via: x\r\n"])
        return framed + b"0\r\n" + trailers + b"\r\n"

    def _bent(self, wire):
        for _ in range(self.random.choice([1, 1, 1, 2])):
            wire = self.random.choice([
                self._with_evil_line, self._with_evil_line, self._with_evil_byte, self._with_evil_byte,
                self._with_flipped_bit, self._with_a_line_twice, self._without_a_byte, self._with_another_number,
            ])(wire)
        return wire

    def _place(self, wire):
        """Mostly in the head, for that is where the mistakes are made."""
        end = wire.find(b"\r\n\r\n") + 4
        return self.random.randrange(end if end > 4 and self.random.random() < 0.8 else max(len(wire), 1))

    def _with_evil_line(self, wire):
        lines = wire.split(b"\r\n")
        last = lines.index(b"") if b"" in lines else len(lines)
        lines.insert(self.random.randint(1, max(last, 1)), self.random.choice(EVIL_LINES).encode("latin-1"))
        return b"\r\n".join(lines)

    def _with_evil_byte(self, wire):
        place = self._place(wire)
        return wire[:place] + self.random.choice(EVIL_BYTES) + wire[place + self.random.randrange(2):]

    def _with_flipped_bit(self, wire):
        place = self._place(wire)
        return wire[:place] + bytes([wire[place] ^ 1 << self.random.randrange(8)]) + wire[place + 1:]

    def _with_a_line_twice(self, wire):
        lines = wire.split(b"\r\n")
        line = self.random.randrange(len(lines))
        return b"\r\n".join(lines[:line + 1] + lines[line:])

    def _without_a_byte(self, wire):
        place = self._place(wire)
        return wire[:place] + wire[place + 1:]

    def _with_another_number(self, wire):
        places = [place for place, byte in enumerate(wire) if chr(byte).isdigit()]
        place = self.random.choice(places)
        return wire[:place] + b"%d" % self.random.randrange(10) + wire[place + 1:]
