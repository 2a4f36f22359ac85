"""The real Rails application behind a cable: Puma sleeps while browsers and scripted clients stay connected."""

import json
import subprocess
import time

import pytest

import processes
import rails
import wire
from daemon import REPOSITORY, service
from page import rails_page
from test_hibernation import CableClient, identifier, publish

EXAMPLE = REPOSITORY / "examples" / "hibernate.json"
TABS, CONSUMERS, SCRIPTED = 5, 10, 200

PAGE = """<!DOCTYPE html><title>cable</title>
<script src="action_cable.js"></script>
<script>
const seen = { connected: 0, disconnected: 0, closed: 0, subscribes: 0, messages: [] };
const open = window.WebSocket;
ActionCable.adapters.WebSocket = class extends open {
  constructor(...words) { super(...words); this.addEventListener("close", () => seen.closed++); }
  send(text) { if (JSON.parse(text).command === "subscribe") seen.subscribes++; super.send(text); }
};
for (let number = 0; number < COUNT; number++) {
  ActionCable.createConsumer("/cable").subscriptions.create({ channel: "NewsChannel", topic: "weather" }, {
    connected() { seen.connected++; },
    disconnected() { seen.disconnected++; },
    received(data) { seen.messages.push(data.text); }
  });
}
</script>""".replace("COUNT", str(CONSUMERS))


@pytest.fixture
def page(tmp_path):
    """The service of a page with Rails' own JavaScript."""
    with rails_page(tmp_path, PAGE) as port:
        yield service(port, name="page", path="/*", websocket=False)


def begin(start, redis, page, idle_timeout, without_origin=False, **cable_keys):
    """The daemon with the cable and the service of examples/hibernate.json."""
    example = json.loads(EXAMPLE.read_text())
    [cable], [backend] = example["cables"], example["reverse_proxies"]
    cable.update(enabled=True, redis={**cable["redis"], "url": redis.url}, **cable_keys)
    port = wire.free_port()
    text = json.dumps(backend).replace("${CABLE_PORT:-28080}", str(port))
    backend = json.loads(text.replace("${RAILS_ROOT:-examples/rails-cable}", str(rails.APPLICATION)))
    backend["on_demand"].update(idle_timeout=idle_timeout, stop_timeout="3s")
    backend["on_demand"]["env"]["REDIS_URL"] = redis.url
    backend["headers"] = {"Origin": "http://$host"} if without_origin else {}
    return start(backend, page, top={"cables": [cable]}, listen=f"127.0.0.1:{wire.free_port()}")


