# SPDX-License-Identifier: MIT
"""The table on the terminal."""

import shutil
import sys
import textwrap

from measure import spread

BOLD, DIM, RED, GREEN, OFF = "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m"
NAME, UNIT, FIGURE = 36, 6, 26


def number(x):
    """Three digits, without an exponent."""
    if x is None:
        return "-"
    if x == 0:
        return "0"
    digits = 0
    while digits < 6 and abs(x) * 10 ** digits < 99.95:
        digits += 1
    text = f"{x:.{digits}f}"
    return f"{float(text):,.0f}" if digits == 0 else text


def spelled(values):
    """Median and spread."""
    if not values:
        return "-"
    middle, low, high = spread(values)
    return number(middle) if low == high else \
        f"{number(middle)} ({number(low)} to {number(high)})"


class Table:
    """Prints a case as soon as it is measured, with the progress of the next beneath."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.width = max(100, min(shutil.get_terminal_size((120, 24)).columns, 160))

    def paint(self, text, *codes):
        return "".join(codes) + text + OFF if self.terminal else text

    def progress(self, text):
        if self.terminal:
            print(f"\r\033[K{DIM}{text[:self.width - 1]}{OFF}", end="", flush=True)

    def line(self, text=""):
        if self.terminal:
            print("\r\033[K", end="")
        print(text.rstrip(), flush=True)

    def head(self):
        self.line(f"{'':{NAME}} {'':{UNIT}} {'covey':{FIGURE}} {'beside':{NAME - 10}} "
                  f"{'':{FIGURE}} {'ratio':>6}  bar")
        self.line(self.paint("Medians, and quartiles in brackets. A ratio over 1: covey is better.",
                             DIM))

    def group(self, group, words, probes):
        self.line()
        told = ", ".join(f"{name} {number(1e6 * seconds)} us" for name, seconds in probes.items())
        self.line(self.paint(group, BOLD) + f"  {words}")
        self.line(self.paint(f"        the machine now: {told}", DIM))

    def case(self, result):
        """A line a bar; without bars one beside the best peer; the other peers after them."""
        case, covey = result.case, spelled(result.values.get(result.case.covey.name))
        name, unit, shown = case.name, case.unit, set()
        judged = [(bar, *result.judge(bar)) for bar in case.bars]
        if not judged:
            judged = [(None, result.best() or (case.bound and case.bound.name), None)]
        for bar, beside, met in judged:
            ratio = result.ratio(beside) if beside else None
            verdict = "" if not bar else f"{bar.words}: " + (
                "not judged" if met is None else
                self.paint("met", GREEN) if met else self.paint("NOT MET", RED, BOLD))
            self.line(f"{name:{NAME}} {unit:{UNIT}} {covey:{FIGURE}} {beside or '':{NAME - 10}} "
                      f"{spelled(result.values.get(beside)) if beside else '':{FIGURE}} "
                      f"{'x' + number(ratio) if ratio else '':>6}  {verdict}")
            shown.add(beside)
            name = unit = covey = ""
        if case.covey.name in result.missing:
            self.line(f"    covey failed: {result.missing[case.covey.name]}")
        others = [f"{c.name} {number(spread(result.values[c.name])[0])}"
                  for c in result.contenders()[1:]
                  if c.name not in shown and result.values.get(c.name)]
        others += [f"{name} skipped ({why})" for name, why in result.missing.items()
                   if name != case.covey.name]
        for text in textwrap.wrap(", ".join(others), self.width - 4):
            self.line(self.paint("    " + text, DIM))
