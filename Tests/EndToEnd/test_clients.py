"""Clients that other people wrote, through the daemon to servers that other people wrote."""

import asyncio
import http.server
import os
import subprocess
import threading

import aiohttp
import pytest
import websocket
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import processes
import rails
import wire
from daemon import service, sleeping_double
from servers import EchoServer

MEBIBYTE = 1024 * 1024
# 1004, 1005, 1006 and 1015 never stand in a frame, 1016 to 2999 have no meaning yet (RFC 6455, 7.4).
CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
ACTION_CABLE = "/usr/share/nodejs/@rails/actioncable/app/assets/javascripts/action_cable.js"


@pytest.fixture
def echo():
    with EchoServer() as server:
        yield server


@pytest.fixture
def front(start, echo):
    """The daemon before the echo server; messages may be larger than the limit that stands by itself."""
    return start(service(echo.port, path="/*", **LARGE_MESSAGES))


LARGE_MESSAGES = {"limits": {"max_message_size": "off"}}


def url(daemon, path="/", scheme="ws"):
    return f"{scheme}://127.0.0.1:{daemon.port}{path}"


def joined(daemon, path="/", **options):
    return connect(url(daemon, path), proxy=None, max_size=None, ping_interval=None, **options)


# The websockets package


def test_messages_of_every_size_and_kind_come_back_whole(front):
    with joined(front, compression=None) as client:
        for size in (0, 1, 125, 126, 65_535, 65_536, MEBIBYTE):
            for message in ("\u00e9" * (size // 2), os.urandom(size)):
                client.send(message)
                assert client.recv(timeout=10) == message


def test_fragmented_messages_come_back_whole_with_pings_in_between(front):
    with joined(front, compression=None) as client:
        pieces = [os.urandom(size) for size in (1, 0, 126, 70_000, 3)]

        def with_pings():
            for piece in pieces:
                client.ping()
                yield piece

        client.send(with_pings())
        assert client.recv(timeout=10) == b"".join(pieces)
        client.send("piece by piece, " * 3 for _ in range(100))
        assert client.recv(timeout=10) == "piece by piece, " * 300


def test_a_ping_is_answered_by_the_server_and_not_by_the_daemon(front):
    with joined(front) as client:
        for content in (b"", b"x" * 125):
            assert client.ping(content).wait(5), "no pong with these bytes came back"


@pytest.mark.parametrize("deflate", ["deflate", None])
def test_compression_is_negotiated_end_to_end_and_works(front, echo, deflate):
    with joined(front, compression=deflate) as client:
        named = client.response.headers.get("Sec-WebSocket-Extensions", "")
        assert ("permessage-deflate" in named) == (deflate is not None)
        for message in ("a" * MEBIBYTE, os.urandom(MEBIBYTE), "short", b""):
            client.send(message)
            assert client.recv(timeout=10) == message


def test_the_subprotocol_is_the_servers_choice_and_cookies_and_origin_arrive(front, echo):
    with joined(front, subprotocols=["first", "second"], origin="https://app.example",
                additional_headers={"Cookie": "a=b; c=d"}) as client:
        assert client.subprotocol == "second"
    headers = echo.requests[0].headers
    assert headers["Cookie"] == "a=b; c=d" and headers["Origin"] == "https://app.example"


def test_every_close_code_passes_in_both_directions_with_its_reason(front, echo):
    for code in CODES:
        with joined(front) as client:
            client.close(code, f"client says {code}")
        with joined(front, f"/close/{code}") as client:
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=5)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, f"as asked: {code}")
    expected = [(code, f"client says {code}") for code in CODES]
    processes.eventually(
        lambda: [seen for seen in echo.codes if seen[1].startswith("client")] == expected, what="all codes at the server")


def test_two_hundred_clients_arrive_while_the_backend_is_cold(start):
    daemon = start(sleeping_double("--listen-after", "500ms", path="/*"))

    async def converse(number):
        async with websockets.asyncio.client.connect(url(daemon, "/cable"), proxy=None, open_timeout=20) as client:
            await client.send(f"for {number}")
            assert await client.recv() == f"for {number}"

    async def all_of_them():
        await asyncio.gather(*(converse(number) for number in range(200)))

    asyncio.run(all_of_them())
    assert daemon.starts() == 1
    daemon.wait_for_status(open=0)


# aiohttp


def test_aiohttp_speaks_http_and_websocket_over_one_session(start, front):
    plain = start(sleeping_double(path="/*"))

    async def converse():
        async with aiohttp.ClientSession() as session:
            for size in (0, 10, MEBIBYTE):
                async with session.post(url(plain, "/echo", "http"), data=b"x" * size) as answer:
                    assert answer.status == 200
                    assert size == 0 or await answer.read() == b"x" * size

            async def pieces():
                for _ in range(50):
                    yield b"chunk " * 100

            async with session.post(url(plain, "/echo", "http"), data=pieces()) as answer:
                assert await answer.read() == b"chunk " * 5_000
            async with session.get(url(plain, "/chunked", "http")) as answer:
                assert answer.status == 200 and await answer.read()

            for compress in (0, 15):
                async with session.ws_connect(url(front), compress=compress, max_msg_size=0, heartbeat=1) as client:
                    assert bool(client.compress) == bool(compress)
                    for message in (b"", os.urandom(MEBIBYTE), b"a" * MEBIBYTE):
                        await client.send_bytes(message)
                        assert (await client.receive(timeout=10)).data == message
                    await client.close(code=4321, message=b"good bye")
                    assert client.close_code == 4321

    asyncio.run(converse())


