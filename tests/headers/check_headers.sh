#!/bin/sh
# SPDX-License-Identifier: MIT
# check_headers.sh INCLUDE: each public header compiles alone and twice over, without a
# warning, in C11 with and without GNU's extensions, and in C++17, by gcc and by clang.
set -u
include=$1
failed=0

alone() { # HEADER LANGUAGE COMPILER OPTION...
	header=$1 language=$2
	shift 2
	if ! printf '#include <%s>\n#include <%s>\nint one_declaration;\n' "$header" "$header" |
		"$@" -I"$include" -Wall -Wextra -Werror -Wshadow -Wundef -fsyntax-only -x "$language" -; then
		echo "not ok: <$header> by $*"
		failed=$((failed + 1))
	fi
}

for path in "$include"/*.h "$include"/*/*.h; do
	header=${path#"$include"/}
	for compiler in gcc clang; do
		alone "$header" c $compiler -std=c11 -pedantic
		alone "$header" c $compiler -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes
	done
	for compiler in g++ clang++; do
		alone "$header" c++ $compiler -std=c++17
	done
done
[ "$failed" -eq 0 ]
