"""Known ways to make two parsers disagree: refused before anything wakes or is forwarded, or read as one request."""

import pytest

import wire
from daemon import service, sleeping_double
from recorder import OK, Recorder
from wire import Ended, request, upgrade

HIDDEN = b"GET /warm/hidden HTTP/1.1\r\nHost: a\r\n\r\n"
# The same for a path that leads nowhere, as the last request of its connection.
ADMIN = b"GET /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CLOSE = "Connection: close"


def head(*lines, method="POST", version="HTTP/1.1"):
    return "\r\n".join([f"{method} @ {version}", *lines]).encode("latin-1") + b"\r\n\r\n"


def post(*fields, body=b"0\r\n\r\n" + HIDDEN):
    return head("Host: a", *fields) + body


CHUNKED = "Transfer-Encoding: chunked"

# What stands in them as @ is a path, and what stands as a section sign is an @. All are refused with 400 unless a status follows.
AMBIGUOUS_LENGTHS = {
    "CL.TE": post("Content-Length: 6", CHUNKED),
    "TE.CL": post(CHUNKED, "Content-Length: 4", body=b"5c\r\n" + HIDDEN + b"\r\n0\r\n\r\n"),
    "CL.TE, small letters": post("content-length: 6", "transfer-encoding: chunked"),
    "CL.TE in HTTP/1.0": head("Host: a", "Content-Length: 6", CHUNKED, version="HTTP/1.0") + b"0\r\n\r\n",
    "TE in HTTP/1.0": head("Host: a", CHUNKED, version="HTTP/1.0") + b"0\r\n\r\n",
    "CL.CL, different": post("Content-Length: 5", "Content-Length: 44", body=HIDDEN),
    "CL.CL, the same": post("Content-Length: 5", "Content-Length: 5", body=b"hello"),
    "CL list": post("Content-Length: 5, 44", body=HIDDEN),
    "CL list, the same": post("Content-Length: 5, 5", body=b"hello"),
    "CL with a sign": post("Content-Length: +5", body=b"hello"),
    "CL below zero": post("Content-Length: -1", body=HIDDEN),
    "CL in hexadecimal": post("Content-Length: 0x5", body=b"hello"),
    "CL with a zero and a sign": post("Content-Length: 0+5", body=b"hello"),
    "CL with a fraction": post("Content-Length: 5.0", body=b"hello"),
    "CL with an exponent": post("Content-Length: 5e0", body=b"hello"),
    "CL with an underscore": post("Content-Length: 1_0", body=b"hellohello"),
    "CL with a space inside": post("Content-Length: 1 0", body=b"hellohello"),
    "CL that is empty": post("Content-Length:", body=HIDDEN),
    "CL beyond 64 bits": post("Content-Length: 18446744073709551621", body=b"hello"),
    "CL beyond 32 bits, signed": post("Content-Length: 99999999999999999999", body=b"hello"),
    "CL in digits of another script": post("Content-Length: \xb2", body=HIDDEN),
    "CL in quotes": post('Content-Length: "5"', body=b"hello"),
    "CL with _ for -": post("Content_Length: 5", body=b"hello"),
    "TE with _ for -": post("Content-Length: 4", "Transfer_Encoding: chunked"),
}

