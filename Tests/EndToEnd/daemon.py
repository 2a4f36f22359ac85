"""Starts the built daemon with a configuration, reads its log as it is written, and sees to it that nothing stays."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse
import uuid
from pathlib import Path

import processes
import wire

REPOSITORY = Path(__file__).resolve().parents[2]

# The variables of examples/cable.json.
CABLE_SECRETS = {name: name.lower().ljust(32, "-") for name in (
    "CABLE_JWT_SECRET", "CABLE_STREAMS_SECRET", "SECRET_KEY_BASE", "CABLE_BROADCAST_KEY")}
# The variables of all examples.
EXAMPLE_SECRETS = {**CABLE_SECRETS, "COMMANDS_KEY": "a-key-of-commands"}


def built(variable, name):
    """The path of a built executable, from the environment or from the release build."""
    path = Path(os.environ.get(variable, REPOSITORY / ".build" / "release" / name)).absolute()
    if not os.access(path, os.X_OK):
        raise AssertionError(
            f"{name} is not built: {path} is not there; run `make build` or set {variable}.")
    return str(path)


def executable():
    return built("ONDEMANDD", "ondemandd")


def double():
    return built("CABLE_DOUBLE", "cable-double")


def on_demand(command, *arguments, **keys):
    """An on_demand section that never idles out unless the test says so."""
    return {
        "enabled": True,
        "command": command,
        "args": list(arguments),
        "startup_timeout": "10s",
        "idle_timeout": "0",
        "stop_timeout": "2s",
        **keys,
    }


def launches_double(port, *switches, **keys):
    return on_demand(double(), "--port", str(port), *switches, **keys)


def service(port=None, name="cable", path="/cable", target=None, **keys):
    """A route without a target path, so that the request's own path travels on."""
    return {
        "name": name,
        "path": [path] if isinstance(path, str) else path,
        "target": target or f"http://127.0.0.1:{port}",
        "websocket": True,
        **keys,
    }


def sleeping_double(*switches, name="cable", path="/cable", **keys):
    """The most common service: the double on a port of its own, asleep."""
    port = wire.free_port()
    return service(port, name=name, path=path, on_demand=launches_double(port, *switches, **keys))


