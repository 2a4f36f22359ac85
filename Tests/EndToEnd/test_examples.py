"""Every configuration in examples/ in front of the real server it names."""

import json
import os
import shutil
import subprocess
import tomllib

import pytest
import websockets.sync.client

import processes
import rails
import wire
from daemon import CABLE_SECRETS, EXAMPLE_SECRETS, REPOSITORY, executable

EXAMPLES = REPOSITORY / "examples"


def services(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text())["reverse_proxies"]


def ports(*names):
    return {name: str(wire.free_port()) for name in names}


def messages(daemon, path, said, count):
    host, port = daemon.address
    with websockets.sync.client.connect(f"ws://{host}:{port}{path}", open_timeout=20) as socket:
        socket.send(said)
        return [socket.recv(timeout=5) for _ in range(count)]


def test_an_asgi_application_wakes_for_a_page_and_for_a_websocket_and_sleeps_again(start):
    rails.need("uvicorn")
    daemon = start(*services("asgi"), environment={**ports("ASGI_PORT"), "IDLE_TIMEOUT": "300ms"})

    answer = daemon.ask(wire.request(path="/hello"), timeout=20)
    assert (answer.status, answer.body) == (200, b"You asked for /hello.\n")
    assert messages(daemon, "/chat", "hi", 1) == ["You said 'hi'."]

    daemon.wait_for("stopped", within=10)
    processes.eventually(lambda: not daemon.offspring(), what="no process of the application")
    assert messages(daemon, "/chat", "again", 1) == ["You said 'again'."]


def test_websocketd_wakes_for_a_websocket_and_each_gets_a_process_of_its_own(start):
    rails.need("websocketd")
    daemon = start(*services("websocketd"), environment={**ports("WEBSOCKETD_PORT"), "IDLE_TIMEOUT": "300ms"})

    assert messages(daemon, "/count", "3\n", 3) == ["1", "2", "3"]
    assert messages(daemon, "/count", "2\n", 2) == ["1", "2"]
    daemon.wait_for("stopped", within=10)
    assert daemon.starts() == 1


@pytest.mark.timeout(90)
def test_the_development_setup_starts_of_three_servers_only_the_one_that_is_asked_for(start, redis):
    rails.need("puma", "uvicorn", "websocketd")
    environment = {**ports("CABLE_PORT", "ASGI_PORT", "WEBSOCKETD_PORT"), "REDIS_URL": redis.url}
    daemon = start(*services("development"), environment=environment)

    answer = daemon.ask(wire.request(path="/api/users"), timeout=20)
    assert (answer.status, answer.body) == (200, b"You asked for /users.\n")
    assert [daemon.status(name)["state"] for name in ("cable", "api", "count")] == ["asleep", "awake", "asleep"]

    assert messages(daemon, "/count", "1\n", 1) == ["1"]
    assert [daemon.status(name)["state"] for name in ("cable", "api", "count")] == ["asleep", "awake", "awake"]

    host, port = daemon.address
    origin = f"http://{host}:{port}"
    connecting = websockets.sync.client.connect(
        f"ws://{host}:{port}/cable", subprotocols=["actioncable-v1-json"], origin=origin, open_timeout=30)
    with connecting as cable:
        assert json.loads(cable.recv(timeout=10)) == {"type": "welcome"}
    assert [daemon.status(name)["state"] for name in ("cable", "api", "count")] == ["awake", "awake", "awake"]


def test_the_example_of_a_command_copies_a_database_and_says_what_is_wrong(start, tmp_path):
    folder = shutil.copytree(EXAMPLES / "commands", tmp_path / "commands")
    (folder / "databases").mkdir()
    (folder / "databases" / "boston.sqlite3").write_bytes(os.urandom(200_000))
    (tmp_path / "backups").mkdir()
    configuration = json.loads((EXAMPLES / "commands.json").read_text())
    control = f"unix:{tmp_path}/control.sock"
    daemon = start(
        top={"control": control, "cables": configuration["cables"], "commands": configuration["commands"]},
        environment={**EXAMPLE_SECRETS, "COMMANDS_DIR": str(folder), "BACKUPS": str(tmp_path / "backups")})
    daemon.wait_for("listening", **{"for": "control"})

    def backup(database):
        words = ["run", "backup", f"database={database}", "user_id=7", "--control", control]
        return subprocess.run([executable(), *words], capture_output=True, timeout=20)

    copied = backup("boston")
    assert (copied.returncode, copied.stderr) == (0, b"")
    assert b"\r\x1b[K 25 %" in copied.stdout and b"Copied 200000 bytes." in copied.stdout
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.read_bytes() == (folder / "databases" / "boston.sqlite3").read_bytes()
    missing = backup("paris")
    assert missing.returncode == 1 and missing.stderr.startswith(b"ondemandd: backup: status 2 after ")
    assert b"There is no database paris." in missing.stdout and b"Exited with status 2." in missing.stdout


