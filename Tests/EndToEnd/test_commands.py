"""Commands and history over the status listener: permissions, effects, and persistence."""

import json
import time

import pytest

import processes
import wire
from daemon import double, on_demand, service, sleeping_double
from wire import Wire, free_port, request, text_frame

TOKEN = "0123456789abcdef"
NAMED = f"Authorization: Bearer {TOKEN}"
JSON = "Content-Type: application/json"


def guarded(start, *services, top=None, **status):
    """A daemon whose status listener accepts commands."""
    port = free_port()
    daemon = start(*services, top={
        "status": {"listen": f"127.0.0.1:{port}", "token": TOKEN, **status}, **(top or {})})
    daemon.status_address = ("127.0.0.1", port)
    processes.eventually(daemon._status_socket, what="the status address").close()
    return daemon


def asked(daemon, path, *extra, method="GET", host="127.0.0.1", body=b""):
    extra = [NAMED, *extra] if not any(line.startswith("Authorization") for line in extra) else list(extra)
    with Wire(processes.eventually(daemon._status_socket, what="the status address"), timeout=15) as connection:
        return connection.ask(request(method, path, host=host, extra=["Connection: close", *extra], body=body))


def ordered(daemon, order, *extra, name="cable", **parts):
    return asked(daemon, f"/api/services/{name}/{order}", JSON, *extra, method="POST", **parts)


def state(daemon, name="cable"):
    services = json.loads(asked(daemon, "/api/status").body)["services"]
    return next(entry for entry in services if entry["name"] == name)


def test_a_whole_life_by_orders_over_http(start):
    daemon = guarded(start, sleeping_double(idle_timeout="300ms"))
    for order, sentence, states in [
        ("start", b"cable is awake (pid ", {"awake"}), ("pin", b"cable is pinned and awake", {"awake"}),
        ("restart", b"cable is awake (pid ", {"awake"}), ("unpin", b"cable is no longer pinned", None),
        ("stop", b"cable is stopped", {"asleep"}), ("disable", b"cable is disabled", {"disabled"}),
        ("enable", b"cable is enabled", {"asleep"}),
    ]:
        answer = ordered(daemon, order)
        assert answer.status == 200 and answer.body.startswith(sentence), (order, answer.body)
        assert states is None or state(daemon)["state"] in states, order
    entry = state(daemon)
    assert entry["wakes"]["operator"] == entry["starts"] == 2
    assert (entry["last_wake"]["cause"], entry["last_wake"]["client"]) == ("operator", None)
    assert entry["last_exit_cause"] == "command"
    assert [record["command"] for record in daemon.events("command")][:3] == ["start", "pin", "restart"]


def test_an_order_that_fails_or_makes_no_sense_says_so(start):
    daemon = guarded(start, service(free_port(), name="broken", on_demand=on_demand("false")))
    failed = ordered(daemon, "start", name="broken")
    assert failed.status == 502 and b"broken did not start" in failed.body
    assert ordered(daemon, "start", name="missing").status == 404
    assert ordered(daemon, "explode", name="broken").status == 404
    assert asked(daemon, "/api/services/broken/start").status == 405
    assert ordered(daemon, "disable", name="broken").status == 200
    refused = ordered(daemon, "start", name="broken")
    assert refused.status == 409 and b"enable it first" in refused.body


@pytest.mark.parametrize("extra, status", [
    ([JSON, "Authorization: Bearer wrong-wrong-wrong-wrong"], 401),
    ([NAMED], 415), ([NAMED, "Content-Type: text/plain"], 415),
    ([NAMED, JSON, "Origin: https://evil.example"], 403), ([NAMED, JSON, "Origin: null"], 403),
])
def test_what_another_page_could_send_is_refused_and_wakes_nobody(start, extra, status):
    daemon = guarded(start, sleeping_double())
    with Wire(daemon.status_address) as connection:
        answer = connection.ask(request("POST", "/api/services/cable/start", host="127.0.0.1", extra=extra))
    assert answer.status == status
    assert daemon.starts() == 0


def test_a_name_that_was_pointed_at_us_gets_nothing_and_one_of_ours_everything(start):
    daemon = guarded(start, sleeping_double(), allowed_hosts="status.example.com")
    assert ordered(daemon, "start", host="evil.example").status == 421
    page = "Origin: https://status.example.com"
    assert ordered(daemon, "start", page, host="status.example.com").status == 200
    open_door = start(sleeping_double())
    with Wire(processes.eventually(open_door._status_socket, what="the status address")) as connection:
        answer = connection.ask(request(path="/api/status", host="evil.example"))
    assert answer.status == 421 and b"status.allowed_hosts" in answer.body and b"cable" not in answer.body


def test_without_a_token_there_are_no_orders(start):
    daemon = start(sleeping_double())
    daemon.status()
    with Wire(daemon.status_address) as connection:
        answer = connection.ask(request("POST", "/api/services/cable/start", host="127.0.0.1", extra=[JSON]))
    assert answer.status == 403 and b"status.token" in answer.body
    assert daemon.starts() == 0


