"""Autobahn's fuzzing client, a WebSocket conformance suite, against a server directly and through the daemon.

It needs Python 2.7, which scripts/install-test-tools looks for. Without one conftest.py leaves this file out and says so at
the end of the run; test_closing.py then tests the kinds of violation with its own sockets, through the daemon only.
"""

import json
import subprocess
from pathlib import Path

import pytest

from daemon import REPOSITORY, service
from servers import EchoServer

WSTEST = REPOSITORY / ".build" / "autobahn" / "bin" / "wstest"
# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, messages up to 16 MiB and automatic fragmentation.
# Left out: 9.3 to 9.8, which measure how fast such messages come back in fragments and small writes (a minute more,
# with the same results), and 12 and 13, whose compressed frames a tunnel does not look into (and which take long).
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.*", "9.2.*", "10.*"]
HOW_MANY = 259


def fuzz(folder, url):
    """Behaviour and closing behaviour of each case."""
    folder.mkdir()
    specification = folder / "fuzzing.json"
    specification.write_text(json.dumps({
        "outdir": str(folder / "reports"), "servers": [{"agent": "server", "url": url}], "cases": CASES,
        "exclude-cases": [], "exclude-agent-cases": {}}))
    subprocess.run([WSTEST, "-m", "fuzzingclient", "-s", specification], cwd=folder, check=True, timeout=200,
                   stdout=subprocess.DEVNULL)
    results = json.loads((folder / "reports" / "index.json").read_text())["server"]
    return {case: (result["behavior"], result["behaviorClose"]) for case, result in results.items()}


@pytest.mark.timeout(240)
def test_every_case_of_the_fuzzing_client_closes_as_it_does_without_the_daemon(start, tmp_path: Path):
    with EchoServer() as echo:
        daemon = start(service(echo.port, path="/*"))
        directly = fuzz(tmp_path / "direct", f"ws://127.0.0.1:{echo.port}/")
        through = fuzz(tmp_path / "through", f"ws://127.0.0.1:{daemon.port}/")
    assert len(directly) == len(through) == HOW_MANY
    # A client that is failed may be so before the echo of what it sent before is back: NON-STRICT.
    differences = {
        case: (directly[case], through[case]) for case in directly
        if directly[case][1] != through[case][1]
        or through[case][0] not in (directly[case][0], "OK", "NON-STRICT", "INFORMATIONAL")
    }
    assert not differences
