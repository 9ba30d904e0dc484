#!/bin/sh
# Runs the program given, which must say exactly once that its main runs.
out=$("$1") || { echo "$out"; exit 1; }
[ "$out" = "main runs" ] || { echo "main ran again: $out"; exit 1; }
