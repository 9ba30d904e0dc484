#!/bin/sh
# SPDX-License-Identifier: MIT
# What compiler and linker do against damage: `check_hardening.sh BUILD`, a build that is optimised.
set -u
build=$1
bad=0

complain() {
	echo "$1: $2"
	bad=1
}

# Of the library and of programs.
check_file() {
	head=$(readelf -W --file-header --program-headers --dynamic "$1") || complain "$1" "cannot be read"
	case $head in
	*"Type:                              DYN"*) ;;
	*) complain "$1" "has a fixed address (no PIE)" ;;
	esac
	echo "$head" | grep -Eq 'GNU_STACK .* RW ' || complain "$1" "has an executable stack"
	echo "$head" | grep -q 'GNU_RELRO' || complain "$1" "has no RELRO"
	echo "$head" | grep -Eq 'BIND_NOW|FLAGS_1.*NOW' || complain "$1" "binds lazily"
	echo "$head" | grep -q 'TEXTREL' && complain "$1" "has relocations in its code"
	echo "$head" | grep -Eq 'LOAD .* RWE ' && complain "$1" "has memory to write and execute"
}

library=$build/libcovey.so
check_file "$library"
names=$(readelf -W --dyn-syms "$library")
echo "$names" | grep -q ' __stack_chk_fail' || complain "$library" "has no canaries on its stack"
# The compiler leaves them out where it sees that they are not needed: some are.
for call in snprintf vsnprintf memcpy; do
	echo "$names" | grep -q " __${call}_chk" || complain "$library" "$call is not fortified"
done
readelf -W --dynamic "$library" | grep -Eq 'R(UN)?PATH' && complain "$library" "has a search path"

programs=0
for program in "$build"/examples/*/* "$build"/tests/*/*; do
	case $program in
	*/test_schema_refusal) continue ;; # tries code on its stack
	esac
	if [ -f "$program" ] && [ -x "$program" ] && readelf -h "$program" >/dev/null 2>&1; then
		check_file "$program"
		programs=$((programs + 1))
	fi
done
echo "$programs programs"
[ $programs -ge 10 ] && [ $bad = 0 ]
