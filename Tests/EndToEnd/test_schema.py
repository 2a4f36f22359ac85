"""The schema that `ondemandd config schema` writes, checked by an independent validator."""

import json
import os
import re
import subprocess

import jsonschema
import pytest

from daemon import EXAMPLE_SECRETS, REPOSITORY, executable

SERVICE = {"name": "a", "path": "/a", "target": "http://127.0.0.1:1"}


def printed(*words):
    return subprocess.run([executable(), *words], capture_output=True, text=True, check=True, timeout=10).stdout


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(printed("config", "schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def configuration(**keys):
    return {"listen": "127.0.0.1:3000", "reverse_proxies": [SERVICE], **keys}


def service(**keys):
    return configuration(reverse_proxies=[{**SERVICE, **keys}])


def cable(**keys):
    return {"listen": "127.0.0.1:3000", "cables": [{"name": "c", "path": "/c", **keys}]}


def backed(**keys):
    """A cable with a backend, which has no path of its own."""
    backend = {"name": "b", "target": "http://127.0.0.1:1", "websocket": True, "on_demand": {"command": "x"}}
    return {**cable(backend="b", **keys), "reverse_proxies": [backend]}


def on_demand(**keys):
    return service(on_demand={"command": "x", **keys})


def right():
    for path in sorted((REPOSITORY / "examples").glob("*.json")):
        yield path.name, path.read_text()
    document = (REPOSITORY / "docs" / "CONFIGURATION.md").read_text()
    for number, block in enumerate(re.findall(r"\n```json\n(.*?)```\n", document, re.S)):
        yield f"documentation-{number}", block
    yield "a port alone", json.dumps(configuration(listen=[3000, "fd:web"]))
    yield "a switch in capitals", json.dumps(service(enabled="Yes"))
    yield "a stop plan", json.dumps(on_demand(stop=["INT", "5s", "SIGTERM", "1m30s", "KILL"]))
    yield "a way to be ready", json.dumps(on_demand(readiness={"kind": "http", "path": "/up", "status": "2xx"}))
    yield "a cable", json.dumps(cable(streams={"public": ["a-*"], "channels": {"A": "a-{b}"}}, limits={"max_connections": 5}))
    channels = [{"name": "A", "streams": ["a-{b}"]}, {"name": "B", "actions": "stateless", "streams": []}]
    yield "a backend of a cable", json.dumps(backed(connect="local", hibernate={"channels": channels, "max_age": "off"}))
    yield "a listener for broadcasts", json.dumps(cable(broadcast={"listen": "fd:x", "max_body_bytes": 99}))
    yield "conditions", json.dumps(on_demand(wake_on=[{"path": "/a"}, {"header": "X-Wake"}]))


WRONG = {
    "a port out of its range": on_demand(port=70_000),
    "another way to be ready": on_demand(readiness="soon"),
    "no way to be ready": on_demand(readiness={"path": "/up"}),
    "a status that is none": on_demand(readiness={"kind": "http", "status": 42}),
    "an unknown key": configuration(listne=1),
    "no listener": {"reverse_proxies": [SERVICE]},
    "an empty list": configuration(listen=[]),
    "a number for a name": service(name=7),
    "a name with a space": service(name="action cable"),
    "a switch in other words": service(enabled="maybe"),
    "a path without a slash": service(path="cable"),
    "another scheme": service(target="https://127.0.0.1:1"),
    "no command": service(on_demand={}),
    "a bare number for a duration": on_demand(idle_timeout=15),
    "a duration without a unit": on_demand(idle_timeout="15"),
    "units in another order": on_demand(idle_timeout="30s1m"),
    "a zero that has no meaning": on_demand(startup_timeout="0s"),
    "too many who wait": on_demand(max_queue=1_000_001),
    "a signal that does not exist": on_demand(stop=["STOP", "1s"]),
    "two ways to stop": on_demand(stop=["KILL"], stop_timeout="1s"),
    "two conditions in one": on_demand(wake_on={"header": "X", "path": "/x"}),
    "any in a list": on_demand(wake_on=["any"]),
    "a word for a level": configuration(log={"level": "loud"}),
    "a size in another unit": configuration(limits={"max_header_bytes": "16KB"}),
    "a size out of its range": configuration(limits={"max_header_bytes": 1}),
    "a limit that only the top has": service(limits={"header_timeout": "1s"}),
    "neither services nor cables": {"listen": "127.0.0.1:3000"},
    "a cable without a path": {"listen": "127.0.0.1:3000", "cables": [{"name": "c"}]},
    "hibernation without a backend": cable(hibernate={}),
    "another side that accepts clients": backed(connect="daemon"),
    "another word for actions": backed(hibernate={"channels": [{"name": "A", "actions": "none"}]}),
    "a channel without a name": backed(hibernate={"channels": [{"streams": []}]}),
    "an age without a unit": backed(hibernate={"max_age": "12"}),
    "another protocol": cable(protocols=["socket.io"]),
    "no place for broadcasts": cable(broadcast={"key": "0123456789abcdef"}),
    "a token without a secret": cable(jwt={"parameter": "jid"}),
    "TLS to Redis": cable(redis={"url": "rediss://127.0.0.1"}),
    "a pattern alone": cable(streams={"public": "a-*"}),
    "messages of any size": cable(limits={"max_message_size": "off"}),
    "a control port": configuration(control="127.0.0.1:1"),
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in right()])
def test_what_the_daemon_takes_the_schema_takes(validator, text, tmp_path):
    validator.validate(json.loads(text))
    assert verdict(text, tmp_path) == 0


@pytest.mark.parametrize("kind", ["rails-actioncable", "generic", "cable"])
def test_what_init_writes_fits_the_schema(validator, kind):
    validator.validate(json.loads(printed("init", kind)))


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_the_schema_refuses_the_daemon_refuses_too(validator, wrong, tmp_path):
    assert not validator.is_valid(wrong)
    assert verdict(json.dumps(wrong), tmp_path) == 78


def verdict(text, folder):
    file = folder / "ondemandd.json"
    file.write_text(text)
    return subprocess.run(
        [executable(), "check", "--config", str(file)], capture_output=True, timeout=10,
        env={**os.environ, **EXAMPLE_SECRETS}).returncode
