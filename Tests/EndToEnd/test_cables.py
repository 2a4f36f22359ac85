"""Cables: WebSocket endpoints that the daemon serves itself, with real clients, publishers, signers and Redis."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import processes
import wire
from daemon import executable, service
from page import rails_page
from subscribers import Subscribers

SECRET_KEY_BASE = "0" * 64
STREAMS_SECRET = "a-secret-of-signed-streams"
TOKEN_SECRET = "a-secret-of-tokens-with-32-bytes"
KEY = "a-key-of-publishers"
ACTION_CABLE = "actioncable-v1-json"


def cable(**keys):
    return {"name": "cable", "path": "/cable", "streams": {"public": True}, "broadcast": {"path": "/_broadcast"}, **keys}


@pytest.fixture
def serve(start):
    """serve(cable...) gives a running daemon with these cables."""
    return lambda *cables, services=(), top=None, **options: start(
        *services, top={"cables": list(cables or [cable()]), **(top or {})}, **options)


class Client:
    """A client of a cable. With `subprotocol` it speaks Action Cable, without it TurboCable."""

    def __init__(self, daemon, path="/cable", subprotocol=ACTION_CABLE, origin=None, headers=None, also=()):
        self.socket = connect(
            f"ws://127.0.0.1:{daemon.port}{path}", origin=origin, ping_interval=None, proxy=None, compression=None,
            subprotocols=[*([subprotocol] if subprotocol else []), *also] or None, additional_headers=headers,
            open_timeout=10, max_size=None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, **message):
        self.socket.send(json.dumps(message))

    def next(self, within=10):
        """The next message that is not a ping."""
        deadline = time.monotonic() + within
        while True:
            message = json.loads(self.socket.recv(timeout=deadline - time.monotonic()))
            if message.get("type") != "ping":
                return message

    def subscribe(self, stream=None, **identifier):
        identifier = json.dumps(identifier or {"channel": "$pubsub", "stream_name": stream})
        self.send(command="subscribe", identifier=identifier)
        answer = self.next()
        assert answer["identifier"] == identifier
        return answer["type"]

    def closing(self, within=10):
        """The messages until the connection is closed, and the close code."""
        messages = []
        try:
            while True:
                messages.append(json.loads(self.socket.recv(timeout=within)))
        except ConnectionClosed as end:
            return messages, end.rcvd.code if end.rcvd else None


def welcomed(daemon, **options):
    client = Client(daemon, **options)
    message = client.next()
    assert message["type"] == "welcome" and len(message["sid"]) == 40
    return client, message["sid"]


def post(daemon, body, path="/_broadcast", method="POST", port=None, **headers):
    """Status and body of the response to a publisher."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port or daemon.port}{path}", data=data if method == "POST" else None, method=method,
        headers={"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def facts(daemon, name="cable"):
    return next(entry for entry in daemon.snapshot()["cables"] if entry["name"] == name)


# Protocols


@pytest.mark.parametrize("origin,host,status", [
    (None, "127.0.0.1:{port}", 201), ("http://127.0.0.1:{port}", "127.0.0.1:{port}", 201),
    ("http://localhost:{port}", "localhost:{port}", 201), ("http://evil.example", "127.0.0.1:{port}", 403),
    ("http://evil.example", "evil.example", 403), ("null", "127.0.0.1:{port}", 403),
    ("http://127.0.0.1:1", "127.0.0.1:{port}", 403)])
def test_a_page_of_another_origin_cannot_broadcast_without_the_key(serve, origin, host, status):
    """A browser on the machine of the daemon sends what any site tells it to."""
    daemon = serve()
    headers = {"Host": host.format(port=daemon.port), "Content-Type": "text/plain"}
    if origin:
        headers["Origin"] = origin.format(port=daemon.port)
    assert post(daemon, {"stream": "news", "data": "x"}, **headers)[0] == status


def test_clients_of_both_protocols_get_each_broadcast_once_and_in_order(serve):
    daemon = serve()
    action, _ = welcomed(daemon)
    with action, Client(daemon, subprotocol=None) as turbo:
        assert action.subscribe("scores") == "confirm_subscription"
        turbo.send(type="subscribe", stream="scores")
        assert turbo.next() == {"type": "subscribed", "stream": "scores"}
        for number in range(200):
            assert post(daemon, {"stream": "scores", "data": json.dumps({"n": number})}) == (201, "Accepted.\n")
        post(daemon, [{"stream": "scores", "data": "<p>"}, {"stream": "other", "data": 1}, {"stream": "scores", "data": 2}])
        assert [action.next()["message"] for _ in range(202)] == [*({"n": n} for n in range(200)), "<p>", 2]
        texts = [turbo.next()["data"] for _ in range(202)]
        assert texts == [*(json.dumps({"n": n}) for n in range(200)), "<p>", 2]


def test_numbers_are_copied_digit_by_digit(serve):
    daemon = serve()
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        post(daemon, b'{"stream":"s","data":{"a":1.50,"b":12345678901234567890123}}')
        deadline = time.monotonic() + 5
        while '"message":{' not in (text := client.socket.recv(timeout=deadline - time.monotonic())):
            pass
        assert '"message":{"a":1.50,"b":12345678901234567890123}' in text


def test_unsubscribed_and_duplicate_subscriptions(serve):
    daemon = serve()
    client, _ = welcomed(daemon)
    with client:
        assert client.subscribe("a") == client.subscribe("a") == "confirm_subscription"
        post(daemon, {"stream": "a", "data": "1"})
        assert client.next()["message"] == 1
        client.send(command="unsubscribe", identifier=json.dumps({"channel": "$pubsub", "stream_name": "a"}))
        client.subscribe("b")
        post(daemon, {"stream": "a", "data": "2"})
        post(daemon, {"stream": "b", "data": "3"})
        assert client.next()["message"] == 3


def test_malformed_messages_and_unknown_commands_are_counted_and_end_nothing(serve):
    daemon = serve()
    client, _ = welcomed(daemon)
    with client:
        for text in ["{", "[]", "null", '{"command":"dance","identifier":"{}"}', '{"command":"subscribe"}']:
            client.socket.send(text)
        client.socket.send(b"\x00\x01")
        assert client.subscribe("s") == "confirm_subscription"
        ignored = facts(daemon)["ignored"]
        assert ignored["malformed"] == 3 and ignored["unknown_command"] == 1 and ignored["binary"] == 1


def test_pings_carry_the_unix_time_every_ping_interval(serve):
    daemon = serve(cable(ping_interval="200ms"))
    client, _ = welcomed(daemon)
    with client:
        pings = [json.loads(client.socket.recv(timeout=5)) for _ in range(3)]
        assert all(ping["type"] == "ping" and abs(ping["message"] - time.time()) < 5 for ping in pings)


def test_subprotocols_choose_the_protocol(serve):
    only = serve(cable(protocols=["action_cable"]))
    with Client(only, subprotocol=None) as client:
        assert client.next()["type"] == "welcome" and client.socket.subprotocol is None
    both = serve()
    with Client(both, also=["actioncable-unsupported"]) as client:
        assert client.socket.subprotocol == ACTION_CABLE
    with pytest.raises(InvalidStatus) as refused:
        Client(both, subprotocol="graphql-ws")
    assert refused.value.response.status_code == 400


def test_plain_requests_get_426_and_a_disabled_cable_503(serve):
    daemon = serve(cable(), cable(name="off", path="/off", enabled=False, broadcast={"path": "/off/broadcast"}))
    answer = daemon.ask(wire.request(path="/cable"))
    assert answer.status == 426 and answer.head.value("upgrade") == "websocket"
    assert daemon.ask(wire.request(path="/off")).status == 503
    assert post(daemon, {"stream": "s", "data": "1"}, path="/off/broadcast")[0] == 503


# Admission


@pytest.mark.parametrize(
    "origins, origin, accepted",
    [
        ("same_origin", "http://127.0.0.1:{port}", True),
        ("same_origin", "https://127.0.0.1:{port}", False),
        ("same_origin", "http://evil.example", False),
        ("same_origin", None, True),
        (["https://a.example"], "https://a.example", True),
        (["https://a.example"], "http://127.0.0.1:{port}", False),
        ("*", "http://evil.example", True),
    ])
def test_the_origin_is_checked_before_anything_else(serve, origins, origin, accepted):
    daemon = serve(cable(allowed_origins=origins))
    origin = origin and origin.format(port=daemon.port)
    if accepted:
        welcomed(daemon, origin=origin)[0].socket.close()
        return
    with pytest.raises(InvalidStatus) as refused:
        Client(daemon, origin=origin)
    assert refused.value.response.status_code == 403


def token(secret=TOKEN_SECRET, algorithm="HS256", **claims):
    return jwt.encode({"exp": int(time.time()) + 60, **claims}, secret, algorithm=algorithm)


PLACES = {
    "query": lambda text: {"path": f"/cable?a=1&jid={text}"},
    "header": lambda text: {"headers": {"X-JID": text}},
    "subprotocol": lambda text: {"also": [f"anycable-token.{text}"]},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_is_taken_from_its_three_places(serve, place, algorithm):
    daemon = serve(cable(jwt={"secret": TOKEN_SECRET}))
    client, _ = welcomed(daemon, **PLACES[place](token(algorithm=algorithm)))
    client.socket.close()


@pytest.mark.parametrize(
    "made, reason",
    [
        (lambda: None, "unauthorized"),
        (lambda: token("another-secret-of-tokens-32-byte"), "unauthorized"),
        (lambda: token(exp=1_300_819_380), "token_expired"),
        (lambda: token(nbf=int(time.time()) + 60), "unauthorized"),
        (lambda: jwt.encode({"a": 1}, None, algorithm="none"), "unauthorized"),
    ])
def test_a_refused_action_cable_client_gets_101_and_a_reason_and_a_turbo_cable_client_401(serve, made, reason):
    daemon = serve(cable(jwt={"secret": TOKEN_SECRET}))
    text = made()
    headers = {"X-JID": text} if text else None
    with Client(daemon, headers=headers) as client:
        messages, _ = client.closing()
        assert messages == [{"type": "disconnect", "reason": reason, "reconnect": False}]
    with pytest.raises(InvalidStatus) as refused:
        Client(daemon, subprotocol=None, headers=headers)
    assert refused.value.response.status_code == 401
    assert text is None or text not in daemon.log_text()


def test_the_disconnect_command_ends_the_clients_with_these_identifiers(serve):
    daemon = serve(cable(jwt={"secret": TOKEN_SECRET, "required": False}))
    mine = json.dumps({"user": 15})
    one, _ = welcomed(daemon, headers={"X-JID": token(ext=mine)})
    other, _ = welcomed(daemon, headers={"X-JID": token(ext=json.dumps({"user": 16}))})
    anyone, _ = welcomed(daemon)
    with one, other, anyone:
        command = {"command": "disconnect", "payload": {"identifier": mine, "reconnect": False}}
        assert post(daemon, command)[0] == 201
        messages, _ = one.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "remote", "reconnect": False}
        assert other.subscribe("s") == anyone.subscribe("s") == "confirm_subscription"


# Streams


def test_streams_are_public_only_where_the_configuration_says_so(serve):
    daemon = serve(cable(streams={"public": ["live-*"]}))
    client, _ = welcomed(daemon)
    with client:
        assert client.subscribe("live-scores") == "confirm_subscription"
        assert client.subscribe("secret") == "reject_subscription"
        assert client.subscribe(channel="ChatChannel") == "reject_subscription"
        assert client.subscribe(channel="Turbo::StreamsChannel", signed_stream_name="x--y") == "reject_subscription"


def test_names_that_rails_signs_are_accepted_and_forged_ones_rejected(serve):
    """Active Support's own MessageVerifier and key generator sign, with both digests of turbo-rails."""
    ruby = shutil.which("ruby")
    assert ruby, "make test installs Ruby"
    script = """
      require "active_support"; require "active_support/message_verifier"; require "active_support/key_generator"
      require "openssl"; require "json"
      base = ARGV[0]
      names = %w[SHA256 SHA1].map do |digest|
        key = OpenSSL::PKCS5.pbkdf2_hmac(base, "turbo/signed_stream_verifier_key", 1000, 64, OpenSSL::Digest.new(digest))
        ActiveSupport::MessageVerifier.new(key, digest: "SHA256", serializer: JSON).generate("room:#{digest}")
      end
      names << ActiveSupport::MessageVerifier.new(ARGV[1], digest: "SHA256", serializer: JSON).generate("any/1")
      puts JSON.generate(names)
    """
    signed = json.loads(
        subprocess.run([ruby, "-e", script, SECRET_KEY_BASE, STREAMS_SECRET], check=True, capture_output=True).stdout)
    daemon = serve(cable(streams={"secret": STREAMS_SECRET, "rails_secret_key_base": SECRET_KEY_BASE}))
    client, _ = welcomed(daemon)
    with client:
        for name in signed:
            assert client.subscribe(channel="Turbo::StreamsChannel", signed_stream_name=name) == "confirm_subscription"
        assert client.subscribe(channel="$pubsub", signed_stream_name=signed[2]) == "confirm_subscription"
        flipped = "1" if signed[0].endswith("0") else "0"
        for name in [signed[0][:-1] + flipped, signed[0] + "0", "ImNoYXQ6MjAyMSI=--" + "0" * 64]:
            assert client.subscribe(channel="Turbo::StreamsChannel", signed_stream_name=name) == "reject_subscription"
        post(daemon, {"stream": "room:SHA256", "data": "1"})
        assert client.next()["message"] == 1
    for secret in (STREAMS_SECRET, SECRET_KEY_BASE):
        assert secret not in daemon.log_text() and secret not in json.dumps(facts(daemon))


def test_without_a_secret_the_forgery_with_an_empty_key_is_rejected(serve):
    daemon = serve()
    client, _ = welcomed(daemon)
    forged = "ImNoYXQ6MjAyMSI=--1a9278ba322f67e7d201d3740c5f034a0ce04392f2ad028a48dcb513bf490ee4"
    with client:
        assert client.subscribe(channel="$pubsub", signed_stream_name=forged) == "reject_subscription"


def test_channels_that_only_stream_are_mapped_to_their_stream(serve):
    daemon = serve(cable(streams={"channels": {"ScoresChannel": "live-scores-{database}"}}))
    client, _ = welcomed(daemon)
    with client:
        assert client.subscribe(channel="ScoresChannel", database="a") == "confirm_subscription"
        assert client.subscribe(channel="ScoresChannel") == "reject_subscription"
        client.send(
            command="message", identifier=json.dumps({"channel": "ScoresChannel", "database": "a"}), data="{}")
        post(daemon, {"stream": "live-scores-a", "data": "1"})
        assert client.next()["message"] == 1


# Broadcasts


def test_a_publisher_gets_the_status_that_its_gem_expects(serve):
    daemon = serve(
        cable(), cable(name="turbo", path="/turbo", protocols=["turbo_cable"], broadcast={"path": "/turbo/broadcast"}),
        cable(name="small", path="/small", broadcast={"path": "/small/broadcast", "max_body_bytes": 100}))
    good = {"stream": "s", "data": "1"}
    assert post(daemon, good)[0] == 201
    assert post(daemon, good, path="/turbo/broadcast")[0] == 200
    for bad in [b"{", b"[]x", b"{}", b'{"stream":1}', b'[{"stream":"s","data":"1"},{"data":"1"}]']:
        status, reason = post(daemon, bad)
        assert status == 400 and reason.startswith("Invalid broadcast: ")
    assert post(daemon, good, method="GET")[0] == 405
    assert post(daemon, {"stream": "s", "data": "x" * 200}, path="/small/broadcast")[0] == 413


@pytest.mark.parametrize("name", ["x", "\\u0061"])
def test_many_small_messages_of_a_client_with_long_identifiers_delay_no_other(serve, name):
    """However an identifier is written, it is not compared with each subscription byte by byte."""
    daemon = serve()
    busy = wire.Wire(daemon.address, 60)
    busy.send(wire.upgrade(host=f"127.0.0.1:{daemon.port}", extra=[f"Sec-WebSocket-Protocol: {ACTION_CABLE}"]))
    assert busy.read_head().first_line.startswith("HTTP/1.1 101 ")
    for number in range(100):
        long = json.dumps({"channel": "$pubsub", "stream_name": f"s{number}", "filling": "x" * 15_000})
        busy.send(wire.text_frame(json.dumps({"command": "subscribe", "identifier": long})))
    processes.eventually(lambda: facts(daemon)["subscriptions"] == 100, what="all subscriptions")
    other, _ = welcomed(daemon)
    with other:
        other.subscribe("s")
        busy.send(wire.text_frame('{"command":"message","identifier":"%s"}' % name) * 3000)
        begun = time.monotonic()
        for number in range(5):
            assert post(daemon, {"stream": "s", "data": str(number)})[0] == 201
            assert other.next()["message"] == number
        assert time.monotonic() - begun < 1
    busy.close()


def test_no_token_of_a_client_is_logged(serve):
    daemon = serve(cable(jwt={"secret": TOKEN_SECRET, "parameter": "jid"}), log={"level": "debug"})
    token = jwt.encode({"exp": int(time.time()) + 60}, TOKEN_SECRET, "HS256")
    with pytest.raises(InvalidStatus) as refusal:
        Client(daemon, path=f"/cable?jid={token}", subprotocol="unknown")
    assert refusal.value.response.status_code == 400
    assert daemon.wait_for("bad_request")["request"] == "GET /cable"
    Client(daemon, path=f"/cable?jid={token}").socket.close()
    assert token not in daemon.log_text()


def test_an_array_is_applied_completely_or_not_at_all(serve):
    daemon = serve()
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        assert post(daemon, b'[{"stream":"s","data":"1"},{"data":"2"}]')[0] == 400
        post(daemon, {"stream": "s", "data": "3"})
        assert client.next()["message"] == 3


@pytest.mark.parametrize(
    "field", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP", "X_Forwarded_For"])
def test_without_a_key_a_request_through_a_proxy_is_not_local(serve, field):
    daemon = serve()
    assert post(daemon, {"stream": "s", "data": "1"}, **{field: "127.0.0.1"})[0] == 403


def test_a_key_is_needed_where_there_is_one_and_its_absence_is_a_warning_only_for_wrong_keys(serve):
    daemon = serve(cable(broadcast={"path": "/_broadcast", "key": KEY}))
    good = {"stream": "s", "data": "1"}
    assert post(daemon, good)[0] == 401
    assert post(daemon, good, Authorization="Bearer another-key-of-others")[0] == 401
    daemon.wait_for("unauthorized")
    assert post(daemon, good, Authorization=f"Bearer {KEY}", **{"X-Forwarded-For": "192.0.2.1"})[0] == 201
    assert KEY not in daemon.log_text()


def test_a_listener_of_its_own_takes_broadcasts_on_every_path(serve):
    port = wire.free_port()
    daemon = serve(cable(broadcast={"listen": f"127.0.0.1:{port}"}))
    daemon.wait_for("listening", **{"for": "broadcasts"})
    assert post(daemon, {"stream": "s", "data": "1"}, path="/anything", port=port)[0] == 201
    assert daemon.ask(wire.request(path="/_broadcast")).status == 404


def test_exclude_socket_names_one_client_that_gets_nothing(serve):
    daemon = serve()
    sender, sid = welcomed(daemon)
    other, _ = welcomed(daemon)
    with sender, other:
        for client in (sender, other):
            client.subscribe("s")
        post(daemon, {"stream": "s", "data": "1", "meta": {"exclude_socket": sid}})
        post(daemon, {"stream": "s", "data": "2"})
        assert [other.next()["message"] for _ in range(2)] == [1, 2] and sender.next()["message"] == 2


def test_ondemandd_broadcast_sends_over_the_control_socket(serve, tmp_path):
    control = f"unix:{tmp_path}/control.sock"
    daemon = serve(cable(broadcast={"path": "/_broadcast", "key": KEY}), top={"control": control})
    daemon.wait_for("listening", **{"for": "control"})
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        command = [executable(), "broadcast", "cable", "s", '{"a": "ü"}', "--control", control]
        assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout == "Accepted.\n"
        assert client.next()["message"] == {"a": "ü"}
    command[2] = "none"
    assert subprocess.run(command, capture_output=True, timeout=10).returncode == 1


def test_the_publisher_is_answered_although_a_thousand_clients_are_subscribed(serve):
    daemon = serve()
    sockets = [wire.Wire(daemon.address) for _ in range(1000)]
    for connection in sockets:
        assert connection.ask(wire.upgrade(extra=[f"Sec-WebSocket-Protocol: {ACTION_CABLE}"])).status == 101
        connection.send(wire.text_frame(json.dumps(
            {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "s"})})))
    processes.eventually(lambda: facts(daemon)["subscriptions"] == 1000, 20, what="all being subscribed")
    assert post(daemon, {"stream": "s", "data": "1"})[0] == 201
    processes.eventually(lambda: facts(daemon)["deliveries"] == 1000, what="all having the message")
    for connection in sockets:
        connection.close()
    processes.eventually(lambda: facts(daemon)["clients"] == 0, 10, what="all being gone")


