#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether the sweep can fail: it must find the fault that each of these programs has.
set -u

# caught PROGRAM KIND CASE: the case must end in findings of that kind.
caught() {
	log=$("$1" "$3" 2>&1)
	code=$?
	if [ "$code" = 1 ] && echo "$log" | tail -n 1 | grep -q "$2: [1-9]"; then
		echo "ok   $(basename "$1"): $(echo "$log" | sed -n 's/^ *first at //p' | head -n 1)"
		passed=$((passed + 1))
	else
		printf 'FAIL %s: exit %s, and nothing is %s:\n%s\n' "$1" "$code" "$2" "$log"
		failed=$((failed + 1))
	fi
}

passed=0 failed=0
caught "$1" wedged "put, getter asleep"
caught "$2" torn "put, alone"
caught "$3" wedged "put, alone"
caught "$4" wedged "put, getter about to sleep"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
