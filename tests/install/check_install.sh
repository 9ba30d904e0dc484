#!/bin/sh
# SPDX-License-Identifier: MIT
# check_install.sh PREFIX: programs outside the tree build by pkg-config against what is
# installed there, shared and static, in C and in C++, and run.
set -u
prefix=$1
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "not ok: $*"
	exit 1
}

pc=$(find "$prefix" -name covey.pc)
[ -n "$pc" ] || fail "no covey.pc below $prefix"
export PKG_CONFIG_PATH="${pc%/*}"
lib=$(pkg-config --variable=libdir covey)
version=$(pkg-config --modversion covey)
[ "$version" = "$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$here/../../meson.build")" ] ||
	fail "covey.pc says version $version"

# Every public header, and none else.
(cd "$here/../../include" && find . -name '*.h' | sort) >"$dir/ours"
(cd "$prefix/include" && find . -name '*.h' | sort) >"$dir/installed"
diff -u "$dir/ours" "$dir/installed" || fail "the installed headers are not those of include/"

# The three names of a shared library.
soname=$(readelf -d "$lib/libcovey.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$(readlink -f "$lib/$soname")" = "$lib/libcovey.so.$version" ] &&
	[ "$(readlink -f "$lib/libcovey.so")" = "$lib/libcovey.so.$version" ] ||
	fail "the names of the shared library"

expect='fork: 42
spawn: 42
forkserver: 42'
cd "$dir" || exit 1
flags="-O2 -Wall -Wextra -Werror -Wno-unused-parameter"

gcc -std=c11 $flags "$here/outside.c" -o shared $(pkg-config --cflags --libs covey) ||
	fail "the shared library: build"
readelf -d shared | grep -q "NEEDED.*\[$soname\]" || fail "the program does not need $soname"
[ "$(LD_LIBRARY_PATH="$lib" ./shared)" = "$expect" ] || fail "the shared library: run"

# Only covey: what it needs itself may be shared.
gcc -std=c11 $flags "$here/outside.c" -o static $(pkg-config --cflags covey) \
	-Wl,-Bstatic $(pkg-config --libs covey) -Wl,-Bdynamic \
	$(pkg-config --static --libs covey | sed 's/-lcovey//') || fail "the static library: build"
readelf -d static | grep -q "NEEDED.*covey" && fail "the program needs the shared library"
[ "$(./static)" = "$expect" ] || fail "the static library: run"

first=$here/../../examples/first
gcc $flags "$first/first.c" -o first $(pkg-config --cflags --libs covey) || fail "first.c: build"
[ "$(LD_LIBRARY_PATH="$lib" ./first)" = "$(cat "$first/expected")" ] || fail "first.c: run"

cat >outside.cc <<'END_OF_PROGRAM'
#include <covey.h>
#include <cstdio>
int main(int argc, char **argv)
{
	covey_init(argc, argv);
	covey_lock lock;
	if (covey_lock_create(&lock, "c++") < 0 || covey_lock_acquire(lock, 0) < 0 ||
	    covey_lock_release(lock) < 0 || covey_lock_destroy(lock) < 0)
		return std::fprintf(stderr, "%s\n", covey_errmsg()), 1;
	return 0;
}
END_OF_PROGRAM
g++ -std=c++17 $flags outside.cc -o outside $(pkg-config --cflags --libs covey) || fail "C++: build"
LD_LIBRARY_PATH="$lib" ./outside || fail "C++: run"
