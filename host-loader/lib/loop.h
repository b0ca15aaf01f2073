/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One event loop: file descriptors, timers and work to do before the next wait, all in one thread.
 * It sleeps in epoll_wait() and nowhere else.
 */
#ifndef X100_LOOP_H
#define X100_LOOP_H

#include <libx100.h>

struct x100_loop;

/* A descriptor to watch; the memory and the descriptor stay the caller's. */
struct x100_watch {
	int fd;
	void (*ready)(void *arg, uint32_t events); /* EPOLLIN and so on */
	void *arg;
	bool watched; /* the loop's */
};

/* A moment to be woken at; the memory stays the caller's. */
struct x100_timer {
	void (*expired)(void *arg);
	void *arg;
	uint64_t at; /* the loop's: CLOCK_MONOTONIC, ns; 0 = not set */
	struct x100_timer *next;
};

/* Something to do once before the loop waits again; asking for it twice is asking once. */
struct x100_task {
	void (*run)(void *arg);
	void *arg;
	bool queued; /* the loop's */
	struct x100_task *next;
};

/* Returns NULL when the system has no descriptor or memory left (errno). */
struct x100_loop *x100_loop_new(void);
/* Watches, timers and tasks still there are forgotten. NULL is fine. */
void x100_loop_free(struct x100_loop *loop);
/* Take the time from another clock, for tests: a turn then sleeps by its sleep(). */
void x100_loop_set_clock(struct x100_loop *loop, const struct x100_clock *clock);
/* CLOCK_MONOTONIC or what stands in for it, ns. */
uint64_t x100_loop_now(const struct x100_loop *loop);

/* Watch for @events (level triggered). Returns 0 or -errno. */
int x100_loop_add(struct x100_loop *loop, struct x100_watch *watch, uint32_t events);
int x100_loop_change(struct x100_loop *loop, struct x100_watch *watch, uint32_t events);
/* Safe from within any callback, also for a watch whose event is about to be told. */
void x100_loop_remove(struct x100_loop *loop, struct x100_watch *watch);

/* (Re)start a timer @ns from now, rounded up to ms; 0 runs it at the next turn. */
void x100_timer_set(struct x100_loop *loop, struct x100_timer *timer, uint64_t ns);
void x100_timer_cancel(struct x100_loop *loop, struct x100_timer *timer);

void x100_task_queue(struct x100_loop *loop, struct x100_task *task);
void x100_task_cancel(struct x100_loop *loop, struct x100_task *task);

/* Turn until x100_loop_stop(). */
void x100_loop_run(struct x100_loop *loop);
/*
 * One turn: wait for at most @timeout_ms (-1: for ever), then descriptors, timers and tasks; what is
 * queued or set meanwhile comes with the next turn. For tests.
 */
void x100_loop_turn(struct x100_loop *loop, int timeout_ms);
/* From a callback of the loop. Other threads and signal handlers wake it by a descriptor it watches. */
void x100_loop_stop(struct x100_loop *loop);

#endif
