#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_methods.py SOURCES: each exported function is tested under every start method.

What counts is a call in a test, or in what it calls in its file, that is run under each
method or by each kind of pool: registered by a macro named BY_... or UNDER_.... The exceptions
are below, with their reasons.
"""

import re
import sys

sys.dont_write_bytecode = True  # the sources stay as they are

from test_parity import ROOT, Calls, read

EXCEPTIONS = {
    "covey_forkserver_preload": "of one start method",
    "covey_join_family_v": "by a program that covey has not started",
}
FUNCTION = re.compile(r"^(?:static |COVEY_)[^;{}#]*?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", re.S | re.M)
TYPED = re.compile(r"^COVEY_(?:TASK|TASK_VOID|PROCESS)\((?:[\w ]+\*?, )??(\w+)(?:,[^{]*)?\)\n\{\n(.*?)^\}",
                   re.S | re.M)
MACRO = re.compile(r"^#define (\w+)\([^)]*\)((?:[^\n]*\\\n)*[^\n]*)", re.M)
REGISTERED = re.compile(r"\b((?:HARNESS_TEST_)?BY_\w+|UNDER_\w+)\((\w+)\)")


def bodies(path):
    """By name, those of a test's functions, and of the header's that its folder shares."""
    found = {}
    for file in [*sorted(path.parent.glob("*.h")), path]:
        text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S)
        for pattern in (MACRO, FUNCTION, TYPED):
            found.update(pattern.findall(text))
    return found


def run_under_each(path):
    """The text of all that a file's tests reach in it, of those that run under each method."""
    own = bodies(path)
    tests = REGISTERED.findall(path.read_text(encoding="utf-8"))
    left = {name for _, name in tests if name in own}
    seen = set()
    while left:
        name = left.pop()
        seen.add(name)
        left |= {word for word in re.findall(r"\w+", own[name]) if word in own} - seen
    return "\n".join(own[name] for name in seen)


def main():
    calls, called = Calls(), set()
    for path in sorted((ROOT / "tests").glob("*/test_*.c")):
        called |= calls.of_text(run_under_each(path))
    symbols = read("tests/install/symbols.txt").split()
    missing = [name for name in symbols if name not in called and name not in EXCEPTIONS]
    for name in missing:
        print(f"{name}: no test of it runs under every start method")
    print(f"{len(symbols)} functions, {len(missing)} without such a test")
    return len(missing) > 0


if __name__ == "__main__":
    sys.exit(main())
