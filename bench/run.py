#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""covey beside its peers, in turn, in one run on this machine; `./dev bench` builds and runs it."""

import argparse
import datetime
import json
import os
import platform
import re
import sys

import measure
import page
from cases import CASES, GROUPS
from report import Table
from rows import rows, run

OUT = os.path.join(measure.HERE, "..", "build", "bench")
QUICK = measure.Settings(rounds=2, rounds_python=1, window=0.04, warm=0.02, idle=4)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("group", nargs="*", metavar="GROUP",
                        help="only these: " + ", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true",
                        help="all in about a minute, for a first look: too short to judge by")
    parser.add_argument("--check", action="store_true", help="fail, and name each bar not met")
    parser.add_argument("--list", action="store_true", help="name groups, cases, peers and bars")
    parser.add_argument("--page", action="store_true",
                        help="put the figures into docs/performance.md, with pictures")
    parser.add_argument("--case", metavar="TEXT", help="only cases whose name contains it")
    chosen = parser.parse_args()
    unknown = set(chosen.group) - set(GROUPS)
    if unknown:
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    return chosen


def show_list(cases):
    for group, words in GROUPS.items():
        mine = [c for c in cases if c.group == group]
        if mine:
            print(f"{group}: {words}")
        for case in mine:
            bars = "; ".join(b.words + (f" ({b.against})" if b.against else "") for b in case.bars)
            print(f"    {case.name}, {case.unit}" + (f"  [{bars}]" if bars else ""))
            names = [p.name for p in case.peers] + ([case.bound.name] if case.bound else [])
            if names:
                print(f"        beside {', '.join(names)}")


def read(path, pattern, otherwise="?"):
    try:
        with open(path, encoding="utf-8") as f:
            found = re.search(pattern, f.read(), re.M)
            return found[1] if found else otherwise
    except OSError:
        return otherwise


def machine(settings, quick):
    """What the figures were taken on, and how."""
    policy = {os.SCHED_RR: "SCHED_RR", os.SCHED_FIFO: "SCHED_FIFO"}.get(os.sched_getscheduler(0))
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "processor": read("/proc/cpuinfo", r"^model name\s*: (.*)"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(read("/proc/meminfo", r"^MemTotal: +(\d+)", "0")) / 2**20, 1),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "system": read("/etc/os-release", r'^PRETTY_NAME="(.*)"'),
        "virtual": "hypervisor" in read("/proc/cpuinfo", r"^flags\s*: (.*)"),
        "load_before": os.getloadavg()[0],
        "scheduling": f"{policy} {os.sched_getparam(0).sched_priority}" if policy else "ordinary",
        "quick": quick,
        "rounds": settings.rounds, "rounds_python": settings.rounds_python,
        "window": settings.window, "idle": settings.idle,
        "versions": settings.versions,
    }


def probe(settings):
    """Seconds for a cache line, and for a wake-up, there and back."""
    at_hand = measure.Settings(window=min(settings.window, 0.1), warm=0.02)
    return {"cache line there and back": measure.figures("bare", "lines size=8", at_hand)[0],
            "futex wake there and back": measure.figures("bare", "wake size=8", at_hand)[0]}


def main():
    chosen = arguments()
    cases = [c for c in CASES if (not chosen.group or c.group in chosen.group)
             and (not chosen.case or chosen.case in c.name)]
    if chosen.list:
        show_list(cases)
        return 0
    settings = QUICK if chosen.quick else measure.Settings()
    about = machine(settings, chosen.quick)
    table, results, probes, group = Table(), {}, {}, None
    table.head()
    for case in cases:
        if case.group != group:
            group = case.group
            probes[group] = probe(settings)
            table.group(group, GROUPS[group], probes[group])
        results[case.name] = run(case, settings, results, table.progress)
        table.case(results[case.name])
    about["probes"] = probes
    told = [row for result in results.values() for row in rows(result, settings)]
    for name, content in ("results.json", told), ("machine.json", about):
        with open(os.path.join(OUT, name), "w", encoding="utf-8") as f:
            json.dump(content, f, indent=1)
            f.write("\n")
    if chosen.page:
        page.write(told, about)
    unmet = sum_up(results, table)
    if chosen.check:
        for line in unmet:
            table.line(line)
    return 1 if chosen.check and unmet else 0


def sum_up(results, table):
    """Counts the bars; a line for each that is not met, and each case in which covey failed."""
    met, unjudged, unmet = 0, 0, []
    for result in results.values():
        case = result.case
        if case.covey.name not in result.values:
            unmet.append(f"not met: {case.group}, {case.name}: covey failed")
            continue
        for bar in case.bars:
            beside, verdict = result.judge(bar)
            if verdict is None:
                unjudged += 1
            elif verdict:
                met += 1
            else:
                ratio = f" ({beside}: x{result.ratio(beside):.2f})" if beside else ""
                unmet.append(f"not met: {case.group}, {case.name}: {bar.words}{ratio}")
    table.line()
    table.line(f"{met} bars met, {len(unmet)} not met, {unjudged} not judged. "
               "Figures: build/bench/results.json")
    return unmet


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except measure.Missing as reason:
        sys.exit(f"./dev bench: {reason}")
