"""The status page in a browser, and the daemons that it shows."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import processes
import wire
from daemon import REPOSITORY, double, executable

ARTEFACTS = REPOSITORY / "artefacts"


@contextlib.contextmanager
def rails_page(folder, html):
    """A web server for a page that uses Rails' own JavaScript, `action_cable.js`; gives its port."""
    source = Path("/usr/share/nodejs/@rails/actioncable/app/assets/javascripts/action_cable.js")
    assert source.is_file(), "make test installs ruby-actioncable"
    folder = folder / "page"
    folder.mkdir()
    shutil.copy(source, folder)
    (folder / "index.html").write_text(html)
    port = wire.free_port()
    server = subprocess.Popen(
        ["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        processes.eventually(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, what="the page's server")
        yield port
    finally:
        server.terminate()
        server.wait()


class Demo:
    """The daemon as the demo runs it, on ports of its own."""

    def __init__(self):
        self.client_port, self.status_port, backend_port = (wire.free_port() for _ in range(3))
        self.url = f"http://127.0.0.1:{self.status_port}/"
        self.environment = {
            **os.environ,
            "PORT": str(self.client_port),
            "STATUS_PORT": str(self.status_port),
            "BACKEND_PORT": str(backend_port),
            "CABLE_DOUBLE": double(),
        }
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [executable(), "--config", "examples/demo.json"], cwd=REPOSITORY, env=self.environment)
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


class Windows:
    """Two windows of one browser with the same page: a form, and what each window shows."""

    def __init__(self, browser, url, field="#text"):
        self.browser, self.field = browser, field
        browser.get(url)
        self.handles = [browser.current_window_handle]
        browser.switch_to.new_window("window")
        browser.get(url)
        self.handles.append(browser.current_window_handle)

    def send(self, number, text):
        self.browser.switch_to.window(self.handles[number])
        field = self.browser.find_element(By.CSS_SELECTOR, self.field)
        field.clear()
        field.send_keys(text + "\n")

    def text(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector).text

    def both(self, selector, text, seconds=30):
        """Waits until both windows show this text there."""
        for number, handle in enumerate(self.handles):
            self.browser.switch_to.window(handle)
            WebDriverWait(self.browser, seconds, 0.05).until(
                lambda _: self.text(selector) == text,
                f"{selector} of window {number} never was {text!r}: {self.text(selector)!r}")

    def errors(self):
        """Errors in the console of either window."""
        found = []
        for handle in self.handles:
            self.browser.switch_to.window(handle)
            found += [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]
        return found


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
        button = self.browser.find_element(By.CSS_SELECTOR, ".client button")
        assert button.text == label
        button.click()

    def picture(self, name):
        """Saves a picture for people, after all transitions."""
        time.sleep(1.2)
        ARTEFACTS.mkdir(exist_ok=True)
        self.browser.save_screenshot(str(ARTEFACTS / f"status-page-{name}.png"))

    def whole_picture(self, name):
        """The page down to its end."""
        height = self.browser.execute_script("return document.documentElement.scrollHeight")
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 1000, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.picture(name)

    def narrow(self, width, height=1100):
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True})

    def colours(self, scheme):
        self.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def tree(self):
        """The accessibility tree: role, name and properties of everything that is not hidden."""
        nodes = self.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        return [
            SimpleNamespace(
                role=node["role"]["value"], name=node.get("name", {}).get("value", "").replace("\u00a0", " "),
                **{one["name"]: one["value"].get("value") for one in node.get("properties", [])
                   if one["name"] in ("level", "live", "focusable")})
            for node in nodes if not node["ignored"]]

    def has_focus(self):
        """Returns a name for the element with the focus."""
        return self.browser.execute_script(
            "const one = document.activeElement;"
            "return one === document.body ? 'nothing' : one.ariaLabel ?? (one.id || one.textContent)")

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]


class GuardedPage(Page):
    """A page whose daemon asks for a token, and accepts commands with it."""

    token = "0123456789abcdef-._~+/=="

    def __init__(self, browser, start, *services, port=None, environment=None, life=lambda daemon: None,
                 wrapper=(), **top):
        """life(daemon) runs before the browser opens the page."""
        port = port or wire.free_port()
        self.browser = browser
        self.daemon = start(*services, environment=environment, wrapper=wrapper, top={
            "status": {"listen": f"127.0.0.1:{port}", "token": self.token}, **top})
        self.daemon.status_address = ("127.0.0.1", port)
        processes.eventually(self.daemon._status_socket, what="the status address").close()
        self.url = f"http://127.0.0.1:{port}/"
        life(self.daemon)
        browser.get(self.url)
        self.until("locked", "#connection")

    def enter(self):
        self.browser.find_element(By.CSS_SELECTOR, "#token").send_keys(self.token + "\n")
        self.until("live", "#connection")

    def order(self, label):
        """Presses the button of this name as soon as it can be pressed."""
        button = processes.eventually(
            lambda: next((one for one in self.browser.find_elements(By.CSS_SELECTOR, ".operations button")
                          if one.text == label and one.get_attribute("aria-disabled") == "false"), None), what=f"a button {label}")
        time.sleep(0.35)  # A button that has just changed ignores clicks.
        button.click()
        return button
