"""A backend for the readiness kinds: accepts before it serves, serves after a while, and reports what it was asked."""

import argparse
import base64
import hashlib
import json
import os
import signal
import socket
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--report", help="one line of JSON for each connection, as it ends")
parser.add_argument("--up-after", type=float, default=0.0, metavar="SECONDS", help="503 until then")
parser.add_argument("--hang", action="store_true", help="accept and never answer")
parser.add_argument("--exit-after", type=float, metavar="SECONDS", help="with 3")
parser.add_argument("--status", type=int, default=200)
parser.add_argument("--notify-after", type=float, metavar="SECONDS", help="say READY=1 then, having listened before")
parser.add_argument("--notify-from-child", action="store_true", help="let a child process of this one say it")
parser.add_argument("--inherit", action="store_true", help="listen on descriptor 3 (sd_listen_fds(3))")
parser.add_argument("--accept-after", type=float, default=0.0, metavar="SECONDS", help="leave all in the queue until then")
parser.add_argument("--once", metavar="FILE", help="--exit-after and --accept-after hold only while FILE is not there")
arguments = parser.parse_args()

if arguments.once:
    if os.path.exists(arguments.once):
        arguments.exit_after, arguments.accept_after = None, 0.0
    else:
        open(arguments.once, "w").close()

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if arguments.exit_after is not None:
    signal.signal(signal.SIGALRM, lambda *_: os._exit(3))
    signal.setitimer(signal.ITIMER_REAL, arguments.exit_after)
begun = time.monotonic()
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def report(**facts):
    if arguments.report:
        with open(arguments.report, "a") as file:
            file.write(json.dumps(facts) + "\n")


def head_of(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            return None
        head += data
    return head.decode("latin-1")


def serve(connection):
    head = head_of(connection)
    if head is None:
        return report(asked=None)
    line, *lines = head.rstrip("\r\n").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in lines)}
    facts = {"asked": line, "host": fields.get("host"), "origin": fields.get("origin"), "at": time.monotonic()}
    if arguments.hang:
        report(**facts)
        time.sleep(3600)
    if time.monotonic() < begun + arguments.up_after:
        report(status=503, **facts)
        return connection.sendall(b"HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    if "sec-websocket-key" not in fields:
        body = b"hello\n"
        # First, so that a test with the response can read the report.
        report(status=arguments.status, **facts)
        return connection.sendall(
            b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (arguments.status, len(body), body))
    accept = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x81\x07welcome")
    heard = b""
    while data := connection.recv(65536):
        heard += data
        if heard[:1] == b"\x88" and len(heard) >= 8:
            break
    code = (heard[6] ^ heard[2]) << 8 | (heard[7] ^ heard[3]) if heard[:1] == b"\x88" else None
    connection.sendall(b"\x88\x02\x03\xe8")
    # The prober reads everything that was said and ends in order; a reset would be an error here.
    while connection.recv(65536):
        pass
    report(status=101, close=code, **facts)


def notify():
    name = os.environ["NOTIFY_SOCKET"]
    if arguments.notify_from_child and os.fork() > 0:
        return os.wait()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
        # With a descriptor in the message, as systemd-notify's barrier has one.
        teller.connect("\0" + name[1:])
        socket.send_fds(teller, [b"STATUS=up\nREADY=1"], [teller.fileno()])
    if arguments.notify_from_child:
        # A notifier must stay unreaped until the daemon has checked it.
        time.sleep(0.3)
        os._exit(0)


if arguments.inherit:
    assert os.environ["LISTEN_PID"] == str(os.getpid()), "the descriptors belong to another process"
    assert (os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"]) == ("1", "cable")
    listener = socket.socket(fileno=3)
else:
    port = arguments.port if arguments.port is not None else int(os.environ["PORT"])
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
if arguments.notify_after is not None:
    time.sleep(max(0.0, begun + arguments.notify_after - time.monotonic()))
    report(notified=time.monotonic())
    notify()
time.sleep(max(0.0, begun + arguments.accept_after - time.monotonic()))
if arguments.accept_after:
    report(accepting=time.monotonic())
while True:
    connection, _ = listener.accept()
    try:
        serve(connection)
    except OSError as error:
        report(error=str(error))
    connection.close()
