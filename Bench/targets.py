"""The measured targets: the daemon, its peers at their best, a bare relay, and no proxy at all.

Each gets one thread, pinned to the proxy's core, and the highest priority, so that whatever else the machine does
disturbs it least. Only where threads themselves are measured (THREADED) each gets two, and both cores.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BENCH = REPOSITORY / ".build" / "bench" / "bench"
# The packaged executable: fully static.
DAEMON = Path(os.environ.get("ONDEMANDD", REPOSITORY / ".build" / "dist" / "ondemandd-static")).absolute()
SOCKET_PROXY = "/lib/systemd/systemd-socket-proxyd"
PROXY_CORE, LOAD_CORE, BOTH_CORES = "0", "1", "0,1"


def launch(core, command, **options):
    """On one core, before whatever else the machine does: a session of its own is what the scheduler shares by, where
    it groups (sched(7), autogroup). Without the right to it, the command runs all the same. POLITE=1 asks for nothing.
    """
    first = "" if os.environ.get("POLITE") else "renice -n -20 $$; echo -20 >/proc/self/autogroup; "
    script = f'{{ {first}:; }} >/dev/null 2>&1; exec taskset --cpu-list {core} "$@"'
    return subprocess.Popen(["sh", "-c", script, "sh", *map(str, command)], start_new_session=True, **options)


_given = set()


def free_port():
    """Below the ports that the kernel gives to clients, so that no connection of a measurement can be in the way."""
    # Two runs at once begin at different places.
    first = 21000 + os.getpid() * 37 % 9000
    for port in range(first, 31000):
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free below 31000")


def await_listener(port, process=None):
    """Reads /proc instead of connecting: a socket-activated target must not get a connection yet."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    for _ in range(500):
        if wanted in Path("/proc/net/tcp").read_text():
            return True
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.01)
    return False


class Target:
    """One proxy between a port of its own and a backend's; `start` gives it a fresh process."""

    name = ""
    # The measurements that it supports.
    is_http = True
    is_peer = True
    is_threaded = False
    # A further configuration of a peer, for metrics that depend on it.
    is_variant = False
    descriptors_per_connection = 2
    core = PROXY_CORE
    load_core = LOAD_CORE
    threads = 1

    def __init__(self, folder):
        self.folder = Path(folder) / self.name.replace(" ", "-")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.backend_port = free_port(), free_port()
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def backend(self):
        return f"127.0.0.1:{self.backend_port}"

    def is_installed(self):
        return True

    def version(self):
        return ""

    def command(self):
        raise NotImplementedError(self.name)

    def environment(self):
        return {}

    def start(self):
        self.stop()
        with open(self.folder / "log", "ab") as log:
            self.process = launch(
                self.core, self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment()}, cwd=self.folder)
        self._await_listener()

    def _await_listener(self):
        if not await_listener(self.port, self.process):
            log = (self.folder / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} does not listen on port {self.port}:\n{log}")

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def pids(self):
        """The process and its descendants."""
        found, parents = [], {}
        if self.process is None:
            return found
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = Path(f"/proc/{entry}/stat").read_text()
                except OSError:
                    continue
                parents.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(entry))
        queue = [self.process.pid]
        while queue:
            found.append(queue.pop())
            queue += parents.get(found[-1], [])
        return found

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name


class Direct(Target):
    """No proxy: the clients connect to the backend."""

    name = "direct"
    is_peer = False

    @property
    def address(self):
        return self.backend

    def start(self):
        pass


class Floor(Target):
    name = "floor"
    is_peer = False

    def command(self):
        return [BENCH, "relay", self.address, self.backend]


def floor_that(name, choice):
    """A variant of the floor."""
    def command(self):
        return [*Floor.command(self), choice]

    return type("Floor" + choice.title().replace("-", ""), (Floor,), {"name": name, "command": command})


class OnDemand(Target):
    name = "ondemandd"
    is_peer = False

    def version(self):
        return subprocess.run([DAEMON, "--version"], capture_output=True, text=True).stdout.strip()

    def service(self):
        return {"name": "bench", "path": "/*", "target": f"http://{self.backend}", "websocket": True}

    def command(self):
        configuration = {"listen": self.address, "reverse_proxies": [self.service()], "threads": self.threads}
        return [DAEMON, "--config", self.write("config.json", json.dumps(configuration, indent=2))]


class OnDemandSleeping(OnDemand):
    """The same with a backend that sleeps until it is needed, and falls asleep at once."""

    name = "ondemandd asleep"

    def __init__(self, folder, startup_ms=0, stamp="/dev/null", inherits=False):
        super().__init__(folder)
        self.readiness = "socket" if inherits else "tcp"
        self.arguments = ["boot", "inherited" if inherits else self.backend, str(startup_ms), str(stamp)]

    def service(self):
        command = {
            "command": str(BENCH), "args": self.arguments, "idle_timeout": "1ms", "readiness": self.readiness}
        return {**super().service(), "on_demand": command}


