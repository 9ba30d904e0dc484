# SPDX-License-Identifier: MIT
"""Python's concurrent.futures: executors of processes and of threads."""

import concurrent.futures as cf
import platform

from measured import check, main, same


def many(executor, n):
    futures = [executor.submit(same, i) for i in range(n)]
    check(f.result() for f in futures)


def one(executor):
    executor.submit(same, 1).result()


def hold(plan):
    executor = cf.ProcessPoolExecutor(plan.workers)
    # It starts a worker a task as long as none is idle.
    check(executor.map(same, range(1000)))
    return executor


if __name__ == "__main__":
    main(f"Python {platform.python_version()}",
         pools={
             "ProcessPoolExecutor": (lambda p: cf.ProcessPoolExecutor(p.workers), many, one),
             "ThreadPoolExecutor": (lambda p: cf.ThreadPoolExecutor(p.workers), many, one)},
         holds={"pool": hold})
