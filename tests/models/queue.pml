/* SPDX-License-Identifier: MIT */
/*
 * The two-lock queue (src/channel/ring.h): senders and receivers, of which some
 * die at any step, asleep ones too. A message has two halves, written and read
 * in two steps.
 *
 * Never: a torn message, one taken twice, one taken that was not put; a message
 * that was put neither taken nor there; all at rest while a receiver sleeps at a
 * queue that holds messages or a sender at one that has room.
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef EACH
#define EACH 2 /* messages a sender puts */
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define BOUND 1
#define NONE 0
#define AT_EMPTY 1 /* the word receivers sleep at */
#define AT_FULL 2

byte tail, head, seen_head, seen_tail;
byte half[BOUND], other[BOUND];
bit empty_word, full_word, empty_asleep, full_asleep;
bit send_lock, receive_lock;
byte deaths;
byte taken[SENDERS * EACH + 1];
bit put[SENDERS * EACH + 1];

inline wake_empty() { empty_asleep = 0 }
inline wake_full() { full_asleep = 0 }

#define MAY_DIE if :: atomic { deaths < DEATHS -> deaths++; goto dead } :: skip fi

proctype sender(byte first)
{
	byte id = first, pending = NONE;
	bit holds;

	do
	:: id < first + EACH ->
	   atomic { !send_lock -> send_lock = 1; holds = 1 };
again:	   MAY_DIE;
	   if
	   :: tail - seen_head == BOUND ->
		seen_head = head;
		if
		:: tail - seen_head == BOUND ->
			full_word = 1;
			MAY_DIE;
			if
			:: head != seen_head
			:: else ->
				if
				:: d_step { full_word -> full_asleep = 1 };
#ifndef WORD_ALONE
				   if
				   :: head != seen_head -> full_asleep = 0
				   :: else
				   fi;
#endif
				   if
				   :: !full_asleep
				   :: atomic { deaths < DEATHS -> deaths++; full_asleep = 0; goto dead }
				   fi
				:: !full_word
				fi
			fi;
			goto again
		:: else
		fi
	   :: else
	   fi;
	   half[tail % BOUND] = id;
	   MAY_DIE;
#ifndef PUBLISH_FIRST
	   other[tail % BOUND] = id;
	   MAY_DIE;
#endif
#ifndef UNGUARDED
	   pending = AT_EMPTY;
	   MAY_DIE;
#endif
	   d_step { tail++; put[id] = 1 };
	   MAY_DIE;
#ifdef PUBLISH_FIRST
	   other[(tail - 1) % BOUND] = id;
	   MAY_DIE;
#endif
	   if
	   :: empty_word -> empty_word = 0; MAY_DIE; wake_empty()
	   :: else
	   fi;
	   MAY_DIE;
	   pending = NONE;
	   MAY_DIE;
	   d_step { send_lock = 0; holds = 0 };
	   id++
	:: else -> break
	od;
	goto out;
dead:	/* the kernel: first the locks that are held, then what is pending */
	if
	:: holds -> send_lock = 0
	:: else
	fi;
	if
	:: pending == AT_EMPTY -> wake_empty()
	:: else
	fi;
out:	skip
}

proctype receiver()
{
	byte a, b, pending = NONE;
	bit holds;

	do
	:: atomic { !receive_lock -> receive_lock = 1; holds = 1 };
again:	   MAY_DIE;
	   if
	   :: seen_tail == head ->
		seen_tail = tail;
		if
		:: seen_tail == head ->
			empty_word = 1;
			MAY_DIE;
			if
			:: tail != head
			:: else ->
				if
				:: d_step { empty_word -> empty_asleep = 1 };
#ifndef WORD_ALONE
				   if
				   :: tail != head -> empty_asleep = 0
				   :: else
				   fi;
#endif
				   if
				   :: !empty_asleep
				   :: atomic { deaths < DEATHS -> deaths++; empty_asleep = 0; goto dead }
				   fi
				:: !empty_word
				fi
			fi;
			goto again
		:: else
		fi
	   :: else
	   fi;
	   a = half[head % BOUND];
	   b = other[head % BOUND];
	   assert(a == b);
	   assert(put[a]);
	   MAY_DIE;
	   pending = AT_FULL;
	   MAY_DIE;
#ifdef TAKE_OUTSIDE
	   d_step { receive_lock = 0; holds = 0 };
#endif
	   d_step { head++; taken[a]++; assert(taken[a] == 1) };
	   MAY_DIE;
	   if
	   :: full_word -> full_word = 0; MAY_DIE; wake_full()
	   :: else
	   fi;
	   MAY_DIE;
	   pending = NONE;
	   MAY_DIE;
#ifndef TAKE_OUTSIDE
	   d_step { receive_lock = 0; holds = 0 };
#endif
	   MAY_DIE
	od;
dead:	if
	:: holds -> receive_lock = 0
	:: else
	fi;
	if
	:: pending == AT_FULL -> wake_full()
	:: else
	fi
}

/* What is put and not taken: as many as there are between head and tail. */
active proctype monitor()
{
	byte id, left;

	timeout ->
	d_step {
		assert(!(empty_asleep && head != tail));
		assert(!(full_asleep && tail - head < BOUND));
		for (id : 1 .. SENDERS * EACH) {
			left = left + (put[id] && !taken[id])
		}
		assert(left == tail - head)
	}
}

init
{
	byte n;

	atomic {
		for (n : 0 .. SENDERS - 1) {
			run sender(1 + n * EACH)
		}
		for (n : 1 .. RECEIVERS) {
			run receiver()
		}
	}
}
