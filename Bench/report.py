"""Turns the samples of a run into docs/PERFORMANCE.md and its pictures."""

import functools
import os
import statistics
import subprocess
from pathlib import Path

import plots
from targets import DAEMON, REPOSITORY

OURS, FLOOR, DIRECT = "ondemandd", "floor", "direct"


class Figures:
    """Medians of the rounds, and their spread."""

    def __init__(self, results):
        self.results = results
        self.samples = results["samples"]

    def taken(self, metric, name, key):
        return [one for one in self.samples.get(metric, {}).get(name, []) if one.get(key) is not None]

    def value(self, metric, name, key):
        values = [one[key] for one in self.taken(metric, name, key)]
        return statistics.median(values) if values else None

    def spread(self, metric, name, key):
        """Half of the rounds lie within this share of the median, above and below together."""
        values = [one[key] for one in self.taken(metric, name, key)]
        if len(values) < 3 or not self.value(metric, name, key):
            return None
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        return (upper - lower) / self.value(metric, name, key)

    def ratio(self, metric, name, other, key):
        """For two targets of the same rounds, the median of the rounds' own ratios: a machine that is slow for a
        minute is slow for both."""
        own = {one["round"]: one[key] for one in self.taken(metric, name, key) if "round" in one}
        base = {one["round"]: one[key] for one in self.taken(metric, other, key) if "round" in one}
        both = [own[number] / base[number] for number in own if base.get(number)]
        if both:
            return statistics.median(both)
        value, divisor = self.value(metric, name, key), self.value(metric, other, key)
        return value / divisor if divisor and value is not None and value >= 0 else None

    def rounds(self):
        """Number of message rounds for all targets, and for the close ones."""
        counts = [len(taken) for taken in self.samples.get("echo/1000/64", {}).values()] or [0]
        more = f", {max(counts)} of the closest (the daemon, the floor, the two best peers)"
        return f"{min(counts)} rounds" + (more if max(counts) > min(counts) else "")

    def names(self, metric):
        return list(self.samples.get(metric, {}))

    def best_peer(self, metric, key, high):
        """The targets with the same number of rounds, if any: a target that was well behind has fewer rounds, possibly of
        a faster machine."""
        taken = self.samples.get(metric, {})
        peers = [name for name in taken if name not in (OURS, FLOOR, DIRECT)]
        as_often = [name for name in peers if len(taken[name]) >= len(taken.get(OURS, []))]
        found = [(self.value(metric, name, key), name) for name in as_often or peers]
        found = [one for one in found if one[0] is not None]
        return (max if high else min)(found) if found else (None, "")

    def disturbed(self):
        """Number of rounds in which a thread waited for a core, and of all rounds."""
        everyone = [sample for taken in self.samples.values() for samples in taken.values() for sample in samples]
        return sum(sample["disturbed"] > 0.05 for sample in everyone), len(everyone)


class Row:
    """A figure with its goal: conditions on the figure itself and on its ratio to another target's."""

    def __init__(self, label, metric, key, form, high=False, goal="", **conditions):
        self.label, self.metric, self.key, self.form, self.high = label, metric, key, form, high
        self.goal, self.conditions = goal, conditions

    def cells(self, figures):
        own = figures.value(self.metric, OURS, self.key)
        if own is None:
            return None
        floor = figures.value(self.metric, FLOOR, self.key)
        peer, name = figures.best_peer(self.metric, self.key, self.high)
        spread = figures.spread(self.metric, OURS, self.key)
        return [
            self.label, self.form(own), f"± {spread / 2:.0%}" if spread is not None else "",
            self.form(floor) if floor is not None else "", self.ratio(figures, FLOOR),
            f"{self.form(peer)} ({name})" if peer is not None else "", self.ratio(figures, name), self.goal,
            self.verdict(figures, own, name)]

    def ratio(self, figures, name):
        found = figures.ratio(self.metric, OURS, name, self.key)
        return decimal(found) if found is not None else ""

    def verdict(self, figures, own, peer):
        if not self.goal:
            return ""
        for condition, limit in self.conditions.items():
            subject, direction = condition.rsplit("_", 1)
            name = {"floor": FLOOR, "peer": peer, "nginx": "nginx http", "uwebsockets": "uWebSockets"}.get(subject)
            figure = own if subject == "own" else figures.ratio(self.metric, OURS, name, self.key)
            if figure is None:
                return "unknown"
            rounded = figure if subject == "own" else round(figure, 2)
            missed = limit - rounded if direction == "least" else rounded - limit
            if missed > 0:
                # The best of eight is usually also a lucky one.
                spread = figures.spread(self.metric, OURS, self.key)
                is_noise = subject != "own" and spread is not None and missed < spread / 2
                return "no, by less than the spread" if is_noise else "**no**"
        return "yes"


