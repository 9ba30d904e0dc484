# SPDX-License-Identifier: MIT
"""Python's multiprocessing: Queue, Pipe, Lock, Process, Pool."""

import multiprocessing as mp
import platform

from measured import check, main, same


def nothing():
    pass


def start(method):
    def once():
        process = mp.get_context(method).Process(target=nothing)
        process.start()
        process.join()
        process.close()
    return once


def apply_many(pool, n):
    results = [pool.apply_async(same, (i,)) for i in range(n)]
    check(r.get() for r in results)


def apply_one(pool):
    pool.apply_async(same, (1,)).get()


def map_many(pool, n):
    check(pool.map(same, range(n), 1))  # a task an item, as elsewhere


def pool(plan):
    return mp.Pool(plan.workers)


def hold_pool(plan):
    pool = mp.Pool(plan.workers)
    pool.map(same, range(1000), 1)
    return pool


def hold_locks(plan):
    locks = [mp.Lock() for _ in range(plan.live)]
    for lock in locks:
        with lock:
            pass
    return locks


def hold_queues(plan):
    queues = [mp.Queue() for _ in range(plan.live)]
    for q in queues:
        q.put(1)
        q.get()
    return queues


if __name__ == "__main__":
    main(f"Python {platform.python_version()}",
         channels={
             "Queue": (lambda plan: mp.Queue(plan.depth), lambda q, data: q.put(data),
                       lambda q: q.get()),
             "Pipe": (lambda plan: mp.Pipe(False), lambda p, data: p[1].send_bytes(data),
                      lambda p: p[0].recv_bytes())},
         locks={"Lock": mp.Lock},
         starts={method: start(method) for method in ("fork", "spawn", "forkserver")},
         pools={"Pool.apply_async": (pool, apply_many, apply_one),
                "Pool.map": (pool, map_many, apply_one)},
         holds={"pool": hold_pool, "locks": hold_locks, "queues": hold_queues})
