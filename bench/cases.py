# SPDX-License-Identifier: MIT
"""What is measured: groups, cases, peers, bars."""

from dataclasses import dataclass, field
from typing import Callable, Optional

from measure import at_rest, memory_each

# What a program's figures, rates or seconds, are multiplied by.
UNITS = {"M/s": 1e-6, "k/s": 1e-3, "/s": 1, "s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9, "KiB": 1 / 1024,
         "B": 1, "%": 1, "of 1": 1}


@dataclass
class Contender:
    """covey, a peer or a bound, as one program with its arguments measures it."""

    name: str
    program: str
    arguments: str = ""
    measure: Optional[Callable] = None  # instead of running the program


@dataclass
class Bar:
    """What covey is to reach: a ratio to a peer by its name, to the "best" of all, to the "best
    Python" pool, or to the "bound"; or, against None, a figure in the case's unit."""

    words: str
    against: Optional[str] = None
    at_least: Optional[float] = None
    at_most: Optional[float] = None


@dataclass
class Case:
    group: str
    name: str
    unit: str
    what: str  # a sentence for the page
    covey: Contender
    peers: list = field(default_factory=list)
    bound: Optional[Contender] = None
    bars: list = field(default_factory=list)
    scale: float = 0   # instead of the unit's
    invert: bool = False  # the programs tell rates, the case times
    pick: int = 0      # which of a program's figures
    like: str = ""     # a case whose runs these are too
    once: bool = False # one round, all contenders at the same time

    @property
    def more_is_better(self):
        return self.unit.endswith("/s") or self.unit == "of 1"

    def value(self, figures):
        figure = figures[self.pick]
        return (1 / figure if self.invert else figure) * (self.scale or UNITS[self.unit])


GROUPS = {
    "lock": "Taking and giving back a lock that processes share.",
    "queue": "Messages of one length from processes to processes. Every peer has room for as many "
             "messages, or as much as it can be given.",
    "start": "A process that does nothing, from its start until it has been waited for; the median "
             "of many, one after the other.",
    "pool": "Tasks that give their argument back, by 2 workers. Many: all are submitted, then all "
            "results are taken. One: submitted and waited for, before the next.",
    "memory": "Memory resident for each, told by what so many more of them cost.",
    "growth": "What the same costs where there is much more of everything.",
    "idle": "Processor time of a family that has nothing to do.",
}


def covey(arguments, name="covey"):
    return Contender(name, "covey", arguments)


def at_most_times(x, against):
    """Times: covey's at most x of the other's."""
    return Bar(f"at most {x:g}x", against, at_least=1 / x)


def at_least_times(x, against, words=None):
    return Bar(words or f"at least {x:g}x", against, at_least=x)


def share(x):
    return Bar(f"at least {100 * x:.0f} % of the bound", "bound", at_least=x)


ROBUST = "pthread robust mutex"


def locks(command):
    return [Contender(ROBUST, "pthread", f"{command} by=robust"),
            Contender("pthread mutex", "pthread", f"{command} by=shared"),
            Contender("semaphore", "pthread", f"{command} by=semaphore"),
            Contender("Python Lock", "py_multiprocessing", command)]


LOCK = [
    Case("lock", "acquire and release, alone", "ns",
         "One process, nobody else wants the lock. covey's is a robust mutex behind a handle that "
         "is checked.",
         covey("alone"), locks("alone"), bars=[at_most_times(1.15, ROBUST)]),
    Case("lock", "two processes at one lock", "M/s",
         "Both take and give back as fast as they can: takes a second of both together.",
         covey("race"), locks("race"), bars=[at_least_times(1, ROBUST)]),
    Case("lock", "fairness of the two", "of 1",
         "In the runs of the case above: how often the one got it that got it less, by how often "
         "the other did.",
         covey("race"), locks("race"), pick=1, like="two processes at one lock",
         bars=[Bar("at least 0.8", at_least=0.8)]),
    Case("lock", "read and release, alone", "ns",
         "A readers-writer lock, nobody else wants it. No death is told by the C library's, nor "
         "what a dead reader held given back.",
         covey("alone by=read"), [Contender("pthread rwlock", "pthread", "alone by=read")]),
    Case("lock", "two processes reading", "M/s",
         "Both read as fast as they can, at the same time: acquire and release, by both together.",
         covey("race by=read"), [Contender("pthread rwlock", "pthread", "race by=read")]),
    Case("lock", "write and release, alone", "ns", "The same lock, for writing.",
         covey("alone by=write"), [Contender("pthread rwlock", "pthread", "alone by=write")]),
    Case("lock", "a semaphore's unit, alone", "ns",
         "Acquire and release. A dead holder's units come back in covey, and are lost in the peer.",
         covey("alone by=semaphore"),
         [Contender("semaphore", "pthread", "alone by=semaphore")]),
]

