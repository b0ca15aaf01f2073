/* SPDX-License-Identifier: BSD-3-Clause */
/* One line per event, to the journal or standard error, of each source only so many in a time. */
#ifndef X100D_LOG_H
#define X100D_LOG_H

#include <stdint.h>

#include <libx100-virtio.h> /* X100_LOG_* */

/* Somebody who logs, in one thread: the daemon itself or a card. */
struct log_source {
	const char *name; /* in front of its lines; NULL: nothing */
	uint64_t since;   /* the log's: when the count began, ns */
	unsigned int lines;
	unsigned int suppressed;
};

/* Lines of one source in LOG_PERIOD; what comes beyond is counted. */
#define LOG_BURST  60u
#define LOG_PERIOD (10 * X100_NS_PER_SEC)

/* Find out whether standard error is the journal; lines above @level are left out. */
void log_open(int level);

/* Log one line; what is no printable ASCII becomes '.'. */
void log_line(struct log_source *source, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The rate limit by itself: false when a line at @now is one too many. @missed: lines left out before
 * this one, to be told now.
 */
bool log_may(struct log_source *source, uint64_t now, unsigned int *missed);

#endif
