/* SPDX-License-Identifier: BSD-3-Clause */
/* What the test and benchmark tools share: errors, numbers, time, reproducible contents. */
#ifndef X100_TOOL_H
#define X100_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses. */
#define TOOL_BAD_DATA 1 /* contents differ from what was written or sent */
#define TOOL_USAGE    2
#define TOOL_FAILED   3 /* a system call failed, or a deadline passed */

/* Prints a sentence and ends the program with this exit status. */
void tool_die(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* A number with an optional suffix K, M or G (powers of 1024), at most max; ends the program on anything else. */
uint64_t tool_number(const char *text, uint64_t max);

/* Monotonic time in ns. */
uint64_t tool_now(void);

/* Word number `index` of the stream that `seed` stands for. */
uint64_t tool_word(uint64_t seed, uint64_t index);

/* count words of the stream from word number first on. */
void tool_fill(uint64_t *words, size_t count, uint64_t seed, uint64_t first);

/* Index of the first word that differs from the stream, or count. */
size_t tool_compare(const uint64_t *words, size_t count, uint64_t seed, uint64_t first);

#endif
