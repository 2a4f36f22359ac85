"""The measured hubs: a cable of the daemon, its peers, and a bare hub."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from targets import BENCH, DAEMON, REPOSITORY, Nginx, Target, free_port

PYTHON = REPOSITORY / ".build" / "bench" / "venv" / "bin" / "python"
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


class Hub(Target):
    """Its load speaks `dialect`, and publishes at the same address unless `publish` says otherwise."""

    dialect = ""
    path = "/cable"
    # Several messages in one request.
    has_arrays = True
    # Publications are answered and subscriptions confirmed.
    descriptors_per_connection = 1

    @property
    def publish(self):
        return self.address


class BareHub(Hub):
    name = "floor"
    is_peer = False
    dialect = "action-cable"
    quiet = ["quiet"]

    def command(self):
        return [BENCH, "hub", self.address, *self.quiet]


class PingingHub(BareHub):
    """The same with a ping to each client every three seconds."""

    quiet = []


class Cable(Hub):
    name = "ondemandd"
    is_peer = False
    dialect = "action-cable"
    # So that no ping comes into a measurement of messages.
    settings = {"ping_interval": "60s"}

    def version(self):
        return subprocess.run([DAEMON, "--version"], capture_output=True, text=True).stdout.strip()

    def configuration(self):
        cable = {
            "name": "cable", "path": "/cable", "streams": {"public": True}, "broadcast": {"path": "/_broadcast"},
            **self.settings}
        return {"listen": self.address, "cables": [cable]}

    def command(self):
        return [DAEMON, "--config", self.write("config.json", json.dumps(self.configuration(), indent=2))]


class PingingCable(Cable):
    """In its default configuration: a ping every three seconds."""

    settings = {}


class HibernatingCable(Cable):
    """With a backend that sleeps after a second without a message, and the channel whose clients stay."""

    boot_ms, response_ms = 0, 0
    # The socket of a Redis server: then a command waits for its own client only.
    redis = None

    def configuration(self):
        channel = {"name": "ChatChannel", "actions": "stateless", "streams": []}
        cable = {"name": "cable", "path": "/cable", "backend": "rails", "hibernate": {"channels": [channel]}}
        if self.redis:
            cable["redis"] = {"url": f"unix://{self.redis}"}
        command = {
            "command": str(BENCH), "args": ["cable-backend", self.backend, str(self.boot_ms), str(self.response_ms)],
            "idle_timeout": "1s"}
        service = {"name": "rails", "target": f"http://{self.backend}/cable", "websocket": True, "on_demand": command}
        return {"listen": self.address, "cables": [cable], "reverse_proxies": [service]}


class UWebSockets(Hub):
    name = "uWebSockets"
    dialect = "plain"
    path = "/sub"

    def is_installed(self):
        return subprocess.run([PYTHON, "-c", "import socketify"], capture_output=True).returncode == 0 if PYTHON.exists() else False

    def version(self):
        words = subprocess.run([PYTHON, "-m", "pip", "show", "socketify"], capture_output=True, text=True).stdout.split()
        return "uWebSockets of socketify " + words[words.index("Version:") + 1]

    def command(self):
        return [PYTHON, Path(__file__).with_name("uwebsockets.py"), self.port]


class Nchan(Nginx, Hub):
    name = "nchan"
    dialect = "quiet"
    path = "/sub"
    has_arrays = False
    descriptors_per_connection = 1

    def is_installed(self):
        return super().is_installed() and NCHAN.exists()

    def version(self):
        text = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Version}", "libnginx-mod-nchan"], capture_output=True, text=True).stdout
        return "nchan " + text.split(":")[-1].split("+")[0]

    def modules(self):
        return f"load_module {NCHAN};"

    def body(self):
        return f"""
http {{
    access_log off;
    client_body_temp_path {self.folder}/body;
    client_body_buffer_size 128k;
    client_max_body_size 1m;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    nchan_max_reserved_memory 512M;
    server {{
        listen {self.address} backlog=4096;
        location ~ ^/sub/(\\w+)$ {{
            nchan_subscriber websocket;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
        }}
        location ~ ^/pub/(\\w+)$ {{
            nchan_publisher http;
            nchan_channel_id $1;
            nchan_message_buffer_length 1;
        }}
    }}
}}
"""


class Broker(Hub):
    """A hub whose publishers have a port and a protocol of their own."""

    def __init__(self, folder):
        super().__init__(folder)
        self.publish_port = free_port()

    @property
    def publish(self):
        return f"127.0.0.1:{self.publish_port}"

    def is_installed(self):
        return shutil.which(self.program) is not None


class NATS(Broker):
    name = "NATS"
    program = "nats-server"
    dialect = "nats"
    path = "/"
    is_threaded = True

    def version(self):
        return "NATS " + subprocess.run(["nats-server", "--version"], capture_output=True, text=True).stdout.split()[-1]

    def environment(self):
        return {"GOMAXPROCS": "1"}

    def command(self):
        configuration = f"""
listen: "{self.publish}"
websocket {{ listen: "{self.address}", no_tls: true }}
"""
        return ["nats-server", "-c", self.write("nats.conf", configuration)]


class Mosquitto(Broker):
    name = program = "mosquitto"
    dialect = "mqtt"
    path = "/mqtt"

    def version(self):
        # `mosquitto -h` exits with 3.
        text = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True).stdout
        return "mosquitto " + text.split()[2]

    def command(self):
        configuration = f"""
user root
allow_anonymous true
persistence false
log_type error
set_tcp_nodelay true
max_queued_messages 0
listener {self.publish_port} 127.0.0.1
listener {self.port} 127.0.0.1
socket_domain ipv4
protocol websockets
"""
        return ["mosquitto", "-c", self.write("mosquitto.conf", configuration)]


PEERS = [UWebSockets, Nchan, NATS, Mosquitto]


def redis_server(folder):
    """A Redis server on a socket of its own, and the socket; None where Redis is not installed."""
    if not shutil.which("redis-server"):
        return None, None
    socket = Path(folder) / "redis.sock"
    socket.unlink(missing_ok=True)
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env=os.environ)
    return process, socket
