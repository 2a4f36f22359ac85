"""The first upgrades: queued and rejected requests, and failed starts."""

import os
import statistics
import sys
import time
from pathlib import Path

import pytest

import processes
import wire
from daemon import double, launches_double, on_demand, service, sleeping_double
from wire import Listener, Wire, free_port, request, upgrade

BACKEND = str(Path(__file__).with_name("backend.py"))


def scripted(port, *switches, **keys):
    """backend.py as a command; the flags keep Python from loading what it does not need."""
    return on_demand(sys.executable, "-I", "-S", BACKEND, "--port", str(port), *switches, **keys)


def assert_refused(answer, why=""):
    assert answer.status == 503, f"{answer.head.first_line} {why}"
    assert int(answer.value("Retry-After")) >= 0
    assert answer.body.strip(), "a refusal says why"


def test_fifty_simultaneous_upgrades_cause_exactly_one_start(start):
    daemon = start(sleeping_double("--listen-after", "300ms"))
    clients = [daemon.connect() for _ in range(50)]
    for client in clients:
        client.send(upgrade())
    assert [client.read_head().status for client in clients] == [101] * 50
    assert daemon.starts() == 1
    assert daemon.status()["open"] == 50
    daemon.wait_for_count(1, "first_request")
    assert len(daemon.events("first_request")) == 1
    for client in clients:
        client.close()


def test_of_three_hundred_upgrades_256_are_held_and_the_rest_refused_at_once(start):
    daemon = start(sleeping_double("--listen-after", "2s"))
    clients = [daemon.connect() for _ in range(300)]
    for client in clients:
        client.send(upgrade())
    daemon.wait_for("started")
    processes.eventually(lambda: len(daemon.events("refused")) == 44, what="44 refusals")
    daemon.assert_never("ready")
    daemon.wait_for_status(queued_requests=256)

    heads = [client.read_response() for client in clients]
    assert sorted(answer.status for answer in heads) == [101] * 256 + [503] * 44
    for answer in heads:
        if answer.status == 503:
            assert_refused(answer)
    assert daemon.starts() == 1
    for client in clients:
        client.close()


def test_clients_that_leave_while_held_free_their_slots_and_do_not_abort_the_start(start):
    daemon = start(sleeping_double("--listen-after", "1200ms", max_queue=4))
    held = [daemon.connect() for _ in range(4)]
    for client in held:
        client.send(upgrade())
    daemon.wait_for_status(queued_requests=4)
    assert_refused(daemon.ask(upgrade()), "the fifth finds no slot")

    held.pop().close()
    held.pop().reset()
    daemon.wait_for_status(queued_requests=2)
    late = daemon.connect()
    late.send(upgrade())
    daemon.wait_for_status(queued_requests=3)

    assert [client.read_head().status for client in [*held, late]] == [101] * 3
    assert daemon.starts() == 1
    daemon.wait_for_status(open=3, queued_requests=0)


def test_a_backend_whose_only_client_left_during_the_start_idles_out_unused(start):
    daemon = start(sleeping_double("--listen-after", "300ms", idle_timeout="300ms"))
    client = daemon.connect()
    client.send(upgrade())
    daemon.wait_for("started")
    client.close()
    ready = daemon.wait_for("ready")
    stopped = daemon.wait_for("stopped")
    assert 0.3 <= stopped["at"] - ready["at"] < 1.0
    assert daemon.offspring() == []


def test_a_backend_that_exits_at_once_fails_all_its_waiters_at_once(start, tmp_path, measured):
    ports = [free_port() for _ in range(5)]
    daemon = start(*[
        service(port, name=f"mayfly-{port}", path=f"/{port}", on_demand=scripted(
            port, "--exit-after", "0.3", "--report", str(tmp_path / str(port))))
        for port in ports
    ])
    late = []
    for port in ports:
        clients = [daemon.connect() for _ in range(5)]
        for client in clients:
            client.send(upgrade(path=f"/{port}"))
        for client in clients:
            assert_refused(client.read_response())
        answered = time.monotonic()
        late.append(answered - float((tmp_path / str(port)).read_text()))
        failed = daemon.wait_for("start_failed", service=f"mayfly-{port}")
        assert "3" in f"{failed['reason']} {failed.get('detail')}", "the exit status belongs into the log"
    measured("exit of the backend to the last waiter's 503 (median, worst of 5)",
             f"{statistics.median(late) * 1000:.1f}, {max(late) * 1000:.1f} ms")
    assert statistics.median(late) <= 0.050


def test_the_double_exiting_at_once_gives_503_and_leaves_nothing(start):
    daemon = start(sleeping_double("--exit-at-once", "7"))
    begun = time.monotonic()
    assert_refused(daemon.ask(upgrade()))
    assert time.monotonic() - begun < 1.0
    daemon.wait_for("start_failed")
    assert daemon.offspring() == [] and processes.children(daemon.pid) == []


