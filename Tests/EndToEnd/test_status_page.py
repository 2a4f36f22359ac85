"""The status page in a real browser: a client watches the whole lifecycle of the demo's backend, and takes part in it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import processes
from daemon import executable, service, sleeping_double
from page import GuardedPage, Page
from test_overdue_stop import WITHOUT_KILL, of_another_user
from wire import free_port, request

IDLE_SECONDS = 8  # as examples/demo.json says


def test_a_visitor_watches_and_takes_part_in_the_whole_life(browser, demo):
    page = Page(browser, demo)
    assert page.current_stage() == "asleep"
    assert (page.fact("memory"), page.fact("starts"), page.fact("startup")) == ("none", "0", "never")
    page.picture("1-asleep")

    page.press("Open a WebSocket")
    page.until("Starting", ".word")
    assert page.current_stage() == "starting"
    page.until("1 request is queued", ".meaning")
    page.until("Queued while it starts: 0.", ".outcome")
    page.picture("2-starting")

    page.until("Open. It took", ".outcome")
    page.until("Awake", ".word")
    page.until('{"type":"welcome"}', ".messages")
    page.until('"type":"ping"', ".messages")
    page.until("1 connection is open. It stops 8 s after the last one closes.", ".meaning")
    assert page.current_stage() == "awake"
    assert (page.fact("open"), page.fact("queued_requests"), page.fact("starts")) == ("1", "0", "1")
    assert page.fact("memory").endswith(" MB")
    # The backend takes 1.5 s; a busy machine adds to it.
    seconds = re.fullmatch(r"([0-9.]+) s", page.fact("startup"))
    assert seconds and 1.5 <= float(seconds[1]) < 4, page.fact("startup")
    page.picture("3-awake")

    page.press("Close it")
    closed = time.monotonic()
    page.until("You closed it after", ".outcome")
    page.until("No connection is open. It stops in", ".meaning")
    page.until("It stops in 5 s", ".meaning")
    page.picture("4-idle")
    # Stopping is over in an instant with a backend that ends at once, so this test does not wait for it.
    page.until("Asleep", ".word")
    assert IDLE_SECONDS - 0.2 < time.monotonic() - closed < IDLE_SECONDS + 2
    assert page.current_stage() == "asleep"
    assert (page.fact("memory"), page.fact("open")) == ("none", "0")
    assert page.fact("exit") == "status 0: idle timeout"
    woken = page.text("[data-fact=wake]")
    assert woken.startswith("a WebSocket from 127.0.0.1 to /cable, ") and woken.endswith(" ago")
    assert "HeadlessChrome" in page.text(".agent") and page.fact("startups").startswith("one, 1.5")
    page.until("1 start, at most 1 connection", ".sum")
    story = browser.find_element(By.CSS_SELECTOR, ".minute svg").get_attribute("aria-label")
    assert "asleep" in story and "starting" in story and "awake" in story
    page.picture("5-asleep-again")
    assert page.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser, demo, scheme):
    page = Page(browser, demo)
    page.colours(scheme)
    page.narrow(360)
    page.press("Open a WebSocket")
    page.until('{"type":"welcome"}', ".messages")
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(overflow) == 0
    page.picture(f"phone-{scheme}")
    # A desktop at four times its size (WCAG 2.1, 1.4.10).
    page.narrow(320)
    assert browser.execute_script(overflow) == 0
    assert page.complaints() == []


def test_it_finds_a_restarted_daemon_again_and_says_so_meanwhile(browser, demo):
    page = Page(browser, demo)
    demo.stop()
    page.until("reconnecting", "#connection")
    demo.start()
    page.until("live", "#connection")
    assert page.current_stage() == "asleep"


def test_it_asks_for_the_token_once(browser, start):
    page = GuardedPage(browser, start, sleeping_double())
    entry = browser.find_element(By.CSS_SELECTOR, "#token")
    assert browser.switch_to.active_element == entry and "Bearer token" in entry.accessible_name
    entry.send_keys("not the token at all\n")
    page.until("Invalid token.", "#entrance .trouble")
    entry.send_keys("0123456789abcdef\n")
    page.until("Invalid token.", "#entrance .trouble")
    page.picture("locked")
    page.enter()
    assert not entry.is_displayed() and page.current_stage() == "asleep"
    browser.get(page.url)
    page.until("live", "#connection")
    assert not browser.find_element(By.CSS_SELECTOR, "#entrance").is_displayed()
    assert page.token not in browser.current_url and page.token not in browser.page_source


def test_a_life_by_the_buttons_of_the_page(browser, start, tmp_path):
    service = sleeping_double("--listen-after", "700ms", idle_timeout="400ms")
    page = GuardedPage(browser, start, service, state_dir=str(tmp_path))
    page.enter()
    page.order("Start")
    page.until("Starting", ".word")
    page.until("cable is awake (pid ", ".operation-outcome")
    page.until("Asleep", ".word")
    page.until("idle timeout", "[data-fact=exit]")

    page.order("Pin")
    page.until("cable is pinned and awake", ".operation-outcome")
    time.sleep(1)
    assert page.text(".word") == "Awake" and "It stays awake." in page.text(".meaning")
    assert page.text("[data-fact=wake]").startswith("an operator, ")
    assert page.fact("startups").startswith("median of 2: ")

    tunnel = page.daemon.open_tunnel()
    page.until("1 connection is open.", ".meaning")
    asked = page.order("Restart")
    assert asked.text == "Restart? 1 open" and page.daemon.starts() == 2, "who sends clients away is asked once more"
    page.picture("6-orders")
    page.order("Restart? 1 open")
    page.until("cable is awake (pid ", ".operation-outcome")
    tunnel.close()
    assert page.daemon.starts() == 3

    page.order("Unpin")
    page.until("cable is no longer pinned", ".operation-outcome")
    page.until("Asleep", ".word")
    page.order("Disable")
    page.until("Disabled", ".word")
    buttons = browser.find_elements(By.CSS_SELECTOR, ".operations button")
    assert [one.get_attribute("aria-disabled") for one in buttons] == [
        "true", "true", "true", "false"]
    page.order("Enable")
    page.until("Asleep", ".word")
    page.until("3 starts, at most 1 connection", ".sum")
    assert [record["command"] for record in page.daemon.events("command")] == [
        "start", "pin", "restart", "unpin", "disable", "enable"]
    assert [text for text in page.complaints() if "401" not in text] == []


def test_what_was_said_of_an_order_is_gone_once_the_service_has_gone_on(browser, start):
    page = GuardedPage(browser, start, sleeping_double())
    page.enter()
    page.daemon.open_tunnel().close()
    page.until("Awake", ".word")
    page.order("Stop")
    page.until("cable is stopped", ".operation-outcome")
    page.daemon.open_tunnel().close()
    page.until("Awake", ".word")
    assert page.text(".operation-outcome") == "cable is stopped", "a reader has a moment to read it"
    processes.eventually(lambda: page.text(".operation-outcome") == "", what="an end of what is no longer so")
    page.order("Pin")
    page.until("cable is pinned and awake", ".operation-outcome")
    time.sleep(4.5)
    assert "cable is pinned and awake" in page.text(".operation-outcome"), "this is still so"


def test_what_the_backend_prints_can_be_read_along(browser, start):
    page = GuardedPage(browser, start, sleeping_double(idle_timeout="300ms"))
    page.enter()
    page.until("Output", ".output summary")
    browser.find_element(By.CSS_SELECTOR, ".output summary").click()
    page.daemon.open_tunnel().close()
    page.until("stdout listening on 127.0.0.1:", ".output pre")
    page.until("stdout bye", ".output pre")
    page.daemon.open_tunnel().close()
    processes.eventually(lambda: page.text(".output pre").count("listening on") == 2, what="the second life's lines")
    page.whole_picture("7-output")


def test_a_process_that_a_service_requires_has_a_card_of_its_own(browser, start):
    helper = {"name": "helper", "command": "sleep", "args": ["1000"], "start": "when_required", "idle_timeout": "300ms"}
    page = GuardedPage(
        browser, start, sleeping_double(idle_timeout="300ms", requires=["helper"]), managed_processes=[helper])
    page.enter()
    page.until("/cable · requires helper", "[data-service=cable] .paths")
    assert page.text("[data-service=helper] .paths") == ""
    with page.daemon.open_tunnel():
        page.until("1 backend requires it now.", "[data-service=helper] .meaning")
        page.until("a service that requires it, ", "[data-service=helper] [data-fact=wake]")
        assert not browser.find_element(By.CSS_SELECTOR, "[data-service=helper] .client").is_displayed()
    page.until("Asleep", "[data-service=helper] .word")


def test_a_service_behind_a_cable_has_no_path_for_a_websocket_of_the_page(browser, start):
    backend = sleeping_double()
    del backend["path"]
    page = GuardedPage(browser, start, backend, cables=[{"name": "hub", "path": "/hub", "backend": "cable"}])
    page.enter()
    page.until("Its clients connect to a cable.", ".address")
    assert not browser.find_element(By.CSS_SELECTOR, ".client button").is_enabled()


def test_an_overdue_stop_names_the_processes_that_are_left(browser, start):
    port = free_port()
    page = GuardedPage(
        browser, start, service(port, path="/*", on_demand=of_another_user(port, idle_timeout="100ms")),
        life=lambda daemon: daemon.ask(request(path="/")), wrapper=WITHOUT_KILL)
    page.enter()
    page.complaints()  # Takes the 401 of the time before the token out of the browser's log.
    backend = page.daemon.wait_for("ready")["pid"]
    page.until(f"The stop is overdue. This process is left: {backend} (", ".meaning")
    os.kill(backend, signal.SIGKILL)
    page.until("Asleep", ".word")
    assert "overdue" not in page.text(".meaning")
    assert page.complaints() == []


def test_the_links_for_machines_work_with_a_token_too(browser, start):
    page = GuardedPage(browser, start, sleeping_double())
    page.enter()
    for path, words in [("/api/status", '"services"'), ("/api/history", '"states"'), ("/metrics", "# HELP")]:
        browser.find_element(By.CSS_SELECTOR, f".facts-link[href='{path}']").click()
        WebDriverWait(browser, 5).until(lambda _: len(browser.window_handles) == 2)
        browser.switch_to.window(browser.window_handles[1])
        page.until(words, "body")
        browser.close()
        browser.switch_to.window(browser.window_handles[0])


def test_without_a_token_there_are_no_buttons_and_the_page_says_why(browser, demo):
    page = Page(browser, demo)
    page.until("Set status.token", "#hint")
    assert not browser.find_element(By.CSS_SELECTOR, ".operations").is_displayed()


# Cables


def live(**keys):
    return {"name": "live", "path": "/live", "streams": {"public": ["scores", "news-*"]},
            "broadcast": {"path": "/_broadcast"}, **keys}


def open_page(browser, daemon, host="127.0.0.1"):
    """The page of a daemon without a token."""
    return Page(browser, SimpleNamespace(url=f"http://{host}:{daemon.status_address[1]}/"))


def field(page, name):
    return next(one for one in page.browser.find_elements(By.CSS_SELECTOR, ".cable input") if one.accessible_name == name)


def press(page, name):
    next(one for one in page.browser.find_elements(By.CSS_SELECTOR, ".cable button") if one.accessible_name == name).click()


def subscribe(page, stream, cable="live"):
    field(page, f"Stream: {cable}").clear()
    field(page, f"Stream: {cable}").send_keys(stream)
    press(page, f"Subscribe: {cable}")


def reload(daemon, **keys):
    daemon.file.write_text(json.dumps({**json.loads(daemon.file.read_text()), **keys}))
    daemon.signal(signal.SIGHUP)


def publish(daemon, body, port=None, path="/_broadcast", **headers):
    """The status of the response."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port or daemon.port}{path}", data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers})
    try:
        return urllib.request.urlopen(asked, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_client_subscribes_to_a_stream_broadcasts_to_it_and_sees_the_message(browser, start):
    page = GuardedPage(browser, start, cables=[live()])
    page.enter()
    page.complaints()  # Takes the 401 of the time before the token out of the browser's log.
    assert browser.title == "0 clients · live · ondemandd"
    assert page.text(".word") == "No clients" and page.text(".paths") == "/live"
    assert not browser.find_element(By.CSS_SELECTOR, ".broadcast-hint").is_displayed()
    page.picture("cable-1-quiet")

    subscribe(page, "scores")
    page.until("Subscribed to scores after ", ".outcome")
    page.until("1 client", ".word")
    page.until("The daemon delivers to 1 subscription of 1 stream.", ".meaning")
    assert browser.title == "1 client · live · ondemandd"
    assert (page.fact("clients"), page.fact("subscriptions"), page.fact("streams")) == ("1", "1", "1")
    assert field(page, "Stream: live").get_attribute("readonly")

    field(page, "Message: live").send_keys('{"home": 2, "away": 1.50}')
    press(page, "Broadcast: live")
    page.until("Accepted for scores.", ".operation-outcome")
    page.until('{"home": 2, "away": 1.50}', ".messages")
    field(page, "Message: live").clear()
    field(page, "Message: live").send_keys("half time\n")
    page.until("half time", ".messages")
    assert publish(page.daemon, {"stream": "scores", "data": {"n": 12345678901234567890}}) == 201
    page.until('{"n": 12345678901234567890}', ".messages")
    publish(page.daemon, {"stream": "elsewhere", "data": 1})
    page.until("4, 1 without a subscriber", "[data-fact=published]")
    page.until("0 B", "[data-fact=queue]")
    assert page.fact("redis") == "none" and page.fact("refused") == page.fact("rejected") == "0"
    processes.eventually(lambda: float(page.fact("rate")) > 0, what="a rate of deliveries")
    page.whole_picture("cable-2-subscribed")

    press(page, "Unsubscribe: live")
    page.until("You unsubscribed after ", ".outcome")
    page.until(", 3 messages received.", ".outcome")
    page.until("No clients", ".word")
    publish(page.daemon, {"stream": "scores", "data": "too late"})
    page.until("5, 2 without a subscriber", "[data-fact=published]")
    processes.eventually(lambda: page.fact("rate") == "0", within=15, what="a rate of zero")
    assert "too late" not in page.text(".messages") and not field(page, "Stream: live").get_attribute("readonly")
    subscribe(page, "news-1")
    page.until("Subscribed to news-1 after ", ".outcome")
    assert page.text(".messages") == "", "a new subscription begins with an empty list"
    assert page.complaints() == []


def test_without_a_token_a_cable_has_no_form_to_broadcast_and_the_page_says_why(browser, start):
    daemon = start(top={"cables": [live()]})
    page = open_page(browser, daemon)
    page.until("Set status.token in the configuration to broadcast", ".broadcast-hint")
    assert not browser.find_element(By.CSS_SELECTOR, ".broadcast").is_displayed()
    assert not browser.find_element(By.CSS_SELECTOR, "#hint").is_displayed(), "there is no service to command"
    subscribe(page, "scores")
    page.until("Subscribed to scores after ", ".outcome")
    publish(daemon, {"stream": "scores", "data": "<b>goal</b>"})
    page.until("<b>goal</b>", ".messages")
    status_port = daemon.status_address[1]
    body = {"stream": "scores", "data": "forged"}
    assert publish(daemon, body, status_port, "/api/cables/live/broadcast") == 403
    assert page.complaints() == []


def test_a_broadcast_over_the_status_listener_needs_the_token_like_a_command(start):
    port, token = free_port(), GuardedPage.token
    daemon = start(top={"cables": [live()], "status": {"listen": f"127.0.0.1:{port}", "token": token}})
    path, body, bearer = "/api/cables/live/broadcast", {"stream": "s", "data": 1}, {"Authorization": f"Bearer {token}"}
    daemon.wait_for("listening", **{"for": "status"})
    assert publish(daemon, body, port, path, **bearer) == 201
    assert publish(daemon, body, port, path) == 401
    assert publish(daemon, body, port, path, Authorization=f"Bearer {token}x") == 401
    assert daemon.wait_for("unauthorized")["client"] == "127.0.0.1"
    assert publish(daemon, body, port, path, Origin="http://evil.example", **bearer) == 403
    assert publish(daemon, body, port, path, Host="evil.example", **bearer) == 421
    assert publish(daemon, body, port, path, **bearer, **{"Content-Type": "text/plain"}) == 415
    assert publish(daemon, {"data": 1}, port, path, **bearer) == 400
    assert publish(daemon, {"stream": "s", "data": "x" * 1024 * 1024}, port, path, **bearer) == 413
    for other in ("/api/cables/nothing/broadcast", "/api/cables/live/explode"):
        assert publish(daemon, body, port, other, **bearer) == 404 and publish(daemon, body, port, other) == 401
    reload(daemon, cables=[live(name="other")])
    daemon.wait_for("reloaded")
    assert publish(daemon, body, port, path, **bearer) == 404
    assert publish(daemon, body, port, "/api/cables/other/broadcast", **bearer) == 201


def test_a_subscription_that_is_rejected_or_ended_says_why(browser, start):
    rejecting = live(name="private", path="/private", broadcast={"path": "/_private"},
                     jwt={"secret": "a secret of thirty-two bytes: ok"})
    daemon = start(top={"cables": [live(limits={"max_connections": 1}), rejecting], "close_jitter": "0"})
    page = open_page(browser, daemon)
    subscribe(page, "hidden")
    page.until("Rejected: hidden is not a public stream of live.", ".outcome")
    page.until("1: not public 1", "[data-fact=rejected]")
    subscribe(page, "scores", "private")
    page.until("The cable needs a client token, which this page does not have.", "[data-cable=private] .outcome")
    subscribe(page, "scores")
    page.until("Subscribed to scores", ".outcome")
    page.until("1 client", "[data-cable=live] .word")
    assert browser.title == "1 client of 2 cables · ondemandd"
    reload(daemon, cables=[live(enabled=False), rejecting])
    page.until("The daemon is shutting down, or the cable was removed.", "[data-cable=live] .outcome")
    page.until("Disabled: requests get 503.", "[data-cable=live] .meaning")
    assert not browser.find_element(By.CSS_SELECTOR, "[data-cable=live] .subscribe button").is_enabled()


def test_the_page_speaks_turbo_cable_where_only_that_is_served(browser, start):
    daemon = start(top={"cables": [live(protocols=["turbo_cable"])]})
    page = open_page(browser, daemon)
    subscribe(page, "hidden")
    page.until("TurboCable has no rejections: is the stream public?", ".outcome")
    press(page, "Cancel: live")
    page.until("Cancelled after ", ".outcome")
    subscribe(page, "scores")
    page.until("Subscribed to scores after ", ".outcome")
    publish(daemon, {"stream": "scores", "data": {"n": 1.50}})
    page.until('{"n": 1.5}', ".messages")
    publish(daemon, {"stream": "scores", "data": "<turbo-stream>"})
    page.until("<turbo-stream>", ".messages")


@pytest.mark.parametrize("origins, accepted", [("same_origin", True), ("https://example.com", False)])
def test_the_page_is_an_accepted_origin_under_each_name_of_the_listener(browser, start, origins, accepted):
    daemon = start(top={"cables": [live(allowed_origins=origins)]})
    for host in ("127.0.0.1", "localhost"):
        page = open_page(browser, daemon, host)
        subscribe(page, "scores")
        page.until("Subscribed to scores" if accepted else f"add http://{host}:{daemon.status_address[1]}.", ".outcome")


def test_a_cable_beside_services_keeps_its_place_and_leaves_with_a_reload(browser, start):
    daemon = start(sleeping_double(), top={"cables": [live()]})
    page = open_page(browser, daemon)
    page.until("No clients", ".word")
    assert [one.text for one in browser.find_elements(By.TAG_NAME, "h2")] == ["cable", "live"]
    assert browser.title == "asleep · cable · ondemandd"
    services = json.loads(daemon.file.read_text())["reverse_proxies"]
    reload(daemon, reverse_proxies=[*services, sleeping_double(name="later", path="/later")])
    processes.eventually(
        lambda: [one.text for one in browser.find_elements(By.TAG_NAME, "h2")] == ["cable", "later", "live"],
        what="cables behind the services")
    reload(daemon, cables=[])
    processes.eventually(lambda: page.browser.find_elements(By.CSS_SELECTOR, ".cable") == [], what="no cable")


def test_a_command_shows_its_runs_and_their_results(browser, start, tmp_path):
    control = f"unix:{tmp_path}/control.sock"
    entry = {"name": "apply", "path": "/apply", "cable": "live", "key": "a-key-of-commands", "command": "sh",
             "args": ["-c", "sleep $PARAM_SECONDS; exit 3"], "stream": "out_{id}", "params": ["seconds"], "max_running": 2}
    daemon = start(top={"control": control, "cables": [live()], "commands": [entry, {**entry, "name": "b", "path": "/b"}]})
    daemon.wait_for("listening", **{"for": "control"})
    page = open_page(browser, daemon)
    card = "[data-command=apply]"
    assert page.text(f"{card} .word") == "No runs" and page.text(f"{card} .paths") == "/apply"
    assert "Its parameters: seconds." in page.text(f"{card} .meaning")
    following = subprocess.Popen(
        [executable(), "run", "apply", "seconds=60", "--control", control], stdout=subprocess.DEVNULL)
    page.until("1 running", f"{card} .word")
    page.until("running for ", f"{card} .runs li")
    subprocess.run([executable(), "run", "apply", "seconds=0", "--control", control], stdout=subprocess.DEVNULL)
    page.until("status 3 after ", f"{card} .runs li.failed")
    page.until("1", f"{card} [data-fact=failed]")
    items = browser.find_elements(By.CSS_SELECTOR, f"{card} .runs li")
    assert [one.text.split(" ")[0] for one in items] == ["running", "status"]
    page.until("A run of apply has ended: status 3.", "#announcer")
    page.whole_picture("command-1-running")
    identifier = browser.find_element(By.CSS_SELECTOR, f"{card} .runs code").text
    subprocess.run([executable(), "run", "apply", "--stop", identifier, "--control", control], check=True, capture_output=True)
    page.until("Last run: stopped", f"{card} .word")
    assert following.wait(10) == 1
    names = [one.get_attribute("data-command") for one in browser.find_elements(By.CSS_SELECTOR, "[data-command]")]
    assert names == ["apply", "b"]
    configuration = json.loads(daemon.file.read_text())
    reload(daemon, commands=configuration["commands"][1:])
    page.until("No runs", "[data-command=b] .word")
    processes.eventually(
        lambda: not browser.find_elements(By.CSS_SELECTOR, card), what="a page without the removed command")
    assert page.complaints() == []


def test_a_redis_server_that_is_unreachable_is_shown(browser, start):
    daemon = start(top={"cables": [live(redis={"url": f"redis://127.0.0.1:{free_port()}/0"})]})
    page = open_page(browser, daemon)
    page.until("idle", "[data-fact=redis]")
    subscribe(page, "scores")
    page.until("unreachable", "[data-fact=redis]")
    page.until("The Redis server is unreachable.", ".now .trouble")
    publish(daemon, {"stream": "scores", "data": "local"})
    page.until("local", ".messages")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_cable_fits_a_phone(browser, start, scheme):
    long = "stream-" + "with-a-long-name" * 12
    page = GuardedPage(browser, start, cables=[live(name="n" * 40, streams={"public": True})])
    page.enter()
    page.colours(scheme)
    page.narrow(360, height=1400)
    subscribe(page, long, "n" * 40)
    page.until("Subscribed to ", ".outcome")
    field(page, "Message: " + "n" * 40).send_keys("m" * 300 + "\n")
    page.until("mmmm", ".messages")
    page.until("Accepted for ", ".operation-outcome")
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(overflow) == 0
    page.picture(f"cable-phone-{scheme}")
    page.narrow(320, height=1400)
    assert browser.execute_script(overflow) == 0


def test_nobody_watching_means_nothing_happening(browser, demo):
    Page(browser, demo)
    browser.get("about:blank")
    time.sleep(1.5)
    before = demo.context_switches()
    time.sleep(2)
    assert demo.context_switches() == before
