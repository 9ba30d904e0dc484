# SPDX-License-Identifier: MIT
"""pebble's pool of processes."""

from importlib.metadata import version

import pebble

from measured import check, main, same


def many(pool, n):
    futures = [pool.schedule(same, args=(i,)) for i in range(n)]
    check(f.result() for f in futures)


def one(pool):
    pool.schedule(same, args=(1,)).result()


if __name__ == "__main__":
    main(f"pebble {version('pebble')}",
         pools={"ProcessPool": (lambda p: pebble.ProcessPool(p.workers), many, one)})
