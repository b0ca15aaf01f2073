// SPDX-License-Identifier: BSD-3-Clause
/* One table out of the time stamps of both sides. */
#include <libx100.h>

#include <x100/regs.h>

/* Times of ours fit both ways of counting, so that differences of two of them do, too. */
#define LATEST ((uint64_t)INT64_MAX)

/* Insert behind everything that is not later: what comes at the same time stays in its order. */
static unsigned int insert(struct x100_event *events, unsigned int n, struct x100_event event)
{
	unsigned int at = n;

	for (; at && events[at - 1].realtime > event.realtime; at--)
		events[at] = events[at - 1];
	events[at] = event;
	return n + 1;
}

unsigned int x100_timeline(const struct x100_run *run, const struct x100_time_pair *pair,
			   const struct x100_push_times *times,
			   struct x100_event events[X100_EVENTS])
{
	unsigned int n = 0;

	for (unsigned int i = 0; run && i < run->stages && i < X100_RECORD_STAGES; i++) {
		uint64_t etc = run->stage[i].etc, age = pair->etc - etc;

		if (etc > pair->etc || pair->realtime > LATEST ||
		    age > pair->realtime / X100_ETC_NS)
			continue;
		n = insert(events, n,
			   (struct x100_event){ pair->realtime - age * X100_ETC_NS, X100_SIDE_CARD,
						run->stage[i].post });
	}
	for (uint32_t i = 0; times && i < X100_PUSH_STEPS; i++) {
		if (!times->realtime[i] || times->realtime[i] > LATEST)
			continue;
		n = insert(events, n, (struct x100_event){ times->realtime[i], X100_SIDE_HOST, i });
	}
	return n;
}
