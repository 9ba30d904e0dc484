# SPDX-License-Identifier: MIT
"""xargs and GNU parallel: a task is a process that runs /bin/true."""

import shutil
import subprocess
import sys
import time

COMMANDS = {"xargs": lambda workers: ["xargs", "-P", workers, "-n", "1", "/bin/true"],
            "parallel": lambda workers: ["parallel", "--will-cite", "-j", workers, "/bin/true"]}

if __name__ == "__main__":
    options = dict(o.split("=") for o in sys.argv[2:])
    by = options.get("by", "xargs")
    if sys.argv[1] == "version":
        texts = [subprocess.run([command, "--version"], capture_output=True, text=True).stdout
                 for command in COMMANDS if shutil.which(command)]
        print("; ".join(text.splitlines()[0] for text in texts))
        sys.exit()
    if not shutil.which(by):
        sys.exit("not installed")
    n = int(options.get("tasks", "200"))
    since = time.perf_counter()
    subprocess.run(COMMANDS[by](options.get("workers", "2")), check=True, text=True,
                   input="\n".join(map(str, range(n))) + "\n")
    print(n / (time.perf_counter() - since))