def test_what_a_backend_prints_is_told_and_followed(start):
    shout = "echo one; echo two; sleep 0.5; echo three; exec " + double() + " --port "
    port = free_port()
    daemon = guarded(start, service(port, on_demand=on_demand("sh", "-c", shout + str(port))))
    with Wire(daemon.status_address) as follower:
        follower.send(request(path="/api/services/cable/logs?lines=5&follow=1", host="127.0.0.1", extra=[NAMED]))
        follower.read_until(b"\r\n\r\n")
        assert ordered(daemon, "start").status == 200
        follower.read_until(b"three")
    lines = asked(daemon, "/api/services/cable/logs?lines=50").body.decode()
    assert "stdout one\n" in lines and "stdout three\n" in lines
    with Wire(daemon.status_address) as foreign:
        assert foreign.ask(request(path="/api/services/cable/logs", host="127.0.0.1")).status == 401


def test_who_woke_it_is_told_without_what_the_query_says(start):
    daemon = guarded(start, sleeping_double(path="/*"))
    with daemon.connect() as client:
        assert client.ask(request(path="/hello?token=secret", extra=["User-Agent: a-browser/1.0"])).status == 200
    wake = state(daemon)["last_wake"]
    assert (wake["cause"], wake["client"], wake["path"], wake["agent"]) == (
        "request", "127.0.0.1", "/hello", "a-browser/1.0")


def history(daemon, name="cable"):
    days = json.loads(asked(daemon, "/api/history").body)
    assert days["version"] == 1
    return next(day for day in days["services"] if day["name"] == name)


def states(day):
    return [name for name, _ in day["states"]]


def test_the_day_is_told_and_outlives_the_daemon(start, tmp_path):
    kept = tmp_path / "state"
    kept.mkdir()
    services = [sleeping_double(idle_timeout="200ms")]
    daemon = guarded(start, *services, top={"state_dir": str(kept)})
    # A response shows that the daemon has started; its sockets accept clients before that.
    assert states(history(daemon)) == ["asleep"]
    assert (kept / "history.json").exists(), "whether it can be written is found out at once"
    tunnel = daemon.open_tunnel()
    tunnel.close()
    daemon.wait_for("stopped")
    assert states(history(daemon)) == ["asleep", "starting", "awake", "stopping", "asleep"]
    assert max(history(daemon)["connections"]["peaks"]) == 1
    assert daemon.stop() == 0

    second = guarded(start, *services, top={"state_dir": str(kept)})
    day = history(second)
    gap = states(day).index("unknown")
    assert states(day)[:4] == ["asleep", "starting", "awake", "stopping"] and states(day)[gap + 1:] == ["asleep"]
    assert max(day["connections"]["peaks"]) == 1
    times = [since for _, since in day["states"]]
    assert times == sorted(times)
    assert not list(kept.glob("*.new"))


def test_a_killed_daemon_loses_nothing_that_had_come_to_rest(start, tmp_path):
    services = [sleeping_double(idle_timeout="200ms")]
    daemon = guarded(start, *services, top={"state_dir": str(tmp_path)})
    daemon.open_tunnel().close()
    daemon.wait_for("stopped")
    kept = tmp_path / "history.json"
    processes.eventually(lambda: '"stopping"' in kept.read_text(), what="the life in the file")
    daemon.kill()
    second = guarded(start, *services, top={"state_dir": str(tmp_path)})
    assert states(history(second))[:5] == ["asleep", "starting", "awake", "stopping", "asleep"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"version":1,"at":1,"services":[{"name":7}]}'])
def test_a_broken_file_is_told_in_a_line_and_ignored(start, tmp_path, content):
    kept = tmp_path / "history.json"
    kept.write_bytes(content)
    daemon = guarded(start, sleeping_double(), top={"state_dir": str(tmp_path)})
    assert daemon.wait_for("history_unreadable")["file"] == str(kept)
    assert states(history(daemon)) == ["asleep"]
    assert len(daemon.events("history_unreadable")) == 1


def test_a_directory_that_is_not_there_is_told_once_and_costs_nothing(start, tmp_path):
    daemon = guarded(start, sleeping_double(idle_timeout="100ms"), top={"state_dir": str(tmp_path / "none")})
    assert daemon.wait_for("history_write_failed")["reason"] == "no such file or directory"
    daemon.open_tunnel().close()
    daemon.wait_for("stopped")
    assert len(daemon.events("history_write_failed")) == 1


def test_counting_and_remembering_wake_nobody(start, tmp_path, measured):
    daemon = guarded(start, sleeping_double(idle_timeout="200ms"), top={"state_dir": str(tmp_path)})
    tunnel = daemon.open_tunnel()
    tunnel.send(text_frame("hello"))
    tunnel.read_frame()
    tunnel.close()
    daemon.wait_for("stopped")
    for path in ("/metrics", "/api/history", "/api/status", "/"):
        assert asked(daemon, path).status == 200
    time.sleep(0.5)
    before = processes.context_switches(daemon.pid)
    time.sleep(2)
    woken = processes.context_switches(daemon.pid) - before
    resident = processes.resident_kib(daemon.pid)
    measured("asleep with history and after a scrape: context switches in 2 s, VmRSS", f"{woken}, {resident} KiB")
    assert woken == 0
    assert resident <= 6 * 1024
