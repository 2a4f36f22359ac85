"""The real thing: Redis on a private port, the Rails application of examples/, Puma alone for comparison."""

import json
import os
import shutil
import socket
import subprocess
import time

import wire
from daemon import REPOSITORY

APPLICATION = REPOSITORY / "examples" / "rails-cable"
EXAMPLE = REPOSITORY / "examples" / "actioncable.json"


def need(*commands):
    for command in commands:
        if shutil.which(command) is None:
            raise AssertionError(f"{command} is not installed; run scripts/install-test-tools.")


class Redis:
    def __init__(self, folder):
        need("redis-server")
        self.port = wire.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no",
             "--dir", str(self.folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        seconds_until_accepting(self.port)

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def seconds_until_accepting(port, within=30.0):
    begun = time.monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return time.monotonic() - begun
        except OSError:
            assert time.monotonic() < begun + within, f"nothing accepts on port {port} after {within} s"
            time.sleep(0.001)


def puma_arguments(port):
    return ["-b", f"tcp://127.0.0.1:{port}", "cable/config.ru"]


def seconds_puma_boots(redis):
    """From exec to the first accepted connection, without any daemon."""
    need("puma", "ruby")
    port = wire.free_port()
    process = subprocess.Popen(
        ["puma", *puma_arguments(port)],
        cwd=APPLICATION,
        env={**os.environ, "RAILS_ENV": "production", "REDIS_URL": redis.url},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        return seconds_until_accepting(port)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()  # Puma 5.6 may hang when it is told to stop while it still loads.
            process.wait()


def example_service(port, idle_timeout):
    """The service of examples/actioncable.json, on another port and with a shorter nap."""
    service = json.loads(EXAMPLE.read_text())["reverse_proxies"][0]
    service["target"] = service["target"].replace("28080", str(port))
    launch = service["on_demand"]
    launch["args"] = [argument.replace("28080", str(port)) for argument in launch["args"]]
    launch["idle_timeout"] = idle_timeout
    launch["stop_timeout"] = "3s"
    return service


def publish(redis, topic, text):
    """A broadcast from a process of its own."""
    subprocess.run(
        ["ruby", "publish.rb", topic, text],
        cwd=APPLICATION,
        env={**os.environ, "RAILS_ENV": "production", "REDIS_URL": redis.url},
        check=True, stdin=subprocess.DEVNULL, timeout=30)
