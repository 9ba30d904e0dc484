#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Puts the last run's figures into docs/performance.md, between its marks, and draws the pictures.
`./dev bench --page` runs all and then this; by itself it takes build/bench/results.json.
"""

import json
import os
import re

from cases import CASES, GROUPS
from measure import HERE
from pictures import Panel, picture
from report import number

DOCS = os.path.join(HERE, "..", "docs")
RESULTS = os.path.join(HERE, "..", "build", "bench")


def spelled(row, side):
    middle, low, high = (row.get(side + end) for end in ("", "_low", "_high"))
    if middle is None:
        return "-"
    return number(middle) if low == high else f"{number(middle)} ({number(low)} to {number(high)})"


def verdict(bar, met):
    if not bar:
        return ""
    return f"{bar}: " + {True: "met", False: "**not met**", None: "not judged"}[met]


def lines(rows):
    """A table's lines for one case."""
    first = rows[0]
    name, covey = f"**{first['case']}**, {first['unit']}", spelled(first, "covey")
    for row in rows:
        beside, figure, ratio = row["peer_name"], spelled(row, "peer"), row["ratio"]
        if beside is None and row.get("bound_name"):
            beside, figure, ratio = row["bound_name"], spelled(row, "bound"), row["share_of_bound"]
            beside = f"*{beside}*"
        if row.get("skipped"):
            figure = f"skipped: {row['skipped']}"
        yield (f"| {name} | {covey} | {beside or ''} | {figure if beside else ''} | "
               f"{number(ratio) if ratio else ''} | {verdict(row['bar'], row['met'])} |")
        name = covey = ""


def bars(case, rows):
    """The figures with which covey would just meet its bars."""
    for bar in case.bars:
        if bar.against is None:
            yield bar.at_least or bar.at_most
            continue
        for row in rows:
            theirs = row.get("bound" if bar.against == "bound" else "peer")
            if row["bar"] == bar.words and theirs:
                yield theirs * bar.at_least if case.more_is_better else theirs / bar.at_least
                break


def panel(case, rows):
    def contender(row, side, name, kind):
        return (name, kind, *(row.get(side + end) for end in ("", "_low", "_high")))

    shown = [contender(rows[0], "covey", "covey", "covey")]
    peers = [contender(r, "peer", r["peer_name"], "peer") for r in rows if r.get("peer") is not None]
    shown += sorted(peers, key=lambda c: c[2], reverse=case.more_is_better)
    if rows[0].get("bound_name") and rows[0].get("bound"):
        shown.append(contender(rows[0], "bound", rows[0]["bound_name"], "bound"))
    better = "more is better" if case.more_is_better else "less is better"
    return Panel(case.name, f"{case.unit}, {better}", shown, list(bars(case, rows)))


def group_text(group, rows, about):
    probes = ", ".join(f"{name} {number(1e6 * s)} us" for name, s in
                       about["probes"].get(group, {}).items())
    out = [GROUPS[group] + f" The machine beside it: {probes}.", "",
           f"![{group}: covey and its peers](performance/{group}.svg)", "",
           "| case | covey | beside | | ratio | bar |", "|---|---|---|---|---|---|"]
    cases = [c for c in CASES if c.group == group and c.name in rows]
    for case in cases:
        out += lines(rows[case.name])
    return "\n".join([*out, ""] + [f"- **{c.name}**: {c.what}" for c in cases])


def machine_text(about):
    scheduling = about["scheduling"]
    busy = ("" if scheduling == "ordinary" else
            f" All ran at real-time priority ({scheduling}), since the machine had other work to "
            f"do as well (its load was {about['load_before']:.0f} at the start): these figures are "
            "a first look.")
    virtual = "a virtual machine with " if about["virtual"] else ""
    versions = ", ".join(sorted(set(about["versions"].values()), key=str.lower))
    return (f"Measured {about['date'].replace('T', ' ')} on {virtual}{about['cores']} cores "
            f"({about['processor']}), {about['memory_gib']:.0f} GiB, {about['system']}, Linux "
            f"{about['kernel']}, {about['libc']}. {about['rounds']} rounds "
            f"({about['rounds_python']} of what Python runs), {about['window']:g} s "
            f"a figure.{busy}\n\nIn this run: {versions}.")


def between(text, mark, content):
    pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
    if not re.search(pattern, text, re.S):
        raise SystemExit(f"docs/performance.md has no mark '{mark}'")
    return re.sub(pattern, lambda m: f"{m[1]}\n{content}\n\n{m[2]}", text, flags=re.S)


def write(told, about):
    """The page's parts of the groups that were measured; the rest stays as it is."""
    path = os.path.join(DOCS, "performance.md")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    by_case = {}
    for row in told:
        by_case.setdefault(row["group"], {}).setdefault(row["case"], []).append(row)
    text = between(text, "machine", machine_text(about))
    for group, rows in by_case.items():
        text = between(text, group, group_text(group, rows, about))
        panels = [panel(c, rows[c.name]) for c in CASES
                  if c.group == group and c.name in rows and rows[c.name][0].get("covey")]
        with open(os.path.join(DOCS, "performance", group + ".svg"), "w", encoding="utf-8") as f:
            f.write(picture(f"{group}: covey and its peers", panels))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    with open(os.path.join(RESULTS, "results.json"), encoding="utf-8") as results, \
            open(os.path.join(RESULTS, "machine.json"), encoding="utf-8") as machine:
        write(json.load(results), json.load(machine))
