#!/bin/sh
# SPDX-License-Identifier: MIT
# test_tour.sh TOUR METHOD: every chapter runs under the start method, and what
# each claims has held.
set -u
tour=$1
method=$2
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

fail() {
	echo "test_tour.sh: $*" >&2
	sed 's/^/    /' "$out" >&2
	exit 1
}

"$tour" --start-method "$method" --pace 0 --workers 2 >"$out" 2>&1 || fail "exit status $?"
grep -q FAILED "$out" && fail "a check failed"
grep -q "$(printf '\033')" "$out" && fail "colours in a file"

# Each title of the list is there, in the order of the list.
titles=$("$tour" --list | sed 's/^ *\([0-9]*\)  *[^ ]*  */\1. /')
[ "$(echo "$titles" | wc -l)" -eq 15 ] || fail "not 15 chapters"
[ "$titles" = "$(grep -Fx "$titles" "$out")" ] || fail "the chapters are not as listed"
tail -n 1 "$out" | grep -q "^15 chapters by $method, [0-9]* checks, 0 failed" || fail "no last line"
