"""Counts what the daemon spends on a stretch of work: instructions and allocations by callgrind, calls by strace.

Counts and not times, so that they mean the same on a busy machine. A stretch is measured twice, short and long; the
difference is the work's, and starting and stopping cancel out.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import processes
import wire
from daemon import REPOSITORY, executable

BENCH = REPOSITORY / ".build" / "bench" / "bench"
# The daemon reads each process that it sees when it starts, which is the machine's cost, not that of the work.
ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}


def thresholds():
    return json.loads(Path(__file__).with_name("cost.json").read_text())


class Relay:
    """The daemon in front of the benchmark's backend, under a tool that counts."""

    def __init__(self, folder, tool, **configuration):
        self.port, self.backend_port = wire.free_port(), wire.free_port()
        service = {"name": "cost", "path": "/*", "target": f"http://127.0.0.1:{self.backend_port}", "websocket": True}
        file = Path(folder) / f"cost-{self.port}.json"
        file.write_text(json.dumps(
            {"listen": f"127.0.0.1:{self.port}", "reverse_proxies": [service], **configuration}))
        self.process = subprocess.Popen(
            [*tool, executable(), "--config", str(file)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            # Dictionaries in the same order each time.
            env={**os.environ, "SWIFT_DETERMINISTIC_HASHING": "1"})
        wanted = f"0100007F:{self.port:04X} 00000000:0000 0A"
        processes.eventually(
            lambda: wanted in Path("/proc/net/tcp").read_text(), within=30, every=0.05, what="a listening daemon")

    def load(self, *arguments):
        command = [
            BENCH, "load", "--connect", f"127.0.0.1:{self.port}", "--listen", f"127.0.0.1:{self.backend_port}",
            *map(str, arguments)]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=50)
        assert finished.returncode == 0, finished.stderr
        return json.loads(finished.stdout)

    @contextlib.contextmanager
    def many(self, connections):
        """So many quiet WebSockets, each of which has echoed once."""
        command = [
            BENCH, "load", "--connect", f"127.0.0.1:{self.port}", "--listen", f"127.0.0.1:{self.backend_port}",
            "--work", "idle", "--connections", str(connections), "--steps"]
        load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for step in "ready", "open":
            assert json.loads(load.stdout.readline())["step"] == step
            load.stdin.write("\n")
            load.stdin.flush()
        assert json.loads(load.stdout.readline())["step"] == "idle"
        yield
        output, _ = load.communicate("\n\n", timeout=20)
        assert load.returncode == 0, output

    def end(self, number=signal.SIGTERM):
        # unshare(1) passes no signal on.
        children = processes.children(self.process.pid) if "unshare" in self.process.args else []
        os.kill(*children or [self.process.pid], number)
        assert self.process.wait(30) == 0


def counted(folder, *arguments):
    """Instructions and allocations of a whole life with this load."""
    return counted_life(folder, lambda relay: relay.load(*arguments))


def counted_life(folder, work, **configuration):
    """The same, whatever is done with the daemon."""
    file = Path(folder) / f"callgrind-{wire.free_port()}"
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}", "--quiet"]
    relay = Relay(folder, [*ALONE, *tool], **configuration)
    try:
        work(relay)
        relay.end()
    finally:
        relay.process.kill()  # Of a load that failed nothing may be left; otherwise it has ended already.
    return callgrind_counts(file.read_text())


def callgrind_counts(text):
    """`totals`, and the calls of whatever gives memory.

    Callgrind's format: names are told once, then by number.
    """
    names, callee, allocations = {}, None, 0
    for line in text.splitlines():
        if line.startswith("cfn="):
            number, _, name = line[4:].partition(" ")
            callee = names.setdefault(number, name) if name else names.get(number, "")
        elif line.startswith("fn="):
            number, _, name = line[3:].partition(" ")
            if name:
                names[number] = name
        elif line.startswith("calls=") and callee.split("'")[0] in ALLOCATORS:
            allocations += int(line[6:].split()[0])
    return int(re.search(r"^totals: (\d+)", text, re.M).group(1)), allocations


def per_unit(folder, arguments, units):
    """Instructions and allocations per unit, from a short and a long stretch of them."""
    short, long = units
    first = counted(folder, *arguments(short))
    second = counted(folder, *arguments(long))
    return tuple((after - before) / (long - short) for before, after in zip(first, second))


def instructions_per_request(folder, sent, counts=(5, 25)):
    """Of a request that goes to a backend and is answered, one after the other on one connection."""

    def life(count):
        def work(relay):
            with Answering(relay.backend_port), wire.Wire(("127.0.0.1", relay.port), 60) as client:
                for _ in range(count):
                    assert client.ask(sent).status == 200

        return counted_life(folder, work, trusted_proxies=["loopback"])[0]

    few, many = map(life, counts)
    return (many - few) / (counts[1] - counts[0])


class Answering(wire.Listener):
    """A backend that answers each head, whatever stands in it."""

    def __init__(self, port):
        super().__init__(port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        self.socket.settimeout(None)
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        unread = b""
        with connection:
            while data := connection.recv(65536):
                unread += data
                while b"\r\n\r\n" in unread:
                    unread = unread.partition(b"\r\n\r\n")[2]
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