def test_broadcasts_beyond_what_a_cable_delivers_get_503_and_nothing_that_was_accepted_is_lost(serve):
    daemon = serve(cable(limits={"max_queued_bytes": "64MiB"}))
    with Subscribers(daemon, 300, "s") as clients:
        before = processes.resident_kib(daemon.pid)
        accepted, refused, number = [], None, 0
        while refused is None and number < 200:
            number += 1
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=15)
            connection.request("POST", "/_broadcast", json.dumps(
                [{"stream": "s", "data": f"{number}.{part} " + "x" * 50_000} for part in range(18)]))
            response = connection.getresponse()
            if response.status == 201:
                accepted += [f"{number}.{part}" for part in range(18)]
            else:
                refused = response
        assert refused.status == 503 and refused.getheader("Retry-After") == "1" and b"deliver" in refused.read()
        assert facts(daemon)["overloaded_publications"] == 1 and facts(daemon)["refused_publications"] == 0
        with wire.Wire(daemon.status_address) as status:
            text = status.ask(wire.request(path="/metrics", host="127.0.0.1")).body.decode()
        assert 'ondemandd_cable_broadcasts_total{cable="cable",result="overloaded"} 1' in text
        processes.eventually(
            lambda: post(daemon, {"stream": "s", "data": "the last one"})[0] == 201, 30, 0.2, "a broadcast being accepted")
        processes.eventually(lambda: clients.have(b"the last one") == 300, 30, what="the last one at all clients")
        assert processes.resident_kib(daemon.pid) - before < 64 * 1024
        assert [message.split()[0] for message in clients.messages()] == [*accepted, "the"]


