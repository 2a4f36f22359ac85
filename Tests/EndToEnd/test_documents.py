"""Every example in the documents is run, or held against what it shows; every link leads somewhere."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap
import time

import jwt
import pytest
import websockets.sync.client
import yaml

import processes
import rails
import wire
from cable import Cable
from daemon import REPOSITORY, executable, on_demand, service, sleeping_double
from page import GuardedPage, Windows, rails_page

DOCUMENTS = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ["*.md", "docs/**/*.md", "examples/**/*.md"] for path in REPOSITORY.glob(pattern))

# What other tests look at: document, language, number.
ELSEWHERE = {
    ("docs/LIFECYCLE.md", "mermaid", 0): "LifecycleDocumentTests",
    ("docs/EXCHANGE.md", "mermaid", 0): "ExchangeDocumentTests",
    ("docs/CONFIGURATION.md", "json wrong", 0): "DocumentationTests",
    ("docs/CONFIGURATION.md", "text", 0): "DocumentationTests",
    **{("docs/CONFIGURATION.md", "json", number): "DocumentationTests" for number in range(8)},
    **{("docs/CABLE.md", language, 0): "test_rails_hub.py" for language in ("yaml", "json fragment")},
    # Drawings of what can only be read.
    ("README.md", "", 0): "the picture of a life",
    ("docs/ARCHITECTURE.md", "", 0): "WallsTests",
}
SHOWN = {}


def blocks(document):
    """The fenced blocks of a document: language, number among those of it, text."""
    seen = {}
    text = (REPOSITORY / document).read_text()
    for language, block in re.findall(r"^ *```([a-z ]*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield language, seen.setdefault(language, 0), textwrap.dedent(block)
        seen[language] += 1


def example(document, language, number=0):
    return next(block for one, at, block in blocks(document) if (one, at) == (language, number))


def shows(document, language, *numbers):
    """Marks the test that runs these examples."""

    def mark(test):
        SHOWN.update({(document, language, number): test.__name__ for number in numbers or [0]})
        return test

    return mark


def test_no_example_is_without_a_test():
    found = {(document, language, number) for document in DOCUMENTS for language, number, _ in blocks(document)}
    assert found == set(SHOWN) | set(ELSEWHERE)
    assert len(found) > 25


@pytest.fixture
def shell(tmp_path):
    """shell(script) runs it as a reader would, in a folder of its own, with the built daemon as `ondemandd`."""
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "ondemandd").symlink_to(executable())
    running = []

    def begin(script, folder=tmp_path, **environment):
        output = tmp_path / f"output-{len(running)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-euc", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", **environment}, start_new_session=True)
        process.said = output.read_text
        running.append(process)
        return process

    begin.commands = commands
    yield begin
    for process in running:
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def moved(text, ports):
    """The same with ports that are free here."""
    for port, free in ports.items():
        text = text.replace(str(port), str(free))
    return text


def free_ports(*ports):
    return {port: wire.free_port() for port in ports}


# README.md


def interrupt(process):
    """Ctrl-C at a terminal: every process gets it. Make ends by it, or with 2 if it hears of its command's end first."""
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) in (-signal.SIGINT, 2)
    processes.eventually(lambda: " exited" in process.said(), what="the orderly end of the daemon")


@pytest.fixture(scope="session")
def up_to_date():
    """`make` builds first. On a fresh machine that takes minutes, which are no part of what these tests wait for."""
    if "ONDEMANDD" not in os.environ:
        subprocess.run(["make", "build"], cwd=REPOSITORY, check=True, capture_output=True, timeout=1200)


@pytest.mark.timeout(1500)
@shows("README.md", "", 1)
def test_make_demo_shows_what_it_says(shell, up_to_date):
    ports = {"PORT": wire.free_port(), "STATUS_PORT": wire.free_port(), "BACKEND_PORT": wire.free_port()}
    environment = {name: str(port) for name, port in ports.items()}
    demo = shell("exec " + example("README.md", "", 1), REPOSITORY, **environment)
    processes.eventually(lambda: "listening" in demo.said(), within=90, what="the daemon of the demo")
    assert f"http://127.0.0.1:{ports['STATUS_PORT']}/ " in demo.said()
    visit = shell(f"PORT={ports['PORT']} scripts/demo visit 2", REPOSITORY)
    assert visit.wait(20) == 0, visit.said()
    assert "HTTP/1.1 101 " in visit.said() and '{"type":"welcome"}' in visit.said()
    processes.eventually(lambda: "stopped service=action-cable" in demo.said(), within=30, what="the end of the backend")
    interrupt(demo)