def number(value):
    return f"{value:,.0f}"


def decimal(value):
    return f"{value:.2f}"


def mebibytes(value):
    return f"{value / 1024 / 1024:.1f} MiB"


def microseconds(value):
    return f"{value:,.0f} µs"


def milliseconds(value):
    return f"{value:.2f} ms"


def percent(value):
    return f"{value:.0%}"


def rows(largest):
    found = [
        Row("asleep: resident memory", "asleep", "rss", mebibytes, goal="at most 6 MB", own_most=6_000_000),
        Row("asleep again, after three starts: resident memory", "asleep again", "rss", mebibytes),
        Row("asleep: context switches in 10 s", "asleep", "switches", number, goal="0", own_most=0),
        Row(f"{largest:,} idle WebSockets: user memory each", f"idle/{largest}", "memory", number,
            goal="at most 256 B", own_most=256),
        Row("1,000 idle WebSockets: user memory each", "idle/1000", "memory", number),
        Row(f"{largest:,} closed again: growth that is kept", f"idle/{largest}", "kept", percent, goal="at most 20 %",
            own_most=0.2)]
    for size in (64, 1024):
        found += [
            Row(f"messages/s, 1 connection, {size} B", f"echo/1/{size}", "rate", number, high=True),
            Row(f"messages/s, 64 connections, {size} B", f"echo/64/{size}", "rate", number, high=True,
                goal="1.00 of the best peer, 0.97 of the floor", peer_least=1, floor_least=0.97),
            Row(f"messages/s, 1,000 connections, {size} B", f"echo/1000/{size}", "rate", number, high=True,
                goal="1.15 of the best peer, 0.95 of the floor", peer_least=1.15, floor_least=0.95),
            Row(f"CPU s per 100,000 messages, 64 connections, {size} B", f"echo/64/{size}", "cpu", decimal,
                goal="at most 1.00 of nginx http", nginx_most=1),
            Row(f"CPU s per 100,000 messages, 1,000 connections, {size} B", f"echo/1000/{size}", "cpu", decimal,
                goal="at most 0.85 of nginx http", nginx_most=0.85)]
    found += [
        Row("system calls per message, 1 connection", "calls/1", "calls", decimal, goal="6.0", own_most=6.05),
        Row("system calls per message, 64 connections", "calls/64", "calls", decimal, goal="at most 4.1",
            own_most=4.1)]
    for count in (1, 64):
        plural = "connection" if count == 1 else "connections"
        for key, word in ("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"):
            goal = {} if key == "p999" else {"goal": "at most the best peer", "peer_most": 1}
            found.append(Row(f"ping-pong {word}, {count} {plural}, 64 B", f"echo/{count}/64", key, microseconds, **goal))
    for work, word in ("down", "one way"), ("both", "both ways"):
        for count in (1, 16):
            found.append(
                Row(f"bulk {word}, {count} connection{'s' * (count > 1)}: MB/s", f"bulk/{work}/{count}", "rate", number,
                    high=True, goal="1.00 of the best peer", peer_least=1))
    found += [
        Row("connect, upgrade, echo, close: per second", "churn/16", "rate", number, high=True,
            goal="1.00 of the best peer", peer_least=1),
        Row("the same: CPU ms each", "churn/16", "cpu", lambda value: f"{value:.3f}", goal="at most the best peer",
            peer_most=1),
        Row("HTTP keep-alive: requests/s", "http/64", "rate", number, high=True),
        Row("HTTP keep-alive: CPU s per 100,000 requests", "http/64", "cpu", decimal)]
    for boot in (0, 30, 300, 3000):
        limit = 1 if boot < 50 else boot * 0.02
        word = "1 ms" if boot < 50 else "2 % of the boot"
        found += [
            Row(f"cold start, boot of {boot:,} ms: overhead p50", f"cold/{boot}", "p50", milliseconds,
                goal=f"at most {word}", own_most=limit),
            Row(f"cold start, boot of {boot:,} ms: overhead p99", f"cold/{boot}", "p99", milliseconds,
                goal="twice that", own_most=2 * limit)]
    found += [
        Row("the same, 0 ms, with an inherited socket: overhead p50", "cold/inherited", "p50", milliseconds,
            goal="at most 0.3 ms", own_most=0.3),
        Row("CPU ms while waiting, per second of boot", "cold/3000", "cpu", decimal, goal="at most 2 ms", own_most=2),
        Row(f"{largest:,} tunnels with a ping every 3 s: CPU ms per second", f"ping/{largest}", "cpu", decimal,
            goal="at most 1.5 of the floor", floor_most=1.5)]
    return found


