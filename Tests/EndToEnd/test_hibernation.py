"""Hibernation: the backend sleeps while its clients stay connected (docs/HIBERNATION.md)."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import processes
import wire
from daemon import executable
from test_cables import ACTION_CABLE, TOKEN_SECRET, Client, facts, post

SERVER = Path(__file__).with_name("action_cable_server.py")


class Backend:
    """The scripted Action Cable server as the daemon starts it."""

    def __init__(self, folder):
        self.folder = folder
        self.port = wire.free_port()

    def service(self, **keys):
        on_demand = {
            "command": sys.executable, "args": [str(SERVER), str(self.port), str(self.folder)], "idle_timeout": "1s",
            "stop_timeout": "3s", **keys}
        return {"name": "backend", "target": f"http://127.0.0.1:{self.port}/cable", "websocket": True,
                "on_demand": on_demand}

    def behave(self, **behaviour):
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    def events(self, event=None, **members):
        try:
            lines = (self.folder / "journal.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = [json.loads(line) for line in lines]
        return [one for one in found if (event is None or one["event"] == event)
                and all(one.get(name) == value for name, value in members.items())]

    def commands(self, command=None):
        return [one for one in self.events("command") if command is None or one["command"] == command]


@pytest.fixture
def backend(tmp_path):
    folder = tmp_path / "backend"
    folder.mkdir()
    return Backend(folder)


HIBERNATE = {"channels": [
    {"name": "ChatChannel", "streams": ["chat-{room}"]},
    {"name": "CursorChannel", "actions": "stateless", "streams": []},
    {"name": "LateChannel", "streams": []},
    {"name": "GreetingChannel", "streams": []},
]}


@pytest.fixture
def serve(start, backend):
    """serve(cable keys..., service keys) gives a daemon with a cable in front of the scripted backend."""

    def begin(on_demand=None, top=None, redis=None, **keys):
        cable = {"name": "cable", "path": "/cable", "backend": "backend", "hibernate": HIBERNATE,
                 "broadcast": {"path": "/_broadcast"}, **keys}
        if redis:
            cable["redis"] = {"url": redis.url}
        return start(backend.service(**(on_demand or {})), top={"cables": [cable], **(top or {})})

    return begin


def identifier(channel, **parameters):
    return json.dumps({"channel": channel, **parameters})


class CableClient(Client):
    def join(self, channel, **parameters):
        name = identifier(channel, **parameters)
        self.send(command="subscribe", identifier=name)
        assert self.next() == {"identifier": name, "type": "confirm_subscription"}
        return name

    def ping(self, within=10):
        while True:
            message = json.loads(self.socket.recv(timeout=within))
            if message.get("type") == "ping":
                return message["message"]

    def perform(self, name, action, **data):
        self.send(command="message", identifier=name, data=json.dumps({"action": action, **data}))


def connected(daemon, **options):
    client = CableClient(daemon, **options)
    assert client.next()["type"] == "welcome"
    return client


def asleep(daemon, generation=1):
    daemon.wait_for("stopped", generation=generation, within=10)
    assert processes.childless(daemon.pid)


def test_the_backend_sleeps_and_wakes_while_its_client_stays_connected(serve, backend):
    daemon = serve()
    with connected(daemon, headers={"Cookie": "session=1"}) as client:
        cursor = client.join("CursorChannel", page=7)
        client.perform(cursor, "echo", text="one")
        first = client.next()["message"]
        assert first["echo"] == "one"
        asleep(daemon)
        assert backend.events("closed")[-1]["code"] == 1000, "the backend could end the subscriptions"
        assert client.ping(), "the daemon pings"
        client.perform(cursor, "echo", text="two")
        second = client.next()["message"]
        assert second["echo"] == "two" and second["pid"] != first["pid"]
    requests = backend.events("request")
    assert [one["cookie"] for one in requests] == ["session=1", "session=1"]
    assert requests[0]["key"] != requests[1]["key"] and requests[1]["extensions"] is None
    performed = [json.loads(one["data"])["text"] for one in backend.commands("message")]
    assert performed == ["one", "two"], "each action is performed once"
    assert len(backend.commands("subscribe")) == 2, "the daemon has made the subscription again"


# Accepting


@pytest.mark.parametrize("status", [404, 401, 503])
def test_a_refusal_of_the_backend_reaches_the_client_unchanged(serve, backend, status):
    backend.behave(status=status)
    daemon = serve()
    with pytest.raises(InvalidStatus) as refusal:
        connected(daemon)
    assert refusal.value.response.status_code == status
    assert refusal.value.response.body == f"refused with {status}\n".encode()


def test_the_backend_gets_the_clients_own_request_and_no_extension(serve, backend):
    daemon = serve(allowed_origins="https://app.example")
    with CableClient(daemon, path="/cable?token=7", origin="https://app.example", headers={
            "Cookie": "session=1", "Sec-WebSocket-Extensions": "permessage-deflate"}) as client:
        assert client.next()["type"] == "welcome"
        assert client.socket.subprotocol == ACTION_CABLE
    request = backend.events("request")[0]
    assert request["path"] == "/cable?token=7" and request["origin"] == "https://app.example"
    assert request["cookie"] == "session=1" and request["extensions"] is None
    assert request["host"] == f"127.0.0.1:{daemon.port}"


def test_a_foreign_page_wakes_nothing(serve):
    daemon = serve()
    with pytest.raises(InvalidStatus) as refusal:
        connected(daemon, origin="https://evil.example")
    assert refusal.value.response.status_code == 403
    assert daemon.starts() == 0


def test_plain_requests_and_unknown_subprotocols_go_to_the_backend_as_before(serve, backend):
    backend.behave(subprotocols=["other"])
    daemon = serve()
    with Client(daemon, subprotocol="other") as client:
        assert client.socket.subprotocol == "other"
        assert client.next()["type"] == "welcome"
        client.socket.send("not json")
        processes.eventually(lambda: backend.events("invalid"), what="the message of a tunnel")
    status, _ = get(daemon, "/cable")
    assert status == 426, "the answer of the backend's own library"


def get(daemon, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{path}", timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# What the cable serves itself


def test_streams_of_the_cable_are_never_forwarded(serve, backend):
    daemon = serve(streams={"public": ["news"], "channels": {"ScoresChannel": "scores-{game}"}})
    with connected(daemon) as client:
        for name in [identifier("$pubsub", stream_name="news"), identifier("ScoresChannel", game=7)]:
            client.send(command="subscribe", identifier=name)
            assert client.next() == {"identifier": name, "type": "confirm_subscription"}
        asleep(daemon)
        assert post(daemon, {"stream": "scores-7", "data": "\"3:0\""})[0] == 201
        assert client.next()["message"] == "3:0"
    assert backend.commands() == [] and daemon.starts() == 1


def test_clients_of_the_cable_alone_start_nothing_with_connect_local(serve, backend):
    daemon = serve(connect="local", protocols=["action_cable"], streams={"public": True})
    with connected(daemon) as client:
        assert client.subscribe("news") == "confirm_subscription"
        assert daemon.starts() == 0
        chat = client.join("ChatChannel", room=1)
        client.perform(chat, "echo", text="now")
        assert client.next()["message"]["echo"] == "now"
        assert daemon.starts() == 1
        request = backend.events("request")[0]
        assert request["host"] == f"127.0.0.1:{daemon.port}"


def test_a_backend_that_refuses_a_client_of_connect_local_rejects_what_needed_it(serve, backend):
    backend.behave(status=403)
    daemon = serve(connect="local", protocols=["action_cable"], streams={"public": True})
    with connected(daemon) as client:
        name = identifier("ChatChannel", room=1)
        client.send(command="subscribe", identifier=name)
        assert client.next() == {"identifier": name, "type": "reject_subscription"}
        assert client.subscribe("news") == "confirm_subscription", "the connection stays"


# Sleeping


@pytest.mark.parametrize("channel,action", [("OtherChannel", None), ("ChatChannel", "quiet")])
def test_a_client_with_state_that_cannot_be_restored_keeps_the_backend_awake(serve, channel, action):
    daemon = serve(on_demand={"idle_timeout": "500ms"})
    with connected(daemon) as client:
        name = client.join(channel, room=1)
        if action:
            client.perform(name, action)
        time.sleep(1.5)
        assert daemon.status("backend")["state"] == "awake"
        client.send(command="unsubscribe", identifier=name)
        asleep(daemon)


def test_a_subscription_that_is_not_confirmed_keeps_the_backend_awake(serve, backend):
    daemon = serve(on_demand={"idle_timeout": "200ms"})
    with connected(daemon) as client:
        client.send(command="subscribe", identifier=identifier("LateChannel"))
        assert client.next()["type"] == "confirm_subscription"
        asleep(daemon)


def test_messages_of_either_side_keep_the_backend_awake(serve):
    daemon = serve(on_demand={"idle_timeout": "700ms"})
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        for number in range(8):
            client.perform(cursor, "echo", text=number)
            assert client.next()["message"]["echo"] == number
            time.sleep(0.2)
        assert daemon.starts() == 1 and daemon.events("stopped") == []
        asleep(daemon)


def test_what_needs_no_backend_wakes_none(serve, backend):
    daemon = serve()
    with connected(daemon) as client, connected(daemon) as other:
        chat = client.join("ChatChannel", room=1)
        asleep(daemon)
        client.send(command="subscribe", identifier=chat)
        assert client.next() == {"identifier": chat, "type": "confirm_subscription"}
        client.socket.send("no json")
        client.send(command="message", identifier=identifier("Unknown"), data="{}")
        client.send(command="unsubscribe", identifier=chat)
        client.socket.ping()
        other.socket.close()
        assert client.ping()
        time.sleep(0.5)
        assert daemon.starts() == 1
        # Unsubscribed while asleep: not made again.
        cursor = identifier("CursorChannel")
        client.send(command="subscribe", identifier=cursor)
        assert client.next()["type"] == "confirm_subscription"
        pid = daemon.wait_for("ready", generation=2)["pid"]
        assert [one["identifier"] for one in backend.commands("subscribe") if one["pid"] == pid] == [cursor]


def test_pings_arrive_in_time_while_the_backend_boots(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        client.perform(cursor, "echo", text="late")
        times, seen = [time.monotonic()], []
        while len(times) < 4:
            message = json.loads(client.socket.recv(timeout=7))
            if message.get("type") == "ping":
                times.append(time.monotonic())
            else:
                seen.append(message["message"]["echo"])
        assert max(after - before for before, after in zip(times, times[1:])) < 5
        assert seen == ["late"]


@pytest.mark.timeout(120)
def test_a_client_is_asked_to_reconnect_after_max_age(serve):
    daemon = serve(hibernate={**HIBERNATE, "max_age": "1m"}, ping_interval="1s")
    with connected(daemon) as client:
        client.join("ChatChannel", room=1)
        asleep(daemon)
        begun = time.monotonic()
        messages, code = client.closing(within=80)
        assert 50 < time.monotonic() - begun < 75
        assert messages[-1] == {"type": "disconnect", "reason": "server_restart", "reconnect": True} and code == 1001


# Waking


def test_commands_are_delivered_once_and_in_order_after_a_wake(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        for number in range(20):
            client.perform(cursor, "echo", text=number)
        name = identifier("LateChannel")
        client.send(command="subscribe", identifier=name)
        client.send(command="subscribe", identifier=name)
        assert [client.next()["message"]["echo"] for _ in range(20)] == list(range(20))
        assert client.next() == {"identifier": name, "type": "confirm_subscription"}
    performed = [json.loads(one["data"])["text"] for one in backend.commands("message")]
    assert performed == list(range(20)) and daemon.starts() == 2


def test_more_commands_than_may_wait_end_in_a_reconnect(serve):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        for number in range(65):
            client.perform(cursor, "echo", text=number)
        messages, code = client.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "server_restart", "reconnect": True} and code == 1012


def test_every_client_hears_what_a_woken_backend_broadcasts(serve, backend):
    daemon = serve()
    clients = [connected(daemon) for _ in range(30)]
    name = [client.join("CursorChannel", page=1) for client in clients][0]
    asleep(daemon)
    clients[17].perform(name, "broadcast", text="hello all")
    for client in clients:
        assert client.next() == {"identifier": name, "message": "hello all"}
    assert daemon.starts() == 2
    for client in clients:
        client.socket.close()


def test_messages_before_the_confirmation_and_late_confirmations(serve):
    daemon = serve()
    with connected(daemon) as client:
        late = client.join("LateChannel")
        name = identifier("GreetingChannel")
        client.send(command="subscribe", identifier=name)
        assert client.next() == {"identifier": name, "message": "hello"}
        assert client.next()["type"] == "confirm_subscription"
        asleep(daemon)
        client.perform(late, "echo", text="after")
        assert client.next() == {"identifier": name, "message": "hello"}
        assert client.next()["message"]["echo"] == "after"


def test_a_second_welcome_is_the_notice_of_a_wake(serve):
    daemon = serve(hibernate={**HIBERNATE, "notice": True})
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        client.perform(cursor, "echo", text=1)
        assert client.next() == {"type": "welcome"}
        client.send(command="subscribe", identifier=cursor)
        answers = [client.next(), client.next()]
        assert {"identifier": cursor, "type": "confirm_subscription"} in answers


RECONNECT = {"type": "disconnect", "reason": "server_restart", "reconnect": True}


@pytest.mark.parametrize("behaviour", [
    {"status": 404}, {"status": 401}, {"disconnect": "unauthorized"}, {"reject": ["CursorChannel"]},
], ids=lambda behaviour: str(behaviour))
def test_a_client_that_the_backend_does_not_take_back_reconnects(serve, backend, behaviour):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        backend.behave(**behaviour)
        client.perform(cursor, "echo", text="lost")
        messages, code = client.closing()
        assert messages[-1] == RECONNECT and code == 1012
    assert backend.commands("message") == []


def test_a_backend_that_cannot_serve_yet_is_asked_again(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        backend.behave(status=503)
        client.perform(cursor, "echo", text="patient")
        processes.eventually(lambda: len(backend.events("request")) >= 3, what="a second attempt")
        backend.behave()
        assert client.next()["message"]["echo"] == "patient"
    assert len(backend.commands("message")) == 1


def test_a_remote_disconnect_of_a_woken_client_is_passed_on(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        backend.behave(disconnect="remote")
        client.perform(cursor, "echo", text="x")
        messages, _ = client.closing()
        assert {"type": "disconnect", "reason": "remote", "reconnect": False} in messages


# Broadcasts


def test_broadcasts_to_a_listed_channel_arrive_without_a_wake(serve):
    daemon = serve()
    with connected(daemon) as client, connected(daemon) as other:
        chat, away = client.join("ChatChannel", room=1), other.join("ChatChannel", room=2)
        asleep(daemon)
        assert post(daemon, {"stream": "chat-1", "data": {"text": "hi"}})[0] == 201
        assert client.next() == {"identifier": chat, "message": {"text": "hi"}}
        assert daemon.starts() == 1
        other.perform(away, "echo", text="awake")
        assert other.next()["message"]["echo"] == "awake"
        assert post(daemon, {"stream": "chat-1", "data": "again"})[0] == 201
        assert client.next() == {"identifier": chat, "message": "again"}


# Crashes, commands of operators


def test_a_crash_is_a_sleep_for_clients_that_can_be_restored(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        client.perform(cursor, "echo", text="before")
        client.next()
        os.kill(daemon.wait_for("ready")["pid"], signal.SIGKILL)
        daemon.wait_for("stopped")
        client.perform(cursor, "echo", text="after")
        assert client.next()["message"]["echo"] == "after"


@pytest.mark.parametrize("reason", [None, "server_restart"])
def test_a_connection_that_an_awake_backend_ends_is_made_again(serve, backend, reason):
    daemon = serve(on_demand={"idle_timeout": "1m"})
    with connected(daemon) as client, connected(daemon) as other:
        name = client.join("CursorChannel", page=1)
        other.join("CursorChannel", page=1)
        client.perform(name, "hang_up", text=reason)
        assert client.next()["message"] == "done"
        processes.eventually(lambda: len(backend.commands("subscribe")) == 3, what="the subscription made again")
        processes.eventually(lambda: facts(daemon)["backend"]["attached"] == 2, what="both attached")
        client.perform(name, "broadcast", text="both")
        assert client.next()["message"] == other.next()["message"] == "both"
        assert daemon.starts() == 1


def test_the_status_tells_which_clients_keep_the_backend_awake(serve, tmp_path):
    daemon = serve(on_demand={"idle_timeout": "500ms"}, top={"control": f"unix:{tmp_path}/control.sock"})
    with connected(daemon) as client, connected(daemon) as other:
        chat = client.join("ChatChannel", room=1)
        client.perform(chat, "quiet")
        other.join("OtherChannel")
        reasons = {(one["reason"], one["channel"]) for one in facts(daemon)["backend"]["stateful"]}
        assert reasons == {("action_performed", "ChatChannel"), ("channel_not_listed", "OtherChannel")}
        table = subprocess.run(
            [executable(), "status", "--control", f"unix:{tmp_path}/control.sock"], capture_output=True, text=True,
            timeout=10).stdout
        assert "cable cable: 2 attached to backend, 0 hibernating" in table
        assert "keeps backend awake: 1 x OtherChannel (channel_not_listed)" in table
        other.socket.close()
        client.send(command="unsubscribe", identifier=chat)
        client.join("ChatChannel", room=2)
        asleep(daemon)
        backend = facts(daemon)["backend"]
        assert backend["hibernating"] == 1 and backend["stateful"] == []


def test_a_crash_with_a_command_in_flight_is_told(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        client.perform(cursor, "die")
        messages, code = client.closing()
        assert messages[-1] == RECONNECT and code == 1012
    assert len(backend.commands("message")) == 1


def test_an_action_whose_answer_came_during_a_stop_is_not_in_flight_any_more(serve, backend, tmp_path):
    """The backend reads no close frame, answers, and ends the connection."""
    daemon = serve(on_demand={"idle_timeout": "1m"}, top={"control": f"unix:{tmp_path}/control.sock"})
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        client.perform(cursor, "stall")
        processes.eventually(lambda: backend.commands("message"), what="the action")
        command(daemon, tmp_path, "stop")
        assert client.next() == {"identifier": cursor, "message": "stalled"}
        asleep(daemon)
        client.perform(cursor, "echo", text="stays")
        assert client.next()["message"]["echo"] == "stays"


def test_a_crash_is_told_to_clients_with_state(serve):
    daemon = serve()
    with connected(daemon) as client:
        client.join("OtherChannel")
        os.kill(daemon.wait_for("ready")["pid"], signal.SIGKILL)
        messages, code = client.closing()
        assert messages[-1] == RECONNECT and code == 1012


def test_a_backend_killed_during_the_wake_is_started_again(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        late = client.join("LateChannel")
        asleep(daemon)
        client.perform(late, "echo", text="twice woken")
        os.kill(daemon.wait_for("ready", generation=2)["pid"], signal.SIGKILL)
        assert client.next(within=20)["message"]["echo"] == "twice woken"
    assert len(backend.commands("message")) == 1


def test_a_restart_by_an_operator_is_a_sleep_and_a_wake(serve, backend, tmp_path):
    daemon = serve(top={"control": f"unix:{tmp_path}/control.sock"})
    with connected(daemon) as client, connected(daemon) as stateful:
        cursor = client.join("CursorChannel", page=1)
        stateful.join("OtherChannel")
        command(daemon, tmp_path, "restart")
        messages, _ = stateful.closing()
        assert messages[-1] == RECONNECT
        daemon.wait_for("ready", generation=2)
        client.perform(cursor, "echo", text="still here")
        assert client.next()["message"]["echo"] == "still here"


def test_a_disabled_backend_is_told_to_clients_that_need_it(serve, tmp_path):
    daemon = serve(top={"control": f"unix:{tmp_path}/control.sock"})
    with connected(daemon) as client, connected(daemon) as quiet:
        cursor = client.join("CursorChannel", page=1)
        quiet.join("ChatChannel", room=1)
        command(daemon, tmp_path, "disable")
        asleep(daemon)
        client.perform(cursor, "echo", text="no")
        messages, _ = client.closing()
        assert messages[-1] == RECONNECT
        assert quiet.ping(), "a client that needs no backend stays"


def command(daemon, folder, word):
    done = subprocess.run(
        [executable(), word, "backend", "--control", f"unix:{folder}/control.sock"], capture_output=True, text=True,
        timeout=20)
    assert done.returncode == 0, done.stderr


def test_min_sleep_delays_the_command_and_does_not_lose_it(serve):
    daemon = serve(on_demand={"min_sleep": "2s"})
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        client.perform(cursor, "echo", text="after the sleep")
        assert client.next(within=15)["message"]["echo"] == "after the sleep"


def test_a_failing_start_is_told_within_the_limit(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        with socket.create_server(("127.0.0.1", backend.port)):
            client.perform(cursor, "echo", text="no")
            messages, code = client.closing(within=40)
        assert messages[-1] == RECONNECT and code == 1012


def test_a_shutdown_disconnects_hibernating_clients(serve):
    daemon = serve()
    with connected(daemon) as client:
        client.join("ChatChannel", room=1)
        asleep(daemon)
        daemon.process.send_signal(signal.SIGTERM)
        messages, code = client.closing()
        assert messages[-1] == RECONNECT and code == 1001
        assert daemon.stop() == 0


# Edges of sleep and wake


def hibernating(daemon, count):
    processes.eventually(
        lambda: facts(daemon)["backend"]["hibernating"] == count, within=15, what=f"{count} hibernating clients")


def test_a_backend_that_dies_while_clients_are_restored_gets_all_of_them_back(serve, backend):
    daemon = serve()
    clients = [connected(daemon) for _ in range(10)]
    name = [client.join("CursorChannel", page=1) for client in clients][0]
    with connected(daemon) as late:
        late_name = late.join("LateChannel")
        asleep(daemon)
        late.perform(late_name, "echo", text="late")
        pid = daemon.wait_for("ready", generation=2)["pid"]
        processes.eventually(
            lambda: len([one for one in backend.commands("subscribe") if one["pid"] == pid]) == 11, what="all are asked for")
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        assert late.next(within=20)["message"]["echo"] == "late"
        processes.eventually(lambda: facts(daemon)["backend"]["attached"] == 11, what="all clients attached")
        clients[3].perform(name, "broadcast", text="hello all")
        for client in clients:
            assert client.next() == {"identifier": name, "message": "hello all"}
    for client in clients:
        client.socket.close()


class FloodingClient:
    """A client that reads whatever happens to what it sends; the library forgets what it has read when a send fails."""

    def __init__(self, daemon):
        self.wire = wire.Wire(("127.0.0.1", daemon.port), 20)
        self.wire.send(wire.upgrade(
            host=f"127.0.0.1:{daemon.port}", extra=[f"Sec-WebSocket-Protocol: {ACTION_CABLE}"]))
        assert self.wire.read_head().first_line.startswith("HTTP/1.1 101 ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    @staticmethod
    def frame(**command):
        return wire.text_frame(json.dumps(command))

    def perform(self, name, action, **data):
        return self.frame(command="message", identifier=name, data=json.dumps({"action": action, **data}))

    def next(self):
        """The next message that is not a ping, or the code of the close frame."""
        while (frame := self.wire.read_frame())[0] == 1:
            message = json.loads(frame[1])
            if message.get("type") != "ping":
                return message
        assert frame[0] == 8
        return struct.unpack("!H", frame[1][:2])[0]

    def join(self, channel):
        name = identifier(channel)
        self.wire.send(self.frame(command="subscribe", identifier=name))
        assert self.next()["type"] == "welcome"
        assert self.next() == {"identifier": name, "type": "confirm_subscription"}
        return name

    @contextlib.contextmanager
    def sending(self, data):
        def send():
            # It ends when the daemon reads no more.
            with contextlib.suppress(OSError):
                self.wire.send(data)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(send)
            yield


@pytest.mark.parametrize("dies", [False, True])
def test_a_client_is_read_again_after_its_backend_read_nothing(serve, backend, dies):
    """The backend ends the connection while the client's commands wait in front of it."""
    daemon = serve(on_demand={"idle_timeout": "1m"})
    with FloodingClient(daemon) as client:
        cursor = client.join("CursorChannel")
        client.wire.send(client.perform(cursor, "stall", dies=dies))
        assert client.next() == {"identifier": cursor, "message": "stalled"}
        # More than the sockets and the daemon's limit hold. None of them needs to be performed.
        padding = client.frame(command="unsubscribe", identifier=identifier("Unknown"), padding="x" * 50_000) * 400
        with client.sending(padding + client.perform(cursor, "echo", text="read again")):
            # Too much for the wake's queue, or performed; never silence.
            message = client.next()
            if message == RECONNECT:
                assert client.next() == 1012
            else:
                assert message["message"]["echo"] == "read again"


