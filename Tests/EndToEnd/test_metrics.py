"""/metrics as Prometheus reads it, by the parser of its own client library."""

import signal
import subprocess

from prometheus_client.parser import text_string_to_metric_families

import processes
import wire
from daemon import executable, launches_double, on_demand, service, sleeping_double
from test_reload import reload, service_of
from wire import Wire, free_port, request, text_frame

TOKEN = "0123456789abcdef"


def scraped(daemon, *extra):
    """Every sample by its name and labels; the text is valid by the time this returns."""
    with Wire(processes.eventually(daemon._status_socket, what="the status address")) as connection:
        answer = connection.ask(request(path="/metrics", host="127.0.0.1", extra=["Connection: close", *extra]))
    assert answer.status == 200, answer.head.first_line
    assert answer.head.value("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    samples, names = {}, set()
    for family in text_string_to_metric_families(text):
        assert family.type in ("counter", "gauge", "histogram") and family.documentation, family.name
        assert family.name not in names, f"{family.name} stands in two places"
        names.add(family.name)
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    assert len(names) == text.count("# TYPE ") == text.count("# HELP ")
    return samples


def value(samples, name, **labels):
    return samples.get((f"ondemandd_{name}", *sorted(labels.items())))


def daemon_version():
    return subprocess.run([executable(), "--version"], capture_output=True, text=True).stdout.split()[-1]


def assert_never_down(before, after):
    for key, count in before.items():
        if key[0].endswith(("_total", "_bucket", "_sum", "_count")):
            assert after[key] >= count, key


def test_a_life_is_counted_and_a_scrape_wakes_nobody(start):
    broken = service(free_port(), name="broken", path="/broken", on_demand=on_demand("false"))
    off = sleeping_double(name="off", path="/off") | {"enabled": False}
    daemon = start(sleeping_double(idle_timeout="300ms"), broken, off)
    before = scraped(daemon)
    assert value(before, "service_state", service="cable", state="asleep") == 1
    assert value(before, "service_resident_memory_bytes", service="cable") == 0
    assert value(before, "resident_memory_bytes") > 1_000_000
    assert daemon.starts() == 0

    tunnel = daemon.open_tunnel()
    tunnel.send(text_frame("hello"))
    tunnel.read_frame()
    awake = scraped(daemon)
    assert value(awake, "service_state", service="cable", state="awake") == 1
    assert value(awake, "service_starts_total", service="cable", cause="upgrade") == 1
    assert value(awake, "service_startup_seconds_count", service="cable") == 1
    assert value(awake, "service_open_tunnels", service="cable") == 1
    assert value(awake, "service_requests_queued_total", service="cable") == 1
    assert value(awake, "service_messages_total", **{"service": "cable", "from": "client"}) == 1
    assert value(awake, "service_messages_total", **{"service": "cable", "from": "backend"}) == 1
    assert value(awake, "service_resident_memory_bytes", service="cable") > 1_000_000

    tunnel.send(wire.close_frame(1000))
    tunnel.read_frame()
    tunnel.close()
    daemon.wait_for("stopped")
    with daemon.connect() as client:
        for path, status in [("/broken", 503), ("/off", 503), ("/unrouted", 404)]:
            assert client.ask(request(path=path)).status == status
    processes.eventually(
        lambda: value(scraped(daemon), "service_saved_megabyte_seconds_total", service="cable") > 0, what="savings")
    after = scraped(daemon)
    assert value(after, "service_open_tunnels", service="cable") == 0
    assert value(after, "service_close_frames_total", service="cable", code="1000") == 2
    assert value(after, "service_rejected_requests_total", service="broken", reason="exited_early") == 1
    assert value(after, "service_failed_starts_total", service="broken", reason="exited_early") == 1
    assert value(after, "service_rejected_requests_total", service="off", reason="disabled") == 1
    assert value(after, "local_replies_total", code="404") == 1
    assert_never_down(before, awake)
    assert_never_down(awake, after)


def test_no_counter_goes_down_when_the_configuration_is_read_again(start):
    port = free_port()
    daemon = start(
        service(port, on_demand=launches_double(port)), sleeping_double(name="plain", path="/plain"),
        sleeping_double(name="leaves", path="/leaves"))
    for path in ("/cable", "/plain", "/leaves"):
        tunnel = daemon.open_tunnel(path=path)
        tunnel.send(text_frame("hello"))
        tunnel.read_frame()
    before = scraped(daemon)

    def change(file):
        file["reverse_proxies"] = [entry for entry in file["reverse_proxies"] if entry["name"] != "leaves"]
        service_of(file)["on_demand"]["args"].append("--ignore-term")
        plain = service_of(file, "plain")
        del plain["on_demand"]
        plain["target"] = f"http://127.0.0.1:{port}"
        file["reverse_proxies"].append(sleeping_double(name="new", path="/new"))

    reload(daemon, change)
    daemon.open_tunnel(path="/plain")
    after = scraped(daemon)
    assert value(after, "service_messages_total", **{"service": "plain", "from": "client"}) == 1
    assert value(after, "service_tunnels_total", service="plain") == 2
    assert value(after, "service_state", service="plain", state="unmanaged") == 1
    assert value(after, "service_tunnels_total", service="leaves") is None
    assert value(after, "service_tunnels_total", service="new") == 0
    assert_never_down({key: count for key, count in before.items() if key in after}, after)
    assert (value(after, "reloads_total", outcome="done"), value(after, "last_reload_successful")) == (1, 1)
    daemon.file.write_text("{}")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("reload_failed")
    refused = scraped(daemon)
    assert (value(refused, "reloads_total", outcome="refused"), value(refused, "last_reload_successful")) == (1, 0)
    assert_never_down(after, refused)


def test_numbers_are_behind_the_token(start):
    port = free_port()
    daemon = start(sleeping_double(), top={"status": {"listen": f"127.0.0.1:{port}", "token": TOKEN}})
    daemon.status_address = ("127.0.0.1", port)
    assert value(scraped(daemon, f"Authorization: Bearer {TOKEN}"), "build_info", version=daemon_version()) == 1
    with Wire(daemon.status_address) as connection:
        refused = connection.ask(request(path="/metrics", host="127.0.0.1"))
    assert refused.status == 401 and b"ondemandd_" not in refused.body
