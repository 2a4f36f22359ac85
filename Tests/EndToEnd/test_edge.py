"""The daemon behind a TLS terminator: whom it believes, and what the backend is told."""

import pytest

import rails
import wire
from daemon import service, sleeping_double
from edge import Caddy, Edge, Nginx
from wire import request, text_frame, upgrade

BEHIND_PROXY = {"trusted_proxies": ["loopback"]}


@pytest.fixture
def edge(tmp_path):
    made = []

    def begin(daemon, kind=Edge, **options):
        made.append(kind(tmp_path, daemon.port, **options))
        return made[-1]

    yield begin
    for each in made:
        each.stop()


def test_behind_a_trusted_terminator_the_backend_hears_of_the_client_and_of_tls(start, upstream, edge):
    daemon = start(service(upstream.port, path="/*"), top=BEHIND_PROXY)
    with edge(daemon).connect() as client:
        client.send(request(path="/", host="app.example", extra=["X-Forwarded-For: 198.51.100.7"]))
        head = upstream.accept().read_head()
    assert head.value("Host") == "app.example"
    assert head.value("X-Forwarded-Proto") == "https"
    # haproxy adds a field of its own to the client's, and we the proxy's address.
    assert head.value("X-Forwarded-For") == "198.51.100.7, 127.0.0.1, 127.0.0.1"
    assert head.value("Forwarded").endswith("for=127.0.0.1;host=app.example;proto=https")


@pytest.mark.parametrize(("told", "address"), [
    ("X-Forwarded-For: 203.0.113.7:4711", "203.0.113.7"), ('X-Forwarded-For: "[2001:db8::1]:4711"', "2001:db8::1"),
    ('Forwarded: for="[::2]:80"', "::2"), ('Forwarded: for="203.0.113.7:80"', "203.0.113.7"),
    ("X-Forwarded-For: 6.6.6.6, unknown", "127.0.0.1"), ("Forwarded: for=6.6.6.6, for=_hidden", "127.0.0.1"),
    ("X-Forwarded-For: ::ffff:203.0.113.7", "203.0.113.7"),
])
def test_the_address_of_a_client_is_an_address_and_nothing_else(start, upstream, told, address):
    daemon = start(service(upstream.port, path="/*", headers={"X-Address": "$remote_addr"}), top=BEHIND_PROXY)
    with daemon.connect() as client:
        client.send(request(path="/", extra=[told]))
        assert upstream.accept().read_head().value("X-Address") == address
    assert daemon.wait_for("first_request")["client"] == address


def test_what_a_client_wrote_in_the_other_family_of_fields_counts_for_nothing(start, upstream):
    daemon = start(service(upstream.port, path="/*"), top=BEHIND_PROXY)
    lies = "Forwarded: for=6.6.6.6;host=evil.example;proto=https"
    for told in ["X-Forwarded-For: 198.51.100.7"], ["X-Forwarded-Proto: http"], ["X-Real-IP: 198.51.100.7"]:
        with daemon.connect() as client:
            client.send(request(path="/", host="app.example", extra=[lies, *told]))
            head = upstream.accept().read_head()
        assert b"evil" not in head.raw and b"6.6.6.6" not in head.raw, head.raw
        assert head.value("X-Forwarded-Host") == "app.example" and head.value("X-Forwarded-Proto") == "http"
        assert head.value("Forwarded").endswith("for=127.0.0.1;host=app.example;proto=http")


def test_an_untrusted_terminators_word_does_not_count(start, upstream, edge):
    daemon = start(service(upstream.port, path="/*"))
    with edge(daemon).connect() as client:
        client.send(request(path="/", host="app.example"))
        head = upstream.accept().read_head()
    assert head.value("X-Forwarded-Proto") == "http" and head.value("X-Forwarded-For") == "127.0.0.1"


