"""A WebSocket server that other people wrote, in a thread of the test: what it saw of its clients can be asked."""

import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

import wire


class EchoServer:
    """Echoes every message in the form it came; its path may ask for more: /close/CODE, /greet, /large/BYTES."""

    def __init__(self):
        self.port = wire.free_port()
        self.requests, self.codes = [], []
        self.server = serve(
            self._converse, "127.0.0.1", self.port, select_subprotocol=self._choose, max_size=None,
            ping_interval=None, close_timeout=5)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def _choose(self, connection, offered):
        return offered[-1] if offered else None  # Not what a proxy would guess.

    def _converse(self, connection):
        self.requests.append(connection.request)
        word, _, argument = connection.request.path.strip("/").partition("/")
        if word == "close":
            connection.close(int(argument), f"as asked: {argument}")
        elif word == "large":
            connection.send(b"L" * int(argument))
        try:
            for message in connection:
                connection.send(message)
        except ConnectionClosed:
            pass  # With any code but 1000 and 1001.
        self.codes.append((connection.close_code, connection.close_reason))