BOOST, SEQPACKET = "Boost.Interprocess", "SEQPACKET socket"


def channels(command, large=False, pair=False):
    """The peers that move messages; mq's are small, Python's Pipe has one end a side."""
    peers = [Contender(BOOST, "boost", command), Contender(SEQPACKET, "seqpacket", command),
             Contender("ZeroMQ", "zeromq", command), Contender("nng", "nng", command),
             Contender("pipe", "pipe", command)]
    if not large:
        peers.append(Contender("POSIX mq", "posix_mq", command))
    peers.append(Contender("Python Queue", "py_multiprocessing", command + " by=Queue"))
    if not pair:
        peers.append(Contender("Python Pipe", "py_multiprocessing", command + " by=Pipe"))
    return peers


def ring(command):
    return Contender("lock-free ring", "bare", command + " by=ring")


def stream(name, size, depth, unit, what, bars, large=False):
    command = f"stream size={size} depth={depth}"
    return Case("queue", name, unit, what, covey(command), channels(command, large),
                ring(command), bars)


def two_to_two(name, size):
    command = f"stream size={size} depth=1024 senders=2 receivers=2"
    return Case("queue", name, "M/s", "Two senders and two receivers at one queue.",
                covey(command), channels(command, pair=True),
                bars=[at_least_times(1.3, "best", "at least 1.3x the best")])


def in_place(name, size, depth):
    command = f"size={size} depth={depth}"
    return Case("queue", name, "GB/s",
                "The sender writes the message where the queue has room for it (reserve, commit), "
                "the receiver reads it there (peek, release) and looks at both its ends. The "
                f"bound is one memcpy, in one process, into {depth} places in turn.",
                covey("stream by=in-place " + command), [],
                Contender("one memcpy", "bare", "copy " + command), [share(0.9)],
                scale=size * 1e-9)


def batches(name, size):
    command = f"size={size} depth=1024"
    return Case("queue", name, "M/s",
                "64 messages a call (put_many, get_many). ZeroMQ makes batches by itself. The "
                "ring of the bound publishes each message; 8 B lie in places of 16 B there, four "
                "to a cache line.",
                covey("stream by=batches " + command),
                [Contender("ZeroMQ", "zeromq", "stream " + command)], ring("stream " + command),
                [share(0.5)])


QUEUE = [
    stream("8 B, one to one", 8, 1024, "M/s", "Copied in and out, one sender, one receiver, room "
           "for 1024 messages.", [at_least_times(1.5, BOOST)]),
    stream("64 B, one to one", 64, 1024, "M/s", "The same.", [at_least_times(1.5, BOOST)]),
    stream("1 KiB, one to one", 1024, 1024, "M/s", "The same.", [at_least_times(1.5, BOOST)]),
    stream("64 KiB, one to one", 65536, 32, "k/s", "The same, with room for 32 messages.",
           [at_least_times(1.5, BOOST)], large=True),
    stream("1 MiB, one to one", 1 << 20, 8, "k/s", "The same, with room for 8.",
           [at_least_times(1, SEQPACKET)], large=True),
    in_place("64 KiB, in place", 65536, 32),
    in_place("1 MiB, in place", 1 << 20, 8),
    two_to_two("8 B, two to two", 8),
    two_to_two("64 B, two to two", 64),
    two_to_two("1 KiB, two to two", 1024),
    batches("8 B, batches of 64", 8),
    batches("64 B, batches of 64", 64),
    Case("queue", "64 B there and back, awake", "us",
         "A message there and one back, the mean; both sides wait as the peer waits by itself. The "
         "bound is two processes that spin on two words.",
         covey("trip size=64"), channels("trip size=64"),
         Contender("spinning", "bare", "trip by=spin size=64"),
         [Bar("at most 3x the bound", "bound", at_least=1 / 3)]),
    Case("queue", "64 B there and back, asleep", "us",
         "The same with whoever is to get the message asleep: 250 us pass before each put. The sum "
         "of the delays of both ways, the median. The bound is a futex, nothing else.",
         covey("asleep size=64"), channels("asleep size=64"),
         Contender("futex", "bare", "asleep by=futex size=64"),
         [Bar("at most 1.1x the bound", "bound", at_least=1 / 1.1)]),
]