OBFUSCATED_CHUNKED = {
    **{f"TE: {value!r}": post(f"Transfer-Encoding: {value}") for value in [
        "xchunked", "chunkedx", "chunked, chunked", "chunked, identity", "identity, chunked", "gzip, chunked",
        "identity", "gzip", "chunked;", "chunked; q=1", "chunked,", ",chunked", '"chunked"', "'chunked'", "chunk",
        "chunked chunked", "chunked\x0b", "\x0bchunked", "chunked\x00", "\x00chunked", "\x0cchunked", "\xa0chunked",
        "chunked\x7f", "\x1fchunked", "", "tchunked", "chunked\xad", "\ufeffchunked".encode().decode("latin-1"),
        "cow", "(comment) chunked", "chunked (comment)", "\\chunked",
    ]},
    "TE twice": post(CHUNKED, CHUNKED),
    "TE twice, the second a decoy": post(CHUNKED, "Transfer-Encoding: cow"),
    "TE twice, the first a decoy": post("Transfer-Encoding: identity", CHUNKED),
    "TE and CL with a decoy": post("Content-Length: 4", "Transfer-encoding: cow", CHUNKED),
    "TE with a space before the colon": post("Transfer-Encoding : chunked"),
    "TE with a tab before the colon": post("Transfer-Encoding\t: chunked"),
    "TE behind a space": post(" Transfer-Encoding: chunked"),
    "TE behind a tab": post("\tTransfer-Encoding: chunked"),
    "TE folded": post("Transfer-Encoding:", " chunked"),
    "TE folded with a tab": post("Transfer-Encoding:", "\tchunked"),
    "TE behind a folded line": post("X: y", " Transfer-Encoding: chunked"),
    "TE behind a bare CR": post("X: y\rTransfer-Encoding: chunked"),
    "TE behind a bare LF": post("X: y\nTransfer-Encoding: chunked"),
    "TE behind a NUL": post("X: y\x00Transfer-Encoding: chunked"),
    "TE with a NUL in its name": post("Transfer\x00-Encoding: chunked"),
    "TE with a control byte in its name": post("Transfer-\x08Encoding: chunked"),
    "TE with a byte of Latin-1 in its name": post("Transfer\xadEncoding: chunked"),
    "TE with a space in its name": post("Transfer- Encoding: chunked"),
    "TE in quotes": post('"Transfer-Encoding": chunked'),
    "TE with an equals sign": post("Transfer-Encoding=chunked"),
}

BROKEN_LINES = {
    "bare LF throughout": b"GET @ HTTP/1.1\nHost: a\n\n",
    "bare LF at the end of the head": b"GET @ HTTP/1.1\r\nHost: a\r\n\n",
    "bare LF behind the request line": b"GET @ HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF in a value": head("Host: a", "X: b\nY: c", method="GET"),
    "bare CR in a value": head("Host: a", "X: b\rY: c", method="GET"),
    "CR CR LF": b"GET @ HTTP/1.1\r\r\nHost: a\r\n\r\n",
    "bare CR as the end of the head": b"GET @ HTTP/1.1\r\nHost: a\r\n\r\r\n",
    "a folded value": head("Host: a", "X: b", " c", method="GET"),
    "a folded Host": head("Host: a", " b", method="GET"),
    "space before the first field": head(" Host: a", method="GET"),
    "a space before the colon": head("Host : a", method="GET"),
    "a space before another colon": head("Host: a", "X : b", method="GET"),
    "a space in a name": head("Host: a", "X Y: b", method="GET"),
    "no colon": head("Host: a", "nonsense", method="GET"),
    "an empty name": head("Host: a", ": b", method="GET"),
    "a NUL in a value": head("Host: a", "X: b\x00c", method="GET"),
    "a NUL in a name": head("Host: a", "X\x00: b", method="GET"),
    "a NUL in the target": b"GET @\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a bell in a value": head("Host: a", "X: \x07", method="GET"),
    "a DEL in a value": head("Host: a", "X: \x7f", method="GET"),
    "a name in brackets": head("Host: a", "[X]: b", method="GET"),
    "three empty lines first": b"\r\n\r\n\r\n" + head("Host: a", method="GET"),
    "bare LF first": b"\n" + head("Host: a", method="GET"),
}