# websocket-client


def test_websocket_client_fragments_and_pings(front):
    client = websocket.create_connection(url(front), timeout=10, cookie="a=b")
    client.send_frame(websocket.ABNF.create_frame("one, ", websocket.ABNF.OPCODE_TEXT, 0))
    client.ping("between")
    client.send_frame(websocket.ABNF.create_frame("two, ", websocket.ABNF.OPCODE_CONT, 0))
    client.send_frame(websocket.ABNF.create_frame("three", websocket.ABNF.OPCODE_CONT, 1))
    assert client.recv_frame().opcode == websocket.ABNF.OPCODE_PONG
    assert client.recv() == "one, two, three"
    client.close(status=3456)


# curl


def curl(*arguments, **options):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "20", *arguments], capture_output=True, timeout=30, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_curl_of_every_kind(start, tmp_path):
    rails.need("curl")
    daemon = start(sleeping_double(path="/*"))
    at = url(daemon, "/echo", "http")
    body = os.urandom(3 * MEBIBYTE)
    file = tmp_path / "body"
    file.write_bytes(body)

    assert curl("--http1.1", "--data-binary", f"@{file}", at) == body
    assert curl("--http1.1", "--data-binary", f"@{file}", "-H", "Expect: 100-continue", at) == body
    assert curl("-T", "-", "-X", "POST", at, input=body) == body, "chunked"
    assert curl("-T", "-", "-X", "POST", "-H", "Expect:", at, input=body) == body, "chunked and at once"
    assert curl("--http1.0", "--data-binary", "old", at) == b"old"
    assert b" 200 " in curl("--head", at)
    two = curl("--write-out", "%{num_connects} ", url(daemon, "/status/204", "http"), url(daemon, "/status/304", "http"))
    assert two == b"1 0 ", "the second request takes the first one's connection"
    assert b" 200 " in curl("--http2", "--include", "--output", "-", at), "h2c is asked for and not given"
    assert curl("--resolve", f"app.example:{daemon.port}:127.0.0.1", f"http://app.example:{daemon.port}/x")


# Chromium with the JavaScript of Rails


class Site(http.server.BaseHTTPRequestHandler):
    """The page, and the JavaScript as Debian ships it."""

    PAGE = b"""<!doctype html><meta charset="utf-8"><title>starting</title><ol></ol>
        <script src="/action_cable.js"></script>
        <script>
        const tell = text => document.querySelector("ol").append(
            Object.assign(document.createElement("li"), { textContent: text }))
        const consumer = ActionCable.createConsumer("/cable")
        const news = consumer.subscriptions.create({ channel: "NewsChannel", topic: "weather" }, {
            connected() { tell("news: connected") },
            disconnected() { tell("news: disconnected") },
            received(data) { tell("news: " + data.text) } })
        const echo = consumer.subscriptions.create("EchoChannel", {
            connected() { tell("echo: connected"); this.perform("echo", { text: "x".repeat(70000) + " end" }) },
            received(data) { tell("echo: " + data.echo.length + " by " + data.process) } })
        consumer.subscriptions.create("MembersChannel", { rejected() { tell("members: rejected") } })
        </script>"""

    def do_GET(self):
        content = open(ACTION_CABLE, "rb").read() if self.path == "/action_cable.js" else self.PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if self.path.endswith(".js") else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.mark.timeout(120)
def test_a_browser_with_the_javascript_of_rails_wakes_it_converses_and_comes_back_after_a_crash(
        start, browser, site, redis):
    rails.need("puma", "ruby", "redis-server")
    assert os.path.exists(ACTION_CABLE), "Debian's ruby-actioncable brings it; make test installs that"
    daemon = start(
        rails.example_service(wire.free_port(), "1s"), service(site, name="site", path="/*", websocket=False),
        environment={"ENABLE_ACTION_CABLE": "true", "REDIS_URL": redis.url})

    def said():
        return browser.execute_script("return [...document.querySelectorAll('li')].map(one => one.textContent)")

    def until_said(*lines, within=30):
        processes.eventually(
            lambda: all(any(line in one for one in said()) for line in lines), within=within, every=0.05,
            what=f"{lines} on the page")

    browser.get(url(daemon, "/", "http"))
    until_said("news: connected", "echo: connected", "members: rejected", "echo: 70004 by ")
    first = daemon.wait_for("ready", generation=1, service="action-cable")["pid"]
    assert any(line == f"echo: 70004 by {first}" for line in said()), "the backend that the daemon started"
    rails.publish(redis, "weather", "sunny, 21 °C")
    until_said("news: sunny, 21 °C")

    os.kill(first, 9)
    until_said("news: disconnected")
    second = daemon.wait_for("ready", generation=2, service="action-cable", within=40)["pid"]
    until_said(f"echo: 70004 by {second}")
    rails.publish(redis, "weather", "rain")
    until_said("news: rain")

    browser.quit()  # Another page would not do: Chromium keeps the one it leaves, and its WebSocket.
    daemon.wait_for("stopped", generation=2, within=20)