class HAProxy(Target):
    name = "haproxy http"
    mode = "http"
    splice = ""
    # In bulk the size of the buffer decides; an idle connection has none.
    buffer = "tune.bufsize 131072"

    def is_installed(self):
        return shutil.which("haproxy") is not None

    def version(self):
        words = subprocess.run(["haproxy", "-v"], capture_output=True, text=True).stdout.split()
        return "HAProxy " + words[2].split("-")[0]

    def command(self):
        configuration = f"""
global
    nbthread {self.threads}
    {self.buffer}
defaults
    mode {self.mode}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    {self.splice}
frontend front
    bind {self.address}
    default_backend back
backend back
    server one {self.backend}
"""
        return ["haproxy", "-db", "-q", "-f", self.write("haproxy.cfg", configuration)]


class HAProxyTCP(HAProxy):
    name = "haproxy tcp"
    mode = "tcp"


class HAProxySplice(HAProxy):
    name = "haproxy http splice"
    splice = "option splice-auto"
    buffer = ""
    is_variant = True


class HAProxyTCPSplice(HAProxySplice):
    name = "haproxy tcp splice"
    mode = "tcp"


class Nginx(Target):
    name = "nginx http"

    def is_installed(self):
        return shutil.which("nginx") is not None

    def version(self):
        return "nginx " + subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.split("/")[-1].strip()

    def modules(self):
        return ""

    def body(self):
        return f"""
http {{
    access_log off;
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream back {{
        server {self.backend} max_fails=0;
        keepalive 128;
        keepalive_requests 100000000;
    }}
    server {{
        listen {self.address} backlog=4096;
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffer_size 64k;
            proxy_buffers 8 64k;
            proxy_busy_buffers_size 128k;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""

    def command(self):
        # With less than a sixteenth of its connections left nginx closes some that it could still use, so it gets more
        # than there are descriptors for.
        configuration = f"""{self.modules()}
user root;
daemon off;
pid {self.folder}/pid;
error_log {self.folder}/error.log;
worker_processes {self.threads};
worker_rlimit_nofile {hard_limit()};
events {{ worker_connections {hard_limit() * 5 // 4}; multi_accept on; }}
{self.body()}
"""
        return ["nginx", "-e", self.folder / "error.log", "-c", self.write("nginx.conf", configuration)]


class NginxStream(Nginx):
    name = "nginx stream"

    def is_installed(self):
        return super().is_installed() and Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists()

    def modules(self):
        return "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"

    def body(self):
        return f"""
stream {{
    server {{
        listen {self.address} backlog=4096;
        proxy_pass {self.backend};
        proxy_buffer_size 64k;
        proxy_timeout 1h;
        proxy_half_close on;
        tcp_nodelay on;
    }}
}}
"""


class SocketProxy(Target):
    name = "socket-proxyd"
    descriptors_per_connection = 6

    def is_installed(self):
        return os.access(SOCKET_PROXY, os.X_OK) and shutil.which("systemd-socket-activate") is not None

    def version(self):
        text = subprocess.run([SOCKET_PROXY, "--version"], capture_output=True, text=True).stdout
        return " ".join(text.split()[:2])

    def command(self):
        return ["systemd-socket-activate", "-l", self.address, SOCKET_PROXY, "--connections-max=100000", self.backend]


class Caddy(Target):
    name = "caddy"
    is_threaded = True

    def is_installed(self):
        return shutil.which("caddy") is not None

    def version(self):
        return "Caddy " + subprocess.run(["caddy", "version"], capture_output=True, text=True).stdout.strip()

    def environment(self):
        return {"GOMAXPROCS": "1", "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}

    def command(self):
        configuration = f"""
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{self.port} {{
    bind 127.0.0.1
    reverse_proxy {self.backend}
}}
"""
        return ["caddy", "run", "--adapter", "caddyfile", "--config", self.write("Caddyfile", configuration)]


def hard_limit():
    import resource

    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 20)


def on_both_cores(base, name, threads):
    """With this number of threads, on both cores, which the load shares."""
    return type(base.__name__ + str(threads), (base,), {
        "name": name, "threads": threads, "core": BOTH_CORES, "load_core": BOTH_CORES})


THREADED = [
    on_both_cores(OnDemand, "ondemandd, 1 thread", 1), on_both_cores(OnDemand, "ondemandd, 2 threads", 2),
    on_both_cores(HAProxyTCP, "haproxy tcp, nbthread 2", 2), on_both_cores(HAProxy, "haproxy http, nbthread 2", 2),
    on_both_cores(Nginx, "nginx http, 2 workers", 2), on_both_cores(NginxStream, "nginx stream, 2 workers", 2)]
CHOICES = [
    floor_that("edges, all accepted at once", "edges"), floor_that("levels", "levels"),
    floor_that("TCP_QUICKACK after each read", "quick-ack"), floor_that("SO_BUSY_POLL of 50 µs", "busy-poll"),
    floor_that("one accepted a turn", "accept-one")]
SHARING = [
    on_both_cores(floor_that("one process", "edges"), "one process", 1),
    on_both_cores(floor_that("two, EPOLLEXCLUSIVE", "exclusive"), "two, EPOLLEXCLUSIVE", 2),
    on_both_cores(floor_that("two, SO_REUSEPORT", "reuse-port"), "two, SO_REUSEPORT", 2)]
PEERS = [HAProxy, HAProxyTCP, HAProxySplice, HAProxyTCPSplice, Nginx, NginxStream, SocketProxy, Caddy]
