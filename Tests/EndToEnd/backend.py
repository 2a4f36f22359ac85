"""A scripted backend, started by the daemon, for what the double does not show: its own clock, its own view, refusals.

It writes instants of the monotonic clock, which is the same for every process of the machine, into a report file.
"""

import argparse
import os
import signal
import socket
import time

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--report")
parser.add_argument("--listen-after", type=float, default=0.0, metavar="SECONDS")
parser.add_argument("--exit-after", type=float, metavar="SECONDS", help="exit with 3, never having listened")
parser.add_argument("--refuse-upgrades", action="store_true")
parser.add_argument("--output", action="store_true", help="print lines of several kinds before listening")
arguments = parser.parse_args()


def report(instant):
    # Renamed into place, so that a reader never sees half a number.
    with open(arguments.report + ".new", "w") as file:
        file.write(repr(instant))
    os.rename(arguments.report + ".new", arguments.report)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
begun = time.monotonic()

if arguments.exit_after is not None:
    time.sleep(arguments.exit_after)
    report(time.monotonic())
    os._exit(3)

if arguments.output:
    os.write(1, b"to standard output\n")
    os.write(2, b"to standard error\n")
    os.write(1, b"in two ")
    time.sleep(0.05)
    os.write(1, b"pieces\n")
    os.write(1, b"x" * 200_000 + b"\n")
    os.write(1, "quoted \" backslash \\ tab \t umlaut \u00fc\n".encode())
    os.write(1, b"not utf-8 \xff\xfe and an escape \x1b[31m\n")

time.sleep(max(0.0, begun + arguments.listen_after - time.monotonic()))
listener = socket.create_server(("127.0.0.1", arguments.port), backlog=128)
if arguments.report:
    report(time.monotonic())

while True:
    connection, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            break
        head += data
    if b"\r\n\r\n" not in head:
        connection.close()
        continue
    if arguments.refuse_upgrades:
        connection.sendall(
            b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nPage not found")
        connection.close()
        continue
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    # One conversation at a time is enough: read until the client leaves.
    while connection.recv(65536):
        pass
    connection.close()