@pytest.mark.timeout(180)
def test_rails_sleeps_under_250_open_clients_and_wakes_for_one_action(start, redis, page, browser, measured):
    rails.need("puma", "ruby", "redis-server")
    daemon = begin(start, redis, page, idle_timeout="4s")
    alone = processes.resident_kib(daemon.pid)
    url = f"http://127.0.0.1:{daemon.port}/index.html"
    browser.get(url)
    for _ in range(TABS - 1):
        browser.switch_to.new_window("tab")
        browser.get(url)
    clients = []
    news = identifier("NewsChannel", topic="weather")
    for _ in range(SCRIPTED):
        client = CableClient(daemon, origin=f"http://127.0.0.1:{daemon.port}")
        clients.append(client)
        client.send(command="subscribe", identifier=news)
    for client in clients:
        assert client.next()["type"] == "welcome"
        assert client.next() == {"identifier": news, "type": "confirm_subscription"}
    processes.eventually(lambda: sum(of_tabs(browser, "connected")) == TABS * CONSUMERS, 20, what="every tab connected")
    echo = clients[7].join("EchoChannel")
    pid = daemon.wait_for("ready", generation=1)["pid"]
    awake = processes.resident_kib(daemon.pid), processes.resident_kib(pid)

    daemon.wait_for("stopped", generation=1, within=20)
    assert not processes.is_alive(pid) and daemon.offspring() == []
    asleep = processes.resident_kib(daemon.pid)

    browser.switch_to.new_window("tab")
    browser.get(f"http://{daemon.status_address[0]}:{daemon.status_address[1]}/")
    page = "[data-service=action-cable] .meaning"
    words = f"No process is running. {SCRIPTED + TABS * CONSUMERS} clients stay connected."
    processes.eventually(
        lambda: browser.find_element("css selector", page).text == words, 10, what="the page naming the clients")
    browser.close()
    browser.switch_to.window(browser.window_handles[0])

    # Rails publishes like this from any of its processes; no Ruby serves the sockets.
    assert publish(redis, "rails_cable:news:weather", '{"text":"sunny"}') == 1
    for client in clients:
        assert client.next()["message"] == {"text": "sunny"}
    processes.eventually(
        lambda: of_tabs(browser, "messages") == [["sunny"] * CONSUMERS] * TABS, 10, what="every tab with the message")
    assert daemon.starts() == 1

    begun = time.monotonic()
    clients[7].perform(echo, "echo", text="once")
    answer = clients[7].next(within=60)["message"]
    woken = time.monotonic() - begun
    assert answer["echo"] == "once" and answer["process"] == daemon.wait_for("ready", generation=2)["pid"]

    rails.publish(redis, "weather", "rain")
    for client in clients:
        assert client.next(within=20)["message"]["text"] == "rain"
    processes.eventually(
        lambda: of_tabs(browser, "messages") == [["sunny"] * CONSUMERS + ["rain"] * CONSUMERS] * TABS, 20,
        what="every tab with the broadcast")
    assert of_tabs(browser, "connected") == [CONSUMERS] * TABS, "connected() fired once for each subscription"
    assert of_tabs(browser, "closed") == [0] * TABS and of_tabs(browser, "disconnected") == [0] * TABS
    assert of_tabs(browser, "subscribes") == [CONSUMERS] * TABS, "no client subscribed a second time"
    performed = [line for line in daemon.events("output") if 'EchoChannel#echo({"text"=>"once"})' in line["line"]]
    assert len(performed) == 1, "the action was performed once"
    clients_total = SCRIPTED + TABS * CONSUMERS
    measured("hibernation: daemon alone, no client (VmRSS)", f"{alone} KiB")
    measured(f"hibernation: daemon and Puma with {clients_total} clients, awake (VmRSS)", f"{awake[0]} and {awake[1]} KiB")
    measured(f"hibernation: daemon with {clients_total} clients, Puma asleep (VmRSS)", f"{asleep} KiB")
    measured("hibernation: from an action to its answer, over a boot of Rails", f"{woken:.2f} s")
    for client in clients:
        client.socket.close()


def of_tabs(browser, member):
    """A member of what each tab has seen."""
    values = []
    for handle in browser.window_handles:
        browser.switch_to.window(handle)
        values.append(browser.execute_script(f"return seen.{member}"))
    return values


@pytest.mark.timeout(120)
def test_a_native_client_stays_connected_while_rails_sleeps(start, redis, page):
    """PyPI aioactioncable offers no subprotocol and no Origin, which Rails asks for."""
    daemon = begin(start, redis, page, idle_timeout="2s", without_origin=True)
    script = """
import asyncio, json, sys
import aioactioncable
async def main():
    async with aioactioncable.connect(sys.argv[1]) as client:
        subscription = await client.subscribe({"channel": "EchoChannel"})
        print("subscribed", flush=True)
        for line in iter(sys.stdin.readline, ""):
            await subscription.send({"action": "echo", "text": line.strip()})
            print(json.dumps(await subscription.recv()), flush=True)
asyncio.run(main())
"""
    python = REPOSITORY / ".build" / "venv" / "bin" / "python"
    host = f"127.0.0.1:{daemon.port}"
    client = subprocess.Popen(
        [str(python), "-c", script, f"ws://{host}/cable"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "subscribed\n"
        for generation, word in enumerate(["one", "two", "three"], start=1):
            client.stdin.write(f"{word}\n")
            client.stdin.flush()
            answer = client.stdout.readline()
            assert word in answer
            daemon.wait_for("stopped", generation=generation, within=20)
        assert daemon.starts() == 3
    finally:
        client.kill()
        client.wait()
