"""The status page in a real browser: a visitor watches the whole life of the demo's backend, and takes part in it."""

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import processes
from daemon import sleeping_double

REPOSITORY = Path(__file__).resolve().parents[2]
ARTEFACTS = REPOSITORY / "artefacts"
IDLE_SECONDS = 8  # as examples/demo.json says


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Demo:
    """The daemon as the demo runs it, on ports of its own."""

    def __init__(self):
        self.client_port, self.status_port, backend_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.status_port}/"
        built = REPOSITORY / ".build" / "release"
        self.executable = os.environ.get("ONDEMANDD", str(built / "ondemandd"))
        self.environment = {
            **os.environ,
            "PORT": str(self.client_port),
            "STATUS_PORT": str(self.status_port),
            "BACKEND_PORT": str(backend_port),
            "CABLE_DOUBLE": os.path.abspath(os.environ.get("CABLE_DOUBLE", built / "cable-double")),
        }
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.executable, "--config", "examples/demo.json"], cwd=REPOSITORY, env=self.environment)
        deadline = time.monotonic() + 10
        while True:
            try:
                return urllib.request.urlopen(self.url + "healthz").read()
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "the daemon did not come up"
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0

    def context_switches(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


@pytest.fixture
def demo():
    demo = Demo()
    yield demo
    if demo.process.poll() is None:
        demo.stop()


class Page:
    def __init__(self, browser, demo):
        self.browser = browser
        browser.get(demo.url)
        self.until("live", "#connection")

    def text(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector).text

    def until(self, words, selector, seconds=15):
        """Waits until the text there contains the words; says what it was otherwise."""
        seen = []

        def arrived(_):
            found = self.browser.find_elements(By.CSS_SELECTOR, selector)
            seen[:] = [one.text for one in found]
            return any(words in text for text in seen)

        WebDriverWait(self.browser, seconds, 0.03).until(arrived, f"{selector} never said {words!r}: {seen}")
        return " ".join(seen)

    def current_stage(self):
        return self.text(".stages [aria-current=step]")

    def fact(self, name):
        return self.text(f"[data-fact={name}]")

    def press(self, label):
        button = self.browser.find_element(By.CSS_SELECTOR, ".visit button")
        assert button.text == label
        button.click()

    def picture(self, name):
        """For people: taken when the picture of the life has come to rest."""
        time.sleep(1.2)
        ARTEFACTS.mkdir(exist_ok=True)
        self.browser.save_screenshot(str(ARTEFACTS / f"status-page-{name}.png"))

    def narrow(self, width):
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 1100, "deviceScaleFactor": 2, "mobile": True})

    def colours(self, scheme):
        self.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]


def test_a_visitor_watches_and_takes_part_in_the_whole_life(browser, demo):
    page = Page(browser, demo)
    assert page.current_stage() == "asleep"
    assert (page.fact("memory"), page.fact("starts"), page.fact("boot")) == ("none", "0", "never")
    page.picture("1-asleep")

    page.press("Open a WebSocket")
    page.until("Starting", ".word")
    assert page.current_stage() == "starting"
    page.until("1 client is held", ".meaning")
    page.until("Held while it starts: 0.", ".outcome")
    page.picture("2-starting")

    page.until("Open. It took", ".outcome")
    page.until("Awake", ".word")
    page.until('{"type":"welcome"}', ".messages")
    page.until('"type":"ping"', ".messages")
    page.until("1 connection is open. It falls asleep 8 s after the last one ends.", ".meaning")
    assert page.current_stage() == "awake"
    assert (page.fact("open"), page.fact("waiting"), page.fact("starts")) == ("1", "0", "1")
    assert page.fact("memory").endswith(" MB") and page.fact("boot").startswith("1.5")
    page.picture("3-awake")

    page.press("Close it")
    closed = time.monotonic()
    page.until("You closed it after", ".outcome")
    page.until("Nobody is connected. It falls asleep in", ".meaning")
    page.until("asleep in 5 s", ".meaning")
    page.picture("4-idle")
    # Stopping is over in an instant with a backend that ends at once, so nobody waits to see it here.
    page.until("Asleep", ".word")
    assert IDLE_SECONDS - 0.2 < time.monotonic() - closed < IDLE_SECONDS + 2
    assert page.current_stage() == "asleep"
    assert (page.fact("memory"), page.fact("exit"), page.fact("open")) == ("none", "status 0", "0")
    story = browser.find_element(By.CSS_SELECTOR, ".minute svg").get_attribute("aria-label")
    assert "asleep" in story and "starting" in story and "awake" in story
    page.picture("5-asleep-again")
    assert page.complaints() == []


def test_the_keyboard_is_enough_and_changes_are_announced(browser, demo):
    page = Page(browser, demo)
    button = browser.find_element(By.CSS_SELECTOR, ".visit button")
    assert button.accessible_name == "Open a WebSocket to action-cable"
    browser.find_element(By.TAG_NAME, "body").send_keys("\ue004")  # Tab
    assert browser.switch_to.active_element == button
    button.send_keys(" ")
    announcer = "return document.querySelector('#announcer').textContent"
    heard = set()
    deadline = time.monotonic() + 10
    while "The WebSocket" not in " ".join(heard) and time.monotonic() < deadline:
        heard.add(browser.execute_script(announcer))
    assert "action-cable is starting." in heard
    assert any(words.startswith("The WebSocket to action-cable is open after 1.") for words in heard)
    assert browser.switch_to.active_element == button and button.accessible_name == "Close it: action-cable"


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
    assert page.complaints() == []


def test_it_finds_a_restarted_daemon_again_and_says_so_meanwhile(browser, demo):
    page = Page(browser, demo)
    demo.stop()
    page.until("reconnecting", "#connection")
    demo.start()
    page.until("live", "#connection")
    assert page.current_stage() == "asleep"


def test_it_asks_for_the_token_once(browser, start):
    port = free_ports(1)[0]
    token = "0123456789abcdef-._~+/=="
    daemon = start(sleeping_double(), top={"status": {"listen": f"127.0.0.1:{port}", "token": token}})
    daemon.status_address = ("127.0.0.1", port)
    processes.eventually(daemon._status_socket, what="the status address").close()
    url = f"http://127.0.0.1:{port}/"
    browser.get(url)
    page = Page.__new__(Page)
    page.browser = browser
    page.until("locked", "#connection")
    entry = browser.find_element(By.CSS_SELECTOR, "#token")
    assert browser.switch_to.active_element == entry and "name the token" in entry.accessible_name
    entry.send_keys("not the token at all\n")
    page.until("This is not the token.", "#entrance .trouble")
    entry.send_keys("0123456789abcdef\n")
    page.until("This is not the token.", "#entrance .trouble")
    page.picture("locked")
    entry.send_keys(token + "\n")
    page.until("live", "#connection")
    assert not entry.is_displayed() and page.current_stage() == "asleep"
    browser.get(url)
    page.until("live", "#connection")
    assert not browser.find_element(By.CSS_SELECTOR, "#entrance").is_displayed()
    assert token not in browser.current_url and token not in browser.page_source


def test_nobody_watching_means_nothing_happening(browser, demo):
    Page(browser, demo)
    browser.get("about:blank")
    time.sleep(1.5)
    before = demo.context_switches()
    time.sleep(2)
    assert demo.context_switches() == before
