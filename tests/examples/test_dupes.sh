#!/bin/sh
# SPDX-License-Identifier: MIT
# test_dupes.sh DUPES: the groups are those of sha256sum, also when a process is killed.
set -u
dupes=$1
export LC_ALL=C
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "test_dupes.sh: $*" >&2
	sed 's/^/    /' "$dir/err" >&2
	exit 1
}

tree=$dir/tree
mkdir -p "$tree/a" "$tree/b c"
i=0
while [ $i -lt 200 ]; do
	echo "contents $((i % 70))" >"$tree/a/$i"
	i=$((i + 1))
done
head -c 300000 /dev/zero >"$tree/zero 1"
head -c 300000 /dev/zero >"$tree/b c/zero 2"
head -c 300001 /dev/zero >"$tree/b c/zero longer"
echo alone >"$tree/alone"
: >"$tree/empty 1"
: >"$tree/empty 2"
ln -s alone "$tree/link"

# Groups by other means, in the same form.
reference() {
	find "$@" -type f -size +0 -exec sha256sum {} + | sort | awk '
		{ sum = $1; names[sum] = names[sum] "\1" substr($0, 67); n[sum]++ }
		END { for (sum in n) if (n[sum] > 1) print substr(names[sum], 2) }' |
		sort | awk '{ gsub("\1", "\n"); printf "%s%s\n", (NR > 1 ? "\n" : ""), $0 }'
}
reference "$tree" >"$dir/ref"
for workers in 1 2 5; do
	"$dupes" --workers $workers "$tree" >"$dir/out" 2>"$dir/err" || fail "exit status $?"
	cmp -s "$dir/ref" "$dir/out" || fail "$workers workers: not the groups of sha256sum"
done

# Two directories are two walkers.
reference "$tree/a" "$tree/b c" >"$dir/ref2"
"$dupes" "$tree/a" "$tree/b c" >"$dir/out" 2>"$dir/err" || fail "two directories: exit status $?"
cmp -s "$dir/ref2" "$dir/out" || fail "two directories: other groups"

# A process dies of a file: that file is named and left out, nothing else is.
"$dupes" --kill "$tree/zero 1" "$tree" >"$dir/out" 2>"$dir/err"
[ $? -eq 1 ] || fail "--kill: not exit status 1"
grep -q "zero 1: the process that read it died: left out" "$dir/err" || fail "--kill: not named"
[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "--kill: more than one line"
reference "$tree/a" >"$dir/ref3"
cmp -s "$dir/ref3" "$dir/out" || fail "--kill: other groups"

"$dupes" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] || fail "no directory: not exit status 2"
"$dupes" "$dir/absent" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] || fail "absent: not exit status 2"
exit 0
