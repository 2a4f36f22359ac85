"""Many clients of one stream, read by one thread as fast as they arrive."""

import json
import selectors
import threading

import processes
import wire


class Subscribers:
    """`count` clients that are subscribed to `stream`. The last bytes of each are kept, and all of the first client."""

    KEPT = 4096

    def __init__(self, daemon, count, stream, path="/cable"):
        command = json.dumps(
            {"command": "subscribe", "identifier": json.dumps({"channel": "$pubsub", "stream_name": stream})})
        self.connections = []
        for _ in range(count):
            connection = wire.Wire(daemon.address)
            assert connection.ask(wire.upgrade(
                path=path, extra=["Sec-WebSocket-Protocol: actioncable-v1-json"])).status == 101
            connection.send(wire.text_frame(command))
            self.connections.append(connection)
        processes.eventually(
            lambda: sum(one["subscriptions"] for one in daemon.snapshot()["cables"]) >= count, 20,
            what="all being subscribed")
        self.first = bytearray()
        self.tails = [connection.pending for connection in self.connections]
        self.ended = 0
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stops.set()
        self._thread.join()
        for connection in self.connections:
            connection.close()

    def _read(self):
        with selectors.DefaultSelector() as selector:
            for index, connection in enumerate(self.connections):
                connection.socket.setblocking(False)
                selector.register(connection.socket, selectors.EVENT_READ, index)
            while not self._stops.is_set() and self.ended < len(self.connections):
                for key, _ in selector.select(0.1):
                    try:
                        data = key.fileobj.recv(1 << 18)
                    except BlockingIOError:
                        continue
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        selector.unregister(key.fileobj)
                        self.ended += 1
                        continue
                    if key.data == 0:
                        self.first += data
                    self.tails[key.data] = (self.tails[key.data] + data)[-self.KEPT:]
                    # The end of the daemon's side is answered, so that it need not wait.
                    if b"\x88\x02\x03\xe9" in data[-64:]:
                        key.fileobj.shutdown(1)

    def have(self, text):
        """How many clients have this text among their last bytes."""
        return sum(text in tail for tail in self.tails)

    def messages(self):
        """The messages of the first client, in order."""
        found, rest = [], bytes(self.first)
        position = 0
        while position + 2 <= len(rest):
            length, begin = rest[position + 1] & 0x7F, position + 2
            if length == 126:
                length, begin = int.from_bytes(rest[begin:begin + 2], "big"), begin + 2
            elif length == 127:
                length, begin = int.from_bytes(rest[begin:begin + 8], "big"), begin + 8
            if begin + length > len(rest):
                break
            if rest[position] == 0x81:
                message = json.loads(rest[begin:begin + length])
                if "message" in message and "type" not in message:
                    found.append(message["message"])
            position = begin + length
        return found