@pytest.mark.timeout(1500)
@shows("README.md", "", 2)
def test_make_example_wakes_a_real_rails_server(shell, up_to_date):
    rails.need("puma", "ruby", "redis-server")
    ports = {name: wire.free_port() for name in ["PORT", "STATUS_PORT", "CABLE_PORT", "REDIS_PORT"]}
    environment = {name: str(port) for name, port in ports.items()}
    running = shell("exec " + example("README.md", "", 2), REPOSITORY, IDLE_TIMEOUT="1s", **environment)
    processes.eventually(lambda: "listening" in running.said(), within=90, what="the daemon of the example")
    address = ("127.0.0.1", ports["PORT"])
    with Cable(address) as client:
        client.welcome()
        client.subscribe("NewsChannel", topic="weather")
        echo, _ = client.subscribe("EchoChannel")
        processes.eventually(
            lambda: "stopped service=action-cable generation=1" in running.said(), within=30, what="the sleep of Puma")
        (publish,) = re.findall(r"^    (cd examples/.*)$", running.said(), re.MULTILINE)
        assert shell(publish, REPOSITORY).wait(30) == 0
        assert client.message()["message"]["text"] == "sunny"
        assert "started service=action-cable generation=2" not in running.said()
        assert client.perform(echo, "echo", text="awake")["echo"] == "awake"
    # The page is another origin, and the example lets it in.
    with Cable(address, origin=f"http://127.0.0.1:{ports['STATUS_PORT']}") as client:
        client.welcome()
    interrupt(running)


