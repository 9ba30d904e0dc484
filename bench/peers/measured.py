# SPDX-License-Identifier: MIT
"""What the measured Python programs have in common: the same commands and loops as support/*.c.

A peer hands main() its version and its ways: channels (open, put, get), locks (make), starts
(a function), pools (open, many, one), holds (a function).
"""

import ctypes
import mmap
import os
import signal
import statistics
import struct
import sys
import time
import traceback

ASLEEP_AFTER = 250e-6
now = time.perf_counter


class Plan:
    def __init__(self, options):
        self.by = None
        self.window, self.warm = 0.2, 0.05
        self.size, self.depth, self.bulk, self.tasks = 8, 1024, 0, 10000
        self.senders = self.receivers = 1
        self.workers, self.live = 2, 0
        for option in options:
            key, value = option.split("=")
            if not hasattr(self, key):
                sys.exit(f"no option {key}")
            setattr(self, key, value if key == "by" else
                    float(value) if key in ("window", "warm") else int(value))


def say(*figures):
    print(*figures, flush=True)


def pause(seconds):
    until = now() + seconds
    while now() < until:
        pass


class Crew:
    """Processes that do the same over and over, each counting, watched from outside."""

    def __init__(self):
        self.words = (ctypes.c_uint64 * (16 * 32)).from_buffer(mmap.mmap(-1, 4096))
        self.pids = []

    def enlist(self, job, index=0):
        pid = os.fork()
        if pid == 0:
            try:
                job(self.words, len(self.pids) * 32, index)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        self.pids.append(pid)

    def watch(self, plan):
        """The window's length, and how often each did it within."""
        policy = os.sched_getscheduler(0)
        if policy in (os.SCHED_RR, os.SCHED_FIFO):
            up = os.sched_param(os.sched_getparam(0).sched_priority + 1)
            os.sched_setscheduler(0, policy, up)
        until = now() + 5
        while not any(self.words) and now() < until:
            time.sleep(0.001)
        time.sleep(plan.warm)
        since = now()
        before = [self.words[i * 32] for i in range(len(self.pids))]
        time.sleep(plan.window)
        counts = [self.words[i * 32] - n for i, n in enumerate(before)]
        since = now() - since
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        for pid in self.pids:
            os.waitpid(pid, 0)
        return since, counts


def stream(plan, channel):
    make, put, get = channel
    line = make(plan)
    data = b"c" * plan.size

    def receive(words, at, index):
        while True:
            get(line)
            words[at] += 1

    def send(words, at, index):
        while True:
            put(line, data)

    crew = Crew()
    for i in range(plan.receivers):
        crew.enlist(receive, i)
    for i in range(plan.senders):
        crew.enlist(send, i)
    seconds, counts = crew.watch(plan)
    say(sum(counts[:plan.receivers]) / seconds)


def trip(plan, channel):
    make, put, get = channel
    there, back = make(plan), make(plan)
    data = b"c" * plan.size

    def answer(words, at, index):
        while True:
            put(back, get(there))

    def ask(words, at, index):
        while True:
            put(there, data)
            get(back)
            words[at] += 1

    crew = Crew()
    crew.enlist(answer)
    crew.enlist(ask)
    seconds, counts = crew.watch(plan)
    say(seconds / counts[1])


def asleep(plan, channel):
    make, put, get = channel
    there, back = make(plan), make(plan)
    samples = (ctypes.c_double * 65536).from_buffer(mmap.mmap(-1, 65536 * 8))
    rest = bytes(plan.size - 16)

    def answer(words, at, index):
        while True:
            message = get(there)
            delay = now() - struct.unpack_from("d", message)[0]
            pause(ASLEEP_AFTER)
            put(back, struct.pack("dd", now(), delay) + rest)

    def ask(words, at, index):
        for i in range(65536):
            pause(ASLEEP_AFTER)
            put(there, struct.pack("dd", now(), 0) + rest)
            sent, delay = struct.unpack_from("dd", get(back))
            samples[i] = now() - sent + delay
            words[at] += 1

    crew = Crew()
    crew.enlist(answer)
    crew.enlist(ask)
    crew.watch(plan)
    done = [s for s in samples if s > 0]
    say(statistics.median(done[len(done) // 10:]))


def alone(plan, make):
    lock = make()
    n, since = 0, now()
    while now() < since + plan.window:
        for _ in range(1000):
            lock.acquire()
            lock.release()
        n += 1000
    say((now() - since) / n)


def race(plan, make):
    lock = make()

    def take(words, at, index):
        while True:
            lock.acquire()
            lock.release()
            words[at] += 1

    crew = Crew()
    crew.enlist(take)
    crew.enlist(take)
    seconds, counts = crew.watch(plan)
    say(sum(counts) / seconds, min(counts) / max(counts))


def start(plan, once):
    once()
    samples, begin = [], now()
    while now() < begin + plan.window or len(samples) < 3:
        since = now()
        once()
        samples.append(now() - since)
    say(statistics.median(samples))


def many(plan, pool):
    open_, many_, _ = pool
    opened = open_(plan)
    many_(opened, 100)
    n, since = 0, now()
    while n == 0 or now() < since + plan.window:
        many_(opened, plan.tasks)
        n += plan.tasks
    say(n / (now() - since))


def one(plan, pool, rest=0):
    open_, _, one_ = pool
    opened = open_(plan)
    for _ in range(20):
        one_(opened)
    samples, begin = [], now()
    while now() < begin + plan.window or len(samples) < 3:
        pause(rest)
        since = now()
        one_(opened)
        samples.append(now() - since)
    say(statistics.median(samples))


def one_asleep(plan, pool):
    one(plan, pool, ASLEEP_AFTER)


def hold(plan, make):
    """Makes something and holds it until standard input ends."""
    held = make(plan)
    print("ready", flush=True)
    sys.stdin.read()
    del held


def main(version, **ways):
    """Runs the command line's command, and ends the process."""
    commands = {"stream": (stream, "channels"), "trip": (trip, "channels"),
                "asleep": (asleep, "channels"), "alone": (alone, "locks"), "race": (race, "locks"),
                "start": (start, "starts"), "many": (many, "pools"), "one": (one, "pools"),
                "one-asleep": (one_asleep, "pools"), "hold": (hold, "holds")}
    if sys.argv[1:] == ["version"]:
        print(version)
    else:
        run, kind = commands[sys.argv[1]]
        plan = Plan(sys.argv[2:])
        bulk = bytearray(plan.bulk)
        for page in range(0, plan.bulk, 4096):
            bulk[page] = 1
        choice = ways[kind]
        run(plan, choice[plan.by] if plan.by else next(iter(choice.values())))
    sys.stdout.flush()
    os._exit(0)  # what a peer's pool would do at its end is not measured


def same(n):
    """The task that does nothing."""
    return n


def check(results):
    for i, n in enumerate(results):
        if i != n:
            sys.exit("a wrong result")