def test_a_command_that_did_not_reach_the_backend_is_not_lost_in_silence(serve, backend):
    """A message of the backend is no answer to what it has not got."""
    daemon = serve(on_demand={"idle_timeout": "1m"})
    with FloodingClient(daemon) as client:
        cursor = client.join("CursorChannel")
        client.wire.send(client.perform(cursor, "stall"))
        with client.sending(client.perform(cursor, "echo", text="x" * 50_000) * 400):
            seen = [client.next()]
            while isinstance(seen[-1], dict):
                seen.append(client.next())
        assert seen[-2:] == [RECONNECT, 1012]
    assert daemon.wait_for("client_disconnected")["reason"] == "command_in_flight"


@pytest.mark.timeout(120)
def test_a_backend_that_falls_silent_is_noticed(serve, backend):
    """The daemon's own pings would keep the clients waiting for ever."""
    backend.behave(silent="after its 101")
    daemon = serve(on_demand={"idle_timeout": "5m"})
    with CableClient(daemon) as unwelcome:
        processes.eventually(lambda: facts(daemon)["backend"]["attached"] == 1, what="the 101")
        backend.behave(silent="after one ping")
        with connected(daemon) as client:
            client.send(command="subscribe", identifier=identifier("CursorChannel"))
            begun = time.monotonic()
            for one in (unwelcome, client):
                messages, code = one.closing(within=80)
                assert messages[-1] == RECONNECT and code == 1012
            assert 50 < time.monotonic() - begun < 75


