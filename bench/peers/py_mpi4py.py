# SPDX-License-Identifier: MIT
"""mpi4py.futures, as its documentation runs it: one rank to submit, the others to work.

    mpiexec -n 3 python3 -m mpi4py.futures py_mpi4py.py many tasks=1000
"""

import os
import sys

if __name__ == "__main__" and "OMPI_COMM_WORLD_SIZE" not in os.environ and sys.argv[1:] != ["version"]:
    workers = [o.split("=")[1] for o in sys.argv if o.startswith("workers=")] or ["2"]
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    # Ranks that wait give their core away, as there are more of them than cores.
    os.execvp("mpiexec", ["mpiexec", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "-n",
                          str(int(workers[0]) + 1), sys.executable, "-m", "mpi4py.futures",
                          *sys.argv])

import mpi4py
from mpi4py.futures import MPIPoolExecutor

import measured
from measured import Plan, check, same


def many(executor, n):
    futures = [executor.submit(same, i) for i in range(n)]
    check(f.result() for f in futures)


def one(executor):
    executor.submit(same, 1).result()


if __name__ == "__main__":
    if sys.argv[1:] == ["version"]:
        print(f"mpi4py {mpi4py.__version__}")
    else:
        # MPI wants its end: no leaving at once, as measured.main does.
        command = {"many": measured.many, "one": measured.one, "one-asleep": measured.one_asleep}
        with MPIPoolExecutor() as executor:
            command[sys.argv[1]](Plan(sys.argv[2:]), (lambda plan: executor, many, one))
