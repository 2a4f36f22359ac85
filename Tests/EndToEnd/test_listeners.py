"""Servers that listen, stop and listen again while their process lives."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon import on_demand, service
from wire import free_port, request

# Listens without accepting, closes, continues its startup, and serves; SIGUSR2 causes a re-exec.
SERVER = """
import os, signal, socket, sys, time
port, listens, gap = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])

def listening():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener

if listens:
    test = listening()
    time.sleep(listens)
    test.close()
time.sleep(gap)
listener = listening()

def again(*_):
    listener.close()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    os.execv(sys.executable, [sys.executable, __file__, str(port), "0", "0.5"])

signal.signal(signal.SIGUSR2, again)
count = 0
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    count += 1
    body = str(count).encode()
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    connection.close()
"""


def flapping(tmp_path, listens, gap):
    script, port = tmp_path / "server.py", free_port()
    script.write_text(SERVER)
    return service(port, path="/*", on_demand=on_demand(sys.executable, str(script), str(port), str(listens), str(gap)))


@pytest.mark.parametrize("milliseconds", [10, 50, 300])
def test_the_first_client_of_a_server_that_tests_its_port_and_boots_on_gets_its_answer(start, tmp_path, milliseconds):
    daemon = start(flapping(tmp_path, milliseconds / 1000, 0.4))
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: daemon.ask(request(path="/"), timeout=10), range(4)))
    assert [answer.status for answer in answers] == [200] * 4, [answer.body for answer in answers]
    # Each request was served once.
    assert sorted(answer.body for answer in answers) == [b"1", b"2", b"3", b"4"]
    assert daemon.starts() == 1
    daemon.assert_never("upstream_error")


def test_requests_during_a_reexec_wait_for_the_process_that_goes_on(start, tmp_path):
    daemon = start(flapping(tmp_path, 0, 0))
    assert daemon.ask(request(path="/")).body == b"1"
    backend = daemon.wait_for("ready")["pid"]
    os.kill(backend, signal.SIGUSR2)
    # It accepts with the next connection, and is asked only when it listens again.
    answers = [daemon.ask(request(path="/"), timeout=10) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3, [answer.body for answer in answers]
    assert daemon.starts() == 1 and daemon.status()["pid"] == backend
