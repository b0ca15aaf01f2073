// SPDX-License-Identifier: BSD-3-Clause
/* The event loop: epoll, a sorted list of timers, a queue of tasks. */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 32

struct x100_loop {
	int epoll;
	const struct x100_clock *clock;
	bool stop;
	struct x100_timer *timers; /* soonest first */
	struct x100_task *tasks, **tasks_end;
	/* What the last wait brought and was not told yet; a removed watch is struck out. */
	struct epoll_event events[EVENTS];
	int event_count;
};

struct x100_loop *x100_loop_new(void)
{
	struct x100_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->clock = &x100_system_clock;
	loop->tasks_end = &loop->tasks;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void x100_loop_free(struct x100_loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll);
	free(loop);
}

void x100_loop_set_clock(struct x100_loop *loop, const struct x100_clock *clock)
{
	loop->clock = clock;
}

static uint64_t now(const struct x100_loop *loop)
{
	return loop->clock->monotonic(loop->clock->arg);
}

uint64_t x100_loop_now(const struct x100_loop *loop)
{
	return now(loop);
}

int x100_loop_add(struct x100_loop *loop, struct x100_watch *watch, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &e))
		return -errno;
	watch->watched = true;
	return 0;
}

int x100_loop_change(struct x100_loop *loop, struct x100_watch *watch, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = watch };

	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &e) ? -errno : 0;
}

void x100_loop_remove(struct x100_loop *loop, struct x100_watch *watch)
{
	if (!watch->watched)
		return;
	watch->watched = false;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->event_count; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

void x100_timer_set(struct x100_loop *loop, struct x100_timer *timer, uint64_t ns)
{
	struct x100_timer **at = &loop->timers;

	x100_timer_cancel(loop, timer);
	timer->at = now(loop) + ns;
	while (*at && (*at)->at <= timer->at)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
}

void x100_timer_cancel(struct x100_loop *loop, struct x100_timer *timer)
{
	if (!timer->at)
		return;
	for (struct x100_timer **at = &loop->timers; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		break;
	}
	timer->at = 0;
	timer->next = NULL;
}

void x100_task_queue(struct x100_loop *loop, struct x100_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	task->next = NULL;
	*loop->tasks_end = task;
	loop->tasks_end = &task->next;
}

void x100_task_cancel(struct x100_loop *loop, struct x100_task *task)
{
	if (!task->queued)
		return;
	for (struct x100_task **at = &loop->tasks; *at; at = &(*at)->next) {
		if (*at != task)
			continue;
		*at = task->next;
		if (!*at)
			loop->tasks_end = at;
		break;
	}
	task->queued = false;
	task->next = NULL;
}

/* Shorter waits than this are not worth their system call, ns. */
#define SHORTEST 1000

/* How long to wait, ns; -1: for ever. */
static int64_t wait_ns(const struct x100_loop *loop, int most_ms)
{
	int64_t most = most_ms < 0 ? -1 : (int64_t)(most_ms * X100_NS_PER_MS);
	uint64_t t, ns;

	if (loop->tasks)
		return 0;
	if (!loop->timers)
		return most;
	t = now(loop);
	if (loop->timers->at <= t)
		return 0;
	ns = loop->timers->at - t;
	if (ns < SHORTEST)
		ns = SHORTEST;
	if (most >= 0 && ns > (uint64_t)most)
		return most;
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static int wait_epoll(struct x100_loop *loop, int64_t ns)
{
	struct timespec time = { ns / (int64_t)X100_NS_PER_SEC, ns % (int64_t)X100_NS_PER_SEC };
	int64_t ms = ns < 0 ? -1 : (ns + (int64_t)X100_NS_PER_MS - 1) / (int64_t)X100_NS_PER_MS;
	int n = epoll_pwait2(loop->epoll, loop->events, EVENTS, ns < 0 ? NULL : &time, NULL);

	/* Linux before 5.11 knows milliseconds only. */
	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(loop->epoll, loop->events, EVENTS, ms > INT_MAX ? INT_MAX : (int)ms);
	return n;
}

static void wait_events(struct x100_loop *loop, int timeout_ms)
{
	int64_t ns = wait_ns(loop, timeout_ms);
	bool real = loop->clock == &x100_system_clock;

	loop->event_count = wait_epoll(loop, real ? ns : 0);
	if (!real && loop->event_count <= 0 && ns > 0)
		loop->clock->sleep(loop->clock->arg, (uint64_t)ns);
}

/* Those that are due now; one that is set again meanwhile waits for the next turn. */
static void run_timers(struct x100_loop *loop)
{
	uint64_t t;
	unsigned int due = 0;

	if (!loop->timers)
		return;
	t = now(loop);
	for (const struct x100_timer *i = loop->timers; i && i->at <= t; i = i->next)
		due++;
	while (due-- && loop->timers && loop->timers->at <= t) {
		struct x100_timer *timer = loop->timers;

		x100_timer_cancel(loop, timer);
		timer->expired(timer->arg);
	}
}

static void run_tasks(struct x100_loop *loop)
{
	unsigned int count = 0;

	for (const struct x100_task *i = loop->tasks; i; i = i->next)
		count++;
	while (count-- && loop->tasks) {
		struct x100_task *task = loop->tasks;

		x100_task_cancel(loop, task);
		task->run(task->arg);
	}
}

void x100_loop_turn(struct x100_loop *loop, int timeout_ms)
{
	wait_events(loop, timeout_ms);
	for (int i = 0; i < loop->event_count; i++) {
		struct x100_watch *watch = loop->events[i].data.ptr;

		if (watch)
			watch->ready(watch->arg, loop->events[i].events);
	}
	loop->event_count = 0;
	run_timers(loop);
	run_tasks(loop);
}

void x100_loop_run(struct x100_loop *loop)
{
	loop->stop = false;
	while (!loop->stop)
		x100_loop_turn(loop, -1);
}

void x100_loop_stop(struct x100_loop *loop)
{
	loop->stop = true;
}