@shows("README.md", "", 3)
def test_make_knows_what_the_documents_call_by_name():
    (target,) = re.findall("^make ([a-z]+)$", example("README.md", "", 3), re.MULTILINE)
    texts = "".join((REPOSITORY / document).read_text() for document in DOCUMENTS)
    called = {target} | {word for line in re.findall("`make ([a-z0-9 ]+)", texts) for word in line.split()}
    known = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "example", "test", "release", "install", "deb", "picture"} <= called
    assert called - known == set()
    told = set(re.findall(r"^\| `make ([a-z0-9]+)", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert {"test", "lint", "unit", "simulate", "fuzz", "bench"} <= told


@pytest.mark.timeout(120)
@shows("README.md", "json")
@shows("README.md", "", 4)
def test_the_configuration_of_the_readme_wakes_a_real_rails_server(shell, tmp_path, redis):
    rails.need("puma", "ruby")
    ports = free_ports(3000, 28080)
    (tmp_path / "cable.json").write_text(moved(example("README.md", "json"), ports))
    asked = shell("ondemandd check --config cable.json && ondemandd explain --config cable.json")
    assert asked.wait(10) == 0, asked.said()
    environment = {"RAILS_ROOT": str(rails.APPLICATION), "REDIS_URL": redis.url}
    daemon = shell("exec env " + example("README.md", "", 4), **environment)
    processes.eventually(lambda: "listening" in daemon.said(), what="the daemon")
    for path in ["/cable", "/showcase/regions/fra/cable"]:
        with Cable(("127.0.0.1", ports[3000]), path) as client:
            client.welcome()
    os.killpg(daemon.pid, signal.SIGTERM)
    assert daemon.wait(30) == 0, daemon.said()


# docs/CONFIGURATION.md


@shows("docs/CONFIGURATION.md", "sh", 0)
def test_a_configuration_is_begun_checked_and_explained_as_it_is_written(shell, tmp_path):
    run = shell(example("docs/CONFIGURATION.md", "sh", 0))
    assert run.wait(10) == 0, run.said()
    assert json.loads((tmp_path / "ondemandd.json").read_text())["listen"] == "127.0.0.1:3000"
    assert "15m after the last request" in run.said()


def checked(tmp_path, configuration, *words, **environment):
    file = tmp_path / "ondemandd.json"
    file.write_text(configuration if isinstance(configuration, str) else json.dumps(configuration))
    return subprocess.run([executable(), *(words or ["check"]), "--config", file.name], cwd=tmp_path, text=True,
                          capture_output=True, env={**os.environ, **environment}, timeout=10)


@shows("docs/CONFIGURATION.md", "json fragment", 0, 1, 2, 3, 4)
@pytest.mark.parametrize("number", range(5))
def test_a_part_of_a_configuration_is_right_where_it_belongs(tmp_path, number):
    part = json.loads(example("docs/CONFIGURATION.md", "json fragment", number))
    whole = part if "name" in part else {
        "name": "cable", "path": "/cable", "websocket": True, "target": "http://127.0.0.1:28080",
        "on_demand": {"command": "puma", **part}}
    run = checked(tmp_path, {"listen": "127.0.0.1:3000", "reverse_proxies": [whole]})
    assert (run.returncode, run.stderr) == (0, "")


@shows("docs/CONFIGURATION.md", "sh", 1)
def test_the_file_of_variables_means_what_a_shell_reads_in_it(tmp_path):
    text = example("docs/CONFIGURATION.md", "sh", 1)
    (tmp_path / "env").write_text(text)
    names = re.findall(r"^(?:export )?([A-Z_]+)=", text, re.MULTILINE)
    configuration = {
        "env_file": "env", "listen": "127.0.0.1:3000", "reverse_proxies": [service(
            28080, enabled="${ENABLE_ACTION_CABLE}", on_demand={"command": "x", "args": [f"${{{name}}}" for name in names]})]}
    run = checked(tmp_path, configuration, "config", "show", "--json")
    values = {setting["path"]: setting["value"] for setting in json.loads(run.stdout)["settings"]}
    read = subprocess.run(["bash", "-c", '. ./env; for name; do echo "${!name}"; done', "bash", *names], cwd=tmp_path,
                          capture_output=True, text=True)
    assert len(names) == 4
    assert values["reverse_proxies[0].on_demand.args"] == read.stdout.splitlines()


@shows("docs/CONFIGURATION.md", "", 0)
def test_what_counts_is_shown_with_its_origin_as_it_is_written(tmp_path):
    (tmp_path / "env").write_text("KEY=secret\n")
    run = checked(tmp_path, """{
  "listen": "127.0.0.1:3000",
  "env_file": "env",
  "reverse_proxies": [{
    "name": "a", "path": "/*", "target": "http://127.0.0.1:28080",
    "enabled": "${ENABLE_ACTION_CABLE}",
    "on_demand": {
      "command": "puma",
      "args": [
        "-p",
        "28080"
      ],
      "env": {
        "KEY": "${KEY}"
      } } }] }""", "config", "show", ENABLE_ACTION_CABLE="true")
    shown = [re.split(r"\s{2,}", line) for line in run.stdout.splitlines()]
    for line in example("docs/CONFIGURATION.md", "", 0).splitlines():
        assert re.split(r"\s{2,}", line) in shown, run.stdout + run.stderr


# docs/OPERATING.md and docs/API.md


@shows("docs/OPERATING.md", "text", 0)
def test_a_failed_start_is_told_as_it_is_written(start, shell, tmp_path):
    written = example("docs/OPERATING.md", "text", 0)
    bundle = shell.commands / "bundle"
    bundle.write_text(f"#!/bin/sh\necho '{written.split(' stderr ')[1].strip()}' >&2\nexit 1\n")
    bundle.chmod(0o755)
    app = tmp_path / "app"
    app.mkdir()
    control = f"unix:{tmp_path}/control.sock"
    daemon = start(
        service(28080, name="action-cable", on_demand=on_demand(
            "bundle", "exec", "puma", "-b", "tcp://127.0.0.1:28080", working_dir=str(app))),
        top={"control": control}, environment={"PATH": f"{shell.commands}:{os.environ['PATH']}"})
    assert daemon.ask(wire.request(path="/cable")).status == 503
    status = shell(f"ondemandd status --control {control}")
    assert status.wait(10) == 0
    said = status.said().replace(str(app), "/srv/app")
    said = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-11-21T08:15:55.123Z", said)
    assert written in said


@shows("docs/OPERATING.md", "text", 1)
def test_logrotate_and_the_daemon_get_along_as_it_is_written(start, tmp_path):
    rails.need("logrotate")
    log = tmp_path / "ondemandd.log"
    daemon = start(sleeping_double(idle_timeout="100ms"), top={"log": {"level": "info", "file": str(log)}}, wait=False)
    processes.eventually(lambda: log.exists() and "listening" in log.read_text(), what="a line of the log")
    written = example("docs/OPERATING.md", "text", 1)
    assert "systemctl kill --signal=USR1 ondemandd.service" in written
    file = tmp_path / "rotation"
    file.write_text(written.replace("/var/log/ondemandd.log", str(log)).replace(
        "systemctl kill --signal=USR1 ondemandd.service", f"kill -USR1 {daemon.pid}"))
    file.chmod(0o644)
    rotated = subprocess.run(["logrotate", "--force", "--state", tmp_path / "state", file], capture_output=True, text=True)
    assert (rotated.returncode, rotated.stderr) == (0, "")
    processes.eventually(lambda: log.exists() and "log_reopened" in log.read_text(), what="a new file")
    assert "listening" in (tmp_path / "ondemandd.log.1").read_text()


def shape(value):
    """The names in a body, as paths."""
    if isinstance(value, list):
        return {path for one in value for path in shape(one)}
    if not isinstance(value, dict):
        return set()
    return set(value) | {f"{key}.{path}" for key, inner in value.items() for path in shape(inner)}


@shows("docs/API.md", "json", 0, 1)
@shows("docs/API.md", "sh", 0, 1)
def test_the_api_says_what_is_written_of_it_and_nothing_else(browser, start, shell):
    broken = service(wire.free_port(), name="broken", path="/broken", on_demand=on_demand("sh", "-c", "echo no; exit 1"))
    cable = {"name": "live", "path": "/live", "redis": {"url": f"redis://127.0.0.1:{wire.free_port()}/0"},
             "backend": "cable", "protocols": ["action_cable"]}
    run = {**command("[ $PARAM_DATABASE = a ] || sleep 60", params=["database", "user_id"]), "cable": "live"}
    page = GuardedPage(browser, start, sleeping_double(), broken, cables=[cable], commands=[run])
    daemon, token = page.daemon, page.token
    start_run(daemon, database="a", user_id=1)
    daemon.wait_for("run_ended")
    start_run(daemon, database="b", user_id=1)
    daemon.open_tunnel().close()
    daemon.ask(wire.request(path="/broken"))
    port = daemon.status_address[1]
    order, logs = example("docs/API.md", "sh", 0).replace("127.0.0.1:9292", f"127.0.0.1:{port}").splitlines()
    ordered = shell(order.replace("NAME/start", "cable/stop").replace("curl", "curl --fail --silent"), TOKEN=token)
    assert ordered.wait(10) == 0 and "cable is stopped" in ordered.said(), ordered.said()
    following = shell(logs.replace("NAME", "cable"), TOKEN=token)
    processes.eventually(lambda: "stdout listening on " in following.said(), what="the lines that it printed")
    started = shell(order.replace("NAME", "cable").replace("curl", "curl --fail --silent"), TOKEN=token)
    assert started.wait(10) == 0 and "cable is awake (pid " in started.said()
    posted = example("docs/API.md", "sh", 1).replace("127.0.0.1:9292", f"127.0.0.1:{port}").replace("NAME", "live")
    posted = shell(posted.replace("curl", "curl --fail --silent"), TOKEN=token)
    assert posted.wait(10) == 0 and posted.said() == "Accepted.\n"
    processes.eventually(lambda: following.said().count("listening on ") == 2, what="the lines of the next start")

    def asked(path):
        with wire.Wire(daemon.status_address) as connection:
            return connection.ask(wire.request(path=path, host="127.0.0.1", extra=[
                "Connection: close", f"Authorization: Bearer {token}"]))

    document = (REPOSITORY / "docs/API.md").read_text()
    rows = set(re.findall("`([a-z_]+)`", "".join(re.findall(r"^\| .*$", document, re.MULTILINE))))
    for number, path in enumerate(["/api/status", "/api/history"]):
        said, written = json.loads(asked(path).body), json.loads(example("docs/API.md", "json", number))
        assert shape(said) - {"services.tunnels.closes.1005"} == shape(written) - {"services.tunnels.closes.1000"}, path
        assert said["version"] == written["version"] == 1
        names = {name for name in " ".join(shape(written)).replace(".", " ").split() if not name.isdigit()}
        assert names - rows - {"version"} == set(), "these have no row"
    for path in re.findall(r"^\| `GET (/[a-z/]*)` ", document, re.MULTILINE):
        if path != "/events":
            assert asked(path).status == 200, path
    assert "/metrics" in document and asked("/api/nothing").status == 404


# docs/CABLE.md


@pytest.mark.timeout(1500)
@shows("docs/CABLE.md", "", 0)
def test_make_demo_cable_shows_two_windows_that_update_each_other(browser, shell, up_to_date):
    ports = {"PORT": wire.free_port(), "STATUS_PORT": wire.free_port()}
    environment = {name: str(port) for name, port in ports.items()}
    demo = shell("exec " + example("docs/CABLE.md", "", 0), REPOSITORY, **environment)
    processes.eventually(lambda: "for=clients" in demo.said(), within=90, what="the daemon of the demo")
    assert f"http://127.0.0.1:{ports['PORT']}/    in two browser windows" in demo.said()
    windows = Windows(browser, f"http://127.0.0.1:{ports['PORT']}/")
    windows.both("#state", "Connected.")
    windows.send(0, "hello")
    windows.both("#messages", "hello")
    interrupt(demo)


@pytest.mark.timeout(120)
@shows("docs/CABLE.md", "sh", 0, 1)
def test_two_browsers_update_each_other_as_it_is_written(browser, shell, tmp_path):
    rails.need("python3", "curl")
    (port,) = free_ports(3000).values()

    def written(number):
        text = example("docs/CABLE.md", "sh", number).replace("/tmp/news.sock", f"{tmp_path}/news.sock")
        return moved(text, {3000: port}).replace('"30s"', '"3s"')

    daemon = shell(written(0))
    processes.eventually(lambda: "for=clients" in daemon.said(), what="the daemon")
    windows = Windows(browser, f"http://127.0.0.1:{port}/", field="[name=text]")

    def status():
        run = shell(f"ondemandd status --control unix:{tmp_path}/news.sock")
        assert run.wait(10) == 0, run.said()
        return run.said()

    processes.eventually(lambda: "2 subscriptions to 1 stream" in status(), what="both subscribed")
    windows.send(0, "hello")
    windows.both("ul", "hello")
    publisher = shell(written(1))
    assert publisher.wait(10) == 0
    assert publisher.said().count("Accepted.\n") == 2
    windows.both("ul", "hello\nsunny\nrain")
    processes.eventually(lambda: "stopped service=pages" in daemon.said(), within=20, what="the end of Python")
    windows.send(1, "still here")
    windows.both("ul", "hello\nsunny\nrain\nstill here")
    assert daemon.said().count("started service=pages") == 1
    assert windows.errors() == []


class Migrated:
    """A daemon with a configuration of the document, on a free port."""

    def __init__(self, shell, tmp_path, number, change=lambda configuration: configuration, **environment):
        configuration = json.loads(example("docs/CABLE.md", "json", number))
        port = wire.free_port()
        self.address = ("127.0.0.1", port)
        self.cable = configuration["cables"][0]
        text = json.dumps(change(configuration)).replace(configuration["listen"], f"127.0.0.1:{port}")
        (tmp_path / "ondemandd.json").write_text(text)
        asked = shell("ondemandd check --config ondemandd.json", **environment)
        assert asked.wait(10) == 0 and "warning" not in asked.said(), asked.said()
        self.process = shell("exec ondemandd --config ondemandd.json", **environment)
        processes.eventually(lambda: "for=clients" in self.process.said(), what="the daemon")

    def post(self, body, *fields):
        return wire.Wire(self.address).ask(wire.request(
            method="POST", path=self.cable["broadcast"]["path"], body=json.dumps(body).encode(),
            extra=["Content-Type: application/json", *fields])).status


def welcome(client):
    assert client.message()["type"] == "welcome"


@pytest.mark.timeout(90)
@shows("docs/CABLE.md", "json", 0)
@shows("docs/CABLE.md", "sh", 2)
@shows("docs/CABLE.md", "ruby", 0)
def test_an_application_leaves_action_cable_as_it_is_written(shell, redis, tmp_path):
    rails.need("ruby")
    script = example("docs/CABLE.md", "ruby") + 'puts cable_token({ user_id: 15 }), cable_token({}, expires_in: -1)'
    secret = "a-secret-of-tokens-with-32-bytes"
    made = shell(f"ruby -e '{script}'", CABLE_JWT_SECRET=secret)
    assert made.wait(10) == 0, made.said()
    token, expired = made.said().split()

    def with_tokens(configuration):
        cable = configuration["cables"][0]
        cable["redis"]["url"] = cable["redis"]["url"].replace("127.0.0.1:26380", f"127.0.0.1:{redis.port}")
        cable["jwt"] = {"secret": "${CABLE_JWT_SECRET}"}
        return configuration

    migrated = Migrated(shell, tmp_path, 0, with_tokens, SECRET_KEY_BASE="0" * 64, CABLE_JWT_SECRET=secret)
    with Cable(migrated.address, f"/cable?jid={token}") as client:
        welcome(client)
        identifier, answer = client.subscribe("NewsChannel", topic="weather")
        assert answer == "confirm_subscription"
        assert client.subscribe("NewsChannel")[1] == client.subscribe("MembersChannel")[1] == "reject_subscription"
        publish = example("docs/CABLE.md", "sh", 2).replace("redis://127.0.0.1:26380/0", redis.url)
        published = shell(publish, REPOSITORY, RAILS_ENV="production")
        assert published.wait(30) == 0, published.said()
        assert client.payload(identifier)["text"] == "sunny"
    with Cable(migrated.address, f"/cable?jid={expired}") as client:
        assert client.message() == {"type": "disconnect", "reason": "token_expired", "reconnect": False}


@shows("docs/CABLE.md", "json", 1)
@shows("docs/CABLE.md", "sh", 3)
def test_an_application_leaves_anycable_as_it_is_written(shell, tmp_path):
    rails.need("openssl")
    # The key that the tests of anycable-rb have for this secret, and a signed stream and a token of another tool.
    derived = shell(example("docs/CABLE.md", "sh", 3), ANYCABLE_SECRET="qwerty")
    assert derived.wait(10) == 0
    assert derived.said() == "42923a28b760e667fc92f7c6123bb07a282822b329dd2ef48e7aee7830d98485\n"

    secret = "a-secret-of-anycable-of-32-bytes"
    derived = shell(example("docs/CABLE.md", "sh", 3), ANYCABLE_SECRET=secret)
    assert derived.wait(10) == 0
    key = derived.said().strip()
    migrated = Migrated(shell, tmp_path, 1, ANYCABLE_SECRET=secret, ANYCABLE_BROADCAST_KEY=key)
    name = base64.b64encode(b'"room"').decode()
    signed = f"{name}--{hmac.new(secret.encode(), name.encode(), hashlib.sha256).hexdigest()}"
    token = jwt.encode({"ext": "{}", "exp": int(time.time()) + 60}, secret, algorithm="HS256")
    with Cable(migrated.address, f"/cable?jid={token}") as client:
        welcome(client)
        identifier, answer = client.subscribe("$pubsub", signed_stream_name=signed)
        assert answer == "confirm_subscription"
        assert client.subscribe("$pubsub", stream_name="room")[1] == "reject_subscription"
        message = {"stream": "room", "data": json.dumps({"text": "hello"})}
        assert migrated.post(message) == 401
        assert migrated.post(message, f"Authorization: Bearer {key}") == 201
        assert client.payload(identifier) == {"text": "hello"}
    with Cable(migrated.address) as client:
        assert client.message() == {"type": "disconnect", "reason": "unauthorized", "reconnect": False}


@shows("docs/CABLE.md", "json", 2)
def test_an_application_leaves_turbo_cable_as_it_is_written(shell, tmp_path):
    """`bundle` is a stand-in for Rails; it broadcasts to the URL in its environment, as the gem does."""
    bundle = shell.commands / "bundle"
    bundle.write_text("""#!/bin/sh
port=${4##*:}
cat > page.py <<END
import http.server, os, urllib.request
class Rails(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"stream":"live-scores","data":"<turbo-stream></turbo-stream>"}'
        with urllib.request.urlopen(os.environ["TURBO_CABLE_BROADCAST_URL"], body) as response:
            self.send_response(response.status)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", $port), Rails).serve_forever()
END
exec python3 page.py
""")
    bundle.chmod(0o755)

    migrated = Migrated(shell, tmp_path, 2)
    with websockets.sync.client.connect("ws://{}:{}/cable".format(*migrated.address), proxy=None) as client:
        client.send(json.dumps({"type": "subscribe", "stream": "live-scores"}))
        assert json.loads(client.recv(timeout=10)) == {"type": "subscribed", "stream": "live-scores"}
        answer = wire.Wire(migrated.address, 20).ask(wire.request(path="/scores", extra=["Connection: close"]))
        assert answer.status == 200
        assert json.loads(client.recv(timeout=10)) == {
            "type": "message", "stream": "live-scores", "data": "<turbo-stream></turbo-stream>"}


@pytest.mark.timeout(90)
@shows("examples/rails-hub/README.md", "sh", 0)
def test_the_rails_hub_runs_by_hand_as_it_is_written(shell):
    rails.need("puma", "ruby", "redis-server", "openssl")
    text = example("examples/rails-hub/README.md", "sh", 0)
    assert ".build/release/ondemandd" in text
    ports = {"PORT": wire.free_port(), "STATUS_PORT": wire.free_port()}
    redis = free_ports(26380)
    environment = {name: str(port) for name, port in ports.items()}
    running = shell(
        moved(text, redis).replace(".build/release/ondemandd", "ondemandd"), REPOSITORY,
        REDIS_URL=f"redis://127.0.0.1:{redis[26380]}/0", **environment)
    processes.eventually(lambda: "for=clients" in running.said(), what="the daemon")
    address = ("127.0.0.1", ports["PORT"])
    page = wire.Wire(address, 30).ask(wire.request(path="/", extra=["Connection: close"]))
    assert page.status == 200 and b"Rails without a WebSocket server" in page.body
    with Cable(address) as client:
        welcome(client)
        assert client.subscribe("NewsChannel", topic="weather")[1] == "confirm_subscription"


# docs/COMMANDS.md


@pytest.mark.timeout(60)
@shows("docs/COMMANDS.md", "sh", 0, 1)
def test_a_command_is_configured_and_started_as_it_is_written(shell, tmp_path):
    ports = free_ports(3000)
    begin, ask = (moved(example("docs/COMMANDS.md", "sh", number), ports).replace(
        "/tmp/commands.sock", f"{tmp_path}/commands.sock") for number in range(2))
    daemon = shell(begin)
    processes.eventually(lambda: "for=control" in daemon.said(), what="the daemon")
    assert "warning" not in daemon.said()
    asked = shell(ask)
    assert asked.wait(20) == 0, asked.said()
    assert "\x1b[1mHello, world\x1b[0m" in asked.said() and asked.said().count("step ") == 3
    started = json.loads(re.search(r'\{"id".*\}', asked.said())[0])
    assert started == {"id": started["id"], "stream": f"greet_world_{started['id']}"}

    def results():
        commands = shell(f"ondemandd commands --control unix:{tmp_path}/commands.sock")
        assert commands.wait(10) == 0
        return commands.said().splitlines()[1]

    processes.eventually(lambda: re.match("greet  name +0 of 1 +2 +2 +0 +0 +status 0 after 3s", results()), within=15,
                         what="both results")


def command(script, **keys):
    return {"name": "apply", "path": "/commands/apply", "cable": "cable", "key": "a-key-of-commands", "command": "sh",
            "args": ["-c", script], "stream": "out_{id}", **keys}


def start_run(daemon, **parameters):
    with wire.Wire(daemon.address) as connection:
        response = connection.ask(wire.request(
            "POST", "/commands/apply", extra=["Authorization: Bearer a-key-of-commands", "Connection: close"],
            body=json.dumps(parameters).encode()))
    assert response.status == 202, response.body
    return json.loads(response.body)


@pytest.mark.parametrize("number, protocol", [(0, "action_cable"), (1, "turbo_cable")])
@shows("docs/COMMANDS.md", "js", 0, 1)
def test_a_page_shows_the_output_of_a_run_as_it_is_written(browser, start, tmp_path, number, protocol):
    script = r"printf '\033[32mgreen\033[0m\r\033[2K'; printf 123; sleep 0.3; echo ü; exit 3"
    cable = {"name": "cable", "path": "/cable", "protocols": [protocol], "allowed_origins": "*",
             "streams": {"secret": "a-secret-of-signed-streams", "public": ["out_*"]}}
    daemon = start(top={"cables": [cable], "commands": [command(script)]})
    run = start_run(daemon)
    address = f"ws://127.0.0.1:{daemon.port}/cable"
    called = {
        "action_cable": "follow(ActionCable.createConsumer(address), run.signed_stream_name, terminal, ended);",
        "turbo_cable": "follow(address, run.stream, terminal, ended);"}[protocol]
    with rails_page(tmp_path, "<!DOCTYPE html><script src='action_cable.js'></script>") as port:
        browser.get(f"http://127.0.0.1:{port}/index.html")
        browser.execute_script(example("docs/COMMANDS.md", "js", number) + """
            const [address, run] = arguments;
            window.seen = [];
            const terminal = { write: (text) => window.seen.push(text) };
            const ended = () => { window.hasEnded = true; };
        """ + called, address, run)
        processes.eventually(lambda: browser.execute_script("return window.hasEnded === true"), what="the last message")
        seen = browser.execute_script("return window.seen")
    assert all(isinstance(text, str) for text in seen)
    assert "".join(seen) == "\x1b[32mgreen\x1b[0m\r\x1b[2K123ü\r\n\r\nExited with status 3.\r\n"


@shows("docs/COMMANDS.md", "ruby")
def test_a_controller_starts_a_command_as_it_is_written(shell, start, tmp_path):
    rails.need("ruby")
    cable = {"name": "cable", "path": "/cable", "streams": {"secret": "a-secret-of-signed-streams"}}
    script = 'echo "$PARAM_DATABASE for $PARAM_USER_ID"'
    daemon = start(top={"cables": [cable], "commands": [command(script, params=["database", "user_id"])]})
    file = tmp_path / "controller.rb"
    file.write_text("""
        require "json"
        require "net/http"
        class ApplicationController
          def self.before_action(name) = (raise name.to_s unless name == :require_administrator)
          def params = { database: "boston" }
          def current_user = Struct.new(:id).new(7)
          def render(json:, status:) = puts("#{status} #{json}")
        end
    """ + moved(example("docs/COMMANDS.md", "ruby"), {3000: daemon.port}) + "\nCommandsController.new.create\n")
    asked = shell(f"ruby {file}", COMMANDS_KEY="a-key-of-commands")
    assert asked.wait(20) == 0, asked.said()
    status, body = asked.said().split(" ", 1)
    assert status == "202" and set(json.loads(body)) == {"id", "stream", "signed_stream_name"}
    assert daemon.wait_for("run_ended", command="apply", run=json.loads(body)["id"])["exit"] == "0"


# docs/RAILS.md


@pytest.mark.timeout(90)
@shows("docs/RAILS.md", "ruby")
@shows("docs/RAILS.md", "json fragment")
def test_a_rails_application_is_put_to_sleep_as_it_is_written(start, redis, tmp_path):
    rails.need("puma", "ruby")
    application = shutil.copytree(rails.APPLICATION, tmp_path / "application")
    (application / "cable" / "config.ru").write_text(example("docs/RAILS.md", "ruby"))
    service = rails.example_service(wire.free_port(), idle_timeout="1s")
    service["on_demand"]["working_dir"] = str(application)
    environment = {"ENABLE_ACTION_CABLE": "true", "REDIS_URL": redis.url}

    def status_behind_tls(top):
        daemon = start(service, top=top, environment=environment)
        headers = ["X-Forwarded-Proto: https", "Sec-WebSocket-Protocol: actioncable-v1-json", "Origin: https://site.example"]
        with daemon.connect(30) as client:
            status = client.ask(wire.upgrade(host="site.example", extra=headers)).status
        daemon.stop()
        return status, any("Request origin not allowed" in record["line"] for record in daemon.events("output"))

    assert status_behind_tls({}) == (404, True)
    assert status_behind_tls(json.loads(example("docs/RAILS.md", "json fragment"))) == (101, False)


def test_a_command_that_is_not_on_the_path_is_told_in_the_words_of_the_document(start):
    daemon = start(service(wire.free_port(), on_demand=on_demand("bundle")), environment={"PATH": "/nowhere"})
    assert daemon.ask(wire.request()).status == 503
    detail = daemon.wait_for("start_failed")["detail"].replace("/nowhere", "...")
    assert f"`{detail}`" in (REPOSITORY / "docs/RAILS.md").read_text()


@shows("docs/RAILS.md", "js")
def test_a_page_that_nobody_sees_lets_its_cable_go(browser):
    browser.get("about:blank")
    seen = browser.execute_script("""
        const seen = [];
        const consumer = { disconnect: () => seen.push("disconnect"), connect: () => seen.push("connect") };
    """ + example("docs/RAILS.md", "js") + """
        for (const hidden of [true, false]) {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }
        return seen;
    """)
    assert seen == ["disconnect", "connect"]


# What others read


@shows("docs/METRICS.md", "yaml", 0, 1)
def test_prometheus_is_told_of_metrics_and_labels_that_there_are():
    document = (REPOSITORY / "docs/METRICS.md").read_text()
    scrape, alerts = (yaml.safe_load(example("docs/METRICS.md", "yaml", number)) for number in range(2))
    (job,) = scrape["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9292"]}]
    known = set(re.findall(r"^\| `(ondemandd_[a-z_]+)`", document, re.MULTILINE))
    assert len(known) > 20
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert len(rules) >= 3
    for rule in rules:
        (name,) = re.findall("ondemandd_[a-z_]+", rule["expr"])
        assert name in known and set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        used = set(re.findall(r"\$labels\.([a-z]+)", rule["annotations"]["summary"]))
        assert used <= {"service"} and (not used or "_service_" in name)
        assert rule["expr"].count("(") == rule["expr"].count(")")
    (quantile,) = re.findall("ondemandd_service_startup_seconds_bucket", document)
    assert "ondemandd_service_startup_seconds" in known


