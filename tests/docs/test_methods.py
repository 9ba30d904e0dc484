#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_methods.py SOURCES: each exported function is tested under every start method.

What counts is a call in a test, or in what it calls in its file, that is run under each
method or by each kind of pool: registered by a macro named BY_... or UNDER_.... The exceptions
are below, with their reasons.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
EXCEPTIONS = {
    "covey_forkserver_preload": "of one start method",
    "covey_pool_map_columns_v": "behind covey_map, which makes its name by pasting",
    "covey_join_family_v": "by a program that covey has not started",
}
FUNCTION = re.compile(r"^(?:static |COVEY_)[^;{}#]*?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", re.S | re.M)
TYPED = re.compile(r"^COVEY_(?:TASK|TASK_VOID|PROCESS)\((?:[\w ]+\*?, )??(\w+)(?:,[^{]*)?\)\n\{\n(.*?)^\}",
                   re.S | re.M)
REGISTERED = re.compile(r"\b((?:HARNESS_TEST_)?BY_\w+|UNDER_\w+)\((\w+)\)")


def plain(path):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)


def macros(text):
    text = text.replace("\\\n", " ")
    return dict(re.findall(r"^#define (\w+)\([^)]*\)([^\n]*)", text, re.M))


def inlines(text):
    return dict(re.findall(r"^static inline [^;{}]*?\b(\w+)\([^;{}]*\)\s*\{(.*?)^\}", text, re.S | re.M))


def headers():
    known = {}
    for path in sorted((ROOT / "include").rglob("*.h")):
        text = plain(path)
        known.update(macros(text))
        known.update(inlines(text))
    return known


def reached(names, bodies):
    seen, left = set(), set(names)
    while left:
        name = left.pop()
        seen.add(name)
        left |= set(re.findall(r"\w+", bodies.get(name, ""))) - seen
    return seen


def main():
    public = headers()
    called = set()
    for path in sorted((ROOT / "tests").glob("*/test_*.c")):
        text = plain(path)
        bodies = dict(public)
        for header in path.parent.glob("*.h"):
            bodies.update(inlines(plain(header)))
            bodies.update(dict(TYPED.findall(plain(header))))
        bodies.update(macros(text))
        bodies.update(dict(FUNCTION.findall(text)))
        bodies.update(dict(TYPED.findall(text)))
        called |= reached({name for _, name in REGISTERED.findall(text)}, bodies)
    symbols = (ROOT / "tests/install/symbols.txt").read_text(encoding="utf-8").split()
    missing = [s for s in symbols if s not in called and s not in EXCEPTIONS]
    for name in missing:
        print(f"{name}: no test of it runs under every start method")
    print(f"{len(symbols)} functions, {len(missing)} without such a test")
    return 1 if missing else 0


sys.exit(main())