def test_a_requests_identifier_is_the_same_for_the_backend_and_in_the_log(start, upstream):
    daemon = start(service(upstream.port, path="/*"))
    with daemon.connect() as client:
        client.send(request(path="/", extra=["X-Request-Id: from-the-client"]))
        assert upstream.accept().read_head().value("X-Request-Id") == "from-the-client"
    assert daemon.wait_for("first_request")["request_id"] == "from-the-client"
    with daemon.connect() as client:
        client.send(request(path="/"))
        made = upstream.accept().read_head().value("X-Request-Id")
    assert len(made) == 18 and made.endswith("-1")


def test_rails_takes_a_page_behind_tls_for_its_own_and_no_other(start, edge, tmp_path):
    rails.need("puma", "ruby")
    redis = rails.Redis(tmp_path)
    try:
        daemon = start(
            rails.example_service(wire.free_port(), "60s"), top=BEHIND_PROXY,
            environment={"ENABLE_ACTION_CABLE": "true", "REDIS_URL": redis.url})
        front = edge(daemon)
        protocol = "Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported"
        with front.connect() as client:
            answer = client.ask(upgrade(host="app.example", extra=["Origin: https://app.example", protocol]))
            assert answer.status == 101
            assert client.read_frame() == (1, b'{"type":"welcome"}')
        for origin in ("https://elsewhere.example", "http://app.example"):
            with front.connect() as client:
                assert client.ask(upgrade(host="app.example", extra=[f"Origin: {origin}", protocol])).status == 404
    finally:
        redis.stop()


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2-ssl"])
def test_a_proxy_in_front_of_bytes_announces_its_clients(start, upstream, edge, version):
    daemon = start(
        service(upstream.port, path="/*"), listen={"address": "127.0.0.1:0", "proxy_protocol": True},
        top={"limits": {"max_connections_per_address": 1}})
    front = edge(daemon, proxy_protocol=version)
    with front.connect() as client:
        client.send(request(path="/", host="app.example", extra=["X-Forwarded-For: 6.6.6.6"]))
        head = upstream.accept().read_head()
        assert head.value("X-Forwarded-For") == "127.0.0.1"
        assert head.value("X-Forwarded-Proto") == ("https" if version.endswith("ssl") else "http")
        # The limit counts the client that was announced.
        with front.connect() as second:
            assert second.ask(request(path="/nowhere")).status == 503


def test_who_comes_to_an_announced_address_without_a_header_gets_400(start, upstream):
    daemon = start(
        service(upstream.port, path="/*"), listen={"address": "127.0.0.1:0", "proxy_protocol": True})
    answer = daemon.ask(request(path="/"))
    assert answer.status == 400 and b"PROXY" in answer.body
    with daemon.connect() as client:
        client.send(b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 443\r\n" + request(path="/"))
        assert upstream.accept().read_head().value("X-Forwarded-For") == "198.51.100.7"


@pytest.mark.parametrize("kind", [Nginx, Caddy])
def test_the_examples_for_nginx_and_caddy_let_a_websocket_wait_for_its_backend(start, edge, kind):
    daemon = start(sleeping_double("--listen-after", "700ms"), top=BEHIND_PROXY)
    with edge(daemon, kind).connect() as client:
        assert client.ask(upgrade(host=kind.name)).status == 101
        client.send(text_frame("Is anybody there?"))
        assert client.read_frame()[0] == 1
    daemon.wait_for("ready")


@pytest.mark.parametrize("kind", [Nginx, Caddy])
def test_the_examples_for_nginx_and_caddy_tell_what_action_cable_has_to_know(start, upstream, edge, kind):
    daemon = start(service(upstream.port, path="/*"), top=BEHIND_PROXY)
    with edge(daemon, kind).connect() as client:
        client.send(upgrade(host=kind.name, extra=[f"Origin: https://{kind.name}", "X-Forwarded-Proto: http"]))
        head = upstream.accept().read_head()
    assert head.value("Host") == kind.name and head.value("Origin") == f"https://{kind.name}"
    assert head.value("X-Forwarded-Proto") == "https"
    assert head.value("X-Forwarded-For").split(", ")[0] == "127.0.0.1"
