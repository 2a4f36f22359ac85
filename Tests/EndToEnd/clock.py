"""A clock that runs as fast as a test wants it to, for a daemon that fastclock.c is preloaded into."""

import mmap
import shutil
import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).parent / "fastclock.c"
HOUR = 3600 * 10**9


class FastClock:
    def __init__(self, folder, hours_behind):
        """Its time of day is behind by so many hours, which are there to be passed."""
        library, file = Path(folder) / "fastclock.so", Path(folder) / "pace"
        clang = Path(shutil.which("swift")).resolve().parent / "clang"
        subprocess.run([clang, "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE],
                       check=True)
        file.write_bytes(bytes(64))
        with file.open("r+b") as opened:
            self.shared = mmap.mmap(opened.fileno(), 64)
        self.environment = {"LD_PRELOAD": str(library), "FAST_CLOCK": str(file)}
        # What a backend is given instead: it lives by the real clock.
        self.for_backends = {"LD_PRELOAD": ""}
        self.turn, self.speed, self.ahead, self.behind = 0, 1.0, 0, int(hours_behind * HOUR)
        self.since = self.begun = time.monotonic_ns()
        self.run(1)

    def run(self, speed):
        """From the next moment on; never at once, because another process may have read the time of this moment."""
        since = time.monotonic_ns() + 5_000_000
        self.ahead += int((since - self.since) * (self.speed - 1))
        before, self.speed, self.since = self.speed, float(speed), since
        self.turn += 2
        struct.pack_into("Q", self.shared, 0, self.turn - 1)
        struct.pack_into("qqqdd", self.shared, 8, since, self.ahead, self.behind, before, self.speed)
        struct.pack_into("Q", self.shared, 0, self.turn)
        time.sleep(0.006)

    def hours(self):
        """Hours since the beginning, by this clock."""
        now = time.monotonic_ns()
        return (now - self.begun + self.ahead + int((now - self.since) * (self.speed - 1))) / HOUR

    def pass_until(self, hours, speed=7200, stop=lambda: False):
        """Lets the time pass quickly, until then or until something has happened."""
        self.run(speed)
        while self.hours() < hours and not stop():
            time.sleep(0.001)
        self.run(1)