def test_every_example_is_a_valid_configuration():
    names = sorted(path.stem for path in EXAMPLES.glob("*.json"))
    assert {"actioncable", "asgi", "demo", "development", "hibernate", "websocketd"} <= set(names)
    for name in names:
        checked = subprocess.run(
            [executable(), "--check", "--config", str(EXAMPLES / f"{name}.json")], cwd=REPOSITORY,
            capture_output=True, text=True, timeout=10, env={**os.environ, **EXAMPLE_SECRETS})
        assert (checked.returncode, checked.stderr) == (0, ""), name


def test_the_cable_example_wants_its_secrets():
    wrong = check(EXAMPLES / "cable.json")
    assert wrong.returncode == 78
    for name in CABLE_SECRETS:
        assert f"{name} is not set" in wrong.stderr
    secrets = {**CABLE_SECRETS, "CABLE_BROADCAST_KEY": "too short"}
    assert "has 9 bytes" in check(EXAMPLES / "cable.json", **secrets).stderr


def check(file, **variables):
    return subprocess.run(
        [executable(), "check", "--config", str(file)], capture_output=True, text=True, env={**os.environ, **variables})


def test_the_fly_example_is_a_valid_configuration_and_wants_its_token():
    file = EXAMPLES / "fly" / "ondemandd.json"
    assert check(file, STATUS_TOKEN="0123456789abcdef").returncode == 0
    without = check(file)
    assert without.returncode == 78 and "STATUS_TOKEN is not set" in without.stderr


def test_the_fly_application_and_its_configuration_name_the_same_ports_and_times():
    application = tomllib.loads((EXAMPLES / "fly.toml").read_text())
    configuration = json.loads((EXAMPLES / "fly" / "ondemandd.json").read_text())
    assert configuration["listen"] == f"0.0.0.0:{application['http_service']['internal_port']}"
    ready = application["checks"]["ready"]
    assert configuration["status"]["listen"] == f"0.0.0.0:{ready['port']}" and ready["path"] == "/readyz"
    # drain_timeout, the stop plans of Puma and then of Redis, and six seconds.
    assert application["kill_signal"] == "SIGTERM" and application["kill_timeout"] > 10 + 10 + 10 + 6
    dockerfile = (EXAMPLES / application["build"]["dockerfile"]).read_text()
    assert f" AS {application['build']['build-target']}\n" in dockerfile
    for source in [line.split()[1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line]:
        assert (REPOSITORY / source).exists(), f"the image needs {source}"


@pytest.mark.parametrize("variables, enabled", [
    ({"CABLE_REGIONS": "ams fra", "FLY_REGION": "fra"}, "true"), ({"CABLE_REGIONS": "ams fra", "FLY_REGION": "ord"}, ""),
    ({"CABLE_REGIONS": "amsterdam", "FLY_REGION": "ams"}, ""), ({"FLY_REGION": "ams"}, ""), ({}, ""),
    ({"ENABLE_ACTION_CABLE": "true", "FLY_REGION": "ord"}, "true")])
def test_the_fly_start_switches_the_flag_on_by_region_and_becomes_the_daemon(tmp_path, variables, enabled):
    daemon = tmp_path / "ondemandd"
    daemon.write_text('#!/bin/sh\necho "$$:${ENABLE_ACTION_CABLE:-}:$*"\n')
    daemon.chmod(0o755)
    run = subprocess.Popen([EXAMPLES / "fly" / "start"], stdout=subprocess.PIPE, text=True,
                           env={"PATH": f"{tmp_path}:/usr/bin:/bin", **variables})
    assert run.communicate()[0] == f"{run.pid}:{enabled}:--config /etc/ondemandd.json\n"
    assert run.returncode == 0
