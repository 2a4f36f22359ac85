"""What a message and a connection cost, in counts that do not depend on the machine's mood; limits are in cost.json."""

import os
import signal

import pytest

import cost
import processes

pytestmark = pytest.mark.timeout(180)


def test_a_message_costs_few_instructions_and_no_allocation(tmp_path, measured):
    instructions, allocations = cost.per_unit(
        tmp_path, lambda count: ["--connections", 1, "--messages", count], (500, 2500))
    measured("instructions per echoed message", f"{instructions:,.0f}")
    measured("allocations per echoed message", f"{allocations:.2f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_message"]
    assert allocations <= limits["allocations_per_message"]


def test_a_message_among_many_costs_less_because_they_share_a_turn(tmp_path, measured):
    instructions, allocations = cost.per_unit(
        tmp_path, lambda count: ["--connections", 64, "--messages", count], (500, 2500))
    measured("instructions per echoed message, 64 connections", f"{instructions:,.0f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_message_among_many"]
    assert allocations <= limits["allocations_per_message"]


def test_a_websocket_from_connect_to_close_costs_few_instructions_and_allocations(tmp_path, measured):
    instructions, allocations = cost.per_unit(
        tmp_path, lambda count: ["--work", "idle", "--connections", count], (20, 220))
    measured("instructions per WebSocket, connect to close", f"{instructions:,.0f}")
    measured("allocations per WebSocket, connect to close", f"{allocations:.1f}")
    limits = cost.thresholds()
    assert instructions <= limits["instructions_per_connection"]
    assert allocations <= limits["allocations_per_connection"]


def test_a_crowd_that_has_settled_gives_back_what_opening_it_needed(tmp_path, measured):
    relay = cost.Relay(tmp_path, [])
    asleep = processes.file_kib(relay.process.pid)
    with relay.crowd(300):
        opened = processes.file_kib(relay.process.pid)
        assert opened > asleep + 300, "opening 300 tunnels runs through code that sleeping does not need"
        processes.eventually(
            lambda: processes.file_kib(relay.process.pid) <= asleep + 300, within=5, every=0.1,
            what=f"at most {asleep + 300} KiB of files in memory")
        measured("pages of files, 300 tunnels: open, settled", f"{opened}, {processes.file_kib(relay.process.pid)} KiB")
    relay.end()


def test_a_message_costs_six_system_calls(tmp_path, measured):
    counts = tmp_path / "strace"

    def calls(messages):
        relay = cost.Relay(tmp_path, ["strace", "-f", "-c", "-o", str(counts)])
        relay.load("--connections", 1, "--messages", messages)
        # strace hands on what it gets, but only ends when the daemon does.
        os.kill(processes.children(relay.process.pid)[0], signal.SIGTERM)
        relay.process.wait(30)
        total = next(line for line in counts.read_text().splitlines() if line.endswith("total"))
        return int(total.split()[3])

    each = (calls(1500) - calls(500)) / 1000
    measured("system calls per echoed message", f"{each:.2f}")
    assert each <= cost.thresholds()["system_calls_per_message"]