HEADINGS = ["figure", "ondemandd", "spread", "floor", "to the floor", "best peer", "to the best peer", "goal", "met"]


def table_of(figures, chosen):
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * 6 + "---|---|"]
    for row in chosen:
        cells = row.cells(figures)
        if cells:
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(results):
    lines = [table_of(Figures(results), rows(results["largest"]))]
    size = executable_bytes()
    if size:
        verdict = "yes" if size <= 10_000_000 else "**no**"
        lines.append(f"| the executable, stripped | {mebibytes(size)} | | | | | | at most 10 MB | {verdict} |")
    return "\n".join(lines)


def executable_bytes():
    stripped = REPOSITORY / ".build" / "bench" / "ondemandd-stripped"
    if subprocess.run(["strip", "-o", str(stripped), str(DAEMON)], capture_output=True).returncode != 0:
        return None
    return os.path.getsize(stripped)


# Two threads

ONE, TWO = "ondemandd, 1 thread", "ondemandd, 2 threads"


def threads(figures):
    """Two threads of each on two cores."""
    if not figures.names("threads/64"):
        return ""
    labels = [(f"{n:,} connections", f"threads/{n}") for n in (64, 1000)]
    parts = []
    for title, key, form in [
        ("Messages per second, 64 bytes", "rate", number),
        ("CPU seconds of the proxy per 100,000 messages", "cpu", decimal), ("Ping-pong p99, µs", "p99", number),
    ]:
        parts.append(subject(figures, title, key, form, labels))
    sentences = []
    for label, metric in labels:
        twice = figures.ratio(metric, TWO, ONE, "rate")
        peers = [(figures.value(metric, name, "rate"), name) for name in figures.names(metric) if name not in (ONE, TWO)]
        _, name = max(((rate, name) for rate, name in peers if rate), default=(None, ""))
        if twice:
            best = figures.ratio(metric, TWO, name, "rate")
            against = f", {best:.2f} times the best peer's ({name})" if best else ""
            sentences.append(f"With {label} two threads relay {twice:.2f} times the messages of one{against}.")
    return "\n\n".join([" ".join(sentences), *parts])


# Choices


