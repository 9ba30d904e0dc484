#!/bin/sh
# SPDX-License-Identifier: MIT
# test_tour_options.sh TOUR: chapters by number and by name, and mistakes in the
# arguments, which are told in words with exit status 2.
set -u
tour=$1

fail() {
	echo "test_tour_options.sh: $*" >&2
	exit 1
}

refused() {
	words=$1
	shift
	errors=$("$tour" "$@" 2>&1 >/dev/null </dev/null)
	status=$?
	[ $status -eq 2 ] || fail "$*: exit status $status"
	case $errors in
	*"$words"*) ;;
	*) fail "$*: says '$errors'" ;;
	esac
}

chapters=$("$tour" --pace 0 lock 2 | grep -c '^[0-9]*\. ')
[ "$chapters" -eq 2 ] || fail "'lock 2' ran $chapters chapters"
"$tour" --help | grep -q '^Usage: covey-tour' || fail "no help"

refused "there is no chapter 'chapter-of-errors'" chapter-of-errors
refused "there is no chapter '16'" 16
refused "there is no chapter '0'" 0
refused "'vfork' is no start method" --start-method vfork
refused "'0' workers" --workers 0
refused "'three' workers" --workers three
refused "'99999999999' workers" --workers 99999999999
refused "pace 'fast'" --pace fast
refused "pace '-1'" --pace -1
refused "pace 'nan'" --pace nan
refused "--nonsense" --nonsense
