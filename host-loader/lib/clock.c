// SPDX-License-Identifier: BSD-3-Clause
/* The system's clocks behind struct x100_clock. */
#include <libx100.h>

#include <time.h>

static uint64_t now(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * X100_NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static uint64_t system_monotonic(void *arg)
{
	(void)arg;
	return now(CLOCK_MONOTONIC);
}

static uint64_t system_realtime(void *arg)
{
	(void)arg;
	return now(CLOCK_REALTIME);
}

static void system_sleep(void *arg, uint64_t ns)
{
	struct timespec t = {
		.tv_sec = (time_t)(ns / X100_NS_PER_SEC),
		.tv_nsec = (long)(ns % X100_NS_PER_SEC),
	};

	(void)arg;
	/* A signal may cut it short: the callers look at their deadlines anyway. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

const struct x100_clock x100_system_clock = {
	.monotonic = system_monotonic,
	.realtime = system_realtime,
	.sleep = system_sleep,
};
