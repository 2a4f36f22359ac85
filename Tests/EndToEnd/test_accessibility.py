"""The status page for those who hear it, use it by keyboard, or tell colours apart less well."""

import time

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import processes
import wire
from daemon import on_demand, service, sleeping_double
from page import GuardedPage, Page

CONTROLS = ("button", "DisclosureTriangleGrouped", "DisclosureTriangle")

# Everything that a live region says, from when this runs on; where each stands.
LISTEN = """
    window.heard = [];
    const note = (changes) => {
      const regions = changes.map(({ target }) => (target.closest ? target : target.parentElement)
        ?.closest("[aria-live], [role=status], [role=alert], [role=log]")).filter((region) => region?.textContent);
      for (const region of new Set(regions)) window.heard.push(region.textContent);
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
"""


def talkative(port):
    """A service that prints a line every hundredth of a second, from its start on."""
    script = f"while :; do echo a line of the log; sleep 0.01; done & exec python3 -m http.server --bind 127.0.0.1 {port}"
    return service(port, name="talker", path="/talk", on_demand=on_demand("sh", "-c", script))


@pytest.fixture
def page(browser, start):
    """Two services, a failed one and a cable, behind a token, with something to see in all of them."""
    broken = on_demand("sh", "-c", "echo no such gem >&2; exit 3", restart_backoff={"min": "1m", "max": "1m"})
    page = GuardedPage(
        browser, start, sleeping_double(idle_timeout="500ms"), talkative(wire.free_port()),
        service(wire.free_port(), name="broken", path="/broken", on_demand=broken),
        cables=[{"name": "live", "path": "/live", "streams": {"public": ["scores"]}}])
    page.enter()
    page.until("asleep for 100 %", ".service[data-service=broken] .sum")
    return page


def control(page, name):
    return next(one for one in page.browser.find_elements(By.CSS_SELECTOR, "button, summary, a")
                if one.accessible_name == name)


def field(page, name):
    return next(one for one in page.browser.find_elements(By.TAG_NAME, "input") if one.accessible_name == name)


def subscribe(page, stream):
    field(page, "Stream: live").clear()
    field(page, "Stream: live").send_keys(stream)
    control(page, "Subscribe: live").click()


def broadcast(page, text):
    field(page, "Message: live").clear()
    field(page, "Message: live").send_keys(text + Keys.ENTER)


