"""The section on cables of docs/PERFORMANCE.md, and its pictures."""

import functools
from pathlib import Path

import plots
from report import (
    FLOOR, OURS, Figures, Row, decimal, mebibytes, microseconds, milliseconds, number, percent, subject, table_of)
from targets import REPOSITORY

BEGIN, END = "<!-- cables -->\n", "\n<!-- end of cables -->"


def yes(value):
    return "yes" if value else "no"


def rows(many, some):
    found = []
    for count in some, many:
        for size in (64, 1024):
            found.append(
                Row(f"CPU s per 100,000 deliveries, {count:,} subscribers, {size} B", f"cable/send/{count}/{size}", "cpu",
                    decimal, goal="at most 1.05 of the floor, 0.90 of uWebSockets", floor_most=1.05,
                    uwebsockets_most=0.9))
    found += [
        Row("the same, 8 publishers at once, 1,000 subscribers, 64 B", "cable/joined", "cpu", decimal,
            goal="at most 0.13 of the floor", floor_most=0.13),
        Row("the same, a stream and a request for each message", "cable/own/1", "cpu", decimal,
            goal="at most 1.2 of the floor", floor_most=1.2),
        Row("the same, 50 messages in a request", "cable/own/50", "cpu", decimal, goal="at most 1.2 of the floor",
            floor_most=1.2),
        Row(f"until the last of {many:,} has a message: p99", f"cable/latency/{many}", "last", microseconds,
            goal="at most 1.1 of the floor", floor_most=1.1),
        Row(f"until the first of {some:,} has it: p99", f"cable/latency/{some}", "first", microseconds,
            goal="at most 2 times the floor", floor_most=2),
        Row(f"response to the publisher, {some:,} subscribers: p99", f"cable/latency/{some}", "answer", microseconds,
            goal="at most 5 ms", own_most=5000),
        Row(f"response to the publisher, {many:,} subscribers: p99", f"cable/latency/{many}", "answer", microseconds,
            goal="at most 5 ms", own_most=5000),
        Row(f"a message beside one for {many:,} others: p99", "cable/beside", "p99", microseconds, goal="at most 5 ms",
            own_most=5000),
        Row("connect, subscribe, confirm: CPU µs each", "cable/connect", "cpu", decimal, goal="at most 40", own_most=40),
        Row("the same on a core of its own: per second", "cable/connect/cores", "rate", number, high=True,
            goal="at least 20,000", own_least=20_000),
        Row(f"user memory of a subscribed client, {many:,} clients", f"cable/memory/{many}", "memory", number,
            goal="at most 256 B", own_most=256),
        Row("the same: the whole process with all of them, pages of files included", f"cable/memory/{many}", "whole",
            mebibytes),
        Row("growth that is kept after all have left", f"cable/memory/{many}", "kept", percent),
        Row("user memory of a hibernating client, without its request head", "cable/hibernating", "memory", number,
            goal="at most 512 B", own_most=512),
        Row(f"pings to {many:,} clients every 3 s: CPU ms per second", f"cable/memory/{many}", "cpu", decimal,
            goal="at most 1.2 of the floor", floor_most=1.2),
        Row("the same: wake-ups per second", f"cable/memory/{many}", "switches", decimal, goal="at most 8",
            own_most=8),
        Row("wake-ups without clients, in one second", f"cable/memory/{many}", "asleep", number, goal="0", own_most=0),
        Row("one of 1,000 stops reading: others' p99, during / before", "cable/slow", "change", decimal,
            goal="within noise: at most 1.2", own_most=1.2),
        Row("the same: more memory", "cable/slow", "memory", mebibytes, goal="at most 1.3 MB", own_most=1_300_000),
        Row("the same: the client is told and closed", "cable/slow", "told", yes, goal="yes", own_least=1),
        Row("the same: messages were skipped", "cable/slow", "skipped", yes, goal="no", own_most=0)]
    for metric, word in ("cable/wake/redis", "with Redis"), ("cable/wake", "without Redis"):
        goal = {"goal": "at most 1.1 of one client's", "peer_most": 1.1} if metric == "cable/wake/redis" else {}
        found += [
            Row(f"an action wakes the backend of {some:,} hibernating clients, {word}: p50", metric, "p50", milliseconds,
                **goal),
            Row("the same: connections to the backend before the action", metric, "dials", number),
            Row("the same: connections under way at once", metric, "waiting", number, goal="at most 50", own_most=50)]
    return found


# What the section consists of, by the beginning of the metrics' names.
MEASUREMENTS = {
    "CPU of a delivery": "cable/send", "latency": "cable/latency", "joined messages": "cable/joined",
    "own streams": "cable/own", "connections": "cable/connect", "a message beside a broadcast": "cable/beside",
    "the slow reader": "cable/slow", "memory": "cable/memory", "hibernating clients": "cable/hibernating",
    "wakes": "cable/wake"}


def table(results):
    some, many = results["subscribers"]
    return table_of(Figures(results), rows(many, some))