def test_a_slow_client_gets_everything_from_a_backend_that_pings(serve, backend):
    """A backend that is not read is neither silent nor idle."""
    daemon = serve(on_demand={"idle_timeout": "5s"})
    received, count = [], 400
    with Reader(daemon) as client:
        client.send(command="subscribe", identifier=identifier("CursorChannel"))
        client.send(command="message", identifier=identifier("CursorChannel"),
                    data=json.dumps({"action": "flood", "count": count, "size": 40_000}))
        begun = time.monotonic()
        while len(received) < count:
            message = client.next()
            if isinstance(message.get("message"), dict):
                received.append(message["message"]["number"])
                time.sleep(0.045)
        assert time.monotonic() - begun > 12, "longer than a silence"
    assert received == list(range(count))


class Reader:
    """A client that reads one message at a time, and no byte ahead."""

    def __init__(self, daemon):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", daemon.port))
        self.socket.sendall((
            f"GET /cable HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {ACTION_CABLE}\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.exactly(1)
        assert b" 101 " in head

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the connection ended"
            data += more
        return data

    def send(self, **message):
        payload = json.dumps(message).encode()
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self.socket.sendall(b"\x81" + length + bytes(4) + payload)

    def next(self):
        first, length = self.exactly(2)
        if length > 125:
            length = int.from_bytes(self.exactly(2 if length == 126 else 8))
        payload = self.exactly(length)
        assert first == 0x81, (first, payload)
        return json.loads(payload)


def test_the_limit_of_connections_holds_while_the_backend_starts(serve, backend):
    backend.behave(boot=1)
    daemon = serve(limits={"max_connections": 2})

    def attempt(_):
        try:
            return connected(daemon)
        except InvalidStatus as refusal:
            return refusal.response.status_code

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(attempt, range(6)))
    assert results.count(503) == 4, results
    for client in results:
        if client != 503:
            client.socket.close()


def test_a_command_waits_for_the_clients_of_every_cable_of_its_backend(serve, backend):
    """A broadcast of the woken process reaches only those that are connected to it."""
    daemon = serve(top={"cables": [
        {"name": name, "path": f"/{name}", "backend": "backend", "hibernate": HIBERNATE} for name in ("cable", "other")]})
    others = [connected(daemon, path="/other", headers={"Cookie": "slow"}) for _ in range(5)]
    for client in others:
        name = client.join("CursorChannel", page=1)
    with connected(daemon) as client:
        client.join("CursorChannel", page=1)
        asleep(daemon)
        backend.behave(respond={"slow": 0.5})
        client.perform(name, "broadcast", text="hello all")
        for one in [client, *others]:
            assert one.next() == {"identifier": name, "message": "hello all"}
    for one in others:
        one.socket.close()


def test_a_command_of_a_new_client_waits_for_the_hibernating_ones(serve, backend):
    daemon = serve()
    others = [connected(daemon, headers={"Cookie": "slow"}) for _ in range(5)]
    for client in others:
        name = client.join("CursorChannel", page=1)
    asleep(daemon)
    backend.behave(respond={"slow": 0.5})
    with connected(daemon) as client:
        client.join("CursorChannel", page=1)
        client.perform(name, "broadcast", text="hello all")
        for one in [client, *others]:
            assert one.next() == {"identifier": name, "message": "hello all"}
    for one in others:
        one.socket.close()


def test_a_restored_client_with_a_command_is_told_when_the_others_take_too_long(serve, backend):
    daemon = serve()
    with connected(daemon) as client, connected(daemon, headers={"Cookie": "slow"}) as slow:
        cursor = client.join("CursorChannel", page=1)
        slow.join("CursorChannel", page=1)
        asleep(daemon)
        backend.behave(respond={"slow": 60})
        begun = time.monotonic()
        client.perform(cursor, "echo", text="waits")
        while True:
            message = json.loads(client.socket.recv(timeout=40))
            if message.get("type") != "ping":
                break
        assert message == RECONNECT or message["message"]["echo"] == "waits"
        assert time.monotonic() - begun < 33


def test_a_command_that_is_held_for_others_is_sent_within_the_limit(serve, backend):
    """Without Redis an attached client's action waits for clients that are restored; new ones keep coming."""
    daemon = serve(on_demand={"idle_timeout": "5m"})
    lost = {"Cookie": "lost"}
    with connected(daemon) as client, contextlib.ExitStack() as stack:
        cursor = client.join("CursorChannel", page=1)
        others = [stack.enter_context(connected(daemon, headers=lost)) for _ in range(3)]
        # The backend ends their connections, and is slow to accept them again.
        backend.behave(hang_up="lost", respond={"lost": 8})

        def lose_connections():
            for pause, other in zip((0.6, 19, 19), others):
                other.join("CursorChannel", page=2)
                gone.wait(pause)

        gone = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            losing = pool.submit(lose_connections)
            processes.eventually(lambda: facts(daemon)["backend"]["waking"] > 0, what="a client being restored")
            begun = time.monotonic()
            client.perform(cursor, "echo", text="held")
            try:
                assert client.next(within=40)["message"]["echo"] == "held"
                assert time.monotonic() - begun < 33
            finally:
                gone.set()
                losing.exception()


@pytest.mark.parametrize("size", [300_000, 2_000_000])
def test_a_huge_message_of_the_backend_arrives(serve, backend, size):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        client.perform(cursor, "flood", count=3, size=size)
        for number in range(3):
            message = client.next()["message"]
            assert message["number"] == number and len(message["filling"]) == size


def test_what_a_backend_has_sent_before_its_end_arrives(serve, backend):
    """The client reads slowly, and the backend's process is gone before."""
    daemon = serve()
    with Reader(daemon) as client:
        client.send(command="subscribe", identifier=identifier("CursorChannel"))
        client.send(command="message", identifier=identifier("CursorChannel"),
                    data=json.dumps({"action": "flood", "count": 20, "size": 100_000}))
        processes.eventually(lambda: backend.commands("message"), what="the action")
        time.sleep(0.5)
        os.kill(daemon.wait_for("ready")["pid"], signal.SIGKILL)
        daemon.wait_for("stopped")
        numbers = []
        while len(numbers) < 20:
            message = client.next()
            if isinstance(message.get("message"), dict):
                numbers.append(message["message"]["number"])
            if message == RECONNECT:
                return
        assert numbers == list(range(20))


def test_a_backend_that_ends_each_connection_is_not_asked_without_a_pause(serve, backend):
    daemon = serve(on_demand={"idle_timeout": "1m"})
    with connected(daemon, headers={"Cookie": "unlucky"}) as client, connected(daemon) as other:
        cursor = client.join("CursorChannel", page=1)
        backend.behave(hang_up="unlucky")
        name = other.join("CursorChannel", page=1)
        other.perform(name, "hang_up")
        messages, _ = client.closing(within=20)
        assert messages[-1] == RECONNECT
        assert len(backend.events("request", cookie="unlucky")) < 20
        other.perform(cursor, "echo", text="stays")
        assert RECONNECT not in [other.next(), other.next()]


@pytest.mark.parametrize("asleep_first", [True, False])
def test_a_reload_that_ends_hibernation_keeps_the_backend_awake(serve, backend, asleep_first):
    daemon = serve(on_demand={"idle_timeout": "500ms"})
    with connected(daemon) as client:
        client.join("CursorChannel")
        if asleep_first:
            asleep(daemon)
        change(daemon, lambda cable: cable.pop("hibernate"))
        if asleep_first:
            messages, _ = client.closing()
            assert messages[-1] == RECONNECT, "no rule is left by which it could be restored"
            return
        time.sleep(1.5)
        assert daemon.status("backend")["state"] == "awake"


def test_a_channel_that_is_listed_no_more_keeps_the_backend_awake(serve, backend):
    daemon = serve(on_demand={"idle_timeout": "500ms"})
    with connected(daemon) as client:
        client.join("CursorChannel")
        change(daemon, lambda cable: cable["hibernate"].update(channels=[]))
        time.sleep(1.5)
        assert daemon.status("backend")["state"] == "awake"


def change(daemon, edit, exposing=False):
    """Edits the cable of the configuration, and reloads it. `exposing`: the service has a path of its own."""
    path = Path(daemon.file)
    configuration = json.loads(path.read_text())
    if exposing:
        configuration["reverse_proxies"][0]["path"] = "/backend"
    configuration["cables"] = [one for one in configuration["cables"] if edit(one) != "drop"]
    path.write_text(json.dumps(configuration))
    seen = len(daemon.events("reloaded"))
    daemon.process.send_signal(signal.SIGHUP)
    processes.eventually(lambda: len(daemon.events("reloaded")) > seen, what="the reload")


def without_backend(cable):
    """Changes the cable, and returns what puts the backend back."""
    kept = {key: cable.pop(key) for key in ("backend", "hibernate")}
    cable["protocols"] = ["action_cable"]
    return kept


def test_a_client_from_before_its_cable_had_a_backend_is_asked_to_reconnect(serve, backend):
    daemon = serve()
    kept = {}
    change(daemon, lambda cable: kept.update(without_backend(cable)), exposing=True)
    with connected(daemon) as client, connected(daemon) as quiet:
        name = identifier("CursorChannel")
        client.send(command="subscribe", identifier=name)
        assert client.next()["type"] == "reject_subscription"
        change(daemon, lambda cable: cable.update(kept))
        client.send(command="message", identifier=name, data="{}")
        client.send(command="subscribe", identifier=name)
        messages, code = client.closing()
        assert messages[-1] == RECONNECT and code == 1012
        assert quiet.ping(), "a client that needs no backend stays"


def ends(clients):
    """How long after this call each client was told to reconnect, in ascending order."""
    begun = time.monotonic()

    def end(client):
        messages, _ = client.closing(20)
        assert messages[-1] == RECONNECT
        return time.monotonic() - begun

    with ThreadPoolExecutor(len(clients)) as pool:
        return sorted(pool.map(end, clients))


@pytest.mark.parametrize("changed", ["backend", "channels", "hibernate"])
def test_a_reload_that_disconnects_many_clients_spreads_them_over_close_jitter(serve, backend, changed):
    daemon = serve(top={"close_jitter": "4s"})
    clients = [connected(daemon) for _ in range(20)]
    cursor = [client.join("CursorChannel") for client in clients][0]
    asleep(daemon)

    def edit(cable):
        if changed == "channels":
            cable["hibernate"]["channels"] = []
        else:
            cable.pop("hibernate")
            if changed == "backend":
                cable.pop("backend")

    change(daemon, edit, exposing=True)
    # A client that needs the backend does not wait.
    eager = clients.pop()
    with contextlib.suppress(ConnectionClosed):  # Its turn may come before its command.
        eager.perform(cursor, "echo", text="x")
    if changed != "backend":
        assert ends([eager])[0] < 0.5
    times = ends(clients)
    assert times[-1] < 5 and times[-1] - times[0] > 1.5, times


def test_a_stop_by_command_spreads_clients_with_state_over_close_jitter(serve, backend, tmp_path):
    daemon = serve(top={"close_jitter": "4s", "control": f"unix:{tmp_path}/control.sock"})
    clients = [connected(daemon) for _ in range(20)]
    for client in clients:
        client.join("OtherChannel")
    command(daemon, tmp_path, "stop")
    times = ends(clients)
    assert times[-1] < 5 and times[-1] - times[0] > 1.2, times


def test_hibernation_that_a_reload_begins_loses_no_broadcast_of_present_subscriptions(serve, backend):
    daemon = serve()
    kept = {}
    change(daemon, lambda cable: kept.update(hibernate=cable.pop("hibernate")))
    # The name is `room`; without a key of the application its signature is the backend's business.
    turbo = identifier("Turbo::StreamsChannel", signed_stream_name="InJvb20i--" + "0" * 64)
    with connected(daemon) as client:
        client.send(command="subscribe", identifier=turbo)
        assert client.next()["type"] == "confirm_subscription"
        change(daemon, lambda cable: cable.update(kept))
        asleep(daemon)
        assert post(daemon, {"stream": "room", "data": "1"})[0] == 201
        assert client.next() == {"identifier": turbo, "message": 1}


def test_a_token_that_expires_while_the_backend_starts_keeps_its_identifiers(serve, backend):
    backend.behave(boot=3)
    daemon = serve(jwt={"secret": TOKEN_SECRET})
    token = jwt.encode({"ext": "me", "exp": int(time.time()) + 2}, TOKEN_SECRET, "HS256")
    with connected(daemon, path=f"/cable?jid={token}") as client:
        client.join("CursorChannel")
        asleep(daemon)
        end = {"command": "disconnect", "payload": {"identifier": "me", "reconnect": False}}
        assert post(daemon, end)[0] == 201
        messages, _ = client.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "remote", "reconnect": False}
    assert token not in daemon.log_text()


