"""What the tests of process trees need: the guard, a container's capabilities, processes without environment."""

import os
import re
from pathlib import Path

import processes

# What container engines give root by default: no CAP_SYS_PTRACE, so /proc hides what other users' processes hold.
CONTAINER_CAPABILITIES = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "net_raw",
    "sys_chroot", "mknod", "audit_write", "setfcap")

IN_CONTAINER = ["setpriv", "--bounding-set", ",".join(["-all", *(f"+{name}" for name in CONTAINER_CAPABILITIES)])]

# A command that drops root, as gosu and su-exec do.
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

GUARD = "ondemandd-guard"


def name(pid):
    try:
        return processes.name(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None


def guards(daemon):
    return [child for child in processes.children(daemon.pid) if processes.is_alive(child) and name(child) == GUARD]


def guard_of(daemon, but=None):
    """Its guard, which is started a few milliseconds behind the first backend."""
    def found():
        return next((guard for guard in guards(daemon) if guard != but), None)

    return processes.eventually(found, within=5, what="a guard")


def told_guard_of(daemon):
    """Its guard, once it has read what it was told: it waits, and nothing waits for it."""
    guard = guard_of(daemon)

    def waits():
        try:
            channel = os.readlink(f"/proc/{guard}/fd/0")
            state = processes._stat(guard)[0]
        except (FileNotFoundError, TypeError):
            return False
        return channel.startswith("socket:") and state == "S" and blocked_in(guard) in ("recvfrom", None)

    processes.eventually(waits, what="the guard to wait")
    return guard


def blocked_in(pid):
    """The system call it waits in, by its number on x86-64 and arm64; None where the system does not say."""
    try:
        number = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    except (FileNotFoundError, PermissionError):
        return None
    return {"45": "recvfrom", "207": "recvfrom"}.get(number, number)


def descendants(pid):
    """Of a process that lives, however they call themselves."""
    found, unseen = [], [pid]
    while unseen:
        for child in processes.children(unseen.pop()):
            found.append(child)
            unseen.append(child)
    return found


def with_argument(word):
    """Living processes with this word on their command line: also those that have no environment."""
    found = []
    for pid in processes.all_pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word.encode() in words and processes.is_alive(pid):
            found.append(pid)
    return found


def ended(*pids, within=5, what="the end of every process"):
    processes.eventually(lambda: not any(processes.is_alive(pid) for pid in pids), within=within, what=what)


def unique(seconds=1000):
    """An argument of sleep(1) that no other process has."""
    return f"{seconds}.{int.from_bytes(os.urandom(4), 'big')}"


def status_kib(pid, field):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1))
