"""A real Rails application, asleep behind the daemon with the configuration of the README's example."""

import statistics
import time

import pytest

import processes
import rails
import wire
from cable import Cable


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = rails.Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def example(start, redis):
    """The daemon with the example's service; no Ruby process yet."""
    rails.need("puma", "ruby", "redis-server")

    def begin(idle_timeout):
        return start(
            rails.example_service(wire.free_port(), idle_timeout),
            environment={"ENABLE_ACTION_CABLE": "true", "REDIS_URL": redis.url},
        )

    return begin


def converse(daemon, redis, text):
    """Everything a Rails client does in its life; returns the seconds from the upgrade to its 101."""
    with Cable(daemon.address) as cable:
        assert cable.socket.subprotocol == "actioncable-v1-json"
        cable.welcome()

        news, answer = cable.subscribe("NewsChannel", topic="weather")
        assert answer == "confirm_subscription"
        _, answer = cable.subscribe("MembersChannel")
        assert answer == "reject_subscription"
        echo, answer = cable.subscribe("EchoChannel")
        assert answer == "confirm_subscription"
        assert cable.perform(echo, "echo", text=text)["echo"] == text

        rails.publish(redis, "weather", text)
        assert cable.payload(news)["text"] == text

        first = cable.ping()
        assert 2 <= cable.ping() - first <= 4, "Rails pings every three seconds"
        return cable.seconds_to_101


@pytest.mark.timeout(90)
def test_a_sleeping_rails_application_wakes_converses_goes_back_to_sleep_and_wakes_again(example, redis, measured):
    daemon = example(idle_timeout="1s")
    assert daemon.offspring() == [], "no process may run before anyone asked"
    asleep = processes.resident_kib(daemon.pid)

    first = converse(daemon, redis, "sunny, 21 °C")
    pid = daemon.wait_for("ready", generation=1)["pid"]
    awake = processes.resident_kib(daemon.pid)
    puma = processes.resident_kib(pid)

    daemon.wait_for("stopped", generation=1, within=10)
    assert not processes.is_alive(pid) and processes.childless(daemon.pid) and daemon.offspring() == []
    time.sleep(0.2)  # The last thing the daemon does before it sleeps is to give memory back.
    asleep_again = processes.resident_kib(daemon.pid)

    second = converse(daemon, redis, "rain")
    assert daemon.wait_for("ready", generation=2)["pid"] != pid
    daemon.wait_for("stopped", generation=2, within=10)
    assert daemon.offspring() == []

    measured("Rails: daemon asleep, before the first client (VmRSS)", f"{asleep} KiB")
    measured("Rails: daemon while a client converses (VmRSS)", f"{awake} KiB")
    measured("Rails: Puma while a client converses (VmRSS)", f"{puma} KiB")
    measured("Rails: daemon asleep again (VmRSS)", f"{asleep_again} KiB")
    measured("Rails: upgrade to 101, first and second conversation", f"{first * 1000:.0f}, {second * 1000:.0f} ms")


@pytest.mark.timeout(120)
def test_what_the_daemon_adds_to_the_boot_of_puma_is_small(example, redis, measured):
    alone, through = [], []
    daemon = example(idle_timeout="300ms")
    # In turns, so that a noisy moment of the machine meets both.
    for generation in range(1, 6):
        alone.append(rails.seconds_puma_boots(redis))
        with Cable(daemon.address) as cable:
            cable.welcome()
            through.append(cable.seconds_to_101)
        daemon.wait_for("stopped", generation=generation, within=10)

    booted, opened = statistics.median(alone), statistics.median(through)
    measured("Rails: Puma alone, exec to first accept (median of 5)", f"{booted * 1000:.0f} ms")
    measured("Rails: through the daemon, upgrade to 101 (median of 5)", f"{opened * 1000:.0f} ms")
    measured("Rails: difference (with Rails' own first answer)", f"{(opened - booted) * 1000:.0f} ms")
    # Rails' own work for its first request is in the difference, and so is the machine's noise.
    assert opened - booted < 0.25


def test_rails_sees_the_browsers_own_host_and_refuses_a_foreign_origin(example):
    daemon = example(idle_timeout="300ms")
    protocol = "Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported"
    key = "Sec-WebSocket-Extensions: permessage-deflate"

    own = daemon.open_tunnel(host="app.example:8443", extra=["Origin: http://app.example:8443", protocol, key])
    assert own.read_frame() == (1, b'{"type":"welcome"}')
    own.close()

    for origin in (["Origin: http://elsewhere.example"], []):
        answer = daemon.ask(wire.upgrade(host="app.example:8443", extra=[*origin, protocol]))
        assert (answer.status, answer.body) == (404, b"Page not found")

    # Neither refusal keeps Puma awake.
    daemon.wait_for("stopped", within=10)
    assert daemon.offspring() == []


def test_every_path_of_the_example_leads_to_the_same_rails_server(example):
    daemon = example(idle_timeout="0")
    for path in ("/cable", "/showcase/cable", "/showcase/regions/north%20west/cable"):
        with Cable(daemon.address, path=path) as cable:
            cable.welcome()
    assert daemon.ask(wire.request(path="/showcase/regions/cable")).status == 404
    assert daemon.starts() == 1


def test_the_example_configuration_is_off_until_its_flag_says_otherwise(start):
    daemon = start(rails.example_service(wire.free_port(), "1s"), environment={"ENABLE_ACTION_CABLE": ""})
    answer = daemon.ask(wire.upgrade())
    assert answer.status == 503
    assert daemon.offspring() == []


@pytest.mark.timeout(90)
def test_puma_takes_over_the_socket_that_the_daemon_holds(start, redis, measured):
    service = rails.example_service(wire.free_port(), "300ms")
    # Puma knows the socket by its address, which has to be the same one literally.
    port = service["target"].split(":")[2].split("/")[0]
    service["on_demand"].update(readiness="socket", args=rails.puma_arguments(port))
    daemon = start(service, environment={"ENABLE_ACTION_CABLE": "true", "REDIS_URL": redis.url})
    opened = []
    for generation in (1, 2, 3):
        with Cable(daemon.address) as cable:
            cable.welcome()
            opened.append(cable.seconds_to_101)
        daemon.wait_for("stopped", generation=generation, within=10)
    measured("Rails: upgrade to 101 with an inherited socket (median of 3)", f"{statistics.median(opened) * 1000:.0f} ms")
    daemon.assert_never("start_failed")