@pytest.mark.parametrize("width", [1000, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_checker_of_the_guidelines_finds_nothing_wrong(page, browser, scheme, width):
    def assert_right(when):
        found = Axe().run(browser)
        wrong = [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found["violations"]]
        assert wrong == [], when
        # Where boxes change while it looks it can tell no colours; StatusPageColourTests compares them all.
        assert {rule["id"] for rule in found["incomplete"]} <= {"color-contrast"}
        assert "color-contrast" in {rule["id"] for rule in found["passes"]} and len(found["passes"]) > 20

    page.colours(scheme)
    # As high as the page: a checker cannot compare the colours of hidden parts.
    page.narrow(width, height=6000)
    assert_right("asleep")
    page.daemon.ask(wire.request(path="/broken"))
    page.until("Backoff", ".word")
    control(page, "Output: broken").click()
    page.until("no such gem", ".output pre")
    control(page, "Open a WebSocket to cable").click()
    page.until("Awake", ".word")
    page.until('{"type":"welcome"}', ".messages")
    control(page, "Pin: talker").click()
    page.until("talker is pinned and awake", ".operation-outcome")
    subscribe(page, "hidden")
    page.until("Rejected: ", ".cable .outcome")
    assert_right("a rejected subscription")
    subscribe(page, "scores")
    page.until("Subscribed to scores", ".cable .outcome")
    broadcast(page, "a goal")
    page.until("a goal", ".cable .messages")
    page.until("Accepted for scores.", ".cable .operation-outcome")
    time.sleep(1.2)  # Colours change slowly here.
    assert_right("awake, and failed")
    browser.execute_script("sessionStorage.clear(); location.reload()")
    page.until("locked", "#connection")
    assert_right("locked")


def test_everything_has_a_name_that_says_what_it_is_and_of_which_service(page):
    tree = page.tree()
    names = [node.name for node in tree if node.role in CONTROLS]
    assert len(names) == len(set(names)) == 3 * 6 + 2
    for name in ("cable", "talker", "broken"):
        assert {f"Start: {name}", f"Restart: {name}", f"Pin: {name}", f"Disable: {name}",
                f"Open a WebSocket to {name}", f"Output: {name}"} <= set(names)
        pictures = [node.name for node in tree if node.role == "image" and f" of {name}: " in node.name]
        assert len(pictures) == 2 and pictures[0].startswith(f"The last 24 hours of {name}: asleep for 100 %")
        assert pictures[1].startswith(f"The last minute of {name}: asleep ")
        assert [node.role for node in tree if node.name == name] == ["region", "heading", "StaticText", "InlineTextBox"]
    assert {"Subscribe: live", "Broadcast: live"} <= set(names)
    assert [node.name for node in tree if node.role == "textbox"] == ["Stream: live", "Message: live"]
    assert [node.role for node in tree if node.name == "live" and node.role in ("region", "heading")] == [
        "region", "heading"]
    assert all(node.name for node in tree if node.role in ("image", "link", "textbox", "list"))
    assert [(node.level, node.name) for node in tree if node.role == "heading"] == [
        (1, "ondemandd"), (2, "cable"), (2, "talker"), (2, "broken"), (2, "live")]
    assert {"banner", "main", "contentinfo"} <= {node.role for node in tree}
    assert {node.live for node in tree if hasattr(node, "live")} == {"polite"}


def test_a_life_is_told_in_a_few_sentences_and_no_log_is_read_out(page, browser):
    control(page, "Output: talker").click()
    browser.execute_script(LISTEN)
    control(page, "Start: talker").click()
    page.until("talker is awake (pid ", ".operation-outcome")
    processes.eventually(lambda: page.text(".service[data-service=talker] .output pre").count("a line") >= 100,
                         within=15, what="a hundred lines")
    page.daemon.ask(wire.request(path="/broken"))
    page.until("Backoff", ".word")
    time.sleep(0.5)
    heard = browser.execute_script("return heard")
    assert len(heard) <= 6, heard
    told = " ".join(heard)
    assert "talker is starting." in told and "talker is awake." in told and "talker is awake (pid " in told
    assert "broken is backoff: ended with status 3 " in told
    assert "a line of the log" not in told and "no such gem" not in told


def test_the_focus_can_be_seen_everywhere_and_stays_where_it_is(page, browser):
    assert page.has_focus() == "services", "who has named the token is not sent back to the beginning"
    seen = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(page.has_focus())
        style = "const style = getComputedStyle(document.activeElement); return [style.outlineStyle, style.outlineWidth]"
        if seen[-1] == "nothing" or seen[-1] in seen[:-1]:
            break
        assert browser.execute_script(style) == ["solid", "3px"], seen[-1]
    assert {"Start: cable", "Open a WebSocket to cable", "Output: talker", "/metrics"} <= set(seen)
    assert [name for name in seen if name.endswith(": live")] == [
        "Stream: live", "Subscribe: live", "Message: live", "Broadcast: live"]

    for name in ["Start: cable", "Open a WebSocket to cable", "Output: cable"]:
        browser.execute_script("arguments[0].focus()", control(page, name))
        starts = page.daemon.starts()
        page.daemon.open_tunnel().close()
        page.daemon.wait_for("stopped", generation=starts + 1, service="cable")
        page.until("Asleep", ".service[data-service=cable] .word")
        assert page.has_focus() == name


def test_a_subscription_works_by_keyboard_and_is_announced_without_a_flood(page, browser):
    browser.execute_script(LISTEN)
    heard = lambda: browser.execute_script("return heard")
    stream = field(page, "Stream: live")
    stream.send_keys("hidden" + Keys.ENTER)
    processes.eventually(lambda: "Rejected: hidden is not a public stream" in " ".join(heard()), what="the rejection")
    assert page.has_focus() == "Stream: live"
    stream.clear()
    stream.send_keys("scores" + Keys.ENTER)
    processes.eventually(lambda: "live: Subscribed to scores after " in " ".join(heard()), what="the confirmation")
    stream.send_keys(Keys.ENTER)
    assert page.has_focus() == "Stream: live" and page.text(".cable .subscribe button") == "Unsubscribe"
    broadcast(page, "goal 1")
    processes.eventually(lambda: "Message from scores: goal 1" in " ".join(heard()), what="the first message")
    processes.eventually(lambda: "Accepted for scores." in heard(), what="the outcome of the broadcast")
    browser.execute_script("heard.length = 0")
    for number in range(2, 12):
        text = page.text(".cable .messages")
        broadcast(page, f"goal {number}")
        processes.eventually(lambda: page.text(".cable .messages") != text, what="the next message")
    processes.eventually(lambda: "more messages from scores." in " ".join(heard()), within=15, what="a count of messages")
    assert sum("from scores" in sentence for sentence in heard()) <= 3, heard()
    assert page.has_focus() == "Message: live"
    button = control(page, "Unsubscribe: live")
    button.send_keys(" ")
    processes.eventually(lambda: "live: You unsubscribed after " in " ".join(heard()), what="the end")
    assert page.has_focus() == "Subscribe: live"


def test_a_key_gives_an_order_and_a_second_one_confirms_what_sends_clients_away(page, browser):
    browser.execute_script("arguments[0].focus()", control(page, "Start: cable"))
    time.sleep(0.35)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.until("cable is awake (pid ", ".operation-outcome")
    with page.daemon.open_tunnel():
        processes.eventually(lambda: page.has_focus() == "Stop: cable", what="the focus on the button as it was")
        page.until("1 connection is open", ".meaning")
        time.sleep(0.35)
        browser.execute_script(LISTEN)
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        assert page.has_focus() == "Stop? 1 open: cable"
        processes.eventually(
            lambda: "Press once more to stop cable: 1 connection is open." in browser.execute_script("return heard"),
            what="the question, to be heard")
        time.sleep(0.35)
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        page.until("cable is stopped", ".operation-outcome")
    assert page.has_focus() in ("Stop: cable", "Start: cable")


def test_the_keyboard_is_enough_and_changes_are_announced(browser, demo):
    page = Page(browser, demo)
    button = browser.find_element(By.CSS_SELECTOR, ".client button")
    assert button.accessible_name == "Open a WebSocket to action-cable"
    browser.find_element(By.TAG_NAME, "body").send_keys("\ue004")  # Tab
    assert browser.switch_to.active_element == button
    browser.execute_script(LISTEN)
    button.send_keys(" ")
    heard = lambda: " ".join(browser.execute_script("return heard"))
    processes.eventually(lambda: "The WebSocket to action-cable is open after 1." in heard(), what="its opening")
    assert "action-cable is starting." in heard()
    assert browser.switch_to.active_element == button and button.accessible_name == "Close it: action-cable"
