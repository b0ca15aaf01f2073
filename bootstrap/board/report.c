// SPDX-License-Identifier: BSD-3-Clause
/*
 * POST codes, console text and exception reports.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "record.h"
#include "report.h"
#include "uart.h"

static struct x100_record *record;
static struct bs_uart uart;
static bool reporting;             /* an exception is being reported */
static struct x100_stage early[8]; /* posted before there was a record */
static unsigned int early_used;

struct words {
	unsigned int number;
	const char *what;
};

#define REASON_WORDS(name, number, what, fix) { number, what ". To try: " fix },
static const struct words reasons[] = { X100_REASON_LIST(REASON_WORDS) };

/* POST code of each exception, in the order of the vectors. */
static const uint16_t exception_posts[] = {
	X100_POST_EXC_DE, X100_POST_EXC_DB, X100_POST_EXC_NMI, X100_POST_EXC_BP, X100_POST_EXC_OF,
	X100_POST_EXC_BR, X100_POST_EXC_UD, X100_POST_EXC_NM,  X100_POST_EXC_DF, X100_POST_EXC_CO,
	X100_POST_EXC_TS, X100_POST_EXC_NP, X100_POST_EXC_SS,  X100_POST_EXC_GP, X100_POST_EXC_PF,
	X100_POST_EXC_15, X100_POST_EXC_MF, X100_POST_EXC_AC,  X100_POST_EXC_MC,
};

static const char *reason_words(enum x100_reason reason)
{
	for (unsigned int i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].number == reason)
			return reasons[i].what;
	}
	return "no reason given";
}

void note(uint64_t etc, enum x100_post code, uint32_t detail)
{
	if (record)
		bs_record_stage(record, etc, code, detail);
	else if (early_used < sizeof(early) / sizeof(early[0]))
		early[early_used++] = (struct x100_stage){ etc, code, detail };
}

void post(enum x100_post code, uint32_t detail)
{
	dbox_write(X100_DBOX_POST, code);
	note(hw_ticks(), code, detail);
}

struct x100_record *report_open_record(uint64_t etc)
{
	struct x100_record *r = (struct x100_record *)X100_RECORD_BASE;
	bool kept = bs_record_open(r, etc);

	record = r;
	for (unsigned int i = 0; i < early_used; i++)
		note(early[i].etc, early[i].post, early[i].detail);
	say("x100 bootstrap " X100_VERSION ", run %u%s", r->run[r->current_run].seq,
	    kept ? ", record of the run before kept" : "");
	return r;
}

void report_open_serial(void)
{
	const struct x100_run *run = &record->run[record->current_run & 1];

	if (!bs_uart_init(&uart, &hw_ops)) {
		say("no answer from the serial line, going on without");
		return;
	}
	bs_uart_write(&uart, "\n", 1);
	bs_uart_write(&uart, run->console, run->console_head % X100_RECORD_CONSOLE);
}

static void put(const char *text, uint32_t len)
{
	if (record)
		bs_record_console(record, text, len);
	bs_uart_write(&uart, text, len);
}

void say(const char *format, ...)
{
	char line[200];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	put(line, (uint32_t)len);
}

void report_fault(const struct bs_fault *fault)
{
	if (record)
		bs_record_fault(record, fault);
	say("%s", reason_words(fault->reason));
	say("  reason %d: 0x%08x%08x size 0x%x limit 0x%x header field 0x%x", fault->reason,
	    (uint32_t)(fault->detail[0] >> 32), (uint32_t)fault->detail[0],
	    (uint32_t)fault->detail[1], (uint32_t)fault->detail[2], (uint32_t)fault->detail[3]);
}

void stop(enum x100_post code, enum x100_reason reason, uint64_t value, uint64_t limit)
{
	struct bs_fault fault = { reason, { value, 0, limit, 0 } };

	post(code, (uint32_t)value);
	report_fault(&fault);
	say("halted with POST %c%c", code & 0xFF, code >> 8 & 0xFF);
	bs_uart_flush(&uart);
	halt();
}

/* POST and record first: they need the least to work. */
static void report(const struct bs_frame *f, const char *hint)
{
	unsigned int known = sizeof(exception_posts) / sizeof(exception_posts[0]);
	enum x100_post code = f->vector < known ? (enum x100_post)exception_posts[f->vector] :
						  X100_POST_HALTED;
	struct bs_fault fault = { X100_REASON_EXCEPTION, { f->vector, f->error, f->eip, f->cr2 } };

	dbox_write(X100_DBOX_POST, code);
	if (reporting)
		return;
	reporting = true;
	post(code, f->eip);
	if (record)
		bs_record_fault(record, &fault);
	/* The exception may have hit in the middle of a transfer to the UART. */
	bs_uart_init(&uart, &hw_ops);
	say("exception %u (POST %c%c) error 0x%x at 0x%08x address 0x%08x%s", f->vector,
	    code & 0xFF, code >> 8 & 0xFF, f->error, f->eip, f->cr2, hint);
	say("eax %08x ebx %08x ecx %08x edx %08x", f->eax, f->ebx, f->ecx, f->edx);
	say("esi %08x edi %08x ebp %08x esp %08x", f->esi, f->edi, f->ebp, f->esp);
	say("cs %04x eflags %08x", f->cs & 0xFFFF, f->eflags);
	bs_uart_flush(&uart);
}

void exception_report(const struct bs_frame *frame)
{
	struct bs_frame f = *frame;

	/* PUSHA saved ESP as it was with vector, error, EIP, CS and EFLAGS pushed. */
	f.esp += 20;
	report(&f, "");
}

void double_fault_report(uint32_t cr2)
{
	const struct bs_tss *t = hw_main_tss();
	struct bs_frame f = { cr2,    t->edi, t->esi, t->ebp, t->esp, t->ebx, t->edx,
			      t->ecx, t->eax, 8,      0,      t->eip, t->cs,  t->eflags };

	report(&f, cr2 >= BS_STACK_GUARD && cr2 < BS_STACK ? ", the stack overflowed" : "");
}

/* newlib asks for these; formatting integers into a buffer never reaches them. */
void *sbrk(ptrdiff_t increment);
void *sbrk(ptrdiff_t increment)
{
	(void)increment;
	errno = ENOMEM;
	return (void *)-1;
}
