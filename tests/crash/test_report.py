#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the sweep reports: its JSON says the same as what it prints."""

import json
import re
import subprocess
import sys
import tempfile

LINE = re.compile(r"^(.+?) +steps +(\d+) / (\d+)  kills +(\d+)  wedged (\d+)  torn (\d+)  leaked (\d+)  ", re.M)
SUMS = re.compile(r"^kill points: (\d+), wedged: (\d+), torn: (\d+), leaked: (\d+)$")


def main(program):
    with tempfile.NamedTemporaryFile("r") as report:
        run = subprocess.run([program, "--stride", "300", "--json", report.name, "destroy", "start, join"],
                             stdout=subprocess.PIPE, text=True)
        told = json.load(report)
    keys = "case", "steps", "stride", "kills", "wedged", "torn", "leaked"
    wrong = []
    printed = LINE.findall(run.stdout)
    if run.returncode or len(printed) < 10:
        wrong.append(f"exit {run.returncode}, {len(printed)} cases")
    if printed != [tuple(str(case[key]) for key in keys) for case in told["cases"]]:
        wrong.append("a case is not reported as it is printed")
    sums = [sum(case[key] for case in told["cases"]) for key in keys[3:]]
    if sums != [told[key] for key in ("kill_points", *keys[4:])]:
        wrong.append("the sums are not those of the cases")
    closing = SUMS.match(run.stdout.splitlines()[-1])
    if not closing or [int(n) for n in closing.groups()] != sums:
        wrong.append("the last line does not say the sums")
    print(run.stdout if wrong else "", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
