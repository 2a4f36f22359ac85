"""examples/rails-hub: Rails serves pages, the daemon serves their WebSockets, two browser windows update each other."""

import json
import secrets
import shutil

import pytest
from axe_core_python.selenium import Axe

import processes
import rails
import wire
from daemon import REPOSITORY
from page import Windows
from test_cables import Client, facts
from test_documents import example

HUB = REPOSITORY / "examples" / "rails-hub"
ADAPTER = REPOSITORY / "examples" / "ondemandd_adapter.rb"


def serve(start, root=HUB, cable=None, **environment):
    """The example as its configuration has it, on free ports."""
    rails.need("puma", "ruby")
    configuration = json.loads((HUB / "ondemandd.json").read_text())
    cables = [{key: value for key, value in {**configuration["cables"][0], **(cable or {})}.items() if value}]
    environment = {"SECRET_KEY_BASE": secrets.token_hex(64), "RAILS_ROOT": str(root), **environment}
    return start(*configuration["reverse_proxies"], top={"cables": cables}, environment=environment)


def update_each_other(browser, daemon):
    """Both windows show each message, in the channel and in the Turbo stream, also after Rails was stopped."""
    windows = Windows(browser, f"http://127.0.0.1:{daemon.port}/")
    windows.both("#state", "open")
    assert facts(daemon)["clients"] == 2 and facts(daemon)["subscriptions"] == 4
    sent = []
    for number, text in [(0, "sunny"), (1, '<b>rain</b> & "wind"')]:
        windows.send(number, text)
        sent.append(text)
        windows.both("#latest", text)
        windows.both("#messages", "\n".join(sent))

    # The windows stay connected while no Ruby process runs.
    daemon.wait_for("stopped", within=20)
    processes.eventually(lambda: not daemon.offspring(), what="no process of Rails")
    assert facts(daemon)["clients"] == 2

    windows.send(0, "snow")
    sent.append("snow")
    windows.both("#latest", "snow")
    windows.both("#messages", "\n".join(sent))
    assert daemon.starts() == 2
    assert windows.errors() == []
    assert Axe().run(browser)["violations"] == []


@pytest.mark.timeout(120)
def test_two_windows_update_each_other_through_redis(browser, start, redis):
    update_each_other(browser, serve(start, REDIS_URL=redis.url, IDLE_TIMEOUT="2s"))


@pytest.mark.timeout(120)
def test_two_windows_update_each_other_with_the_adapter_and_without_redis(browser, start, tmp_path):
    """The application of the example after the steps of docs/CABLE.md."""
    root = shutil.copytree(HUB, tmp_path / "hub")
    adapters = root / "lib" / "action_cable" / "subscription_adapter"
    adapters.mkdir(parents=True)
    shutil.copy(ADAPTER, adapters / "ondemandd.rb")
    port, key = wire.free_port(), secrets.token_hex(16)
    (root / "config" / "cable.yml").write_text(
        example("docs/CABLE.md", "yaml").replace("127.0.0.1:3001", f"127.0.0.1:{port}"))
    part = json.loads(example("docs/CABLE.md", "json fragment").replace("127.0.0.1:3001", f"127.0.0.1:{port}"))
    daemon = serve(
        start, root, cable={"redis": None, **part}, CABLE_BROADCAST_KEY=key, IDLE_TIMEOUT="2s")
    update_each_other(browser, daemon)
    assert facts(daemon)["redis"] is None


def test_a_stream_needs_its_topic_and_a_signature_of_this_application(start, redis):
    daemon = serve(start, REDIS_URL=redis.url)
    with Client(daemon, origin=f"http://127.0.0.1:{daemon.port}") as client:
        assert client.next()["type"] == "welcome"
        assert client.subscribe(channel="NewsChannel", topic="weather") == "confirm_subscription"
        assert client.subscribe(channel="NewsChannel") == "reject_subscription"
        forged = "Im1lc3NhZ2VzIg==--" + "0" * 64
        assert client.subscribe(channel="Turbo::StreamsChannel", signed_stream_name=forged) == "reject_subscription"
    daemon.assert_never("started")
