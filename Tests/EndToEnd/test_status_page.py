"""The status page in a real browser: a client watches the whole lifecycle of the demo's backend, and takes part in it."""

import os
import signal
import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import processes
from daemon import service, sleeping_double
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
    assert page.fact("memory").endswith(" MB") and page.fact("startup").startswith("1.5")
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
    page.until("cable is awake (pid ", ".command-outcome")
    page.until("Asleep", ".word")
    page.until("idle timeout", "[data-fact=exit]")

    page.order("Pin")
    page.until("cable is pinned and awake", ".command-outcome")
    time.sleep(1)
    assert page.text(".word") == "Awake" and "It stays awake." in page.text(".meaning")
    assert page.text("[data-fact=wake]").startswith("an operator, ")
    assert page.fact("startups").startswith("median of 2 ")

    tunnel = page.daemon.open_tunnel()
    page.until("1 connection is open.", ".meaning")
    asked = page.order("Restart")
    assert asked.text == "Restart? 1 open" and page.daemon.starts() == 2, "who sends clients away is asked once more"
    page.picture("6-orders")
    page.order("Restart? 1 open")
    page.until("cable is awake (pid ", ".command-outcome")
    tunnel.close()
    assert page.daemon.starts() == 3

    page.order("Unpin")
    page.until("cable is no longer pinned", ".command-outcome")
    page.until("Asleep", ".word")
    page.order("Disable")
    page.until("Disabled", ".word")
    buttons = browser.find_elements(By.CSS_SELECTOR, ".commands button")
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
    page.until("cable is stopped", ".command-outcome")
    page.daemon.open_tunnel().close()
    page.until("Awake", ".word")
    assert page.text(".command-outcome") == "cable is stopped", "a reader has a moment to read it"
    processes.eventually(lambda: page.text(".command-outcome") == "", what="an end of what is no longer so")
    page.order("Pin")
    page.until("cable is pinned and awake", ".command-outcome")
    time.sleep(4.5)
    assert "cable is pinned and awake" in page.text(".command-outcome"), "this is still so"


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
    assert not browser.find_element(By.CSS_SELECTOR, ".commands").is_displayed()


def test_nobody_watching_means_nothing_happening(browser, demo):
    Page(browser, demo)
    browser.get("about:blank")
    time.sleep(1.5)
    before = demo.context_switches()
    time.sleep(2)
    assert demo.context_switches() == before