@shows("docs/FUZZING.md", "sh", 0)
def test_the_fuzzers_are_called_as_it_is_written(shell):
    lines = example("docs/FUZZING.md", "sh", 0).splitlines()
    for line in lines:
        run = shell(line.replace("make ", "make --dry-run "), REPOSITORY)
        assert run.wait(10) == 0 and "scripts/fuzz" in run.said()
    (name,) = re.findall("FUZZER=([a-z-]+)", "\n".join(lines))
    assert (REPOSITORY / "Fuzz" / name / "corpus").is_dir()


@shows("examples/fly/README.md", "sh", 0)
def test_what_fly_is_told_names_files_that_are_there_and_a_token_that_is_one(tmp_path):
    text = example("examples/fly/README.md", "sh", 0)
    (file,) = re.findall(r"--config (\S+)", text)
    assert (REPOSITORY / file).is_file()
    name = re.search('^app = "([a-z-]+)"', (REPOSITORY / file).read_text(), re.MULTILINE)[1]
    assert f"fly apps create {name}\n" in text and f"--app {name}\n" in text
    (secret,) = re.findall(r"STATUS_TOKEN=(\$\(.*?\))", text)
    token = subprocess.run(["bash", "-c", f"echo -n {secret}"], capture_output=True, text=True).stdout
    run = checked(tmp_path, (REPOSITORY / "examples/fly/ondemandd.json").read_text(), STATUS_TOKEN=token)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.timeout(90)