# Slow and hostile clients


def raw(daemon, receive_buffer=None):
    connection = wire.Wire(daemon.address)
    if receive_buffer:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    assert connection.ask(wire.upgrade(extra=[f"Sec-WebSocket-Protocol: {ACTION_CABLE}"])).status == 101
    return connection


def test_a_client_that_stops_reading_is_told_and_closed_and_delays_nobody(serve):
    daemon = serve(cable(limits={"max_queued_bytes": "64KiB"}))
    slow = raw(daemon, 65536)
    slow.send(wire.text_frame(json.dumps(
        {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "s"})})))
    fast, _ = welcomed(daemon)
    with fast:
        fast.subscribe("s")
        processes.eventually(lambda: facts(daemon)["subscriptions"] == 2, what="both being subscribed")
        text = "x" * 30_000
        for number in range(400):
            post(daemon, {"stream": "s", "data": f"{number}{text}"})
            assert fast.next()["message"].startswith(str(number))
            if facts(daemon)["slow_clients"]:
                break
        record = daemon.wait_for("connection_aborted", cable="cable")
        assert record["reason"] == "too_slow" and record["client"] == "127.0.0.1" and record["level"] == "info"
    received = b""
    while piece := slow.socket.recv(1 << 20):
        received += piece
    assert b'{"type":"disconnect","reason":"too_slow","reconnect":true}' in received
    assert received[-4:-2] == bytes([0x88, 2]) and struct.unpack("!H", received[-2:])[0] == 1013