GIB = f"bulk={1 << 30}"
SMALL = "the same, small parent"
PYTHON_FORKSERVER = "Python forkserver"

START = [
    Case("start", "fork", "us", "By COVEY_FORK, beside fork, _exit and waitpid.",
         covey("start by=fork"),
         [Contender("bare fork", "bare", "start by=fork"),
          Contender("Python fork", "py_multiprocessing", "start by=fork")],
         bars=[at_most_times(1.15, "bare fork")]),
    Case("start", "spawn", "us", "By COVEY_SPAWN, beside posix_spawn of the same image, which ends "
         "at once. libuv spawns an image of its own.",
         covey("start by=spawn"),
         [Contender("posix_spawn", "covey", "start by=posix_spawn"),
          Contender("libuv uv_spawn", "libuv", "start by=uv_spawn"),
          Contender("Python spawn", "py_multiprocessing", "start by=spawn")],
         bars=[at_most_times(1.5, "posix_spawn")]),
    Case("start", "forkserver", "us", "By COVEY_FORKSERVER, the server already there.",
         covey("start by=forkserver"),
         [Contender("bare fork", "bare", "start by=fork"),
          Contender(PYTHON_FORKSERVER, "py_multiprocessing", "start by=forkserver")]),
    Case("start", "forkserver, parent of 1 GiB", "us",
         "The same from a process that holds 1 GiB.",
         covey("start by=forkserver " + GIB),
         [covey("start by=forkserver", SMALL),
          Contender("bare fork", "bare", "start by=fork " + GIB),
          Contender("libuv uv_spawn", "libuv", "start by=uv_spawn " + GIB),
          Contender(PYTHON_FORKSERVER, "py_multiprocessing", "start by=forkserver " + GIB)],
         bars=[at_most_times(1.3, SMALL), at_least_times(20, PYTHON_FORKSERVER)]),
    Case("start", "pool of one, parent of 1 GiB", "us",
         "A pool with method COVEY_FORKSERVER, from open over one task to joined: its nursery and "
         "a worker are started and ended.",
         covey("start by=pool-forkserver " + GIB), [covey("start by=pool-forkserver", SMALL)],
         bars=[at_most_times(1.3, SMALL)]),
    Case("start", "pool of one by fork, 1 GiB", "us",
         "The same with the default method: the nursery is a copy of its parent, as the workers "
         "are to be.",
         covey("start by=pool " + GIB), [covey("start by=pool", SMALL)]),
]


def threads(command):
    return [Contender("libuv threads", "libuv", command), Contender("GLib threads", "glib", command)]


def more_threads(command):
    return [Contender("TBB threads", "tbb", command), Contender("OpenMP threads", "openmp", command)]


def pythons(command):
    return [Contender("Python Pool", "py_multiprocessing", command + " by=Pool.apply_async"),
            Contender("ProcessPoolExecutor", "py_concurrent_futures",
                      command + " by=ProcessPoolExecutor"),
            Contender("ThreadPoolExecutor", "py_concurrent_futures",
                      command + " by=ThreadPoolExecutor"),
            Contender("loky", "py_loky", command), Contender("pebble", "py_pebble", command),
            Contender("mpi4py", "py_mpi4py", command)]


def python_pools(command):
    return [c for c in pythons(command) if c.name != "ThreadPoolExecutor"]


MANY = "many tasks=10000"
PY_MANY = "many tasks=2000"
UNDER_2_US = Bar("under 2 us", at_most=2)