class Daemon:
    """One running ondemandd. `with` is not offered: the fixture that makes it also ends it and shows its log."""

    was_killed = False

    def __init__(self, folder, services, listen="127.0.0.1:0", environment=None, directory=None, log=None,
                 wrapper=(), popen=None, wait=True, managed_processes=(), top=None):
        """wrapper is a command that runs the daemon; popen adds to how it is started; top adds to the configuration."""
        status_port = wire.free_port()
        listens = listen if isinstance(listen, list) else [listen]
        self.status_address = ("127.0.0.1", status_port)
        configuration = {
            "listen": listen,
            "status": {"listen": f"127.0.0.1:{status_port}"},
            "managed_processes": list(managed_processes),
            "reverse_proxies": services,
            "log": {"level": "info", "format": "json", **(log or {})},
            # THREADS=2 has everything tested with so many threads.
            **({"threads": int(os.environ["THREADS"])} if "THREADS" in os.environ else {}),
            **(top or {}),
        }
        self.file = Path(folder) / f"ondemandd-{uuid.uuid4().hex[:8]}.json"
        self.file.write_text(json.dumps(configuration, indent=2))
        # Whatever the daemon starts inherits this, and is found by it when everything should be gone.
        self.marker = f"ONDEMANDD_TEST={uuid.uuid4().hex}"
        name, value = self.marker.split("=")

        self.records = []
        self._by_event = {}
        self._news = threading.Condition()
        self._log_ended = False
        self.process = subprocess.Popen(
            [*wrapper, executable(), "--config", str(self.file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=directory or REPOSITORY,
            env={**os.environ, **(environment or {}), name: value},
            start_new_session=True,
            **(popen or {}),
        )
        threading.Thread(target=self._read_log, daemon=True).start()
        if wait:
            self.addresses = self._wait(
                lambda: self._listening(len(listens)), 5.0, f"{len(listens)} addresses being listened on")

    # Addresses

    def listening(self):
        """Every address that clients can come in by, so far."""
        return [parsed_address(record["address"]) for record in self.events("listening", **{"for": "clients"})]

    def _listening(self, count):
        found = self.listening()
        return found if len(found) >= count else None

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return self.addresses[0]

    @property
    def port(self):
        return self.address[1]

    def connect(self, timeout=wire.TIMEOUT):
        return wire.Wire(self.address, timeout)

    def ask(self, request, method="GET", timeout=wire.TIMEOUT):
        """One request on a connection of its own."""
        with self.connect(timeout) as connection:
            return connection.ask(request, method)

    def open_tunnel(self, timeout=wire.TIMEOUT, **parts):
        """An upgraded connection; fails when the answer is not 101."""
        connection = self.connect(timeout)
        answer = connection.ask(wire.upgrade(**parts))
        assert answer.status == 101, f"the upgrade was answered {answer.head.first_line!r}: {answer.body!r}"
        return connection

    # Log

    def _read_log(self):
        for line in self.process.stderr:
            at = time.monotonic()
            try:
                record = json.loads(line)
                assert isinstance(record, dict)
            except (ValueError, AssertionError):
                record = {"event": None, "raw": line.decode(errors="replace").rstrip("\n")}
            record["at"] = at
            with self._news:
                self.records.append(record)
                self._by_event.setdefault(record.get("event"), []).append(record)
                self._news.notify_all()
        with self._news:
            self._log_ended = True
            self._news.notify_all()

    def events(self, event, **fields):
        return [
            record
            for record in self._by_event.get(event, [])[:]
            if all(record.get(key) == value for key, value in fields.items())
        ]

    def wait_for(self, event, within=5.0, **fields):
        """The first log record of that event with those fields, past or still to come."""
        wanted = ", ".join([event, *(f"{key}={value!r}" for key, value in fields.items())])
        return self._wait(lambda: next(iter(self.events(event, **fields)), None), within, f"event {wanted}")

    def wait_for_count(self, count, event, within=5.0, **fields):
        """The count-th log record of that event with those fields."""

        def found():
            records = self.events(event, **fields)
            return records[count - 1] if len(records) >= count else None

        return self._wait(found, within, f"{count} times event {event}")

    def _wait(self, find, within, what):
        deadline = time.monotonic() + within
        with self._news:
            while True:
                found = find()
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or (self._log_ended and not find()):
                    ended = " (the daemon has ended)" if self._log_ended else ""
                    raise AssertionError(f"waited {within} s in vain for {what}{ended}")
                self._news.wait(left)

    def assert_never(self, event, **fields):
        found = self.events(event, **fields)
        assert not found, f"{event} should not have happened: {found}"

    def log_text(self, last=200):
        lines = []
        for record in self.records[-last:]:
            if record.get("event") is None:
                lines.append(record.get("raw", ""))
            else:
                lines.append(json.dumps({key: value for key, value in record.items() if key != "at"}))
        return "\n".join(lines)

    # State

    def status(self, name="cable"):
        return next(entry for entry in self.snapshot()["services"] if entry["name"] == name)

    def snapshot(self):
        """What /api/status says."""
        # It may begin to listen after the addresses that are waited for.
        with wire.Wire(processes.eventually(self._status_socket, what="the status address")) as connection:
            answer = connection.ask(
                wire.request(path="/api/status", host="127.0.0.1", extra=["Connection: close"]))
        assert answer.status == 200, answer.head.first_line
        return json.loads(answer.body)

    def _status_socket(self):
        try:
            return wire.connected(self.status_address)
        except ConnectionRefusedError:
            return None

    def wait_for_status(self, within=5.0, name="cable", **fields):
        def fits():
            entry = self.status(name)
            return all(entry.get(key) == value for key, value in fields.items())

        processes.eventually(fits, within, what=f"{name} being {fields}")

    def starts(self):
        return len(self.events("started"))

    def offspring(self):
        """Everything alive that descends from this daemon, found by its environment."""
        return [pid for pid in processes.with_environment(self.marker) if pid != self.pid]

    # End

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """What no program can catch; the test expects this end."""
        self.was_killed = True
        self.process.kill()
        self.process.wait()

    def wait(self, within=10.0):
        """The exit code, once the daemon has ended."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon still runs after {within} s") from None

    def stop(self, within=10.0):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(within)

    def clean_up(self):
        """Ends everything whatever the test did; returns what was wrong with the end, or None."""
        wrong = None
        if self.process.poll() is None:
            try:
                code = self.stop()
                if code != 0:
                    wrong = f"the daemon exited with {code} after SIGTERM"
            except AssertionError as late:
                wrong = f"{late}; it was killed"
                self.process.kill()
                self.process.wait()
        elif self.process.returncode < 0 and not self.was_killed:
            wrong = f"the daemon died of signal {-self.process.returncode}"
        left = self.offspring()
        for pid in left:
            wrong = wrong or f"the daemon left process {pid} ({processes.name(pid)}) behind"
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return wrong


def parsed_address(text):
    """What `listening` says, as what a socket connects to."""
    if text.startswith("unix:"):
        return text.removeprefix("unix:")
    parts = urllib.parse.urlsplit(f"//{text}")
    return (parts.hostname, parts.port)
