// SPDX-License-Identifier: BSD-3-Clause
/* Power, and the messages of the stub kernel. */
#include "sim_parts.h"

#include <fake.h>
#include <stdlib.h>

#include <x100/regs.h>
#include <x100/smpt.h>

#define LOG 65536

unsigned int sim_complaints, sim_warnings;
static char messages[LOG];
static size_t used;

static void vlog(int level, const char *prefix, const char *fmt, va_list args)
{
	size_t start = used;

	if (level > 6)
		return;
	if (LOG - used < 512)
		used = start = 0;
	used += (size_t)snprintf(messages + used, 128, "%s", prefix);
	used += (size_t)vsnprintf(messages + used, 380, fmt, args);
	if (used > start && messages[used - 1] != '\n')
		messages[used++] = '\n';
	messages[used] = '\0';
	if (level <= 4)
		sim_complaints++;
	if (getenv("SIM_VERBOSE"))
		fprintf(stderr, "[%10.6f] %s", (double)(sim_now % (1000 * SIM_S)) / SIM_S,
			messages + start);
}

void sim_printk(int level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vlog(level, "", fmt, args);
	va_end(args);
}

void sim_dev_printk(int level, const struct device *dev, const char *fmt, ...)
{
	char prefix[96];
	va_list args;

	snprintf(prefix, sizeof(prefix), "%s %s: ", dev->bus ? dev->bus->name : "", dev_name(dev));
	va_start(args, fmt);
	vlog(level, prefix, fmt, args);
	va_end(args);
}

bool sim_said(const char *words)
{
	return strstr(messages, words) != NULL;
}

void sim_forget_messages(void)
{
	used = 0;
	messages[0] = '\0';
	sim_complaints = 0;
}

void sim_bug(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s", messages);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

bool sim_warned(const char *where, int line)
{
	sim_warnings++;
	sim_printk(4, "WARNING at %s:%d\n", where, line);
	return true;
}

void sim_begin(void)
{
	fake_setup(NULL);
	for (unsigned int i = 0; i < X100_SMPT_ENTRIES; i++)
		fake_set_sbox(X100_SBOX_SMPT(i), x100_smpt_entry(i * X100_SMPT_PAGE_SIZE));
	sim_forget_messages();
	sim_warnings = 0;
	sim_sched_begin();
	sim_memory_begin();
	sim_drivers_begin();
}

void sim_end(void)
{
	sim_drivers_end();
	sim_sched_end();
	sim_memory_end();
	fake_teardown(NULL);
}