BROKEN_REQUEST_LINES = {
    "two spaces": b"GET  @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces before the version": b"GET @  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab": b"GET\t@\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET @ x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a second version": b"GET @ HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space behind the version": b"GET @ HTTP/1.1 \r\nHost: a\r\n\r\n",
    "a space first": b" GET @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET @\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET @ HTTP/0.9\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET @ HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/2.0": b"GET @ HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/1.10": b"GET @ HTTP/1.10\r\nHost: a\r\n\r\n",
    "HTTP/1,1": b"GET @ HTTP/1,1\r\nHost: a\r\n\r\n",
    "http/1.1": b"GET @ http/1.1\r\nHost: a\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a fragment": b"GET @#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a byte above ASCII": b"GET @\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target without its slash": b"GET warm HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority form": b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "another scheme": b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    "user information": b"GET http://a\xa7b@ HTTP/1.1\r\nHost: b\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "connect": b"connect a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "head": b"head @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method with a colon": b"GET: @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method that is none": b"G\x00T @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method beyond all bounds": b"G" * 40 + b" @ HTTP/1.1\r\nHost: a\r\n\r\n",
}

BROKEN_HOSTS = {
    "no host": head(method="GET"),
    "two hosts": head("Host: a", "Host: b", method="GET"),
    "two hosts, the same": head("Host: a", "host: a", method="GET"),
    "an empty host": head("Host:", method="GET"),
    "a list of hosts": head("Host: a, b", method="GET"),
    "a host with a path": head("Host: a/b", method="GET"),
    "a host with a user": head("Host: a\xa7b", method="GET"),
    "a host with a query": head("Host: a?b", method="GET"),
    "a port that is none": head("Host: a:b", method="GET"),
    "a port beyond 65535": head("Host: a:65536", method="GET"),
    "a percent sign": head("Host: a%00b", method="GET"),
    "an absolute target and two hosts": b"GET http://a@ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "an absolute target and a strange host": b"GET http://a@ HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "an absolute target without a Host": b"GET http://a@ HTTP/1.1\r\n\r\n",
}


def handshake(*lines, method="GET", version="HTTP/1.1", key="dGhlIHNhbXBsZSBub25jZQ==", number="13"):
    fields = ["Host: a", "Connection: Upgrade", "Upgrade: websocket", *lines]
    fields += [f"Sec-WebSocket-Key: {key}"] if key is not None else []
    fields += [f"Sec-WebSocket-Version: {number}"] if number is not None else []
    return head(*fields, method=method, version=version)


