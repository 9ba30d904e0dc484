#!/bin/sh
# SPDX-License-Identifier: MIT
# check_symbols.sh LIBRARY: the shared library exports what symbols.txt says, which is what
# the headers declare, and carries its version in its name and in its symbols'.
set -u
library=$1
here=$(dirname "$0")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C

fail() {
	echo "not ok: $*"
	exit 1
}

nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort >"$dir/versioned"
sed 's/@@COVEY_0\.1$//' "$dir/versioned" >"$dir/exported"
diff -u "$here/symbols.txt" "$dir/exported" || fail "exported is not what symbols.txt says"
sed -n 's/^COVEY_API [^(]*[ *]\(covey_[a-z0-9_]*\)(.*/\1/p' "$here"/../../include/covey/*.h |
	sort -u >"$dir/declared"
diff -u "$dir/declared" "$dir/exported" || fail "exported is not what the headers declare"
readelf -d "$library" | grep -q 'SONAME.*\[libcovey\.so\.0\]' || fail "no soname libcovey.so.0"
readelf -lW "$library" | grep GNU_STACK | grep -q RWE && fail "the library's stack is executable"
exit 0
