"""examples/ondemandd_adapter.rb: Action Cable publishes to the daemon by HTTP, in real Ruby processes."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest

import processes
import rails
import wire
from daemon import REPOSITORY
from test_cables import KEY, TOKEN_SECRET, cable, facts, welcomed

ADAPTER = REPOSITORY / "examples" / "ondemandd_adapter.rb"

# Prints the message of an error as the last line.
PROGRAM = """
require "active_support/all"; require "action_cable"; require "logger"; require "json"
server = ActionCable::Server::Base.new(config: ActionCable::Server::Configuration.new.tap { |config|
  config.cable = { "adapter" => "ondemandd", **JSON.parse(ARGV[0]) }.with_indifferent_access
  config.logger = Logger.new(File::NULL) })
$stdout.sync = true
begin
  eval(ARGV[1])
rescue ActionCable::SubscriptionAdapter::Ondemandd::Error => error
  puts error.message
end
"""


@pytest.fixture
def ruby(tmp_path):
    """ruby(code, url=..., ...) runs the code with `server`; `begin` gives the running process instead."""
    rails.need("ruby")
    folder = tmp_path / "lib" / "action_cable" / "subscription_adapter"
    folder.mkdir(parents=True)
    shutil.copy(ADAPTER, folder / "ondemandd.rb")
    running = []

    def begin(code, **settings):
        process = subprocess.Popen(
            ["ruby", "-W:no-deprecated", "-I", tmp_path / "lib", "-e", PROGRAM, json.dumps(settings), code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
        running.append(process)
        return process

    def run(code, input=None, **settings):
        process = begin(code, **settings)
        output, _ = process.communicate(input, timeout=60)
        assert process.returncode == 0, output
        return output

    run.begin = begin
    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def serve(start):
    return lambda *cables, **options: start(top={"cables": list(cables or [cable()])}, **options)


def url(daemon, path="/_broadcast"):
    return f"http://127.0.0.1:{daemon.port}{path}"


def subscribed(daemon, stream="room", **options):
    client, _ = welcomed(daemon, **options)
    assert client.subscribe(stream) == "confirm_subscription"
    return client


class Endpoint:
    """A broadcast endpoint of the test: counts connections, and may end some of them without a response."""

    def __init__(self, unanswered=0):
        endpoint = self
        self.connections, self.bodies, self.unanswered = 0, [], unanswered

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                endpoint.connections += 1

            def do_POST(self):
                endpoint.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if endpoint.unanswered:
                    endpoint.unanswered -= 1
                    self.close_connection = True
                    return
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/_broadcast"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


# Delivery


def test_clients_get_each_message_with_its_type_and_in_order(serve, ruby):
    daemon = serve()
    values = [{"text": "ü <b>"}, "123", 123, None, "<turbo-stream></turbo-stream>", [1.5, True], '{"a":1}', "x" * 200_000]
    with subscribed(daemon) as client:
        code = "JSON.parse($stdin.read).each { |value| server.broadcast('room', value) }"
        assert ruby(code, input=json.dumps(values), url=url(daemon)) == ""
        assert [client.next()["message"] for _ in values] == values


def test_one_thread_uses_one_connection_and_several_threads_lose_nothing(ruby):
    with Endpoint() as endpoint:
        ruby("100.times { |n| server.broadcast('room', n) }", url=endpoint.url)
        assert endpoint.connections == 1
        assert [body["data"] for body in endpoint.bodies] == [str(n) for n in range(100)]
    with Endpoint() as endpoint:
        ruby("""
          (0...6).map { |t| Thread.new { 50.times { |n| server.broadcast("room#{t}", n) } } }.each(&:join)
        """, url=endpoint.url)
        assert endpoint.connections <= 6
        for thread in range(6):
            sent = [body["data"] for body in endpoint.bodies if body["stream"] == f"room{thread}"]
            assert sent == [str(n) for n in range(50)]


def test_a_forked_process_does_not_use_the_connections_of_its_parent(ruby):
    with Endpoint() as endpoint:
        ruby("""
          server.broadcast("parent", 0)
          child = fork { 50.times { |n| server.broadcast("child", n) } }
          50.times { |n| server.broadcast("parent", n + 1) }
          Process.wait(child)
          server.broadcast("parent", 51)
        """, url=endpoint.url)
        for stream, count in [("parent", 52), ("child", 50)]:
            sent = [body["data"] for body in endpoint.bodies if body["stream"] == stream]
            assert sent == [str(n) for n in range(count)]
        assert endpoint.connections == 2


# Errors


def test_a_wrong_key_is_an_error_that_names_the_remedy_and_not_the_key(serve, ruby):
    daemon = serve(cable(broadcast={"path": "/_broadcast", "key": KEY}))
    with subscribed(daemon) as client:
        said = ruby("server.broadcast('room', 1)", url=url(daemon), key="another-key-of-others")
        assert said == (
            f"{url(daemon)} rejected the broadcast with 401: Missing or invalid bearer token. "
            "Set `key` in config/cable.yml to `broadcast.key` of the cable.\n")
        assert " 401: " in ruby("server.broadcast('room', 2)", url=url(daemon), key="")
        assert ruby("server.broadcast('room', 3)", url=url(daemon), key=KEY) == ""
        assert client.next()["message"] == 3


def test_a_rejected_broadcast_is_an_error_with_the_reason_of_the_daemon(serve, ruby):
    daemon = serve(cable(broadcast={"path": "/_broadcast", "max_body_bytes": 1000}))
    assert " 404: " in (said := ruby("server.broadcast('room', 1)", url=url(daemon, "/nowhere")))
    assert said.endswith(" Set `url` in config/cable.yml to `broadcast.path` of the cable.\n")
    said = ruby("server.broadcast('room', 'x' * 2000)", url=url(daemon))
    assert " 413: " in said and "max_body_bytes" in said
    assert '400: Invalid broadcast: "stream" is missing or empty' in ruby("server.broadcast('', 1)", url=url(daemon))


@pytest.mark.parametrize("wrong, reason", [
    ("127.0.0.1:3000", "a URL"), ("", "the HTTP URL of a broadcast endpoint"),
    ("redis://127.0.0.1:6379", "the HTTP URL of a broadcast endpoint")])
def test_a_url_that_is_none_is_an_error_at_the_first_broadcast(ruby, wrong, reason):
    said = ruby("server.broadcast('room', 1)", url=wrong)
    assert said == f'`url` in config/cable.yml is not {reason}: "{wrong}"\n'


def test_without_a_daemon_the_attempts_are_bounded_and_their_error_names_them(ruby):
    port = wire.free_port()
    said = ruby("""
      begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      begin
        server.broadcast('room', 1)
      ensure
        puts Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun
      end
    """, url=f"http://127.0.0.1:{port}/_broadcast", retry_delays=[0.1, 0.3])
    seconds, error = said.splitlines()
    assert 0.4 <= float(seconds) < 2
    assert error.startswith(f"no connection to ondemandd at http://127.0.0.1:{port}/_broadcast in 3 attempts: ")
    assert "Connection refused" in error


def test_a_broadcast_is_repeated_until_the_daemon_listens(serve, ruby):
    port = wire.free_port()
    process = ruby.begin(
        "puts 'begun'; server.broadcast('room', 1); puts 'accepted'",
        url=f"http://127.0.0.1:{port}/_broadcast", retry_delays=[0.1] * 300)
    assert process.stdout.readline() == "begun\n"
    daemon = serve(listen=f"127.0.0.1:{port}")
    assert process.stdout.readline() == "accepted\n"
    assert facts(daemon)["publications"] == 1


def test_a_daemon_that_was_restarted_gets_the_next_broadcast(serve, ruby):
    port = wire.free_port()
    code = "server.broadcast('room', 1); puts 'first'; $stdin.gets; server.broadcast('room', 2); puts 'second'"
    first = serve(listen=f"127.0.0.1:{port}")
    process = ruby.begin(code, url=f"http://127.0.0.1:{port}/_broadcast")
    assert process.stdout.readline() == "first\n"
    assert first.stop() == 0
    second = serve(listen=f"127.0.0.1:{port}")
    with subscribed(second) as client:
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "second\n"
        assert client.next()["message"] == 2


def test_a_connection_that_ends_without_a_response_is_an_attempt(ruby):
    with Endpoint(unanswered=2) as endpoint:
        assert ruby("server.broadcast('room', 1)", url=endpoint.url, retry_delays=[0, 0]) == ""
        assert len(endpoint.bodies) == endpoint.connections == 3
    with Endpoint(unanswered=2) as endpoint:
        assert "in 2 attempts: end of file reached" in ruby("server.broadcast('room', 1)", url=endpoint.url, retry_delays=[0])
        assert len(endpoint.bodies) == 2


def test_a_missing_response_is_an_error_and_the_broadcast_is_not_repeated(ruby, upstream):
    process = ruby.begin(
        "server.broadcast('room', 1)", url=f"http://127.0.0.1:{upstream.port}/_broadcast", read_timeout=0.5)
    begun = time.monotonic()
    upstream.accept().read_head()
    output, _ = process.communicate(timeout=30)
    assert output.endswith("within 0.5 s; the broadcast may have been delivered\n")
    assert time.monotonic() - begun < 10
    upstream.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        upstream.accept()


# The other half of an Action Cable server


def test_subscribing_explains_that_the_daemon_serves_the_sockets(serve, ruby):
    said = ruby("server.pubsub.subscribe('room', ->(_) {})", url="http://127.0.0.1:1/_broadcast")
    assert re.fullmatch("cannot subscribe to room: the cable of ondemandd serves the WebSockets; .*mount_path = nil\n", said)
    assert ruby("server.pubsub.unsubscribe('room', nil); server.restart", url="http://127.0.0.1:1/_broadcast") == ""


def test_remote_connections_are_refused_and_clients_are_disconnected_by_their_token(serve, ruby):
    daemon = serve(cable(jwt={"secret": TOKEN_SECRET}))
    mine = json.dumps({"user": 15})
    token = jwt.encode({"exp": int(time.time()) + 60, "ext": mine}, TOKEN_SECRET, algorithm="HS256")
    with subscribed(daemon, headers={"X-JID": token}) as client:
        said = ruby("server.broadcast('action_cable/15', { type: 'disconnect' })", url=url(daemon))
        assert said == "ondemandd does not serve remote_connections; call ActionCable.server.pubsub.disconnect\n"
        assert ruby(f"server.pubsub.disconnect({mine!r}, reconnect: false)", url=url(daemon)) == ""
        messages, _ = client.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "remote", "reconnect": False}
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="the client being gone")
