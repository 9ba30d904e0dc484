/* SPDX-License-Identifier: MIT */
/*
 * Notify words (src/channel/notify.h): publishers, one after the other under a
 * lock, each of which may die at any step, and one waiter. The index is stored
 * through a store buffer, as processors do, so the fence is part of the model.
 *
 * Never: all rest, and the waiter sleeps although the index is past what it saw.
 */
#define PUBLISHERS 3

byte index;       /* what others see */
bit buffered;     /* a store of index + 1 that only its publisher sees */
bit word;         /* FUTEX_WAITERS */
bit asleep;       /* the waiter is queued at the word, in the kernel */
bit pending;      /* the publisher's list_op_pending names the word */
bit lock;
byte taken;       /* by the waiter */

inline wake() { asleep = 0 }

/* Processors empty their store buffers when they like. */
active proctype buffer()
{
end:	do
	:: d_step { buffered -> index++; buffered = 0 }
	od
}

#define MAY_DIE if :: goto dead :: skip fi

proctype publisher()
{
	atomic { !lock -> lock = 1 };
	MAY_DIE;
#ifndef UNGUARDED
	pending = 1;
#endif
	MAY_DIE;
	buffered = 1;
	MAY_DIE;
#ifndef NO_FENCE
	!buffered;
#endif
	MAY_DIE;
	if
	:: word ->
#ifdef WAKE_THEN_CLEAR
		wake();
		MAY_DIE;
		word = 0
#else
		word = 0;
		MAY_DIE;
		wake()
#endif
	:: else
	fi;
	MAY_DIE;
	pending = 0;
dead:	/* death empties the store buffer, and has the kernel do what pending says */
	!buffered;
	if
	:: pending -> wake()
	:: else
	fi;
	pending = 0;
	lock = 0
}

active proctype waiter()
{
	byte seen;

end:	do
	:: seen = index;
	   taken = seen;
	   if
	   :: !word -> word = 1 /* its CAS: one step */
	   :: else
	   fi;
	   if
	   :: index != seen -> skip
	   :: else ->
		/* futex_waitv queues at the word, if that is set, then looks at the index */
		if
		:: d_step { word -> asleep = 1 };
#ifndef WORD_ALONE
		   if
		   :: index != seen -> asleep = 0
		   :: else
		   fi;
#endif
endasleep:	   !asleep
		:: !word
		fi
	   fi
	od
}

active proctype monitor()
{
	timeout -> assert(!asleep || index == taken)
}

init
{
	byte n;

	for (n : 1 .. PUBLISHERS) {
		run publisher()
	}
}
