"""One measurement at a time: starts the load beside a proxy and returns the figures."""

import json
import os
import re
import resource
import signal
import statistics
import subprocess
import time
from pathlib import Path

from targets import BENCH, BOTH_CORES, LOAD_CORE, OnDemandSleeping, Target, await_listener, free_port, launch


class Failed(Exception):
    pass


class Load:
    """The load generator as a process that can be stopped between its steps."""

    def __init__(self, target, work, steps=False, **options):
        arguments = ["load", "--connect", target.address, "--listen", target.backend, "--work", work]
        for name, value in options.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        for pid in target.pids():
            arguments += ["--pid", str(pid)]
        self.process = launch(
            target.load_core, [BENCH, *arguments, *(["--steps"] if steps else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Releases the port after any failure."""
        self.process.kill()
        self.process.wait()

    def reach(self, step):
        line = self.process.stdout.readline()
        if not line or json.loads(line).get("step") != step:
            raise Failed(self.process.communicate()[1].strip() or line.strip())

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self):
        output, complaints = self.process.communicate()
        if self.process.returncode != 0:
            raise Failed(complaints.strip().splitlines()[0] if complaints.strip() else "it ended without a word")
        return json.loads(output.splitlines()[-1])


def run(target, work, **options):
    """A plain run, with its disturbance: the share of time in which a thread waited for a core."""
    with Load(target, work, **options) as load:
        result = load.result()
    waits = [result["load_wait"], result["steal"] / os.cpu_count()]
    if not target.is_threaded:
        waits.append(result["proxy_wait"])
    # On shared cores they wait for each other.
    result["disturbed"] = (max(waits) if target.load_core != target.core else waits[1]) / result["seconds"]
    return result


def echo(target, connections, size, seconds):
    result = run(target, "echo", connections=connections, bytes=size, seconds=seconds, warm_up=min(0.15, seconds))
    result["rate"] = result["messages"] / result["seconds"]
    result["cpu"] = result["proxy_cpu"] / max(result["messages"], 1) * 100_000
    return result


def bulk(target, work, connections, seconds):
    result = run(target, work, connections=connections, seconds=seconds, warm_up=0.1)
    result["rate"] = result["bytes"] / result["seconds"] / 1e6
    result["cpu"] = result["proxy_cpu"] / max(result["bytes"], 1) * 1e9
    return result


def churn(target, seconds):
    result = run(target, "churn", connections=16, seconds=seconds)
    result["rate"] = result["cycles"] / result["seconds"]
    result["cpu"] = result["proxy_cpu"] / max(result["cycles"], 1) * 1000
    return result


def http(target, seconds):
    """wrk beside an echo process on the load's core."""
    backend = launch(LOAD_CORE, [BENCH, "echo", target.backend])
    try:
        await_listener(target.backend_port)
        before = scheduled(target.pids())
        client = launch(
            LOAD_CORE, ["wrk", "-t1", "-c64", f"-d{seconds}s", f"http://{target.address}/"],
            stdout=subprocess.PIPE, text=True)
        text = client.communicate()[0]
        used, waited = (after - earlier for after, earlier in zip(scheduled(target.pids()), before))
    finally:
        backend.terminate()
        backend.wait()
    wrong = re.search(r"Non-2xx.*|Socket errors.*", text)
    if wrong:
        raise Failed(wrong.group())
    counted = re.search(r"(\d+) requests in", text)
    if not counted:
        raise Failed(f"wrk said {text.strip()!r}")
    requests = int(counted.group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    disturbed = 0.0 if target.is_threaded else waited / seconds
    return {"rate": rate, "cpu": used / requests * 100_000, "disturbed": disturbed}


def scheduled(pids):
    """Seconds on a core and seconds of waiting for one, of all threads that still live."""
    run = wait = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                ran, waited, _ = task.read_text().split()
            except OSError:
                continue
            run, wait = run + int(ran), wait + int(waited)
    return run / 1e9, wait / 1e9


# Memory


def status_field(pid, field):
    """In bytes, or as a plain number."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * (1024 if line.endswith("kB") else 1)
    return 0


def proportional_bytes(pids, fields=("Pss",)):
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1)) * 1024 for field in fields)
    return total


def own_bytes(pids):
    """Memory that is no copy of a file: heap, stacks, written data, and what processes share without a file. Pages of
    programs and libraries are in the page cache whether anybody is connected or not."""
    return proportional_bytes(pids, ("Pss_Anon", "Pss_Shmem", "SwapPss"))


def kernel_bytes():
    """Kernel memory in unreclaimable slabs: sockets, files, watched descriptors."""
    return int(re.search(r"^SUnreclaim:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1)) * 1024


def idle(target, connections, settle=2):
    """Memory without connections, with all of them idle, and after their close; always in a new process."""
    target.start()
    try:
        time.sleep(0.3)
        before = proportional_bytes(target.pids())
        with Load(target, "idle", steps=True, connections=connections) as load:
            load.reach("ready")
            kernel_before = kernel_bytes()
            load.go_on()
            load.reach("open")
            load.go_on()
            load.reach("idle")
            time.sleep(settle)
            during, kernel_during = proportional_bytes(target.pids()), kernel_bytes()
            load.go_on()
            load.reach("done")
            load.go_on()
            load.result()
        time.sleep(settle)
        after = proportional_bytes(target.pids())
    finally:
        target.stop()
    grown = during - before
    return {
        "memory": grown / connections, "kernel": (kernel_during - kernel_before) / connections,
        "kept": max(0, after - before) / max(grown, 1), "none": before, "all": during, "after": after,
        "disturbed": 0.0}


def ping(target, connections, seconds):
    target.start()
    try:
        result = run(target, "ping", connections=connections, seconds=seconds)
        result["memory"] = proportional_bytes(target.pids())
    finally:
        target.stop()
    if result["messages"] < connections * (seconds // 3):
        raise Failed(f"only {result['messages']} pings arrived")
    result["cpu"] = result["proxy_cpu"] / result["seconds"] * 1000
    return result


def asleep(targets, seconds):
    """All proxies at once, without traffic: a sleeping proxy costs the others nothing."""
    for target in targets:
        target.start()
    time.sleep(1.5)

    def switches(target):
        tasks = [task.name for pid in target.pids() for task in Path(f"/proc/{pid}/task").iterdir()]
        fields = "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"
        return sum(status_field(task, field) for task in tasks for field in fields)

    before = [switches(target) for target in targets]
    time.sleep(seconds)
    found = {}
    for target, count in zip(targets, before):
        found[target.name] = {
            "switches": switches(target) - count, "rss": sum(status_field(pid, "VmRSS") for pid in target.pids()),
            "pss": proportional_bytes(target.pids()), "disturbed": 0.0}
        target.stop()
    return found


def asleep_again(folder, starts):
    """The daemon alone, after its backend was awake so many times."""
    stamp = Path(folder) / "asleep-again"
    target = OnDemandSleeping(Path(folder) / "again", 0, stamp)
    target.start()
    try:
        cold_starts(target, stamp, starts)
        time.sleep(0.5)
        return {"rss": status_field(target.process.pid, "VmRSS"), "disturbed": 0.0}
    finally:
        target.stop()


# System calls


def system_calls(target, connections, messages):
    """Counted by strace between two steps, so that only these messages are counted."""
    counts = target.folder / "strace"
    counts.unlink(missing_ok=True)
    with Load(target, "echo", steps=True, connections=connections, messages=messages) as load:
        load.reach("ready")
        load.go_on()
        load.reach("open")
        attach = [argument for pid in target.pids() for argument in ("-p", str(pid))]
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-o", str(counts), *attach], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            while b"attached" not in tracer.stderr.readline():
                if tracer.poll() is not None:
                    raise Failed("strace cannot attach")
            load.go_on()
            load.reach("done")
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
        load.go_on()
        result = load.result()
    total = next(line for line in counts.read_text().splitlines() if line.endswith("total")).split()
    # "100.00 0.1 3 CALLS [ERRORS] total": the wait that strace interrupts is not a message's.
    return {"calls": (int(total[3]) - 1) / result["messages"], "disturbed": 0.0}


# Cold starts


def cold_alone(folder, startup_ms, samples):
    """The backend's own time from its spawn to its first accept, in milliseconds."""
    stamp = Path(folder) / f"alone-{startup_ms}"
    command = [BENCH, "boot", f"127.0.0.1:{free_port()}", str(startup_ms), stamp]
    text = subprocess.run(
        [BENCH, "cold", str(samples), stamp, "alone", *command], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) / 1e6 for line in text.splitlines()]


# Number of starts after which the daemon knows the startup time of a backend.
STARTS_TO_LEARN = 3


def cold_on_demand(folder, startup_ms, samples, inherits=False):
    stamp = Path(folder) / f"on-demand-{startup_ms}"
    target = OnDemandSleeping(Path(folder) / f"boot-{startup_ms}", startup_ms, stamp, inherits)
    # A start needs two processes at once, so no process waits for a core.
    target.core = BOTH_CORES
    target.start()
    time.sleep(0.1)
    try:
        cold_starts(target, stamp, STARTS_TO_LEARN)
        before = scheduled([target.process.pid])[0]
        times = cold_starts(target, stamp, samples)
        used = scheduled([target.process.pid])[0] - before
    finally:
        target.stop()
    return times, used


def cold_starts(target, stamp, samples):
    """From the upgrade to its 101, in milliseconds."""
    finished = subprocess.run(
        [BENCH, "cold", str(samples), stamp, "client", target.address], capture_output=True, text=True)
    if finished.returncode != 0:
        raise Failed(finished.stderr.strip())
    return [int(line.split()[0]) / 1e6 for line in finished.stdout.splitlines()]


def cold_activated(folder, startup_ms, samples):
    """systemd-socket-activate becomes the backend at the first connection, so each sample is another one."""
    stamp = Path(folder) / f"activated-{startup_ms}"

    class Activated(Target):
        name = f"socket-activate-{startup_ms}"

        def command(self):
            return ["systemd-socket-activate", "-l", self.address, BENCH, "boot", "inherited", str(startup_ms), stamp]

    times = []
    for _ in range(samples):
        target = Activated(folder)
        target.core = BOTH_CORES
        target.start()
        client = subprocess.Popen(
            [BENCH, "cold", "1", stamp, "client", target.address], stdout=subprocess.PIPE, text=True)
        times.append(int(client.stdout.readline().split()[0]) / 1e6)
        target.stop()
        client.communicate()
    return times


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def median(values):
    return statistics.median(values)