def everything(figures, some, many):
    sends = [(f"{n:,} × {size} B", f"cable/send/{n}/{size}") for n in (some, many) for size in (64, 1024)]
    latencies = [(f"{n:,}", f"cable/latency/{n}") for n in (some, many)]
    parts = []
    for title, key, form, metrics in [
        ("CPU seconds of the hub per 100,000 deliveries (subscribers × size)", "cpu", decimal, sends),
        ("Deliveries per second, hub and load on one core", "rate", number, sends),
        ("CPU seconds per 100,000 deliveries in other patterns", "cpu", decimal,
         [("8 publishers", "cable/joined"), ("own streams", "cable/own/1"), ("own streams, 50 in a request", "cable/own/50")]),
        ("Until the first subscriber has a message: p50, µs", "first_p50", number, latencies),
        ("Until the first subscriber has a message: p99, µs", "first", number, latencies),
        ("Until the last subscriber has a message: p50, µs", "last_p50", number, latencies),
        ("Until the last subscriber has a message: p99, µs", "last", number, latencies),
        ("Response to the publisher: p50, µs", "answer_p50", number, latencies),
        ("Response to the publisher: p99, µs", "answer", number, latencies),
        ("Connect, subscribe, confirm: CPU µs each", "cpu", decimal, [("CPU µs", "cable/connect")]),
        ("The same on a core of its own", "rate", number, [("per second", "cable/connect/cores")]),
        ("User memory of a subscribed client, bytes", "memory", number, [(f"{many:,}", f"cable/memory/{many}")]),
        ("The whole process with all of them, pages of files included", "whole", mebibytes,
         [(f"{many:,}", f"cable/memory/{many}")]),
        ("Growth that is kept after all have left", "kept", percent, [("kept", f"cable/memory/{many}")]),
    ]:
        text = subject(figures, title, key, form, metrics)
        if text:
            parts.append(text)
    slow = slow_readers(figures)
    return "\n\n".join(parts + ([slow] if slow else []))


def slow_readers(figures):
    names = figures.names("cable/slow")
    if not names:
        return ""
    lines = [
        "### One of 1,000 subscribers stops reading, 640 messages of 4 KiB are meant for it", "",
        "| | others' p99 before, µs | during, µs | more memory | messages it got | told | closed | skipped |",
        "|---|---:|---:|---:|---:|---|---|---|"]
    for name in names:
        cells = [
            form(figures.value("cable/slow", name, key)) for key, form in (
                ("before", number), ("during", number), ("memory", mebibytes), ("received", number), ("told", yes),
                ("closed", yes), ("skipped", yes))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def section(results):
    figures = Figures(results)
    some, many = results["subscribers"]
    troubled, kept = figures.disturbed()
    disturbance = (
        f"In {troubled} of {kept} samples the host took more than 5 % of the machine." if troubled
        else "In no sample did the host take more than 5 % of the machine.")
    # A load that has failed fails again at each further measurement: the first reason is the cause.
    causes = {}
    for metric, name, reason in results["failures"]:
        causes.setdefault((metric, name), reason)
    failures = "".join(f"\n- `{metric}` of {name}: {reason}" for (metric, name), reason in causes.items())
    text = (Path(__file__).parent / "cables.md").read_text()
    taken = [len(found) for found in results["samples"].get(f"cable/send/{some}/64", {}).values()]
    rounds = f": {min(taken)} rounds, {max(taken)} of the daemon, the floor and uWebSockets" if taken else ""
    missing = [name for name, metric in MEASUREMENTS.items() if not any(
        one.startswith(metric) for one in results["samples"])]
    if missing:
        failures += f"\n- not measured in this run: {', '.join(missing)}"
    for key, value in {
        "{table}": table(results), "{everything}": everything(figures, some, many), "{date}": results["date"],
        "{versions}": ", ".join(results["versions"]), "{disturbance}": disturbance,
        "{rounds}": rounds, "{pictures}": "\n".join(draw(figures, some, many)),
        "{failures}": "\nFailed or unavailable measurements:\n" + failures + "\n" if failures else "",
    }.items():
        text = text.replace(key, value)
    return text.rstrip()


def insert(page, results, limits):
    """The page with its section on cables, and the section on limits, written again."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    heading = limits.splitlines()[0]
    after = after[:after.index(heading)] + limits.rstrip() + "\n" if heading in after else after
    return before + BEGIN + section(results) + END + after


def draw(figures, some, many):
    """Draws what was measured; returns the references to the pictures."""
    panel = functools.partial(plots.panel_of, figures)
    images = REPOSITORY / "docs" / "images"
    pictures = {
        "cable-deliveries": ("CPU seconds of the hub per 100,000 deliveries (less is better)", [
            *[panel(f"{n:,} subscribers, 64 bytes", f"cable/send/{n}/64", "cpu", decimal) for n in (some, many)],
            panel("8 publishers at once", "cable/joined", "cpu", decimal),
            panel("a stream for each subscriber", "cable/own/1", "cpu", decimal)]),
        "cable-latency": ("Latency at p99, µs (less is better)", [
            panel(f"first of {some:,}", f"cable/latency/{some}", "first", number),
            panel(f"last of {many:,}", f"cable/latency/{many}", "last", number),
            panel(f"response to the publisher, {some:,}", f"cable/latency/{some}", "answer", number),
            panel(f"response to the publisher, {many:,}", f"cable/latency/{many}", "answer", number)]),
        "cable-memory": ("User memory of a subscribed client, bytes (less is better)", [
            panel(f"{many:,} clients", f"cable/memory/{many}", "memory", number)])}
    references = []
    for name, (title, panels) in pictures.items():
        panels = [panel for panel in panels if panel[1]]
        if panels:
            (images / f"{name}.svg").write_text(plots.bars(title, panels, False))
            references.append(f"![{title.partition(' (')[0]}](images/{name}.svg)")
    return references
