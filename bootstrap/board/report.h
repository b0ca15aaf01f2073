/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the bootstrap tells what it does: POST code, boot record, text on the serial line.
 */
#ifndef BS_REPORT_H
#define BS_REPORT_H

#include <x100/post.h>
#include <x100/reason.h>
#include <x100/record.h>
#include "hw.h"
#include "image.h"

/* Posts @code and notes it with the time and a stage-specific @detail. */
void post(enum x100_post code, uint32_t detail);

/* Notes what was posted elsewhere at @etc ticks. Kept until there is a boot record. */
void note(uint64_t etc, enum x100_post code, uint32_t detail);

/* Starts this run's boot record at X100_RECORD_BASE. @etc: ticks at reset. */
struct x100_record *report_open_record(uint64_t etc);

/* Starts the serial line. Text said before is only in the boot record. */
void report_open_serial(void);

/* printf for integers and strings, one line of at most 199 characters: boot record and serial line. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Notes @fault in the boot record and says it in words. */
void report_fault(const struct bs_fault *fault);

/* Posts @code, reports @reason and halts. The host finds both and can reset the card. */
_Noreturn void stop(enum x100_post code, enum x100_reason reason, uint64_t value, uint64_t limit);

/* Called by entry/vectors.S; they return and the caller halts. */
void exception_report(const struct bs_frame *frame);
void double_fault_report(uint32_t cr2);

#endif
