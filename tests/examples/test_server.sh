#!/bin/sh
# SPDX-License-Identifier: MIT
# test_server.sh SERVER: many requests at once are all answered, a crash costs the one
# request, its worker is replaced, and the end is orderly; by every start method.
set -u
ulimit -c 0
dir=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill -9 $server 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
	echo "test_server.sh: $*" >&2
	sed 's/^/    /' "$dir/out" "$dir/err" >&2
	exit 1
}

cat >"$dir/client.py" <<'END'
"""client.py URL COUNT PATH: gets the path so often, eight at a time; prints each line as it comes."""
import concurrent.futures
import http.client
import sys
import threading
import urllib.request

url, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
printing = threading.Lock()


def say(line):
    with printing:
        print(line.rstrip(), flush=True)


def get(_):
    try:
        with opener.open(url + path, timeout=60) as answer:
            for line in answer:
                say(line.decode())
    except (OSError, http.client.HTTPException) as error:
        say("%s" % error)


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(get, range(count)))
END

# until WHAT COMMAND...: it succeeds in the end.
until_true() {
	what=$1
	shift
	tries=0
	while ! "$@" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail "$method: never: $what"
		sleep 0.05
	done
}

# start ARGUMENT...: $server is its pid, $url where it is.
start() {
	: >"$dir/out"
	"$program" --port 0 "$@" >"$dir/out" 2>"$dir/err" &
	server=$!
	until_true "the server is up" grep -q '^http://' "$dir/out"
	url=$(sed -n 's,/ by .*,,p' "$dir/out")
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

get() {
	python3 "$dir/client.py" "$url" "$@"
}

# answered FILE COUNT: so many lines, each a greeting of its own.
answered() {
	[ "$(sort -u "$1" | grep -c '^request [0-9]*, worker [0-9]*, process [0-9]*$')" -eq "$2" ] ||
		fail "$method: not $2 answers: $(grep -v '^request' "$1" | head -n 3)"
}

program=$1
for method in fork spawn forkserver; do
	start --workers 3 --start-method $method
	get 300 / >"$dir/1"
	answered "$dir/1" 300

	# A crash in the middle of many.
	get 300 / >"$dir/1" &
	client=$!
	get 1 /crash >"$dir/2"
	grep -q '^request' "$dir/2" && fail "$method: the crash was answered"
	wait $client
	answered "$dir/1" 300
	until_true "the worker is replaced" grep -q '^server: worker [0-9] is process [0-9]* now$' "$dir/err"
	grep -q '^server: worker [0-9] (process [0-9]*) was killed by Aborted at GET /crash$' \
		"$dir/err" || fail "$method: no word of the crash"

	# The new one answers, too: all are kept busy at once until it has.
	pid=$(sed -n 's/.* is process \([0-9]*\) now$/\1/p' "$dir/err")
	replaced_answers() {
		get 50 / | grep -q "process $pid\$"
	}
	until_true "the new worker answers" replaced_answers

	# The end waits for what is being answered, and leaves nobody.
	pids=$(get 100 / | sed -n 's/.* process \([0-9]*\)$/\1/p' | sort -u)
	get 1 /slow >"$dir/1" &
	client=$!
	until_true "the slow request is being answered" grep -q '^one moment$' "$dir/1"
	kill -TERM $server
	wait $server || fail "$method: exit status $?"
	wait $client
	answered "$dir/1" 1
	grep -q '^[0-9]* requests answered, 1 workers replaced, 0 killed at the end$' "$dir/out" ||
		fail "$method: no sum"
	for pid in $pids; do
		gone "$pid" || fail "$method: $pid is left"
	done
done

# A server that is killed takes its workers with it.
method=default
start --workers 2
pids=$(get 100 / | sed -n 's/.* process \([0-9]*\)$/\1/p' | sort -u)
kill -KILL $server
wait $server
for pid in $pids; do
	until_true "$pid ends with its parent" gone "$pid"
done

# refused ARGUMENT...
refused() {
	"$program" "$@" >"$dir/out" 2>"$dir/err"
	[ $? -eq 2 ] || fail "$*: not exit status 2"
	[ -s "$dir/err" ] || fail "$*: no words"
}
refused --port 70000
refused --port few
refused --workers 0
refused --start-method vfork
refused nonsense

# A port that is taken is an error in words.
start --workers 1
"$program" --port "${url##*:}" >"$dir/2" 2>&1
[ $? -eq 1 ] || fail "a taken port: not exit status 1"
grep -q '^server: listening: Address already in use$' "$dir/2" || fail "a taken port: other words"
kill -INT $server
wait $server || fail "SIGINT: exit status $?"
server=
exit 0
