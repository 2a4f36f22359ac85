"""Fixtures: daemons that end with their test, and the table of measurements printed at the end of the run."""

import shutil

import pytest
from selenium import webdriver
from xdist.scheduler import LoadScopeScheduling

import rails
from daemon import REPOSITORY, Daemon, double, executable
from page import Demo
from wire import Listener

_measurements = {}

# Needs Python 2.7, which few systems have any more.
collect_ignore = [] if (REPOSITORY / ".build" / "autobahn" / "bin" / "wstest").exists() else ["test_autobahn.py"]


def pytest_sessionstart(session):
    """A missing build fails the run with one message instead of a hundred tracebacks."""
    if session.config.option.collectonly or hasattr(session.config, "workerinput"):
        return
    try:
        executable()
        double()
    except AssertionError as missing:
        pytest.exit(f"FAILED: {missing}", returncode=1)


class ByFile(LoadScopeScheduling):
    """With `-n 3`: the tests of a file run in their order, beside those of two others, with these exceptions."""

    # They measure times and costs, or fill the machine: one after the other.
    MEASURING = (
        "test_abuse.py", "test_autobahn.py", "test_bench.py", "test_cost.py", "test_endurance.py", "test_fairness.py",
        "test_rails.py", "test_readiness.py", "test_relay.py", "test_threads.py", "test_trouble.py", "test_waking.py")
    # The examples have ports of their own choice.
    EXAMPLES = ("test_day.py", "test_demo.py", "test_documents.py", "test_examples.py", "test_rails_hub.py")
    # Hundreds of tests that mostly wait: each one on its own.
    WAITING = ("test_hibernation.py", "test_runs.py")

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        if file in self.MEASURING:
            return "measuring"
        if file in self.EXAMPLES:
            return "examples"
        return nodeid if file in self.WAITING else file


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


@pytest.fixture
def start(request, tmp_path):
    """start(service, ..., listen=..., environment=...) gives a running daemon."""
    # A new list each time: a rerun test is not responsible for the daemons of its failed run.
    daemons = request.node.stash[_DAEMONS] = []

    def begin(*services, **options):
        daemon = Daemon.__new__(Daemon)
        daemons.append(daemon)
        daemon.__init__(tmp_path, list(services), **options)
        return daemon

    yield begin

    wrongs = [daemon.clean_up() for daemon in daemons if hasattr(daemon, "process")]
    wrongs = [wrong for wrong in wrongs if wrong]
    assert not wrongs, "; ".join(wrongs)


@pytest.fixture
def upstream():
    """A backend that the test controls."""
    with Listener() as listener:
        yield listener


@pytest.fixture
def redis(tmp_path):
    """The Redis server of the Rails application."""
    server = rails.Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def demo():
    """The daemon in front of the demo's small server, asleep."""
    demo = Demo()
    yield demo
    if demo.process.poll() is None:
        demo.stop()


@pytest.fixture
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium and driver, "the page is tested in Debian's chromium with chromium-driver; make test installs them"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1000,1180"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def measured(request):
    """measured(what, value) adds a line to the table at the end of the run."""
    return lambda what, value: request.node.user_properties.append((what, str(value)))


def pytest_runtest_logreport(report):
    """Reports come from the processes that run the tests to the one that prints the table."""
    if report.when == "teardown":
        _measurements.update(report.user_properties)


_DAEMONS = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for daemon in item.stash.get(_DAEMONS, []):
            if hasattr(daemon, "records"):
                report.sections.append(("log of the daemon", daemon.log_text()))
    return report


def reason(report):
    """The line that a failed report is about, with what it says."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return str(report.longrepr).strip().splitlines()[-1]
    return f"{crash.path.rsplit('/', 1)[-1]}:{crash.lineno}: {crash.message.splitlines()[0]}"


def pytest_terminal_summary(terminalreporter):
    for file in collect_ignore:
        terminalreporter.write_line(f"{file} was left out: it needs Python 2.7 with pip, and there is none")
    reruns = terminalreporter.stats.get("rerun", [])
    if reruns:
        terminalreporter.section("run again, and why")
        for report in reruns:
            terminalreporter.write_line(f"{report.nodeid} ({report.when}): {reason(report)}")
    if not _measurements:
        return
    terminalreporter.section("measured")
    width = max(map(len, _measurements))
    for what, value in _measurements.items():
        terminalreporter.write_line(f"{what:<{width}}  {value:>16}")