def choices(figures):
    """Variants of the floor, as shares of the floor."""
    parts = []
    for title, metric in ("One process on one core", "choices"), ("Two processes on two cores", "sharing"):
        names = figures.names(f"choices/{metric}/echo")
        if not names:
            continue
        lines = [
            f"### {title}", "", "| | messages/s, 64 connections | CPU each | connect, upgrade, echo, close /s | CPU each |",
            "|---|" + "---:|" * 4]
        for name in names:
            shares = [
                figures.ratio(f"choices/{metric}/{work}", name, names[0], key)
                for work in ("echo", "churn") for key in ("rate", "cpu")]
            lines.append(f"| {name} | " + " | ".join("" if one is None else decimal(one) for one in shares) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


# Everything


def everything(figures, largest):
    """A table for each subject: all targets, all figures."""
    parts = []
    echo = [(f"{count:,} × {size} B", f"echo/{count}/{size}") for size in (64, 1024) for count in (1, 64, 1000)]
    for title, key, form, metrics in [
        ("Messages per second (connections × size)", "rate", number, echo),
        ("CPU seconds of the proxy per 100,000 messages", "cpu", decimal, echo),
        ("Ping-pong p50, µs", "p50", number, echo),
        ("Ping-pong p99, µs", "p99", number, echo),
        ("Ping-pong p99.9, µs", "p999", number, echo),
        ("System calls per echoed message", "calls", decimal, [(f"{n} connections", f"calls/{n}") for n in (1, 64)]),
        ("Bulk, MB/s in frames of 64 KiB", "rate", number,
         [(f"{word}, {n}", f"bulk/{work}/{n}") for work, word in (("down", "one way"), ("both", "both ways"))
          for n in (1, 16)]),
        ("Connect, upgrade, echo, close", "rate", number, [("per second", "churn/16")]),
        ("The same: CPU ms each", "cpu", lambda value: f"{value:.3f}", [("CPU ms", "churn/16")]),
        ("HTTP keep-alive, 64 connections", "rate", number, [("requests/s", "http/64")]),
        ("HTTP keep-alive: CPU seconds per 100,000 requests", "cpu", decimal, [("CPU s", "http/64")]),
        ("User memory per idle WebSocket, bytes", "memory", number,
         [(f"{n:,}", f"idle/{n}") for n in (1000, largest)]),
        ("Kernel memory per idle WebSocket, bytes; \"direct\" is the clients' and the backend's part of it", "kernel",
         number, [(f"{n:,}", f"idle/{n}") for n in (1000, largest)]),
        ("Proportional memory of the whole process", "none", mebibytes, [("with none", f"idle/{largest}")]),
        (f"The same with {largest:,} idle WebSockets", "all", mebibytes, [("with all", f"idle/{largest}")]),
        ("The same after all have closed", "after", mebibytes, [("after", f"idle/{largest}")]),
        ("Asleep: VmRSS", "rss", mebibytes, [("resident", "asleep")]),
        ("Asleep: proportional memory", "pss", mebibytes, [("proportional", "asleep")]),
        ("Asleep: context switches in 10 s", "switches", number, [("switches", "asleep")]),
        (f"{largest:,} tunnels with a ping every 3 s: CPU ms per second", "cpu", decimal, [("CPU ms", f"ping/{largest}")]),
        ("The same: proportional memory", "memory", mebibytes, [("memory", f"ping/{largest}")]),
        ("Cold start, p50 over the backend's own boot, ms", "p50", decimal,
         [(f"boots in {n:,} ms", f"cold/{n}") for n in (0, 30, 300, 3000)]),
        ("Cold start, p99 over the backend's own boot, ms", "p99", decimal,
         [(f"boots in {n:,} ms", f"cold/{n}") for n in (0, 30, 300, 3000)]),
        ("CPU seconds per 100,000 messages as connections grow (one round)", "cpu", decimal,
         [(f"{n:,}", f"growth/{n}") for n in (10, 100, 1000, largest)]),
    ]:
        text = subject(figures, title, key, form, metrics)
        if text:
            parts.append(text)
    return "\n\n".join(parts)


def subject(figures, title, key, form, metrics):
    names = list(dict.fromkeys(name for _, metric in metrics for name in figures.names(metric)))
    lines = []
    for name in names:
        values = [figures.value(metric, name, key) for _, metric in metrics]
        if any(value is not None for value in values):
            lines.append(f"| {name} | " + " | ".join("" if v is None else form(v) for v in values) + " |")
    if not lines:
        return ""
    heads = " | ".join(label for label, _ in metrics)
    return "\n".join([f"### {title}", "", f"| | {heads} |", "|---|" + "---:|" * len(metrics), *lines])


PAGE = REPOSITORY / "docs" / "PERFORMANCE.md"


def write_cables(cables):
    """The sections on cables and on limits; the rest of the page stays as the last run has left it."""
    limits = (Path(__file__).parent / "limits.md").read_text()
    PAGE.write_text(cable_report.insert(PAGE.read_text(), cables, limits))
    print(cable_report.table(cables))


def write(results, cables):
    """`cables` are the results of their section; None without."""
    figures = Figures(results)
    draw(figures, results["largest"])
    machine = results["machine"]
    troubled, kept = figures.disturbed()
    disturbance = (
        f"In {troubled} of {kept} rounds that count, another process took more than 5 % of a core: read small "
        "differences with care." if troubled else "No round that counts was disturbed.")
    failures = "".join(f"\n- `{metric}` of {name}: {reason}" for metric, name, reason in results["failures"])
    text = (Path(__file__).parent / "page.md").read_text()
    text = text.replace("{limits}", (Path(__file__).parent / "limits.md").read_text().rstrip())
    for key, value in {
        "{table}": table(results), "{threads}": threads(figures), "{choices}": choices(figures),
        "{everything}": everything(figures, results["largest"]),
        "{rounds}": figures.rounds(), "{date}": results["date"], "{versions}": ", ".join(results["versions"]),
        "{processor}": machine["processor"], "{cores}": str(machine["cores"]), "{kernel}": machine["kernel"],
        "{memory}": f"{int(machine['memory']) / 1024 / 1024:.0f} GiB", "{disturbance}": disturbance,
        "{largest}": f"{results['largest']:,}", "{descriptors}": f"{machine['descriptors']:,}",
        "{failures}": "\nFailed or unavailable measurements:\n" + failures + "\n" if failures else "",
    }.items():
        text = text.replace(key, value)
    PAGE.write_text(text)
    print(table(results))
    if cables:
        write_cables(cables)


def draw(figures, largest):
    panel = functools.partial(plots.panel_of, figures)
    images = REPOSITORY / "docs" / "images"
    pictures = {
        "messages": ("WebSocket messages per second, 64 bytes (more is better)", [
            panel(f"{n:,} connection{'s' * (n > 1)}", f"echo/{n}/64", "rate", number) for n in (1, 64, 1000)], True),
        "idle-memory": ("User memory per idle WebSocket, bytes (less is better)", [
            panel(f"{n:,} connections", f"idle/{n}", "memory", number) for n in (1000, largest)], False),
        "bulk": ("Bulk in frames of 64 KiB, MB/s (more is better)", [
            panel(f"{word}, {n} connection{'s' * (n > 1)}", f"bulk/{work}/{n}", "rate", number)
            for work, word in (("down", "one way"), ("both", "both ways")) for n in (1, 16)], True),
        "cold-start": ("Cold start: time added to the backend's own startup, ms at p50 (less is better)", [
            panel(f"boots in {n:,} ms", f"cold/{n}", "p50", decimal) for n in (0, 30, 300, 3000)], False)}
    for name, (title, panels, high) in pictures.items():
        panels = [panel for panel in panels if panel[1]]
        if panels:
            (images / f"{name}.svg").write_text(plots.bars(title, panels, high))
    growth = {
        name: [(n, figures.value(f"growth/{n}", name, "cpu")) for n in (10, 100, 1000, largest)
               if figures.value(f"growth/{n}", name, "cpu") is not None]
        for name in figures.names("growth/10")}
    if growth:
        title = "CPU seconds of the proxy per 100,000 messages, by connections (less is better)"
        (images / "growth.svg").write_text(plots.lines(title, growth))


# It uses what is above.
import cable_report  # noqa: E402