def test_many_small_messages_of_a_hibernating_client_with_long_identifiers_delay_no_other(serve, backend):
    daemon = serve(on_demand={"idle_timeout": "3s"})
    with FloodingClient(daemon) as busy, connected(daemon) as other:
        assert busy.next()["type"] == "welcome"
        for number in range(100):
            name = identifier("CursorChannel", number=number, filling="x" * 15_000)
            busy.wire.send(busy.frame(command="subscribe", identifier=name))
        for number in range(100):
            assert busy.next()["type"] == "confirm_subscription"
        asleep(daemon)
        busy.wire.send(busy.frame(command="message", identifier="x") * 3000)
        begun = time.monotonic()
        for _ in range(5):
            assert other.socket.ping().wait(20)
        assert time.monotonic() - begun < 1
        # While it wakes its duplicate subscriptions are compared with what it has queued.
        backend.behave(boot=2)
        for number in range(60):
            busy.wire.send(busy.frame(
                command="subscribe", identifier=identifier("CursorChannel", new=number, filling="x" * 3_000)))
        busy.wire.send(busy.frame(command="subscribe", identifier=identifier("CursorChannel", new=0, filling="x" * 3_000)))
        begun = time.monotonic()
        for _ in range(5):
            assert other.socket.ping().wait(20)
        assert time.monotonic() - begun < 1