@pytest.mark.parametrize(
    "frame, code",
    [
        (bytes([0x81, 0xFF]) + (70_000).to_bytes(8, "big") + bytes(4) + b"x" * 70_000, 1009),
        (bytes([0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFE]), 1007),
        (b"\x81\x02hi", 1002),
        (bytes([0xC1, 0x80, 0, 0, 0, 0]), 1002),
        (bytes([0x83, 0x80, 0, 0, 0, 0]), 1002),
        (bytes([0x80, 0x80, 0, 0, 0, 0]), 1002),
        (bytes([0x88, 0x81, 0, 0, 0, 0, 1]), 1002),
    ])
def test_a_frame_that_breaks_the_rules_ends_the_connection_at_once(serve, frame, code):
    daemon = serve()
    connection = raw(daemon)
    connection.send(frame)
    received = b""
    begun = time.monotonic()
    while piece := connection.socket.recv(65536):
        received += piece
    assert time.monotonic() - begun < 1.5, "the server ends its side without waiting for the client"
    position = received.rindex(b"\x88")
    assert struct.unpack("!H", received[position + 2:position + 4])[0] == code
    connection.close()
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="the client being gone")


def test_fragments_are_joined_and_a_ping_between_them_is_answered(serve):
    daemon = serve()
    client, _ = welcomed(daemon)
    with client:
        text = json.dumps(
            {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "s"})})
        client.socket.send([text[:7], text[7:20], text[20:]])
        assert client.next()["type"] == "confirm_subscription"
        client.socket.ping().wait(5)


