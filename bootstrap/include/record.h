/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing the boot record (x100/record.h). What a former run left is kept when it looks sound.
 */
#ifndef BS_RECORD_H
#define BS_RECORD_H

#include <x100/record.h>
#include "image.h"

/*
 * Starts a new run in @record, which may hold anything: the record of the run before, what an OS
 * made of it, or what memory holds after power-on. A sound run becomes the former one.
 *
 * @etc: ticks at reset
 *
 * Returns true when a former run was kept.
 */
bool bs_record_open(struct x100_record *record, uint64_t etc);

/* Notes that @post was posted at @etc ticks; when all stages are used only the last code is kept. */
void bs_record_stage(struct x100_record *record, uint64_t etc, uint32_t post, uint32_t detail);

/*
 * Counts a boot interrupt. Of a refused push before it the reason goes, and the stages after the
 * first @keep, so that a run with many pushes still shows the last one whole.
 */
void bs_record_push(struct x100_record *record, uint32_t keep);

/* Stages noted so far in this run. */
uint32_t bs_record_stages(const struct x100_record *record);

/* Notes why the last push was refused or the run ended. */
void bs_record_fault(struct x100_record *record, const struct bs_fault *fault);

/* Appends to the console ring. */
void bs_record_console(struct x100_record *record, const char *text, uint32_t len);

#endif