def test_an_application_that_refuses_a_client_again_and_again_does_not_use_up_the_limit(serve, backend):
    backend.behave(status=404)
    daemon = serve(limits={"max_connections": 2})
    for _ in range(5):
        with pytest.raises(InvalidStatus) as refusal:
            connected(daemon)
        assert refusal.value.response.status_code == 404
    backend.behave()
    with connected(daemon), connected(daemon):
        with pytest.raises(InvalidStatus) as refusal:
            connected(daemon)
        assert refusal.value.response.status_code == 503


def test_a_removed_cable_and_backend_leave_no_client_in_silence(serve, backend):
    daemon = serve(top={"close_jitter": "3s"})
    clients = [connected(daemon) for _ in range(4)]
    cursor = [client.join("CursorChannel") for client in clients][0]
    asleep(daemon)
    path = Path(daemon.file)
    configuration = json.loads(path.read_text())
    configuration["cables"] = []
    configuration["reverse_proxies"] = [{"name": "else", "path": "/*", "target": "http://127.0.0.1:1"}]
    path.write_text(json.dumps(configuration))
    daemon.process.send_signal(signal.SIGHUP)
    for client in clients:
        client.perform(cursor, "echo", text="x")
    for client in clients:
        messages, _ = client.closing()
        assert RECONNECT in messages
    assert daemon.process.poll() is None


