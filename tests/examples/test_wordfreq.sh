#!/bin/sh
# SPDX-License-Identifier: MIT
# test_wordfreq.sh WORDFREQ: the counts are those of a pipeline of sort and uniq,
# whatever the workers are, and also when one of them is killed.
set -u
wordfreq=$1
export LC_ALL=C
dir=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT
out=$dir/out
err=$dir/err

fail() {
	echo "test_wordfreq.sh: $*" >&2
	sed 's/^/    /' "$err" >&2
	exit 1
}

# The most frequent words below directories, by other means; a word ends with its file.
reference() {
	find "$@" -type f -exec sh -c 'for f; do cat "$f"; echo; done' sh {} + |
		tr 'A-Z' 'a-z' | tr -cs 'a-z' '\n' | grep -v '^$' |
		sort | uniq -c | sort -k1,1nr -k2,2
}

# same REFERENCE ARGUMENT...
same() {
	ref=$1
	shift
	"$wordfreq" --top 1000000 "$@" >"$out" 2>"$err" || fail "$*: exit status $?"
	cmp -s "$ref" "$out" || fail "$*: not the counts of the pipeline"
}

# Names, ends, bytes, sizes and kinds of files that could go wrong.
tree=$dir/tree
mkdir -p "$tree/a directory/deeper" "$tree/empty directory"
printf 'The quick brown fox, THE lazy dog.\nIt'\''s x86_64\n' >"$tree/text"
printf 'no newline at the end' >"$tree/a directory/new
line"
printf 'caf\303\251 \377nul\000byte\000' >"$tree/a directory/deeper/bytes"
: >"$tree/nothing"
printf '1234 5678\n' >"$tree/no words"
ln -s text "$tree/link"
ln -s . "$tree/loop"
mkfifo "$tree/fifo"
i=0
while [ $i -lt 300 ]; do
	echo "word number $i of many, Word $i" >"$tree/a directory/deeper/$i"
	i=$((i + 1))
done
# Of several pieces; the cuts fall into words, one of which is longer than a piece.
awk 'BEGIN { for (i = 0; i < 250000; i++) printf "%cword%c%s ", 97 + i % 26, 97 + i % 7, i % 9 ? "" : "\n" }' \
	>"$tree/big"
head -c 2500000 /dev/zero | tr '\0' 'Q' >"$tree/long word"
cat "$tree/big" >>"$tree/long word"
reference "$tree" >"$dir/tree.ref"

same "$dir/tree.ref" "$tree"
same "$dir/tree.ref" --workers 1 "$tree"
same "$dir/tree.ref" --workers 5 "$tree"
same "$dir/tree.ref" --threads "$tree"
for method in fork spawn forkserver; do
	same "$dir/tree.ref" --start-method $method "$tree"
	same "$dir/tree.ref" --start-method $method --kill "$tree"
	grep -q '^worker [0-9]* was killed' "$err" || fail "--kill by $method killed nobody"
done

# Only the top; standard output is the table alone.
"$wordfreq" --top 3 "$tree" >"$out" 2>"$err" || fail "--top 3: exit status $?"
head -n 3 "$dir/tree.ref" | cmp -s - "$out" || fail "--top 3: not the first three"
grep -q '^30[0-9] files, [0-9]* bytes, [0-9]* words' "$err" || fail "no summary"

# Files by name, one of them by a link; twice is twice.
(cat "$tree/text" "$tree/text") >"$dir/twice"
reference "$dir/twice" >"$dir/twice.ref"
same "$dir/twice.ref" "$tree/text" "$tree/link"

# No words, no files.
same "$tree/nothing" "$tree/no words"
same "$tree/nothing" "$tree/empty directory"
same "$tree/nothing" --kill "$tree/empty directory"

# Files of the system.
for system in /usr/include/linux /usr/include; do
	[ -d "$system" ] && break
done
if [ -d "$system" ]; then
	reference "$system" >"$dir/system.ref"
	same "$dir/system.ref" "$system"
	same "$dir/system.ref" --kill "$system"
	same "$dir/system.ref" --threads "$system"
fi

# What cannot be read is named and skipped: a file whose read fails, for root too.
same "$dir/tree.ref" "$tree" /proc/self/mem
grep -q '^wordfreq: /proc/[0-9]*/mem: .*: skipped$' "$err" || fail "mem was not named"
grep -q '; 1 skipped$' "$err" || fail "mem was not counted as skipped"
if [ "$(id -u)" -ne 0 ]; then
	echo secret >"$tree/secret"
	mkdir "$tree/closed"
	chmod 0 "$tree/secret" "$tree/closed"
	same "$dir/tree.ref" "$tree"
	grep -q 'secret: Permission denied: skipped' "$err" || fail "secret was not named"
	grep -q 'closed: Permission denied: skipped' "$err" || fail "closed was not named"
fi

# refused STATUS WORDS ARGUMENT...
refused() {
	expected=$1
	words=$2
	shift 2
	"$wordfreq" "$@" >"$out" 2>"$err"
	status=$?
	[ $status -eq "$expected" ] || fail "$*: exit status $status"
	grep -q -e "$words" "$err" || fail "$*: other words"
	[ -s "$out" ] && fail "$*: printed a table"
}
refused 1 "$dir/absent: No such file or directory" "$tree" "$dir/absent"
refused 2 "top 'few'" --top few "$tree"
refused 2 "'0' workers" --workers 0 "$tree"
refused 2 "'vfork' is no start method" --start-method vfork "$tree"
refused 2 "--kill needs processes" --kill --threads "$tree"
refused 2 "nonsense" --nonsense "$tree"

# A table that cannot be written is no success.
if [ -w /dev/full ]; then
	"$wordfreq" "$tree/text" >/dev/full 2>"$err" && fail "/dev/full: exit status 0"
	grep -q 'standard output: No space left' "$err" || fail "/dev/full: other words"
fi
exit 0
