"""An Action Cable client as Rails' own JavaScript behaves, on the `websockets` package."""

import json
import time

import wire
from websockets.sync.client import connect

PROTOCOLS = ["actioncable-v1-json", "actioncable-unsupported"]


class Cable:
    """One connection. Pings are noted and passed over unless asked for."""

    def __init__(self, address, path="/cable", origin=None, timeout=30.0):
        host, port = address
        at = f"{host}:{port}"
        joined = wire.connected(address, timeout)
        asked = time.monotonic()
        self.socket = connect(
            f"ws://{at}{path}",
            sock=joined,
            origin=origin or f"http://{at}",
            subprotocols=PROTOCOLS,
            open_timeout=timeout,
            ping_interval=None,
            proxy=None,
        )
        self.seconds_to_101 = time.monotonic() - asked
        self.pings = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def receive(self, timeout=10.0):
        return json.loads(self.socket.recv(timeout=timeout))

    def message(self, timeout=10.0):
        """The next message that is not a ping."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.receive(max(0.0, deadline - time.monotonic()))
            if message.get("type") != "ping":
                return message
            self.pings += 1

    def ping(self, timeout=10.0):
        """The next ping; anything else in between is an error."""
        message = self.receive(timeout)
        assert message["type"] == "ping", message
        return message["message"]

    def welcome(self):
        assert self.message() == {"type": "welcome"}

    def subscribe(self, channel, **parameters):
        """The identifier, and how the server answered: confirm_subscription or reject_subscription."""
        identifier = json.dumps({"channel": channel, **parameters})
        self.socket.send(json.dumps({"command": "subscribe", "identifier": identifier}))
        answer = self.message()
        assert answer["identifier"] == identifier, answer
        return identifier, answer["type"]

    def perform(self, identifier, action, **data):
        """Performs and returns what comes back on that subscription."""
        self.socket.send(json.dumps({
            "command": "message",
            "identifier": identifier,
            "data": json.dumps({"action": action, **data}),
        }))
        return self.payload(identifier)

    def payload(self, identifier, timeout=10.0):
        answer = self.message(timeout)
        assert answer["identifier"] == identifier, answer
        return answer["message"]

    def close(self):
        self.socket.close()