def test_no_client_of_a_removed_backend_reaches_the_service_that_takes_its_place(serve, backend, tmp_path):
    """Its cookies are for the removed one."""
    daemon = serve(top={"close_jitter": "30s"})
    (tmp_path / "other").mkdir()
    other = Backend(tmp_path / "other")
    with connected(daemon, headers={"Cookie": "secret"}) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        path = Path(daemon.file)
        configuration = json.loads(path.read_text())
        configuration["cables"] = []
        for services in ([], [{**other.service(), "name": "other", "path": "/other"}]):
            seen = len(daemon.events("reloaded"))
            configuration["reverse_proxies"] = [
                {"name": "else", "path": "/*", "target": "http://127.0.0.1:1"}, *services]
            path.write_text(json.dumps(configuration))
            daemon.process.send_signal(signal.SIGHUP)
            processes.eventually(lambda: len(daemon.events("reloaded")) > seen, what="the reload")
        with contextlib.suppress(ConnectionClosed):
            for _ in range(3):
                client.perform(cursor, "echo", text="x")
                client.send(command="subscribe", identifier=identifier("CursorChannel", page=2))
                time.sleep(0.2)
        messages, _ = client.closing()
        assert messages[-1] == RECONNECT
    assert daemon.starts() == 1 and other.events() == []