@shows("examples/rails-cable/README.md", "sh", 0)
def test_the_rails_example_runs_by_hand_as_it_is_written(shell):
    rails.need("puma", "ruby", "redis-server")
    ports = free_ports(26380, 28080)
    running = shell(moved(example("examples/rails-cable/README.md", "sh", 0), ports), rails.APPLICATION)
    rails.seconds_until_accepting(ports[28080])
    with Cable(("127.0.0.1", ports[28080])) as client:
        client.welcome()
    assert running.poll() is None


@shows("examples/rails-cable/README.md", "js", 0)
def test_the_rails_example_in_a_page_names_a_channel_that_there_is(browser):
    browser.execute_script("""
        window.subscribed = [];
        const create = (...words) => subscribed.push(words);
        window.ActionCable = { createConsumer: (path) => ({ subscriptions: { create: (...rest) => create(path, ...rest) } }) };
    """ + example("examples/rails-cable/README.md", "js", 0))
    path, channel, _ = browser.execute_script("return subscribed[0]")
    assert path == "/cable" and channel["topic"] == "weather"
    folder = rails.APPLICATION / "app" / "channels"
    assert any(f"class {channel['channel']} " in file.read_text() for file in folder.glob("*.rb"))


# Links


def anchors(document):
    """What GitHub calls the headings of a document."""
    text = re.sub(r"^```.*?^```$", "", (REPOSITORY / document).read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = [re.sub("[`*]", "", heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(document):
    here = (REPOSITORY / document).parent
    text = re.sub(r"^```.*?^```$", "", (REPOSITORY / document).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match("[a-z]+:", target) and not target.startswith("doc:"):
            continue
        name, _, anchor = target.partition("#")
        file = (here / name).resolve() if name else REPOSITORY / document
        assert file.exists(), f"{document} leads to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.relative_to(REPOSITORY).as_posix()), f"{document} leads to {target}"


def test_every_document_is_led_to_from_the_readme():
    reached, todo = set(), ["README.md"]
    while todo:
        document = todo.pop()
        if document in reached:
            continue
        reached.add(document)
        here = (REPOSITORY / document).parent
        for target in re.findall(r"\]\(([^)\s#]+)", (REPOSITORY / document).read_text()):
            file = (here / target).resolve()
            if file.suffix == ".md" and file.is_file():
                todo.append(file.relative_to(REPOSITORY).as_posix())
    assert {one for one in DOCUMENTS if "OnDemand.docc" not in one} - reached == set()
