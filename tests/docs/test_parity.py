#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_parity.py SOURCES [--all]: docs/parity.md says what is so.

Each row has what covey has, of names that exist, and a test that exists and whose file
calls what the row names; each name of tests/docs/python_names.txt has a row; and each
exported function is called by a test or an example. Names below "# not covered yet" there are
printed; with --all they fail, too.
"""

import pathlib
import re
import sys

ID = re.compile(r"\b(?:covey|COVEY)_\w*\w")
SPAN = re.compile(r"`([^`]+)`")
ROOT = pathlib.Path(sys.argv[1])
NOT_YET = "# not covered yet"

failures = 0


def fail(where, words):
    global failures
    failures += 1
    print(f"{where}: {words}")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


class Public:
    """What the headers and the library give: identifiers, and fields of structs."""

    def __init__(self):
        texts = [re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)
                 for path in sorted((ROOT / "include").rglob("*.h"))]
        self.names = set(ID.findall("\n".join(texts)))
        self.names.update(read("tests/install/symbols.txt").split())
        self.fields = set()
        for text in texts:
            for body in re.findall(r"\b(?:struct|union)\b[^;{}()]*\{((?:[^{}]|\{[^{}]*\})*)\}", text):
                self.fields.update(re.findall(r"(\w+)\s*(?:\[[^\]]*\])?\s*[;,]", body))


class Calls:
    """Which public functions and macros a file calls, itself or by public macros and inline functions."""

    def __init__(self):
        text = "\n".join(re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)
                         for path in sorted((ROOT / "include").rglob("*.h")))
        text = text.replace("\\\n", " ")
        macros = re.findall(r"^#define ((?:covey|COVEY)_\w+)\([^)]*\)([^\n]*)", text, flags=re.M)
        inline = re.findall(r"^static inline [^;{}]*?\b(covey_\w+)\([^;{}]*\)\s*\{(.*?)^\}", text,
                            flags=re.M | re.S)
        self.bodies = {}
        for name, body in macros + inline:
            # COVEY_TASK and the like make functions, which only other macros call, by pasting.
            made = re.findall(r"\bfname##(_covey_\w+)\([^{}]*\)\s*\{([^{}]*)\}", body)
            for part, text in made:
                self.bodies.setdefault(part, set()).update(self.names(text))
            if not made:
                self.bodies.setdefault(name, set()).update(self.names(body))
        declared = set(re.findall(r"\b(covey_\w+)\s*\(", text))
        self.callable = declared | {name for name, _ in macros}
        self.seen = {}

    @staticmethod
    def names(text):
        return set(ID.findall(text)) | set(re.findall(r"##(_covey_\w+)", text))

    def of_text(self, text):
        """With what they expand to."""
        found, rest = set(), self.names(text)
        while rest:
            name = rest.pop()
            found.add(name)
            rest |= self.bodies.get(name, set()) - found
        return found

    def of_file(self, file):
        if file not in self.seen:
            path = ROOT / file
            text = path.read_text(encoding="utf-8", errors="replace")
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
            self.seen[file] = set()
            found = self.of_text(text)
            for header in re.findall(r'#include "([^"]+)"', text):
                for beside in (path.parent / header, ROOT / "tests" / header):
                    if beside.is_file():
                        found |= self.of_file(str(beside.relative_to(ROOT)))
            self.seen[file] = found
        return self.seen[file]


def rows():
    """(where, section, its three cells) of each row of each table with a column "Python"."""
    section, inside = "", False
    for number, line in enumerate(read("docs/parity.md").splitlines(), 1):
        where = f"docs/parity.md:{number}"
        if line.startswith("## "):
            section = line[3:].strip()
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] == "Python":
            inside = True
        elif not inside or len(cells) != 3:
            fail(where, f"a row of {len(cells)} columns, not of Python, covey, test")
        elif not all(set(cell) <= set("-: ") and cell for cell in cells):
            yield where, section, cells


def check_covey(where, cell, public):
    if not cell:
        fail(where, "nothing in the column covey")
    for name in ID.findall(cell):
        if name not in public.names:
            fail(where, f"{name} is neither exported nor in a header")
    for span in SPAN.findall(cell):
        for field in re.findall(r"(?:^|covey_\w+)\.([a-z_]\w*)", span):
            if field not in public.fields:
                fail(where, f".{field} is a field of no public struct")


def check_test(where, covey, cell):
    if not cell and ID.search(covey) and not covey.startswith("none"):
        fail(where, "names what covey has, and no test of it")
    file = None
    for span in SPAN.findall(cell):
        if "/" in span:
            file = span
            if not (ROOT / file).is_file():
                fail(where, f"there is no file {file}")
                return
        elif file is None:
            fail(where, f"no file before the test {span}")
        elif not re.search(rf"\b{re.escape(span)}\b", read(file)):
            fail(where, f"{file} has no test {span}")


def check_calls(where, covey, test, calls):
    files = [span for span in SPAN.findall(test) if "/" in span and span.endswith((".c", ".h"))]
    if not files:
        return
    called = set().union(*(calls.of_file(file) for file in files if (ROOT / file).is_file()))
    for name in ID.findall(covey):
        if name in calls.callable and name not in called:
            fail(where, f"{name} is not called in {', '.join(files)}")


def check_exports(calls):
    called = set()
    for folder in ("tests", "examples"):
        for path in (ROOT / folder).rglob("*.[ch]"):
            called |= calls.of_file(str(path.relative_to(ROOT)))
    for name in read("tests/install/symbols.txt").split():
        if name not in called:
            fail("tests/install/symbols.txt", f"no test or example calls {name}")


def named(cell):
    """The names that a cell of the first column begins its code with; after `A.b`, c is A.c."""
    names, parent = set(), ""
    for span in SPAN.findall(cell):
        match = re.match(r"(?:with )?([A-Za-z_][\w.]*)", span)
        if match and "." in match.group(1):
            names.add(match.group(1))
            parent = match.group(1).rpartition(".")[0] + "."
        elif match:
            names.add(parent + match.group(1))
    return names


def has_row(name, module, table):
    """A method by its name with its class, or without in a section of its module."""
    parent, _, last = name.rpartition(".")
    for section, names in table:
        modules = re.findall(r"\w[\w.]*", section)
        if parent and (name in names or (last in names and module in modules)):
            return True
        if not parent and name in names and any(m.startswith(module) for m in modules):
            return True
    return False


def check_names(table):
    module, names, not_yet, later = "", 0, [], False
    for line in read("tests/docs/python_names.txt").splitlines():
        line = line.strip()
        if line == NOT_YET:
            later = True
        elif line.startswith("["):
            module = line.strip("[]")
        elif line and not line.startswith("#"):
            names += 1
            covered = has_row(line, module, table)
            if later and not covered:
                not_yet.append(f"{module}: {line}")
            elif later:
                print(f"has a row by now: {module}: {line}")
            elif not covered:
                fail("docs/parity.md", f"no row for {line} of {module}")
    for name in not_yet:
        if "--all" in sys.argv:
            fail("docs/parity.md", f"no row for {name}")
        else:
            print(f"not covered yet: {name}")
    return names


def main():
    public = Public()
    calls = Calls()
    table = []
    for where, section, (python, covey, test) in rows():
        table.append((section, named(python)))
        check_covey(where, covey, public)
        check_test(where, covey, test)
        check_calls(where, covey, test, calls)
    check_exports(calls)
    names = check_names(table)
    if not table or not names:
        fail("docs/parity.md", "no rows, or no names")
    print(f"{len(table)} rows, {names} names, {failures} mistakes")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