@pytest.mark.parametrize("state", ["attached", "hibernating", "booting", "replaying", "detaching"])
def test_a_shutdown_tells_clients_in_each_state(serve, backend, state):
    daemon = serve(top={"close_jitter": "0s"})
    with connected(daemon) as client, connected(daemon) as late:
        cursor = client.join("CursorChannel")
        late.join("LateChannel")
        if state != "attached":
            asleep(daemon)
        if state == "booting":
            backend.behave(boot=1)
            client.perform(cursor, "echo", text="x")
            time.sleep(0.3)
        elif state == "replaying":
            client.perform(cursor, "echo", text="x")
            processes.eventually(lambda: len(backend.commands("subscribe")) == 4, what="the replay")
        elif state == "detaching":
            client.perform(cursor, "echo", text="x")
            client.next()
            processes.eventually(lambda: len(backend.events("closed")) >= 3, what="a close", within=10)
        daemon.process.send_signal(signal.SIGTERM)
        for one in (client, late):
            messages, code = one.closing()
            assert RECONNECT in messages and code in (1001, 1012), (messages, code)
        assert daemon.stop() == 0


def links(pid):
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("state", ["attached", "hibernating", "booting", "dialling", "replaying", "flooded"])
def test_a_client_that_leaves_in_any_state_leaves_nothing_behind(serve, backend, state):
    daemon = serve()
    assert facts(daemon)["clients"] == 0, "the daemon has started completely"
    before = links(daemon.pid)
    client = connected(daemon, headers={"Cookie": "slow"})
    late = client.join("LateChannel")
    if state not in ("attached", "flooded"):
        asleep(daemon)
        backend.behave(**{"booting": {"boot": 0.5}, "dialling": {"respond": {"slow": 1}}}.get(state, {}))
        if state != "hibernating":
            client.perform(late, "echo", text="x")
        if state == "booting":
            time.sleep(0.2)
        if state == "dialling":
            processes.eventually(lambda: len(backend.events("request")) == 2, what="the request")
        if state == "replaying":
            processes.eventually(lambda: len(backend.commands("subscribe")) == 2, what="the replay")
    if state == "flooded":
        client.perform(late, "flood", count=300, size=100_000)
        time.sleep(0.5)
    client.socket.socket.close()
    processes.eventually(lambda: facts(daemon)["clients"] == 0, what="the client's end")
    processes.eventually(lambda: daemon.status("backend")["state"] == "asleep", within=15, what="sleep")
    processes.eventually(lambda: daemon.status("backend")["open"] == 0, what="no use left")
    processes.eventually(lambda: len(links(daemon.pid)) <= len(before), what="no descriptor left")
    # And it wakes again.
    backend.behave()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        client.perform(cursor, "echo", text="again")
        assert client.next()["message"]["echo"] == "again"


RAW_BACKEND = """
import base64, hashlib, json, os, socket, struct, sys, threading, time
port, folder = int(sys.argv[1]), sys.argv[2]
mode = open(folder + "/mode").read()

def frame(text, opcode=0x81):
    data = text.encode()
    return bytes([opcode, len(data)]) + data if len(data) < 126 else bytes([opcode, 126]) + struct.pack(">H", len(data)) + data

def exactly(link, count):
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            sys.exit()
        data += more
    return data

def message(link):
    first, length = exactly(link, 2)
    length &= 127
    if length == 126:
        length, = struct.unpack(">H", exactly(link, 2))
    key, data = exactly(link, 4), exactly(link, length)
    return first, bytes(byte ^ key[i % 4] for i, byte in enumerate(data))

def serve(link):
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += exactly(link, 1)
    key = next(line.split(":")[1].strip() for line in head.decode().splitlines() if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    response = ("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
        "Sec-WebSocket-Accept: " + accept + "\\r\\nSec-WebSocket-Protocol: actioncable-v1-json\\r\\nX-Extra: 1\\r\\n\\r\\n").encode()
    welcome = json.dumps({"type": "welcome"})
    parts = [response + frame(welcome)]
    if mode == "pieces":
        parts = [bytes([byte]) for byte in response + frame("{}", 0x89) + frame(welcome)]
    if mode == "fragments":
        parts = [response + frame(welcome[:5], 0x01) + frame("", 0x89), frame(welcome[5:], 0x80)]
    if mode == "garbage":
        parts = [b"\\x00\\xff no HTTP at all\\r\\n\\r\\n"]
    if mode == "frames":
        parts = [response + b"\\xff\\xff\\xff\\xff"]
    if mode == "close":
        parts = [response + bytes([0x88, 2, 3, 0xe8])]
    for part in parts:
        link.sendall(part)
        time.sleep(0.002)
    while True:
        first, data = message(link)
        if first == 0x88:
            link.sendall(bytes([0x88, 0]))
            return link.close()
        if first != 0x81:
            continue
        data = json.loads(data)
        if data["command"] == "subscribe":
            link.sendall(frame(json.dumps({"identifier": data["identifier"], "type": "confirm_subscription"})))
        elif data["command"] == "message":
            link.sendall(frame(json.dumps({"identifier": data["identifier"], "message": json.loads(data["data"])["text"]})))

with socket.create_server(("127.0.0.1", port)) as listener:
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
"""


@pytest.mark.parametrize("mode", ["plain", "pieces", "fragments", "garbage", "frames", "close"])
def test_a_response_to_the_second_connection_may_have_any_shape(serve, backend, mode):
    (backend.folder / "mode").write_text("plain")
    script = backend.folder / "raw_backend.py"
    script.write_text(RAW_BACKEND)
    daemon = serve(on_demand={"args": [str(script), str(backend.port), str(backend.folder)]})
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        asleep(daemon)
        (backend.folder / "mode").write_text(mode)
        client.perform(cursor, "echo", text="again")
        if mode in ("plain", "pieces", "fragments"):
            assert client.next() == {"identifier": cursor, "message": "again"}
        else:
            messages, code = client.closing(within=40)
            assert messages[-1] == RECONNECT and code == 1012


def test_a_thousand_clients_hibernate_and_wake_at_once(serve, backend, measured):
    count = 1000
    daemon = serve(on_demand={"idle_timeout": "5s"})
    with ThreadPoolExecutor(20) as pool, connected(daemon) as first:
        first.join("CursorChannel", page=1)
        before = processes.anonymous_kib(daemon.pid)
        clients = list(pool.map(lambda _: connected(daemon), range(count)))
        names = list(pool.map(lambda client: client.join("CursorChannel", page=1), clients))
        hibernating(daemon, count + 1)
        each = (processes.anonymous_kib(daemon.pid) - before) * 1024 / count
        measured("memory of a hibernating client, with its request", f"{each:,.0f} bytes")
        # Some 450 bytes of it are the stored request.
        assert each <= 1280
        for number, client in enumerate(clients):
            client.perform(names[0], "echo", text=number)
        echoes = list(pool.map(lambda client: client.next(within=60)["message"]["echo"], clients))
        assert echoes == list(range(count))
        clients[7].perform(names[0], "broadcast", text="all")
        assert all(pool.map(lambda client: client.next(within=60)["message"] == "all", clients))
        performed = [json.loads(one["data"])["text"] for one in backend.commands("message")]
        assert sorted(performed[:count]) == list(range(count)) and daemon.starts() == 2
        list(pool.map(lambda client: client.socket.close(), clients))
    processes.eventually(lambda: daemon.status("backend")["open"] == 0, what="no use left")


