#!/bin/sh
# SPDX-License-Identifier: MIT
# What a schema must not say is an error of the compiler, in words that name the field.
# Usage: test_compile.sh INCLUDE_DIR COMPILER...
set -u
include=$1
shift
failed=0

compile() { # the compiler's words, for a program on standard input
	{
		echo '#include <covey/schema.h>'
		echo 'struct point { double x, y; }; COVEY_SCHEMA(point, x, y)'
		echo 'struct other { int a; }; COVEY_SCHEMA(other, a)'
		cat
	} | LC_ALL=C "$@" -std=c11 -Wall -Wextra -Werror -pedantic -I"$include" -fsyntax-only -x c - 2>&1
}

refuses() { # words, then the compiler; the program on standard input
	words=$1
	shift
	if out=$(compile "$@"); then
		echo "not ok: compiles, where '$words' was expected"
		failed=$((failed + 1))
	elif ! echo "$out" | grep -qF -e "$words"; then
		echo "not ok: '$words' is not among:"
		echo "$out"
		failed=$((failed + 1))
	else
		echo "ok: $words"
	fi
}

accepts() {
	if out=$(compile "$@"); then
		echo "ok: compiles without a warning"
	else
		echo "not ok: $out"
		failed=$((failed + 1))
	fi
}

accepts "$@" <<'END'
enum color { RED };
typedef struct all {
	_Bool b; char c; signed char sc; unsigned char uc; short s; unsigned short us;
	int i; unsigned int ui; long l; unsigned long ul; long long ll; unsigned long long ull;
	float f; double d; enum color e; char *str; const char *cstr; char text[8];
	unsigned char raw[8]; const char *names[2]; covey_fn fn; void (*function)(int, char *);
	struct point one, two[2], *three; const struct point *four; const int *five; int n;
	const void *bytes; size_t len; covey_lock lock;
} all;
COVEY_SCHEMA_OF(all, all, b, c, sc, uc, s, us, i, ui, l, ul, ll, ull, f, d, e, str, cstr, text,
	raw, names, fn, COVEY_FUNCTION(function), COVEY_NESTED(one, point),
	COVEY_NESTED(two, point), COVEY_NESTED(three, point), COVEY_COUNTED_OF(four, n, point),
	COVEY_COUNTED(five, n), COVEY_BYTES(bytes, len), lock)
int put(covey_queue q, const all *a);
int put(covey_queue q, const all *a) { return covey_queue_put_as(q, all, a, COVEY_FOREVER); }
END

cannot='t.f: this type cannot travel as it is'
refuses "$cannot" "$@" <<'END'
struct t { int *f; }; COVEY_SCHEMA(t, f)
END
refuses "$cannot" "$@" <<'END'
struct t { void *f; }; COVEY_SCHEMA(t, f)
END
refuses "$cannot" "$@" <<'END'
struct t { struct point f; }; COVEY_SCHEMA(t, f)
END
refuses "$cannot" "$@" <<'END'
struct t { void (*f)(void); }; COVEY_SCHEMA(t, f)
END
refuses "$cannot" "$@" <<'END'
struct t { long double f; }; COVEY_SCHEMA(t, f)
END
refuses "$cannot" "$@" <<'END'
struct t { int f[2][2]; }; COVEY_SCHEMA(t, f)
END
refuses "$cannot" "$@" <<'END'
struct t { covey_lock *f; }; COVEY_SCHEMA(t, f)
END
refuses 't.f: not a struct of schema other' "$@" <<'END'
struct t { struct point f; }; COVEY_SCHEMA(t, COVEY_NESTED(f, other))
END
refuses 't.f: not a pointer to structs of schema other' "$@" <<'END'
struct t { struct point *f; int n; }; COVEY_SCHEMA(t, COVEY_COUNTED_OF(f, n, other))
END
refuses 't.f: not a pointer to elements that can travel' "$@" <<'END'
struct t { int **f; int n; }; COVEY_SCHEMA(t, COVEY_COUNTED(f, n))
END
refuses 't.f: not a pointer to bytes' "$@" <<'END'
struct t { int *f; int n; }; COVEY_SCHEMA(t, COVEY_BYTES(f, n))
END
refuses 't.n: not an integer, and is to count f' "$@" <<'END'
struct t { int *f; double n; }; COVEY_SCHEMA(t, COVEY_COUNTED(f, n))
END
refuses 't.f: not a function pointer' "$@" <<'END'
struct t { int **f; }; COVEY_SCHEMA(t, COVEY_FUNCTION(f))
END
refuses "'struct other *'" "$@" <<'END'
int put(covey_queue q, const struct other *o) { return covey_queue_put_as(q, point, o, 0); }
int put2(covey_queue q, struct other *o) { return covey_queue_put_as(q, point, o, 0); }
END
refuses "'const struct point *'" "$@" <<'END'
int get(covey_queue q, const struct point *p) { return covey_queue_get_as(q, point, p, 0); }
END
refuses 'COVEY_AT_MOST_32_f' "$@" <<'END'
struct t { int f; };
COVEY_SCHEMA(t, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f,
	f, f, f, f, f)
END

[ "$failed" -eq 0 ]
