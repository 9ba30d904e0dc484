#!/bin/sh
# SPDX-License-Identifier: MIT
# All sources and tests compile for arm64 without a warning, and some of it runs there under qemu:
# `check_arm64.sh FOLDER`, for what is made. What a death leaves cannot be tried so: qemu does not
# know robust futexes. Nor are libraries of others linked, whose headers are the host's.
set -u
to=$1
compiler="aarch64-linux-gnu-gcc -std=gnu11 -O2 -D_GNU_SOURCE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
	-fPIC -fstack-protector-strong -fstack-clash-protection -fvisibility=hidden -Wall -Wextra -Werror
	-Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wpointer-arith -Wundef -Wvla -Wno-unused-parameter
	-Wno-write-strings -Iinclude -Isrc -Itests -I$to/include"

rm -rf "$to"
mkdir -p "$to/include" "$to/objects" || exit 1
for header in msgpack msgpack.h sodium sodium.h cmocka.h zlib.h zconf.h; do
	path=$(find /usr/include -maxdepth 2 -name "$header" | head -n 1)
	[ -n "$path" ] && ln -s "$path" "$to/include/$header"
done
# The broken variants of the sweep are built by options of their own.
git ls-files 'src/*.c' 'tests/*.c' 'examples/*.c' | grep -v /fuzz_ |
	xargs -P "$(nproc)" -I{} sh -c '
		object=$1/objects/$(echo "$3" | tr / _).o
		$2 -DTEST_FOLDER=\"$1\" -I"$(dirname "$3")" -c "$3" -o "$object"' \
		sh "$to" "$compiler" {} || exit 1
echo "compiled: $(ls "$to/objects" | wc -l)"

# The layers that need nobody else's library.
objects=
for layer in base arena sync shared channel process pool wait; do
	objects="$objects $(echo "$to"/objects/src_${layer}_*.o)"
done
for program in tests_support_one_process examples_first_first; do
	aarch64-linux-gnu-gcc -pthread -o "$to/$program" "$to/objects/$program.c.o" $objects || exit 1
	# qemu keeps books of each page of the arena: a limit on files makes that small.
	(ulimit -f 4194304 && timeout 60 qemu-aarch64 -L /usr/aarch64-linux-gnu "$to/$program") ||
		{ echo "$program: failed on arm64"; exit 1; }
done
