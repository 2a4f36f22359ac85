"""What /proc tells about processes, read without helpers that would disturb what is measured."""

import os
import time
from pathlib import Path


def _stat(pid):
    """The fields of /proc/PID/stat behind the name, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def all_pids():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def is_alive(pid):
    """A zombie is not alive; see is_zombie."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def is_zombie(pid):
    fields = _stat(pid)
    return fields is not None and fields[0] == "Z"


def name(pid):
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def file_kib(pid):
    """Returns the proportional memory of this process in files, programs and libraries."""
    return _memory_kib(pid, "Pss_File")


def own_kib(pid):
    """Returns the memory of this process that is no copy of a file: heap, stacks, written data."""
    return _memory_kib(pid, "Pss_Anon")


def _memory_kib(pid, field):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{field}:"))


def children(pid):
    """Direct children, zombies included: a zombie is an unreaped child."""
    found = []
    for candidate in all_pids():
        fields = _stat(candidate)
        if fields is not None and int(fields[1]) == pid:
            found.append(candidate)
    return found


def group_members(group):
    """Living members of a process group."""
    found = []
    for candidate in all_pids():
        fields = _stat(candidate)
        if fields is not None and int(fields[2]) == group and fields[0] not in "ZX":
            found.append(candidate)
    return found


def with_environment(marker):
    """Living processes in whose initial environment the marker (NAME=value) stands."""
    wanted = marker.encode()
    found = []
    for candidate in all_pids():
        try:
            environment = Path(f"/proc/{candidate}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if wanted in environment.split(b"\0") and is_alive(candidate):
            found.append(candidate)
    return found


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no VmRSS: it is gone or a zombie")


def anonymous_kib(pid):
    """RssAnon: what a process holds for itself, without the pages of its program."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no RssAnon")


def context_switches(pid):
    """Voluntary and involuntary ones, of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        for line in Path(f"/proc/{pid}/task/{thread}/status").read_text().splitlines():
            if "ctxt_switches:" in line:
                total += int(line.split()[1])
    return total


def cpu_seconds(pid):
    """What it has computed so far, in user and in system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_descriptors(pid):
    """Descriptor number -> what it points to."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
        except FileNotFoundError:
            pass
    return found


def eventually(condition, within=5.0, every=0.01, what="the condition"):
    """Waits for a condition without an event; returns its (truthy) value."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not become true within {within} s"
        time.sleep(every)


def childless(pid):
    """Waits until it has no child, reaped ones included: the guard ends a moment after the last backend."""
    return eventually(lambda: children(pid) == [], what=f"process {pid} without children")