FAKE_UPGRADES = {
    "by POST": handshake(method="POST"),
    "by HEAD": handshake(method="HEAD"),
    "without a key": handshake(key=None),
    "with a short key": handshake(key="dGhl"),
    "with a key that is not base64": handshake(key="????????????????????????"),
    "with two keys": handshake("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    "without a version": handshake(number=None),
    "with two versions": handshake("Sec-WebSocket-Version: 13"),
    "with another version": handshake(number="8"),
    "with a length": handshake("Content-Length: 39") + HIDDEN,
    "with chunks": handshake(CHUNKED) + b"0\r\n\r\n" + HIDDEN,
}

REFUSED = {
    "lengths": AMBIGUOUS_LENGTHS, "chunked": OBFUSCATED_CHUNKED, "lines": BROKEN_LINES,
    "request line": BROKEN_REQUEST_LINES, "host": BROKEN_HOSTS, "upgrade": FAKE_UPGRADES,
}


@pytest.fixture
def backend():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def front(start, backend):
    """The same daemon twice: paths below /cold would wake a backend, paths below /warm reach the recorder at once."""
    return start(sleeping_double(name="cold", path="/cold/*"), service(backend.port, name="warm", path="/warm/*"))


def answers(front, sent, timeout=5):
    """All answers to these bytes until the daemon closes or is silent for so long; and whether it closed."""
    method = sent.partition(b" ")[0].decode("latin-1")
    with front.connect(timeout) as client:
        try:
            client.send(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = []
        try:
            while True:
                found.append(client.read_response(method if not found else "GET"))
        except (Ended, ConnectionResetError):
            return found, True
        except TimeoutError:
            return found, False


@pytest.mark.parametrize("group", REFUSED)
def test_what_two_parsers_could_read_differently_is_refused_and_neither_wakes_nor_reaches_anybody(
        front, backend, group):
    wrong = []
    for name, sent in REFUSED[group].items():
        for path in (b"/cold/x", b"/warm/x"):
            # The connection stays open behind it: the daemon has to see the mistake, not the end of the stream.
            found, closed = answers(front, sent.replace(b"@", path).replace(b"\xa7", b"@"))
            statuses = [answer.status for answer in found]
            if len(found) != 1 or statuses[0] not in (400, 426, 501, 505) or not closed:
                wrong.append(f"{name} at {path.decode()}: answered {statuses}, closed: {closed}")
            if backend.bytes_received:
                wrong.append(f"{name} at {path.decode()}: forwarded {backend.bytes_received!r}")
                backend.forget()
    assert not wrong, "\n".join(wrong)
    front.assert_never("started")
    assert front.offspring() == []
    front.assert_never("upstream_error")


CHUNK_ATTACKS = {
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "below zero": b"-5\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a tab behind the size": b"5\t\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\nhellohellohello1\r\n0\r\n\r\n",
    "beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "zeros beyond all bounds": b"0" * 300 + b"5\r\nhello\r\n0\r\n\r\n",
    "a space inside the size": b"5 5\r\nhello\r\n0\r\n\r\n",
    "a space behind the last size": b"0 \r\n\r\n",
    "an empty size": b"\r\nhello\r\n0\r\n\r\n",
    "no size but an extension": b";x\r\nhello\r\n0\r\n\r\n",
    "bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "bare CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;x\nhello\r\n0\r\n\r\n",
    "bare LF in the last extension": b"0;x\n\r\n" + HIDDEN,
    "bare CR in an extension": b"5;x\rz\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;x\0\r\nhello\r\n0\r\n\r\n",
    "an extension without a name": b"5;\r\nhello\r\n0\r\n\r\n",
    "blanks and no extension": b"5 ; \r\nhello\r\n0\r\n\r\n",
    "blanks beyond all bounds": b"5" + b" " * 5000 + b";x\r\nhello\r\n0\r\n\r\n",
    "an extension beyond all bounds": b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "data longer than said": b"5\r\nhello!\r\n0\r\n\r\n",
    "data shorter than said": b"7\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "a length in the trailers": b"0\r\nContent-Length: 5\r\n\r\n",
    "an encoding in the trailers": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a host in the trailers": b"0\r\nHost: b\r\n\r\n",
    "credentials in the trailers": b"0\r\nAuthorization: x\r\n\r\n",
    "a space before a trailer's colon": b"0\r\nX : y\r\n\r\n",
    "a request in place of the trailers": b"0\r\n" + HIDDEN,
    "a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "bare LF in the trailers": b"0\r\nX: y\n\r\n",
    "bare LF as the end": b"0\r\n\n" + HIDDEN,
}


def test_broken_chunks_never_become_a_whole_request_of_the_backend(front, backend):
    wrong = []
    for name, body in CHUNK_ATTACKS.items():
        sent = head("Host: a", CHUNKED).replace(b"@", b"/warm/x") + body + HIDDEN
        found, closed = answers(front, sent)
        if [answer.status for answer in found] != [400] or not closed:
            wrong.append(f"{name}: answered {[answer.status for answer in found]}, closed: {closed}")
        if backend.requests or b"hidden" in backend.bytes_received:
            wrong.append(f"{name}: the backend read {backend.requests or backend.bytes_received}")
        backend.forget()
    assert not wrong, "\n".join(wrong)


# An unambiguous stream passes, as exactly its requests


def test_a_request_inside_a_body_stays_inside(front, backend):
    for sent in (
        request("POST", "/warm/a", extra=[CLOSE], body=HIDDEN),
        request("GET", "/warm/a", extra=[CLOSE], body=HIDDEN),
        request("DELETE", "/warm/a", extra=[CLOSE, CHUNKED], body=b"26;x=y\r\n" + HIDDEN + b"\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ):
        found, _ = answers(front, sent)
        assert [answer.status for answer in found] == [200]
        assert [(first.split()[1], body) for first, _, body in backend.requests] == [("/warm/a", HIDDEN)]
        backend.forget()


# Valid, common or harmless, and still read in more than one way: forwarded in the one plain form, which is all that
# the recorder understands.
PLAIN_FORMS = {
    "a length with zeros": (head("Host: a", "Content-Length: 0000005", CLOSE) + b"hello", b"Content-Length: 5\r\n"),
    "a size with zeros": (post(CHUNKED, CLOSE, body=b"00000000000000000005\r\nhello\r\n00\r\n\r\n"), b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "an extension": (post(CHUNKED, CLOSE, body=b"5;x=y\r\nhello\r\n0;z\r\n\r\n"), b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "blanks around a semicolon": (
        post(CHUNKED, CLOSE, body=b"5 \t; x=y\r\nhello\r\n0 ;z\r\n\r\n"), b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "trailers": (
        post(CHUNKED, CLOSE, body=b"5\r\nhello\r\n0\r\nX-Forwarded-For: 1\r\nX_Forwarded_Port: 1\r\nX-Real-IP: 1\r\n"
             b"Forwarded: for=1\r\nX-Sum: 1\r\nX-Request-Id: 1\r\n\r\n"), b"0\r\nX-Sum: 1\r\n\r\n"),
    "an absolute target with another host": (
        b"GET http://b:81@ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET /warm/x HTTP/1.1\r\nHost: b:81\r\n"),
    "two empty lines first": (b"\r\n\r\n" + head("Host: a", CLOSE, method="GET"), b"GET /warm/x HTTP/1.1\r\nHost: a\r\n"),
}


def test_what_is_valid_in_several_forms_travels_on_in_one(front, backend):
    wrong = []
    for name, (sent, expected) in PLAIN_FORMS.items():
        found, _ = answers(front, sent.replace(b"@", b"/warm/x"))
        if [answer.status for answer in found] != [200] or expected not in backend.bytes_received:
            wrong.append(f"{name}: answered {[answer.status for answer in found]}, forwarded {backend.bytes_received!r}")
        if len(backend.requests) != 1 or b"_Forwarded" in backend.bytes_received or b"0\r\nX-Forwarded" in backend.bytes_received:
            wrong.append(f"{name}: the backend read {backend.requests}")
        backend.forget()
    assert not wrong, "\n".join(wrong)


def test_the_field_proxy_and_the_question_about_the_whole_server_reach_nobody(front, backend):
    found, _ = answers(front, request("GET", "/warm/a", extra=["Proxy: http://evil:3128", "proxy: x", CLOSE]))
    assert [answer.status for answer in found] == [200]
    (_, lines, _), = backend.requests
    assert not [line for line in lines if line.lower().startswith("proxy")], lines
    backend.forget()
    for target in "*", "http://a", "http://a:80":
        found, closed = answers(front, f"OPTIONS {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert [answer.status for answer in found] == [204] and closed, target
    assert not backend.bytes_received


def test_no_answer_to_head_has_a_body_and_the_last_answer_says_close(front, backend):
    for sent in (
        b"HEAD /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"HEAD /warm/x HTTP/1.1\r\n\r\n",
        b"HEAD /warm/x HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n", b"HEAD /warm/x HTTP/2.0\r\nHost: a\r\n\r\n",
        b"HEAD /warm/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000 + b"\r\n\r\n",
    ):
        with front.connect() as client:
            client.send(sent)
            received = client.read_to_end_or_reset()
        assert received.endswith(b"\r\n\r\n") and received.count(b"\r\n\r\n") == 1, (sent[:60], received)
        assert b"Connection: close\r\n" in received and b"keep-alive" not in received, (sent[:60], received)


def test_bytes_behind_a_request_are_the_next_request_of_the_same_client_and_judged_anew(front, backend):
    for first in (
        request("POST", "/warm/a", extra=["Content-Length: 0"]),
        request("POST", "/warm/a", extra=[CHUNKED], body=b"0\r\n\r\n"),
        request("GET", "/warm/a"),
        request("GET", "/warm/a", extra=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"]),
        request("GET", "/warm/a", extra=["Upgrade: websocket", "Connection: keep-alive"]),
    ):
        found, _ = answers(front, first + ADMIN)
        assert [answer.status for answer in found] == [200, 404], first
        assert len(backend.requests) == 1 and b"admin" not in backend.bytes_received, first
        _, lines, _ = backend.requests[0]
        names = [line.partition(":")[0].lower() for line in lines]
        assert "upgrade" not in names and "http2-settings" not in names, lines
        backend.forget()


def test_connection_cannot_make_the_daemon_drop_what_the_backend_decides_by(front, backend):
    kept = ["Content-Length", "Cookie", "Authorization", "X-Forwarded-For", "Origin", "Host"]
    sent = request("POST", "/warm/a", body=b"hello", extra=[
        f"Connection: close, {', '.join(kept)}", "Cookie: a=b", "Authorization: x", "X-Forwarded-For: 1", "Origin: http://a"])
    found, _ = answers(front, sent)
    assert [answer.status for answer in found] == [200]
    (_, lines, body), = backend.requests
    names = [line.partition(":")[0] for line in lines]
    assert body == b"hello" and all(name in names for name in kept), lines


# A backend that says too much, or says yes to what was not asked


def one_of(**answers_by_path):
    def answer(first_line):
        return answers_by_path.get(first_line.split()[1].rpartition("/")[2], OK)

    return answer


POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
SPLITTING = {
    "behind-length": OK + POISON,
    "behind-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + POISON,
    "behind-204": b"HTTP/1.1 204 No Content\r\n\r\n" + POISON,
    "behind-204-with-a-length": b"HTTP/1.1 204 No Content\r\nContent-Length: 47\r\n\r\n" + POISON,
    "behind-204-with-chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + POISON,
    "behind-304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 60\r\n\r\n" + POISON,
}
REJECTED = {
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 60\r\n\r\nok",
    "obscure": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n",
    "bare-feed": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "split": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "nul": b"HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 2\r\n\r\nok",
    "status": b"HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\nok",
    "switching": wire.SWITCHING + b"raw bytes",
    "switching-h2c": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nraw bytes",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
}


def test_what_a_backend_sends_behind_its_answer_answers_nobody(start):
    with Recorder(one_of(**SPLITTING)) as backend:
        front = start(service(backend.port, path="/*"))
        for name in SPLITTING:
            with front.connect() as client:
                assert client.ask(request(path=f"/{name}")).status in (200, 204, 304), name
                try:
                    assert client.ask(request(path="/next")).body == b"ok", name
                except (Ended, ConnectionResetError, BrokenPipeError):
                    pass  # Closing instead is as good.
            with front.connect() as client:
                client.send(request(path=f"/{name}") + request(path="/next"))
                client.read_response()
                assert b"poison" not in client.read_head().raw + client.read_exactly(2), name
        head_answer = front.ask(request("HEAD", "/behind-length", extra=["Connection: close"]), method="HEAD")
        assert head_answer.status == 200


ODD_ANSWERS = {
    # What comes, and what the client is to read.
    "204-with-a-length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "204-with-chunks": (
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304-with-both": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "padded-chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2   \r\nok\r\n0  \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "odd-colons": (
        b"HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length : 002\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok"),
    "odd-trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Request-Id: 1\r\nContent-Type: a\r\nX-Sum : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n"),
    "large-head": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + b"X: " + b"a" * 40000 + b"\r\n" + b"Set-Cookie: a=b\r\n" * 200 + b"\r\nok",
        None),
}


def test_an_answer_in_an_odd_form_reaches_its_client_in_the_plain_one(start):
    answered = {name: came for name, (came, _) in ODD_ANSWERS.items()}
    with Recorder(one_of(**answered)) as backend:
        front = start(service(backend.port, path="/*"))
        for name, (came, expected) in ODD_ANSWERS.items():
            with front.connect() as client:
                client.send(request(path=f"/{name}"))
                assert client.read_exactly(len(expected or came)) == (expected or came), name
                assert client.ask(request(path="/next", extra=[CLOSE])).body == b"ok", name


def test_an_answer_beyond_the_limit_of_its_head_is_a_502_that_names_the_limit(start):
    large = b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 3000 + b"\r\nContent-Length: 2\r\n\r\nok"
    many = b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 300 + b"Content-Length: 2\r\n\r\nok"
    with Recorder(one_of(large=large, many=many)) as backend:
        limits = {"limits": {"max_response_header_bytes": 2048}}
        front = start(service(backend.port, path="/*"), service(backend.port, name="tight", path="/tight/*", **limits))
        assert front.ask(request(path="/large", extra=[CLOSE])).status == 200
        for path, limit in ("/tight/large", "limits.max_response_header_bytes"), ("/many", "response_fields"):
            refused = front.ask(request(path=path, extra=[CLOSE]))
            assert refused.status == 502 and b"not HTTP" not in refused.body, refused.body
            assert limit.encode() in refused.body or b"256 fields" in refused.body
            assert front.wait_for("upstream_error", limit=limit)["status"] == 502


def test_an_answer_that_two_clients_could_read_differently_is_a_502(start):
    with Recorder(one_of(**REJECTED)) as backend:
        front = start(service(backend.port, path="/*"))
        wrong = []
        for name in REJECTED:
            found, closed = answers(front, request(path=f"/{name}", extra=[CLOSE]))
            if [answer.status for answer in found] != [502]:
                wrong.append(f"{name}: {[answer.head.raw for answer in found]}, closed: {closed}")
            if any(b"raw bytes" in answer.body for answer in found):
                wrong.append(f"{name}: a tunnel without an upgrade")
        assert not wrong, "\n".join(wrong)


WRONG_SWITCHES = {
    "another accept": wire.SWITCHING.replace(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "no accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "two accepts": wire.SWITCHING[:-2] + b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
    "another protocol": wire.SWITCHING.replace(b"websocket", b"h2c"),
    "two protocols": wire.SWITCHING.replace(b"websocket", b"websocket, h2c"),
    "no connection": wire.SWITCHING.replace(b"Connection: Upgrade\r\n", b""),
    "HTTP/1.0": wire.SWITCHING.replace(b"HTTP/1.1", b"HTTP/1.0"),
}


def test_only_a_true_yes_to_a_websocket_opens_a_tunnel(start):
    current = [b""]
    with Recorder(lambda _: current[0] + b"raw bytes") as backend:
        front = start(service(backend.port, path="/*"))
        wrong = []
        for name, answer in WRONG_SWITCHES.items():
            current[0] = answer
            found, _ = answers(front, upgrade(path="/x"), timeout=0.3)
            if [one.status for one in found] != [502] or any(b"raw bytes" in one.body for one in found):
                wrong.append(f"{name}: {[(one.status, one.body) for one in found]}")
        assert not wrong, "\n".join(wrong)


def test_an_upgrade_that_the_backend_declines_leaves_no_tunnel_behind(start):
    with Recorder(lambda first: OK) as backend:
        front = start(service(backend.port, path="/warm/*"))
        found, _ = answers(front, upgrade(path="/warm/x") + ADMIN)
        assert [answer.status for answer in found] in ([200], [200, 404])  # Closing instead is as good.
        assert b"admin" not in backend.bytes_received


def test_a_service_without_websockets_never_opens_a_tunnel(start):
    with Recorder(lambda _: wire.SWITCHING + b"raw bytes") as backend:
        front = start(service(backend.port, path="/*", websocket=False))
        found, _ = answers(front, upgrade(path="/x"), timeout=0.3)
        assert [answer.status for answer in found] != [101]
        assert all(b"raw bytes" not in answer.body for answer in found)
        assert b"pgrade" not in backend.bytes_received
