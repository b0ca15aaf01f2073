// SPDX-License-Identifier: BSD-3-Clause
/* Log lines to standard error, with the journal's priorities when it reads them. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int most = X100_LOG_INFO;
static bool journal;

void log_open(int level)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	most = level;
	if (!stream || fstat(STDERR_FILENO, &st))
		return;
	snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	journal = !strcmp(stream, ours);
}

bool log_may(struct log_source *source, uint64_t now, unsigned int *missed)
{
	*missed = 0;
	if (!source->since || now - source->since >= LOG_PERIOD) {
		*missed = source->suppressed;
		source->since = now;
		source->lines = 0;
		source->suppressed = 0;
	}
	if (source->lines >= LOG_BURST) {
		source->suppressed++;
		return false;
	}
	source->lines++;
	return true;
}

/* One write, so that lines of several threads do not mix. */
static void write_line(const struct log_source *source, int level, const char *text)
{
	char line[1024];
	size_t n = 0;
	ssize_t ignored;

	if (journal)
		n += (size_t)snprintf(line, sizeof(line), "<%d>", level);
	else
		n += (size_t)snprintf(line, sizeof(line), "x100d: ");
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s%s",
			      source->name ? source->name : "", source->name ? ": " : "", text);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	x100_text_clean(line, n);
	for (size_t i = 0; i < n; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	line[n++] = '\n';
	/* A log that takes nothing is no reason to stop serving. */
	ignored = write(STDERR_FILENO, line, n);
	(void)ignored;
}

void log_line(struct log_source *source, int level, const char *format, ...)
{
	char text[900], note[64];
	unsigned int missed;
	va_list args;

	if (level > most || !log_may(source, x100_system_clock.monotonic(NULL), &missed))
		return;
	if (missed) {
		snprintf(note, sizeof(note), "%u lines were left out", missed);
		write_line(source, X100_LOG_WARNING, note);
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_line(source, level, text);
}
