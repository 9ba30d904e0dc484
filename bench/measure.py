# SPDX-License-Identifier: MIT
"""Runs the measured programs, and looks at processes from outside."""

import os
import re
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "..", "build", "bench", "programs")
PYTHON = "/usr/bin/python3"
LONGEST = 20  # seconds for one program


class Missing(Exception):
    """A peer is not installed, or cannot do what was asked; in words."""


@dataclass
class Settings:
    """How long to measure; see run.py for the quick ones."""

    rounds: int = 5
    rounds_python: int = 3
    window: float = 0.2
    warm: float = 0.05
    idle: float = 60
    versions: dict = field(default_factory=dict)


def command(program, *arguments):
    """The command line of a program; Missing where it was not built."""
    if program.startswith("py_"):
        return [PYTHON, os.path.join(HERE, "peers", program + ".py"), *arguments]
    path = os.path.join(PROGRAMS, program)
    if not os.path.exists(path):
        raise Missing("not installed")
    return [path, *arguments]


def end(child):
    """Ends a program and whatever it has left running; who tidies up after itself may."""
    try:
        os.killpg(child.pid, signal.SIGTERM)
        for _ in range(100):
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def output(line):
    """What a program printed. A peer that fails or hangs is Missing, with its last words."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 start_new_session=True)
        try:
            code = child.wait(LONGEST)
        except subprocess.TimeoutExpired:
            raise Missing(f"no end after {LONGEST} s") from None
        finally:
            end(child)
        out.seek(0)
        err.seek(0)
        if code != 0:
            words = err.read().strip().splitlines() or [f"exit code {code}"]
            absent = ("not installed", "ModuleNotFoundError", "No such file")
            raise Missing(absent[0] if any(a in words[-1] for a in absent) else words[-1])
        return out.read()


def figures(program, arguments, settings):
    """The figures that one run of a program prints."""
    warm = max(settings.warm, 0.1) if program.startswith("py_") else settings.warm
    times = [f"window={settings.window}", f"warm={warm}"]
    text = output(command(program, *arguments.split(), *times))
    return [float(word) for word in text.split()]


def version(program, settings):
    """Name and version as the program tells them, asked once."""
    if program not in settings.versions:
        settings.versions[program] = output(command(program, "version")).strip()
    return settings.versions[program]


class Held:
    """A program that holds something until it is let go."""

    def __init__(self, program, arguments):
        self.child = subprocess.Popen(command(program, *arguments.split()), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      start_new_session=True)

    def __enter__(self):
        if b"ready" not in self.child.stdout.readline():
            end(self.child)
            raise Missing("it did not get ready")
        time.sleep(0.3)  # what has been started may still be settling
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            pass
        end(self.child)

    def processes(self):
        """Its process ids, the program's own first."""
        parents = {}
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                    parents.setdefault(int(f.read().rpartition(")")[2].split()[1]),
                                       []).append(int(name))
            except (OSError, ValueError):
                pass
        found = [self.child.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def memory(self):
        """
        Bytes resident: each process's share of its anonymous memory (a page that two have counts
        half for each), and all that memory files hold, mapped or not. Program text, which the
        kernel has once for all who run it, does not count.
        """
        total, files = 0, {}
        for pid in self.processes():  # none of which ends meanwhile
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                kib = {k: int(v) for k, v in re.findall(r"^(\w+): +(\d+) kB", f.read(), re.M)}
            total += 1024 * kib["Pss_Anon"]
            shared = 1024 * kib["Pss_Shmem"]
            for fd in os.listdir(f"/proc/{pid}/fd"):
                path = f"/proc/{pid}/fd/{fd}"
                if os.readlink(path).startswith("/memfd:"):
                    of = os.stat(path)
                    files[of.st_ino] = of.st_blocks * 512
                    shared = 0  # it is in the file
            total += shared
        return total + sum(files.values())

    def processor(self):
        """Seconds of processor time that its processes have used."""
        total = 0
        for pid in self.processes():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                    total += int(f.read().split()[0])
        return total * 1e-9


def memory_each(program, arguments, key, few, many):
    """A measure: bytes that each of many costs beyond few."""
    def measure(_):
        held = []
        for n in (few, many):
            with Held(program, f"hold {arguments} {key}={n}") as it:
                held.append(it.memory())
        return [(held[1] - held[0]) / (many - few)]
    return measure


def at_rest(program, arguments):
    """A measure: how much of a core something held uses while nothing happens."""
    def measure(settings):
        with Held(program, f"hold {arguments}") as it:
            time.sleep(1)
            before, since = it.processor(), time.monotonic()
            time.sleep(settings.idle)
            return [100 * (it.processor() - before) / (time.monotonic() - since)]
    return measure


def spread(values):
    """Median, and the quartiles; least and most where there are fewer than four."""
    values = sorted(values)
    if len(values) < 4:
        return statistics.median(values), values[0], values[-1]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high
