"""The measurements of cables: the daemon's, its peers' and a bare hub's deliveries, clients and memory.

Where time is counted, hub and load share one core, the load at the lowest priority, so that they alternate. Samples are
short, and those of different hubs alternate too: the ratio to the floor is taken from neighbours in time.
"""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import hubs
import measure
from targets import BENCH, LOAD_CORE, PROXY_CORE

# A deadline for one step of the load.
TIMEOUT = 120


def launch_last(core, command, **options):
    """On one core, behind whatever else runs there; POLITE=1 runs beside other work and asks for nothing."""
    last = "" if os.environ.get("POLITE") else "renice -n 19 $$; echo 19 >/proc/self/autogroup; "
    script = f'{{ {last}:; }} >/dev/null 2>&1; exec taskset --cpu-list {core} "$@"'
    return subprocess.Popen(["sh", "-c", script, "sh", *map(str, command)], start_new_session=True, **options)


class Load:
    """Subscribers and publishers of one hub, driven step by step."""

    def __init__(self, hub, core, stamps=False, narrow=False, channel=None):
        command = [
            BENCH, "cable", "--connect", hub.address, "--publish", hub.publish, "--dialect", hub.dialect, "--path",
            hub.path]
        command += ["--stamps"] * stamps + ["--narrow"] * narrow + (["--channel", channel] if channel else [])
        for pid in hub.pids():
            command += ["--pid", str(pid)]
        self.process = launch_last(
            core, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def do(self, *words):
        if self.process.stdin.closed:
            raise measure.Failed("the load had failed before")
        watch = threading.Timer(TIMEOUT, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        try:
            result = json.loads(line)
        except ValueError as error:  # It has ended, or was killed by the timer, maybe in the middle of its answer.
            complaints = self.process.communicate()[1].strip()
            reason = complaints.splitlines()[0] if complaints else f"the load did not end {words[0]} within {TIMEOUT} s"
            raise measure.Failed(reason) from error
        if result["errors"]:
            self.process.stdin.close()
            complaints = self.process.stderr.read().strip().splitlines()
            raise measure.Failed(complaints[0] if complaints else "a delivery was wrong")
        result["disturbed"] = result["steal"] / os.cpu_count() / result["seconds"]
        return result

    def publish(self, messages, size, publishers=1, window=1, in_one=1):
        result = self.do("publish", messages, size, publishers, max(window, in_one), in_one)
        result["cpu"] = result["cpu"] / result["deliveries"] * 100_000
        result["rate"] = result["deliveries"] / result["seconds"]
        for name in "firsts", "lasts", "answers", "besides":
            taken = result.pop(name)
            if taken:
                result[name[:-1]], result[name[:-1] + "_p50"] = measure.percentile(taken, 0.99), measure.median(taken)
        return result


class Cables:
    """All measurements of cables. `take(metric, hub, sample)` keeps a sample, `fail(metric, hub, error)` an error."""

    def __init__(self, run, folder, mode):
        self.run, self.mode = run, mode
        self.folder = Path(folder)
        full = mode == "full"
        self.many = run.plan.largest if full else 2000 if mode == "quick" else 60
        self.some = 1000 if mode != "smoke" else 40
        self.rounds = {"full": (3, 9), "quick": (1, 1), "smoke": (1, 0)}[mode]
        # Deliveries in one sample.
        self.deliveries = {"full": 60_000, "quick": 40_000, "smoke": 400}[mode]
        self.latencies = {"full": 60, "quick": 20, "smoke": 5}[mode]
        self.sizes = [64, 1024] if full else [64]
        # Clients that come and leave before the memory of others is measured.
        self.earlier = 100 if mode != "smoke" else 10
        self.settle = 3 if full else 1.5 if mode == "quick" else 0.2
        self.listen = 9 if full else 3 if mode == "quick" else 1
        self.wakes = {"full": 7, "quick": 2, "smoke": 1}[mode]
        classes = [hubs.BareHub, hubs.Cable] + (hubs.PEERS if mode != "smoke" else [])
        self.hubs = [made for made in (one(self.folder) for one in classes) if made.is_installed()]
        self.close = [hub for hub in self.hubs if hub.name in ("floor", "ondemandd", "uWebSockets")]
        self.ours = [hub for hub in self.hubs if not hub.is_peer]

    def perform(self):
        # From here on they are stopped with everything else; before, the rounds of proxies would take them for proxies.
        self.run.all += self.hubs
        steps = [
            ("send", lambda: self.measure_sends(self.some)), ("send", lambda: self.measure_sends(self.many)),
            ("latency", lambda: self.measure_latencies(self.some)), ("latency", lambda: self.measure_latencies(self.many)),
            ("joined", self.measure_joined), ("own", self.measure_own_streams), ("connect", self.measure_connects),
            ("beside", self.measure_beside), ("slow", self.measure_slow), ("memory", self.measure_memory),
            ("hibernating", self.measure_hibernating), ("wake", self.measure_wakes)]
        for name, step in steps:
            if self.run.wants(f"cable-{name}"):
                step()

    def take(self, metric, hub, how, number=None):
        def taken(_):
            sample = how()
            sample.setdefault("disturbed", 0.0)
            if number is not None:
                sample["round"] = number
            return sample

        return self.run.take(f"cable/{metric}", hub, taken)

    def with_loads(self, chosen, subscribers, streams, work, core=PROXY_CORE, **options):
        """All these hubs with their subscribers at once; `work` gets those that could be opened."""
        loads = {}
        try:
            for hub in chosen:
                try:
                    hub.start()
                    loads[hub] = Load(hub, core, **options)
                    loads[hub].do("open", subscribers, streams)
                except (measure.Failed, RuntimeError, OSError) as error:
                    self.run.failures.append((f"cable/{subscribers}", hub.name, str(error).splitlines()[0]))
                    if hub in loads:
                        loads.pop(hub).__exit__()
            work(loads)
        finally:
            for load in loads.values():
                load.__exit__()
            for hub in chosen:
                hub.stop()

    def in_rounds(self, loads, metrics):
        """`metrics` are names with what takes a sample of one load. After the rounds of all hubs, those of the close ones."""
        for number in range(sum(self.rounds)):
            members = [hub for hub in loads if number < self.rounds[0] or hub in self.close]
            turn = number % len(members)
            for name, how in metrics:
                for hub in members[turn:] + members[:turn]:
                    if hub in loads and self.take(name, hub, lambda: how(loads[hub]), number) is None:
                        loads.pop(hub).__exit__()

    def measure_sends(self, subscribers):
        self.run.tell(f"cables: messages to {subscribers} subscribers")
        messages = max(3, self.deliveries // subscribers)

        def work(loads):
            for hub in list(loads):
                for size in self.sizes:
                    self.warm_up(loads, hub, size)
            self.in_rounds(loads, [
                (f"send/{subscribers}/{size}", lambda load, size=size: load.publish(messages, size))
                for size in self.sizes])

        self.with_loads(self.hubs, subscribers, 1, work)

    def warm_up(self, loads, hub, size, **options):
        try:
            loads[hub].publish(20 if self.mode == "full" else 3, size, **options)
        except measure.Failed as error:
            self.run.failures.append(("cable", hub.name, str(error)))
            loads.pop(hub).__exit__()

    def measure_latencies(self, subscribers):
        self.run.tell(f"cables: latencies with {subscribers} subscribers")
        messages = self.latencies if subscribers == self.some else max(5, self.latencies // 2)

        def work(loads):
            for hub in list(loads):
                self.warm_up(loads, hub, 64)
            for number in range(self.rounds[0] + 1):
                for hub in list(loads):
                    self.take(f"latency/{subscribers}", hub, lambda: loads[hub].publish(messages, 64), number)

        self.with_loads(self.hubs, subscribers, 1, work, stamps=True)

    def measure_joined(self):
        self.run.tell("cables: eight publishers at once")

        def work(loads):
            self.in_rounds(loads, [("joined", lambda load: load.publish(
                8 * max(1, self.deliveries // self.some // 4), 64, publishers=8, window=32))])

        # A core each: the publishers go on while the hub sends.
        self.with_loads(self.hubs, self.some, 1, work, core=LOAD_CORE)

    def measure_own_streams(self):
        self.run.tell("cables: a stream for each subscriber")
        in_one = 50 if self.mode != "smoke" else 10
        messages = max(self.some, self.deliveries // 8 // self.some * self.some)

        def work(loads):
            for hub in list(loads):
                self.warm_up(loads, hub, 64)
            arrays = {hub: load for hub, load in loads.items() if hub.has_arrays}
            self.in_rounds(loads, [("own/1", lambda load: load.publish(messages, 64))])
            self.in_rounds(arrays, [("own/50", lambda load: load.publish(messages, 64, in_one=in_one))])

        self.with_loads(self.hubs, self.some, self.some, work)

    def measure_connects(self):
        self.run.tell("cables: connect and subscribe")
        count = 2 * self.some

        def connect(load):
            result = load.do("open", count, 1)
            load.do("close")
            # The hub notices, and is not measured meanwhile.
            time.sleep(0.1)
            return {**result, "cpu": result["cpu"] / count * 1e6, "rate": count / result["seconds"]}

        for core, name in (PROXY_CORE, "connect"), (LOAD_CORE, "connect/cores"):
            def work(loads):
                for load in loads.values():
                    load.do("close")
                time.sleep(0.1)
                self.in_rounds(loads, [(name, connect)])

            self.with_loads(self.hubs, 1, 1, work, core=core)

    def measure_beside(self):
        self.run.tell("cables: a message beside one for all")

        def work(loads):
            for load in loads.values():
                load.do("aside")
                load.do("beside", 8, 64)
            for number in range(self.rounds[0]):
                for hub, load in loads.items():
                    def sample():
                        taken = load.do("beside", self.latencies, 64)["besides"]
                        return {"p99": measure.percentile(taken, 0.99), "p50": measure.median(taken)}

                    self.take("beside", hub, sample, number)

        self.with_loads(self.ours, self.many, 1, work, core=LOAD_CORE, stamps=True)

    def measure_slow(self):
        """One subscriber stops reading; 2.5 MB are meant for it."""
        self.run.tell("cables: one subscriber stops reading")
        messages = 640 if self.mode != "smoke" else 600
        chosen = self.close if self.mode == "full" else self.ours

        def sample(hub, load):
            load.publish(40, 4096)
            before = load.publish(messages // 2, 4096)["p99"]
            memory, done = measure.own_bytes(hub.pids()), threading.Event()
            peaks = [memory]

            def watch():
                while not done.wait(0.03):
                    peaks.append(measure.own_bytes(hub.pids()))

            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                load.do("slow")
                during = load.publish(messages, 4096)["p99"]
            finally:
                done.set()
                watcher.join()
            ended = load.do("drain")
            return {
                "before": before, "during": during, "change": during / before, "memory": max(peaks) - memory,
                "received": ended["received"], "told": float(ended["told"]), "closed": float(ended["closed"]),
                "skipped": float(not ended["closed"] and ended["received"] < messages)}

        for number in range(min(2, self.rounds[0])):
            for hub in chosen:
                def work(loads):
                    for each, load in loads.items():
                        self.take("slow", each, lambda: sample(each, load), number)

                self.with_loads([hub], self.some, 1, work, stamps=True, narrow=True)

    # Memory and quiet time

    def measure_memory(self):
        """Memory of a subscribed client, then quiet time, in which only pings are sent."""
        pinging = [hubs.PingingHub(self.folder), hubs.PingingCable(self.folder)]
        peers = [hub for hub in self.hubs if hub.is_peer]
        self.run.all += pinging
        for hub in pinging + peers:
            self.run.tell(f"cables: memory of {hub.name}")
            self.take(f"memory/{self.many}", hub, lambda: self.memory(hub))

    def memory(self, hub):
        hub.start()
        try:
            time.sleep(0.3)
            switches = voluntary_switches(hub)
            time.sleep(1)
            asleep = voluntary_switches(hub) - switches
            # What the first clients ever need is not each client's.
            with Load(hub, PROXY_CORE) as load:
                load.do("open", self.earlier, 1)
                load.publish(1, 64)
            time.sleep(self.settle)
            before = measure.own_bytes(hub.pids())
            with Load(hub, PROXY_CORE) as load:
                load.do("open", self.many, 1)
                time.sleep(self.settle)
                during, whole = measure.own_bytes(hub.pids()), measure.proportional_bytes(hub.pids())
                if hub.is_peer:
                    quiet = load.do("listen", 100)
                else:
                    first, begun = await_wakeup(hub)
                    quiet = load.do("listen", self.listen * 1000)
                    last, ended = await_wakeup(hub)
                # Every subscription works.
                load.publish(1, 64)
            time.sleep(self.settle)
            after = measure.own_bytes(hub.pids())
        finally:
            hub.stop()
        sample = {
            "memory": (during - before) / self.many, "kept": max(0, after - before) / max(during - before, 1),
            "asleep": asleep, "whole": whole}
        if not hub.is_peer:
            expected = self.many * (self.listen // 3) * 0.9
            if quiet["pings"] < expected:
                raise measure.Failed(f"only {quiet['pings']} pings arrived")
            sample["cpu"] = quiet["cpu"] / quiet["seconds"] * 1000
            # From one wake-up to another, whose times are known to some milliseconds.
            sample["switches"] = round((last - first) / (ended - begun), 1)
        return sample

    # Hibernation

    def measure_hibernating(self):
        self.run.tell("cables: memory of hibernating clients")
        cable = hubs.HibernatingCable(self.folder)
        # A client has a second socket until it hibernates.
        count = min(self.many, (measure.raise_file_limit() - 100) // 200 * 100)
        self.run.all.append(cable)

        def hibernate(clients, measured):
            with Load(cable, LOAD_CORE, channel="ChatChannel") as load:
                load.do("open", clients, 1)
                head = load.do("act")["answer"]["head"]
                await_sleep(cable)
                time.sleep(self.settle)
                found = measured()
                load.do("listen", 100)
            time.sleep(self.settle)
            return head, found

        def own():
            return measure.own_bytes([cable.process.pid])

        def sample():
            cable.start()
            try:
                time.sleep(0.3)
                hibernate(self.earlier, own)
                before = own()
                head, during = hibernate(count, own)
            finally:
                cable.stop()
            return {"memory": (during - before) / count - head, "head": head, "clients": count}

        self.take("hibernating", cable, sample)

    def measure_wakes(self):
        self.run.tell("cables: wakes")
        server, socket = hubs.redis_server(self.folder)
        try:
            for clients in 1, self.some:
                for redis in [None, socket] if socket else [None]:
                    cable = hubs.HibernatingCable(self.folder)
                    cable.boot_ms, cable.response_ms = (300, 5) if self.mode != "smoke" else (20, 1)
                    cable.redis = redis
                    self.run.all.append(cable)
                    if clients == 1:
                        cable.name = "one client"
                    self.take("wake/redis" if redis else "wake", cable, lambda: self.wake(cable, clients))
        finally:
            if server:
                server.terminate()
                server.wait()

    def wake(self, cable, clients):
        """From an action of one hibernating client to its answer, and until all are restored."""
        times, dials, bounds = [], [], []
        cable.start()
        try:
            with Load(cable, LOAD_CORE, channel="ChatChannel") as load:
                load.do("open", clients, 1)
                for _ in range(self.wakes):
                    await_sleep(cable)
                    woken = load.do("act")
                    times.append(woken["milliseconds"])
                    dials.append(woken["answer"]["connected"])
                    deadline = time.monotonic() + 20
                    while True:
                        seen = load.do("act")["answer"]
                        if seen["connected"] >= clients:
                            break
                        if time.monotonic() > deadline:
                            raise measure.Failed(f"only {seen['connected']} of {clients} clients were restored")
                        time.sleep(0.02)
                    bounds.append(seen["waiting"])
                load.do("listen", 100)
        finally:
            cable.stop()
        return {"p50": measure.median(times), "most": max(times), "dials": max(dials), "waiting": max(bounds)}


def await_sleep(cable):
    """Until the backend has ended."""
    wanted = f"0100007F:{cable.backend_port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + 30
    while len(cable.pids()) > 1 or wanted in Path("/proc/net/tcp").read_text():
        if time.monotonic() > deadline:
            raise measure.Failed("the backend stays awake")
        time.sleep(0.05)


def await_wakeup(hub):
    """How often the hub has slept, and since when it has slept once more."""
    known, deadline = voluntary_switches(hub), time.monotonic() + 5
    while True:
        time.sleep(0.001)
        switches, now = voluntary_switches(hub), time.monotonic()
        if switches > known:
            return switches, now
        if now > deadline:
            raise measure.Failed("the hub does not wake up")


def voluntary_switches(hub):
    tasks = [task.name for pid in hub.pids() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(measure.status_field(task, "voluntary_ctxt_switches") for task in tasks)
