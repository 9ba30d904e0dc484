#!/bin/sh
# SPDX-License-Identifier: MIT
# test_gzcheck.sh GZCHECK: damaged and hanging files are named, all others are whole.
set -u
gzcheck=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "test_gzcheck.sh: $*" >&2
	sed 's/^/    /' "$dir/out" "$dir/err" >&2
	exit 1
}

mkdir -p "$dir/tree/deeper"
i=0
while [ $i -lt 50 ]; do
	echo "contents of $i" | gzip >"$dir/tree/deeper/$i.gz"
	i=$((i + 1))
done
head -c 1000000 /dev/zero | gzip >"$dir/tree/zero.gz"
echo "no archive, and not looked at" >"$dir/tree/text"

"$gzcheck" "$dir/tree" >"$dir/out" 2>"$dir/err" || fail "whole files: exit status $?"
[ -s "$dir/out" ] && fail "whole files: something is named"
grep -q "^51 whole with 1000[0-9]* bytes, 0 not$" "$dir/err" || fail "another summary"

# One is cut short, one is damaged inside, one hangs whoever opens it.
head -c 500 "$dir/tree/zero.gz" >"$dir/tree/short.gz"
{
	head -c 300 "$dir/tree/zero.gz"
	printf 'damage'
	tail -c +307 "$dir/tree/zero.gz"
} >"$dir/tree/damaged.gz"
mkfifo "$dir/tree/hanging.gz"
"$gzcheck" --workers 2 --timeout 300 "$dir/tree" >"$dir/out" 2>"$dir/err"
[ $? -eq 1 ] || fail "not whole: not exit status 1"
grep -q "/short.gz: .*ends" "$dir/out" || fail "short.gz is not named"
grep -q "/damaged.gz: " "$dir/out" || fail "damaged.gz is not named"
grep -q "/hanging.gz: .*longer than 300 ms" "$dir/out" || fail "hanging.gz is not named"
[ "$(wc -l <"$dir/out")" -eq 3 ] || fail "others are named too"
grep -q "^51 whole with 1000[0-9]* bytes, 3 not$" "$dir/err" || fail "another summary"

"$gzcheck" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] || fail "no directory: not exit status 2"
"$gzcheck" --timeout soon "$dir/tree" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] || fail "a bad timeout: not exit status 2"
"$gzcheck" "$dir/absent" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] || fail "absent: not exit status 2"
exit 0