def test_a_failed_start_is_not_repeated_for_each_client_but_is_tried_again_later(start):
    # A longer rest than one that is waited for.
    daemon = start(sleeping_double("--exit-at-once", "7", restart_backoff={"min": "4s", "max": "60s"}))
    first = daemon.ask(upgrade())
    assert_refused(first)
    for _ in range(5):
        assert_refused(daemon.ask(upgrade()))
    assert daemon.starts() == 1

    def tried_again():
        assert_refused(daemon.ask(upgrade()))
        return daemon.starts() == 2

    processes.eventually(tried_again, within=10, every=0.1, what="a second attempt")


def test_a_command_that_does_not_exist_is_a_503_that_the_log_explains(start):
    port = free_port()
    daemon = start(service(port, on_demand=on_demand("no-such-command-anywhere")))
    assert_refused(daemon.ask(upgrade()))
    assert "no-such-command-anywhere" in str(daemon.wait_for("start_failed"))
    assert daemon.ask(request(path="/elsewhere")).status == 404, "the daemon itself is well"


@pytest.mark.parametrize("switches", [["--never-listen"], ["--never-listen", "--grandchild"]], ids=["alone", "family"])
def test_a_backend_that_never_listens_is_a_503_after_the_startup_timeout_and_its_group_is_gone(start, switches):
    daemon = start(sleeping_double(*switches, startup_timeout="700ms", stop_timeout="1s"))
    clients = [daemon.connect() for _ in range(3)]
    begun = time.monotonic()
    for client in clients:
        client.send(upgrade())
    for client in clients:
        assert_refused(client.read_response())
    assert 0.7 <= time.monotonic() - begun < 1.2
    group = daemon.wait_for("started")["pid"]
    daemon.wait_for("start_failed")
    processes.eventually(lambda: not processes.group_members(group), what="an empty process group")
    processes.eventually(lambda: processes.children(daemon.pid) == [], what="no child left")


def test_a_stranger_on_the_target_port_is_named_and_gets_no_client(start):
    with Listener() as foreign:
        daemon = start(service(foreign.port, on_demand=launches_double(foreign.port)))
        assert_refused(daemon.ask(upgrade()))
        seen = daemon.wait_for("address_conflict")
        assert (int(seen["pid"]), seen["process"]) == (os.getpid(), processes.name(os.getpid()))
        assert str(foreign.port) in seen["address"]
        daemon.assert_never("started")
        assert daemon.offspring() == []

        # It may have got a connect probe, but no request.
        foreign.socket.settimeout(0.2)
        try:
            while True:
                assert foreign.accept().read_to_end() == b""
        except TimeoutError:
            pass


def test_when_the_stranger_has_gone_the_backend_starts(start):
    with Listener() as foreign:
        daemon = start(service(foreign.port, on_demand=launches_double(foreign.port)))
        assert_refused(daemon.ask(upgrade()))

    def opened():
        with daemon.connect() as client:
            return client.ask(upgrade()).status == 101

    processes.eventually(opened, within=10, every=0.1, what="a start after the foreign listener closed")


@pytest.mark.parametrize("flag", ["false", "0", "No", "OFF", ""])
def test_a_disabled_service_answers_503_at_once_in_one_line_and_starts_nothing(start, flag):
    off = sleeping_double()
    off["enabled"] = "${ENABLE_IT:-true}" if flag else "${ENABLE_IT}"
    daemon = start(off, sleeping_double(name="other", path="/other"), environment={"ENABLE_IT": flag})
    for asked in (upgrade(), request(), upgrade()):
        begun = time.monotonic()
        answer = daemon.ask(asked)
        assert time.monotonic() - begun < 0.25
        assert answer.status == 503
        assert answer.body.rstrip(b"\n").count(b"\n") == 0 and b"disabled" in answer.body
    assert daemon.status()["state"] == "disabled"
    daemon.assert_never("started")
    assert daemon.offspring() == []
    assert daemon.ask(upgrade(path="/other")).status == 101, "the daemon stays up for the others"


@pytest.mark.parametrize("flag", ["true", "1", "Yes", "ON"])
def test_an_enabled_service_starts_on_demand(start, flag):
    on = sleeping_double()
    on["enabled"] = "${ENABLE_IT:-false}"
    daemon = start(on, environment={"ENABLE_IT": flag})
    daemon.assert_never("started")
    assert daemon.ask(upgrade()).status == 101


def test_with_on_demand_off_the_backend_starts_with_the_daemon_and_never_idles_out(start):
    daemon = start(sleeping_double(enabled="off", idle_timeout="100ms"))
    pid = daemon.wait_for("ready")["pid"]
    daemon.open_tunnel().close()
    time.sleep(0.5)
    daemon.assert_never("stopping")
    assert processes.is_alive(pid) and daemon.starts() == 1
    assert daemon.stop() == 0
    assert not processes.is_alive(pid)


