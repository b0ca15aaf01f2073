// SPDX-License-Identifier: BSD-3-Clause
/* What the test and benchmark tools share. */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void tool_die(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

uint64_t tool_number(const char *text, uint64_t max)
{
	unsigned long long value;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (end == text || *text == '-' || errno)
		tool_die(TOOL_USAGE, "%s is no number", text);
	switch (*end) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	if (end[shift ? 1 : 0])
		tool_die(TOOL_USAGE, "%s is no number", text);
	if (value > max >> shift)
		tool_die(TOOL_USAGE, "%s is too large", text);
	return (uint64_t)value << shift;
}

uint64_t tool_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The finalizer of the splitmix64 generator: neighbouring indexes give unrelated words. */
uint64_t tool_word(uint64_t seed, uint64_t index)
{
	uint64_t word = seed + (index + 1) * 0x9e3779b97f4a7c15;

	word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
	word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
	return word ^ (word >> 31);
}

void tool_fill(uint64_t *words, size_t count, uint64_t seed, uint64_t first)
{
	for (size_t i = 0; i < count; i++)
		words[i] = tool_word(seed, first + i);
}

size_t tool_compare(const uint64_t *words, size_t count, uint64_t seed, uint64_t first)
{
	size_t i = 0;

	while (i < count && words[i] == tool_word(seed, first + i))
		i++;
	return i;
}