def test_subscriptions_over_the_limit_are_rejected(serve):
    daemon = serve(cable(limits={"max_subscriptions": 2}))
    client, _ = welcomed(daemon)
    with client:
        answers = [client.subscribe(f"s{number}") for number in range(3)]
        assert answers == ["confirm_subscription", "confirm_subscription", "reject_subscription"]
        assert facts(daemon)["rejected"]["too_many_subscriptions"] == 1


def test_connections_over_the_limit_get_503(serve):
    daemon = serve(cable(limits={"max_connections": 1}))
    client, _ = welcomed(daemon)
    with client, pytest.raises(InvalidStatus) as refused:
        Client(daemon)
    assert refused.value.response.status_code == 503
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="the client being gone")
    welcomed(daemon)[0].socket.close()


def test_stable_clients_miss_nothing_while_ten_thousand_others_connect_and_leave(serve):
    """Clients leave with a close frame, an end or a reset; with their request in part, unanswered, or subscribed."""
    daemon = serve()
    stable = [welcomed(daemon)[0] for _ in range(4)]
    for client in stable:
        client.subscribe("s")
    turbo = Client(daemon, subprotocol=None)
    turbo.send(type="subscribe", stream="s")
    assert turbo.next()["type"] == "subscribed"
    request = wire.upgrade(extra=[f"Sec-WebSocket-Protocol: {ACTION_CABLE}"])
    subscription = wire.text_frame(json.dumps(
        {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": "s"})}))
    close_frame = wire.masked_frame(8, struct.pack("!H", 1000))
    is_over = threading.Event()

    def publish_until_over():
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
        published = 0
        while not is_over.is_set():
            connection.request("POST", "/_broadcast", json.dumps({"stream": "s", "data": str(published)}))
            response = connection.getresponse()
            assert response.status == 201 and response.read() == b"Accepted.\n"
            published += 1
            time.sleep(0.002)
        connection.close()
        return published

    def come_and_go(seed):
        dice = random.Random(seed)
        for _ in range(2500):
            passing = socket.create_connection(daemon.address, timeout=10)
            stage = dice.randrange(4)
            passing.sendall(request[:dice.randrange(len(request))] if stage == 0 else request)
            if stage >= 2:
                passing.sendall(subscription)
            if stage == 3:
                assert passing.recv(4096).startswith(b"HTTP/1.1 101 ")
            if stage and dice.random() < 0.3:
                passing.sendall(close_frame)
            if dice.random() < 0.5:
                passing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            passing.close()
        return 2500

    begun = time.monotonic()
    with ThreadPoolExecutor(5) as threads:
        publisher = threads.submit(publish_until_over)
        try:
            assert sum(churn.result() for churn in [threads.submit(come_and_go, seed) for seed in range(4)]) == 10_000
        finally:
            is_over.set()
        published = publisher.result()
    assert time.monotonic() - begun < 30 and published > 100
    processes.eventually(lambda: facts(daemon)["clients"] == 5, what="all others being gone")
    assert facts(daemon)["subscriptions"] == 5 and facts(daemon)["slow_clients"] == 0
    for client in stable:
        assert [client.next()["message"] for _ in range(published)] == list(range(published))
        client.socket.close()
    assert [turbo.next()["data"] for _ in range(published)] == [str(number) for number in range(published)]
    turbo.socket.close()


# Redis


def publish(redis, channel, text):
    subprocess.run(
        ["redis-cli", "-p", str(redis.port), "publish", channel, text], check=True, stdout=subprocess.DEVNULL)


def with_redis(redis, **keys):
    return cable(redis={"url": redis.url, **keys})


def redis_clients(redis):
    text = subprocess.run(["redis-cli", "-p", str(redis.port), "client", "list"], capture_output=True, text=True).stdout
    return sum("lib-name=ondemandd" in line or " cmd=subscribe" in line for line in text.splitlines())


def test_redis_is_connected_only_while_a_client_is_subscribed(serve, redis):
    daemon = serve(with_redis(redis))
    assert facts(daemon)["redis"]["state"] == "idle" and redis_clients(redis) == 0
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        assert facts(daemon)["redis"]["state"] == "connected" and redis_clients(redis) == 1
        publish(redis, "s", '{"a": 1}')
        assert client.next()["message"] == {"a": 1}
    processes.eventually(lambda: redis_clients(redis) == 0, 10, what="the connection being closed")


def test_a_post_comes_back_through_redis_once_and_reaches_other_servers(serve, redis):
    one, other = serve(with_redis(redis, channel_prefix="app")), serve(with_redis(redis, channel_prefix="app"))
    clients = [welcomed(daemon)[0] for daemon in (one, other)]
    for client in clients:
        client.subscribe("s")
    assert post(one, {"stream": "s", "data": "1"})[0] == 201
    publish(redis, "app:s", "2")
    publish(redis, "__anycable__", json.dumps({"stream": "s", "data": "3"}))
    for client in clients:
        assert [client.next()["message"] for _ in range(3)] == [1, 2, 3]
        client.socket.close()


def test_a_redis_that_acknowledges_nothing_costs_a_bounded_amount_of_memory(serve, redis):
    daemon = serve(with_redis(redis), top={"limits": {"max_body_bytes": "off"}})
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        before = processes.resident_kib(daemon.pid)
        os.kill(redis.process.pid, signal.SIGSTOP)
        try:
            for _ in range(120):
                # It has no subscriber: only what waits for Redis takes memory.
                assert post(daemon, {"stream": "t", "data": "x" * 900_000})[0] == 201
            assert processes.resident_kib(daemon.pid) - before < 80 * 1024
        finally:
            os.kill(redis.process.pid, signal.SIGCONT)


def test_rails_own_redis_adapter_reaches_the_clients(serve, redis):
    daemon = serve(with_redis(redis, channel_prefix="app"))
    client, _ = welcomed(daemon)
    script = """
      require "active_support/all"; require "action_cable"; require "logger"
      server = ActionCable::Server::Base.new(config: ActionCable::Server::Configuration.new.tap { |config|
        config.cable = { adapter: "redis", url: ARGV[0], channel_prefix: "app" }.with_indifferent_access
        config.logger = Logger.new(File::NULL) })
      server.broadcast "room", { text: "from Rails" }
    """
    with client:
        client.subscribe("room")
        subprocess.run(["ruby", "-e", script, redis.url], check=True, timeout=60)
        assert client.next(30)["message"] == {"text": "from Rails"}


def test_after_a_gap_clients_are_asked_to_reconnect(serve, redis, tmp_path):
    daemon = serve(with_redis(redis))
    client, _ = welcomed(daemon)
    turbo = Client(daemon, subprotocol=None)
    with client, turbo:
        client.subscribe("s")
        turbo.send(type="subscribe", stream="s")
        assert turbo.next()["type"] == "subscribed"
        redis.process.kill()
        redis.process.wait()
        daemon.wait_for("redis_unreachable")
        # Posts are delivered here while Redis is away.
        processes.eventually(
            lambda: post(daemon, {"stream": "s", "data": "1"})[0] == 201, what="a post being accepted")
        assert client.next()["message"] == 1
        restarted = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(redis.port), "--save", "", "--dir", str(tmp_path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            messages, _ = client.closing(20)
            assert messages[-1] == {"type": "disconnect", "reason": "server_restart", "reconnect": True}
            assert turbo.closing(20)[1] == 1012
            assert facts(daemon)["redis"]["gaps"] >= 1
        finally:
            restarted.terminate()
            restarted.wait()


def test_a_wrong_password_is_one_line_of_the_log(serve, redis):
    daemon = serve(cable(redis={"url": f"redis://:wrong-password@127.0.0.1:{redis.port}/0"}))
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        record = daemon.wait_for("redis_refused", level="error")
        assert "password" in record["detail"].lower() and "wrong-password" not in daemon.log_text()
        time.sleep(1)
        assert len(daemon.events("redis_refused")) == 1


# Life of the daemon


def test_a_shutdown_tells_clients_to_reconnect_and_closes_with_1001(serve):
    daemon = serve(top={"close_jitter": "300ms"})
    clients = [welcomed(daemon)[0] for _ in range(5)]
    turbo = Client(daemon, subprotocol=None)
    daemon.signal(signal.SIGTERM)
    for client in clients:
        messages, code = client.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "server_restart", "reconnect": True} and code == 1001
    assert turbo.closing()[1] == 1001
    assert daemon.wait() == 0


def test_a_reload_keeps_clients_of_a_changed_cable_and_closes_those_of_a_removed_one(serve):
    daemon = serve(cable(), cable(name="old", path="/old", broadcast={"path": "/old/broadcast"}),
                   top={"close_jitter": "0"})
    client, _ = welcomed(daemon)
    old, _ = welcomed(daemon, path="/old")
    with client, old:
        client.subscribe("live-1")
        changed = json.loads(daemon.file.read_text())
        changed["cables"] = [
            cable(streams={"public": ["live-*"]}, ping_interval="1s"),
            cable(name="new", path="/new", broadcast={"path": "/new/broadcast"})]
        daemon.file.write_text(json.dumps(changed))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reloaded")
        assert old.closing()[1] == 1001
        assert client.subscribe("live-2") == "confirm_subscription" and client.subscribe("x") == "reject_subscription"
        post(daemon, {"stream": "live-1", "data": "1"})
        assert client.next()["message"] == 1
        welcomed(daemon, path="/new")[0].socket.close()
        assert daemon.ask(wire.request(path="/old")).status == 404


def test_metrics_and_the_table_show_each_cable(serve, tmp_path):
    control = f"unix:{tmp_path}/control.sock"
    daemon = serve(top={"control": control})
    daemon.wait_for("listening", **{"for": "control"})
    client, _ = welcomed(daemon)
    with client:
        client.subscribe("s")
        post(daemon, {"stream": "s", "data": "1"})
        client.next()
        with wire.Wire(daemon.status_address) as connection:
            text = connection.ask(wire.request(path="/metrics", host="127.0.0.1", extra=["Connection: close"])).body
        for line in ["clients", "subscriptions", "streams"]:
            assert f'ondemandd_cable_{line}{{cable="cable"}} 1\n' in text.decode()
        assert 'ondemandd_cable_broadcasts_total{cable="cable",result="delivered"} 1\n' in text.decode()
        table = subprocess.run(
            [executable(), "status", "--control", control], capture_output=True, text=True, timeout=10).stdout
        assert "cable cable: 1 client, 1 subscription to 1 stream, 1 message published, 1 delivered" in table


def test_a_daemon_without_clients_of_its_cables_sleeps(serve):
    daemon = serve()
    welcomed(daemon)[0].socket.close()
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="the client being gone")
    switches = lambda: sum(
        int(line.split()[1]) for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines() if "ctxt" in line)
    time.sleep(2.5)
    before = switches()
    time.sleep(2)
    assert switches() - before <= 1


# Browsers


PAGE = """<!doctype html><title>cable</title><ul id=messages></ul><script src="/action_cable.js"></script>
<script>
window.events = [];
const list = (text) => { const item = document.createElement("li"); item.textContent = text; messages.append(item); };
ActionCable.createConsumer("/cable").subscriptions.create({ channel: "$pubsub", stream_name: "page" }, {
  connected: () => events.push("connected"), disconnected: () => events.push("disconnected"),
  rejected: () => events.push("rejected"), received: (data) => list(data.text) });
const turbo = new WebSocket(`ws://${location.host}/cable`);
turbo.onopen = () => turbo.send(JSON.stringify({ type: "subscribe", stream: "page" }));
turbo.onmessage = ({ data }) => { const m = JSON.parse(data); if (m.type === "message") list("turbo " + m.data); };
</script>"""


def test_rails_own_javascript_in_a_browser_follows_a_stream_and_comes_back(serve, upstream, browser, tmp_path):
    with rails_page(tmp_path, PAGE) as port:
        page = service(port, name="page", path="/*", websocket=False)
        listen = f"127.0.0.1:{wire.free_port()}"
        daemon = serve(cable(ping_interval="500ms"), services=[page], listen=listen, top={"close_jitter": "0"})
        browser.get(f"http://{listen}/index.html")
        processes.eventually(
            lambda: facts(daemon)["subscriptions"] == 2, 20, what="the page being subscribed by both protocols")
        post(daemon, {"stream": "page", "data": json.dumps({"text": "hello"})})
        texts = lambda: [item.text for item in browser.find_elements("tag name", "li")]
        processes.eventually(lambda: len(texts()) == 2, what="the page showing the message")
        assert sorted(texts()) == ["hello", 'turbo {"text": "hello"}']
        daemon.stop()
        again = serve(cable(), services=[page], listen=listen)
        processes.eventually(lambda: facts(again)["subscriptions"] >= 1, 30, what="the page coming back by itself")
        post(again, {"stream": "page", "data": json.dumps({"text": "again"})})
        processes.eventually(lambda: "again" in texts(), what="the page showing the next message")
        assert browser.execute_script("return events")[:3] == ["connected", "disconnected", "connected"]


def test_a_native_python_client_of_action_cable(serve):
    """PyPI aioactioncable offers no subprotocol, so the cable speaks Action Cable only."""
    daemon = serve(cable(protocols=["action_cable"], streams={"channels": {"Chat": "chat"}}))
    script = """
import asyncio, json, sys
import aioactioncable
async def main():
    async with aioactioncable.connect(sys.argv[1]) as client:
        subscription = await client.subscribe({"channel": "Chat"})
        print("subscribed", flush=True)
        print(json.dumps(await subscription.recv()), flush=True)
asyncio.run(main())
"""
    python = Path(__file__).resolve().parents[2] / ".build" / "venv" / "bin" / "python"
    client = subprocess.Popen(
        [str(python), "-c", script, f"ws://127.0.0.1:{daemon.port}/cable"], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "subscribed\n"
        processes.eventually(lambda: facts(daemon)["subscriptions"] == 1, what="the client being subscribed")
        post(daemon, {"stream": "chat", "data": json.dumps({"text": "hello"})})
        assert "hello" in client.stdout.readline()
    finally:
        client.kill()
        client.wait()
