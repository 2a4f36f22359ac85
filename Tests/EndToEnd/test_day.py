"""A day of a Rails server in fast motion: each life is real, and the quiet between them passes quickly.

The picture of it in the README is this test's: `make picture`.
"""

from datetime import datetime, timezone

import pytest
from selenium.webdriver.common.by import By

import rails
import wire
from cable import Cable
from clock import FastClock
from page import GuardedPage

# From five o'clock yesterday: the hour, and how many are connected from then on.
DAY = [
    (0.5, 2), (1.2, 0), (3, 1), (3.3, 0), (15.5, 1), (15.8, 3), (16.3, 5), (17.1, 4), (17.6, 2), (18.1, 0), (18.8, 2),
    (19.3, 0), (20.6, 3), (21, 6), (21.5, 4), (22.1, 0), (23.2, 2), (23.5, 0)]
LIVES = 6
IDLE_HOURS = 0.25


def live(daemon, clock):
    """People come and go, for a day."""
    clients, stopped = [], 0
    for hour, wanted in DAY:
        clock.pass_until(hour)
        while len(clients) > wanted:
            clients.pop().close()
        while len(clients) < wanted:
            clients.append(Cable(daemon.address))
            clients[-1].welcome()
        if clients:
            continue
        # It is stopped by the real clock, as it was started: else it would have no time to end by itself.
        stopped += 1
        clock.pass_until(hour + IDLE_HOURS - 0.05)
        clock.pass_until(hour + IDLE_HOURS + 0.1, speed=240, stop=lambda: len(daemon.events("stopping")) == stopped)
        daemon.wait_for_count(stopped, "stopped")
    clock.pass_until(24)


@pytest.mark.timeout(180)
def test_the_page_shows_a_day_of_a_rails_server_that_slept_through_most_of_it(browser, start, redis, tmp_path):
    rails.need("puma", "ruby", "redis-server")
    clock = FastClock(tmp_path, hours_behind=24)
    status_port = wire.free_port()
    service = rails.example_service(wire.free_port(), idle_timeout="15m")
    service["path"] = "/cable"
    service["on_demand"] |= {"stop_timeout": "1m", "env": service["on_demand"]["env"] | clock.for_backends}
    page = GuardedPage(
        browser, start, service, port=status_port, life=lambda daemon: live(daemon, clock),
        environment={**clock.environment, "ENABLE_ACTION_CABLE": "true", "REDIS_URL": redis.url,
                     "ALLOWED_ORIGINS": f"http://127.0.0.1:{status_port}"})
    # Where it is five o'clock now, whenever this runs.
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {
        "timezoneId": f"Etc/GMT{(datetime.now(timezone.utc).hour - 17 + 11) % 24 - 11:+d}"})
    page.enter()
    page.until(f"{LIVES} starts, at most 6 connections", ".sum")
    assert page.text(".word") == "Asleep" and page.text("#daemon").startswith("daemon ")
    assert "up 1 d 0 h" in page.text("#daemon").replace("\u00a0", " ")
    share = int(page.text(".sum").split()[2])
    assert 65 <= share <= 75, "a quarter of an hour behind each of six lives, and the lives themselves"
    assert page.fact("starts") == f"{LIVES}" and page.fact("startups").startswith(f"median of {LIVES}: ")
    assert page.fact("exit").endswith("idle timeout")
    assert float(page.fact("saved").split()[0]) > 16 * 30, "hours asleep, times the least that Rails takes"

    page.press("Open a WebSocket")
    page.until("Open. It took", ".outcome")
    page.until("It stops 15 min after the last one closes.", ".meaning")
    page.until('{"type":"welcome"}', ".messages")
    page.until('"type":"ping"', ".messages")
    page.until(f"{LIVES + 1} starts", ".sum")
    assert page.text("[data-fact=wake]").startswith("a WebSocket from 127.0.0.1 to /cable, ")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".day .peak")) >= LIVES
    page.whole_picture("day")
    assert [text for text in page.complaints() if "401" not in text] == []