def test_a_plain_proxy_answers_502_until_its_target_runs(start):
    port = free_port()
    daemon = start(service(port))
    assert daemon.ask(upgrade()).status == 502
    assert daemon.ask(request()).status == 502
    with Listener(port) as target:
        with daemon.connect() as client:
            client.send(upgrade())
            target.accept_tunnel()
            assert client.read_head().status == 101
    assert daemon.ask(upgrade()).status == 502
    daemon.assert_never("started")


def test_a_backend_that_crashed_is_started_afresh_for_the_next_client(start):
    daemon = start(sleeping_double())
    tunnel = daemon.open_tunnel()
    pid = daemon.wait_for("ready")["pid"]
    os.kill(pid, 9)
    assert tunnel.has_ended()
    assert daemon.wait_for("stopped", generation=1)["exit"] == "signal 9"

    def opened():
        with daemon.connect() as client:
            return client.ask(upgrade()).status == 101

    processes.eventually(opened, within=10, every=0.1, what="a second life")
    assert daemon.wait_for("ready", generation=2)["pid"] != pid
    assert not processes.is_zombie(pid)


def test_a_backend_that_crashes_on_its_first_request_gives_an_error_and_not_a_hang(start):
    daemon = start(sleeping_double("--crash-after-accept"))
    answer = daemon.ask(upgrade())
    assert answer.status in (502, 503)
    processes.eventually(lambda: daemon.offspring() == [], what="nothing left")


def test_a_slow_start_of_one_service_does_not_delay_another(start):
    daemon = start(
        sleeping_double("--listen-after", "5s", name="slow", path="/slow"),
        sleeping_double(name="quick", path="/quick"))
    slow = daemon.connect()
    slow.send(upgrade(path="/slow"))
    daemon.wait_for("started", service="slow")
    daemon.open_tunnel(path="/quick")
    begun = time.monotonic()
    daemon.open_tunnel(path="/quick")
    assert time.monotonic() - begun < 0.25
    slow.close()


def test_reading_the_status_neither_wakes_a_backend_nor_keeps_it_awake(start):
    daemon = start(sleeping_double(idle_timeout="400ms"))
    for _ in range(5):
        assert daemon.status()["state"] == "asleep"
    daemon.assert_never("started")
    daemon.open_tunnel().close()
    deadline = time.monotonic() + 3
    while daemon.status()["state"] != "asleep":
        assert time.monotonic() < deadline, "reading the status kept the backend awake"
        time.sleep(0.02)
    assert daemon.starts() == 1


# What the daemon adds to a boot. The scripted backend notes the instant from which it accepts, on the machine-wide
# monotonic clock. One late wake-up of a busy machine must not fail the build: the median is asserted, p99 is printed.


@pytest.mark.parametrize("boot, repetitions", [(0.015, 12), (0.085, 12), (0.285, 10), (1.0, 6)],
                         ids=["30ms", "100ms", "300ms", "1s"])
def test_an_upgrade_is_answered_soon_after_the_backend_accepts(start, tmp_path, measured, boot, repetitions):
    # Python itself takes about 15 ms before it sleeps for the rest of the boot.
    port = free_port()
    report = tmp_path / "accepting"
    daemon = start(service(port, on_demand=scripted(
        port, "--listen-after", str(boot), "--report", str(report), idle_timeout="1ms")))
    added = []
    for generation in range(1, repetitions + 1):
        with daemon.connect() as client:
            client.send(upgrade())
            assert client.read_head().status == 101
            added.append(time.monotonic() - float(report.read_text()))
        daemon.wait_for("stopped", generation=generation)
    added.sort()
    worst = added[min(len(added) - 1, int(len(added) * 0.99))]
    measured(f"added to a boot of about {boot + 0.015:.2f} s (median, p99 of {repetitions})",
             f"{statistics.median(added) * 1000:.1f}, {worst * 1000:.1f} ms")
    assert statistics.median(added) <= 0.020


def test_a_start_that_takes_three_times_as_long_as_usual_is_worth_a_warning(start, tmp_path):
    delay = tmp_path / "delay"
    delay.write_text("20ms")
    port = wire.free_port()
    daemon = start(service(port, on_demand=on_demand(
        "sh", "-c", f"exec {double()} --port {port} --listen-after $(cat {delay})", idle_timeout="50ms")))
    for generation in (1, 2, 3):
        daemon.open_tunnel().close()
        daemon.wait_for("stopped", generation=generation)
    daemon.assert_never("startup_slow")
    delay.write_text("900ms")
    daemon.open_tunnel()
    slow = daemon.wait_for("startup_slow")
    assert slow["so_far_ms"] >= 500 > slow["median_ms"]
    assert daemon.wait_for("ready", generation=4)


def test_a_request_with_its_end_right_behind_it_is_answered_by_a_backend_that_is_awake(start):
    daemon = start(sleeping_double(path="/*"))
    assert daemon.ask(request(path="/awake")).status == 200
    for _ in range(20):
        client = daemon.connect()
        client.send(request(path="/once"))
        client.finish_sending()
        assert client.read_response().status == 200