POOL = [
    Case("pool", "no-op tasks, processes", "M/s",
         "One submit a task, 10,000 pending (2,000 for Python). xargs and parallel run /bin/true.",
         covey(MANY + " by=processes"),
         python_pools(PY_MANY)
         + [Contender("Python Pool.map", "py_multiprocessing", PY_MANY + " by=Pool.map")]
         + threads(MANY)
         + [Contender("xargs -P", "py_commands", "many by=xargs tasks=400"),
            Contender("GNU parallel", "py_commands", "many by=parallel tasks=60")],
         bars=[Bar("at least 1.5 M/s", at_least=1.5),
               at_least_times(20, "best Python", "at least 20x the best Python pool")]),
    Case("pool", "no-op tasks, threads", "M/s",
         "The same, by COVEY_THREADS. TBB and OpenMP count the submitting thread as a worker and "
         "have no future a task.",
         covey(MANY + " by=threads"),
         threads(MANY) + more_threads(MANY)
         + [Contender("ThreadPoolExecutor", "py_concurrent_futures",
                      PY_MANY + " by=ThreadPoolExecutor")],
         bars=[at_least_times(1, "libuv threads")]),
    Case("pool", "one task, processes, awake", "us",
         "One after the other, so that the worker is still looking for the next; the median.",
         covey("one by=processes"), threads("one") + pythons("one"), bars=[UNDER_2_US]),
    Case("pool", "one task, threads, awake", "us", "The same by threads. TBB runs the task in the "
         "thread that submits it.",
         covey("one by=threads"), threads("one") + more_threads("one"), bars=[UNDER_2_US]),
    Case("pool", "one task, processes, asleep", "us",
         "250 us pass before each, in which the workers fall asleep; the median.",
         covey("one-asleep by=processes"),
         [*reversed(threads("one-asleep")), *pythons("one-asleep")],
         bars=[at_most_times(1.2, "GLib threads")]),
    Case("pool", "one task, threads, asleep", "us", "The same by threads.",
         covey("one-asleep by=threads"), [*reversed(threads("one-asleep"))],
         bars=[at_most_times(1.2, "GLib threads")]),
    Case("pool", "ten sums", "ms",
         "The sums of the tour, to 1, 10, ... 1e9, by 2 processes, from opening the pool to joining "
         "it. The bound is the largest alone, by a plain call.",
         covey("sums"), [], covey("largest-sum", "the largest alone"),
         [Bar("at most 1.02x the bound", "bound", at_least=1 / 1.02)]),
]


def memory(name, program, arguments, key, few, many):
    return Contender(name, program, measure=memory_each(program, arguments, key, few, many))


POOL_WORKER = "Python Pool worker"

MEMORY = [
    Case("memory", "an idle worker process", "KiB",
         "What 16 workers more than one add to the anonymous memory of all processes, and to the "
         "arena.",
         memory("covey", "covey", "", "workers", 1, 17),
         [memory(POOL_WORKER, "py_multiprocessing", "by=pool", "workers", 1, 17)],
         bars=[at_least_times(20, POOL_WORKER, "at least 20x less")]),
    Case("memory", "a lock", "B", "What 10,000 more add, each taken once (4,000 in Python).",
         memory("covey", "covey", "by=locks", "live", 1, 10001),
         [memory("Python Lock", "py_multiprocessing", "by=locks", "live", 1, 4001)]),
    Case("memory", "a queue", "B", "What 1,000 more add, each used once (100 in Python).",
         memory("covey", "covey", "by=queues", "live", 1, 1001),
         [memory("Python Queue", "py_multiprocessing", "by=queues", "live", 1, 101)]),
]


def grows(name, what, many, few, few_name, unit="us", invert=True):
    return Case("growth", name, unit, what, covey(many), [covey(few, few_name)], invert=invert,
                bars=[at_most_times(1.5, few_name)])


GROWTH = [
    grows("a task, by 64 workers", "A no-op task among 10,000, by 64 processes, whose cores are as "
          "few as before.", MANY + " workers=64", MANY + " workers=1", "by 1 worker"),
    grows("a task, 1,000,000 queued", "A no-op task among a million, all submitted before the "
          "first result is taken, by 2 processes.", "many tasks=1000000", "many tasks=1",
          "1 queued"),
    grows("a task, 1,000,000 against 1,000", "The same, beside a thousand, which fit the cache.",
          "many tasks=1000000", "many tasks=1000", "1,000 queued"),
    grows("a task, 100,000 objects live", "A no-op task, with as many locks alive.",
          MANY + " live=100000", MANY + " live=1", "1 object"),
    grows("a lock, 100,000 objects live", "Made, taken, given back and destroyed, beside so many "
          "others.", "lock-cost live=100000", "lock-cost live=1", "1 object", "ns", False),
]

IDLE = [
    Case("idle", "a family at rest", "%",
         "Of one core: two pools of 2, processes and threads, a process waiting for a lock, one for "
         "a message, a forkserver. Python: a pool of 2.",
         Contender("covey", "covey", measure=at_rest("covey", "by=family workers=2")),
         [Contender("Python Pool", "py_multiprocessing",
                    measure=at_rest("py_multiprocessing", "by=pool")),
          Contender("ProcessPoolExecutor", "py_concurrent_futures",
                    measure=at_rest("py_concurrent_futures", "by=pool"))],
         bars=[Bar("at most 0.1 %", at_most=0.1)], once=True),
]

CASES = LOCK + QUEUE + START + POOL + MEMORY + GROWTH + IDLE
