# SPDX-License-Identifier: MIT
"""loky, as joblib brings it along: its reusable executor of processes."""

import joblib
from joblib.externals import loky

from measured import check, main, same


def many(executor, n):
    futures = [executor.submit(same, i) for i in range(n)]
    check(f.result() for f in futures)


def one(executor):
    executor.submit(same, 1).result()


if __name__ == "__main__":
    main(f"loky {loky.__version__} (joblib {joblib.__version__})",
         pools={"loky": (lambda p: loky.get_reusable_executor(p.workers), many, one)})