def test_a_hundred_messages_of_redis_in_a_row_survive_sleep_and_wake(serve, redis):
    """The scripted backend does not listen to Redis, so that what arrives while the client is attached is its loss."""
    daemon = serve(redis=redis)
    with connected(daemon) as client:
        chat = client.join("ChatChannel", room=1)
        asleep(daemon)
        for number in range(50):
            publish(redis, "chat-1", str(number))
        client.perform(chat, "echo", text="up")
        seen = []
        while len(seen) < 51:
            seen.append(client.next()["message"])
        assert seen[:50] == list(range(50))


def test_posted_broadcasts_arrive_once_at_every_edge(serve, backend):
    daemon = serve(on_demand={"idle_timeout": "300ms"})
    with connected(daemon) as client, connected(daemon) as other:
        client.join("ChatChannel", room=1)
        cursor = other.join("CursorChannel")
        sent = 0
        for _ in range(4):
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                assert post(daemon, {"stream": "chat-1", "data": sent})[0] == 201
                sent += 1
            other.perform(cursor, "echo", text="wake")
        assert [client.next()["message"] for _ in range(sent)] == list(range(sent))
        assert daemon.starts() >= 3


def test_a_command_that_arrives_while_the_backend_goes_to_sleep_is_performed_once(serve, backend):
    daemon = serve(on_demand={"idle_timeout": "100ms"})
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        for number in range(60):
            client.perform(cursor, "echo", text=number)
            assert client.next(within=20)["message"]["echo"] == number
            time.sleep(0.09 + number % 10 * 0.004)
    assert [json.loads(one["data"])["text"] for one in backend.commands("message")] == list(range(60))


def test_a_message_in_fragments_across_a_sleep_is_one_command(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        text = json.dumps({"command": "message", "identifier": cursor, "data": json.dumps({"action": "echo", "text": 1})})

        def fragments():
            yield text[:20]
            asleep(daemon)
            yield text[20:40]
            client.socket.ping()
            yield text[40:]

        client.socket.send(fragments())
        assert client.next()["message"]["echo"] == 1
    assert len(backend.commands("message")) == 1


def test_requests_beside_the_cable_share_its_backend(serve, backend):
    daemon = serve()
    with connected(daemon) as client:
        cursor = client.join("CursorChannel")
        for _ in range(3):
            asleep(daemon, daemon.starts())
            assert get(daemon, "/cable")[0] == 426
            processes.eventually(lambda: facts(daemon)["backend"]["attached"] == 1, what="the client restored")
        client.perform(cursor, "echo", text=1)
        assert client.next()["message"]["echo"] == 1
    processes.eventually(lambda: daemon.status("backend")["open"] == 0, within=10, what="no use left")


def test_more_waiting_clients_than_the_queue_takes_are_served_later(serve, backend):
    daemon = serve(on_demand={"max_queue": 3})
    clients = [connected(daemon) for _ in range(10)]
    names = [client.join("CursorChannel") for client in clients]
    asleep(daemon)
    for number, client in enumerate(clients):
        client.perform(names[0], "echo", text=number)
    assert [client.next(within=20)["message"]["echo"] for client in clients] == list(range(10))
    for client in clients:
        client.socket.close()


def test_without_client_data_even_a_client_with_state_is_told_and_the_backend_sleeps(serve, backend):
    daemon = serve(on_demand={"idle_when": "no_client_data"})
    with connected(daemon) as client, connected(daemon) as stateful:
        cursor = client.join("CursorChannel")
        stateful.join("OtherChannel")
        asleep(daemon)
        messages, _ = stateful.closing()
        assert messages[-1] == RECONNECT
        client.perform(cursor, "echo", text=1)
        assert client.next()["message"]["echo"] == 1


# Redis


def publish(redis, channel, text):
    with socket.create_connection(("127.0.0.1", redis.port)) as link:
        words = ["PUBLISH", channel, text]
        link.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))
        return int(link.recv(100)[1:])


def test_messages_of_redis_reach_hibernating_clients_and_are_not_doubled_when_awake(serve, redis):
    daemon = serve(redis=redis)
    with connected(daemon) as client:
        chat = client.join("ChatChannel", room=1)
        # The scripted backend does not listen to Redis: while it is awake nothing arrives.
        processes.eventually(lambda: publish(redis, "chat-1", '"awake"') == 1, what="the daemon listening ahead")
        asleep(daemon)
        assert publish(redis, "chat-1", '"asleep"') == 1
        assert client.next() == {"identifier": chat, "message": "asleep"}
        client.perform(chat, "echo", text="up")
        assert client.next()["message"]["echo"] == "up"
        publish(redis, "chat-1", '"the backend delivers this"')
        client.perform(chat, "echo", text="end")
        assert client.next()["message"]["echo"] == "end"


def test_remote_disconnects_reach_clients_whose_backend_sleeps(serve, redis):
    daemon = serve(redis=redis)
    with connected(daemon) as client:
        client.join("ChatChannel", room=1)
        asleep(daemon)
        assert publish(redis, "action_cable/Z2lkOi8vYXBwL1VzZXIvMQ", '{"type":"disconnect"}') == 1
        messages, _ = client.closing()
        assert messages[-1] == {"type": "disconnect", "reason": "remote", "reconnect": True}


def test_a_gap_of_redis_is_told_to_hibernating_clients(serve, redis):
    daemon = serve(redis=redis)
    with connected(daemon) as client:
        client.join("ChatChannel", room=1)
        asleep(daemon)
        redis.restart()
        messages, code = client.closing(within=15)
        assert messages[-1] == RECONNECT and code == 1012


def test_an_outage_of_redis_during_a_replay_ends_when_redis_is_back(serve, redis, tmp_path):
    """The end of the last client must not hide the outage's end from the cable."""
    daemon = serve(redis=redis)
    with connected(daemon) as client:
        client.join("ChatChannel", room=1)
        asleep(daemon)
        os.kill(redis.process.pid, signal.SIGSTOP)
        # The end of the delivery by the daemon waits for Redis.
        client.send(command="subscribe", identifier=identifier("CursorChannel"))
        assert client.next()["type"] == "confirm_subscription"
        redis.process.kill()
        redis.process.wait()
        assert client.closing()[0][-1] == RECONNECT
    restarted = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(redis.port), "--save", "", "--dir", str(tmp_path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        with connected(daemon) as client:
            chat = client.join("ChatChannel", room=1)
            processes.eventually(lambda: facts(daemon)["redis"]["state"] == "connected", what="Redis")
            time.sleep(0.3)
            asleep(daemon, generation=2)
            publish(redis, "chat-1", '"heard"')
            assert client.next() == {"identifier": chat, "message": "heard"}
    finally:
        restarted.terminate()
        restarted.wait()
