/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card that is not there: registers and memory as plain storage, a clock that only moves when
 * somebody sleeps, and a bootstrap that does what a test tells it to do after a reset and a push.
 */
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <libx100.h>

#define FAKE_MEMORY  (512ull << 20) /* bytes behind the aperture; untouched ones cost nothing */
#define FAKE_BOOT    0x04000000u
#define FAKE_APIC    224u
#define FAKE_EVENTS  64
#define FAKE_LOG_MAX 4096
#define FAKE_DMAS    16

enum fake_kind {
	FAKE_READ,
	FAKE_WRITE,
	FAKE_POST, /* a write nobody waits for */
	FAKE_MEM_READ,
	FAKE_MEM_WRITE
};

struct fake_access {
	enum fake_kind kind;
	unsigned int region;
	uint64_t offset;
	uint64_t value; /* of a register, or bytes of a copy */
};

/* What the card does by itself at a time: a new POST code, a new SCRATCH2, or anything else. */
struct fake_event {
	uint64_t at; /* ns; 0 = unused */
	uint32_t post;
	uint32_t spad2;
	bool set_post, set_spad2;
	void (*call)(void);
};

struct fake {
	uint64_t now;   /* ns */
	uint64_t slept; /* ns in all */
	uint32_t mmio[0x20000 / 4];
	uint32_t config[64];
	uint8_t *memory;
	uint64_t aperture; /* size shown */
	bool mappable;     /* offer the aperture for mapping */
	bool memory_backed;
	bool off_bus; /* reads give ones, writes vanish */
	struct fake_event event[FAKE_EVENTS];
	struct fake_access log[FAKE_LOG_MAX];
	unsigned int accesses;   /* all of them, also those the log has no room for */
	unsigned int gone_after; /* this many accesses work; 0 = all do */
	unsigned int ones_after; /* this many accesses work, then the card is off the bus for good */
	int irq_fd[16];
	unsigned int irqs;
	unsigned int maps, dma_maps; /* still mapped */
	int refuse_dma;              /* error dma_map gives */
	struct x100_dma last_dma;
	struct x100_dma dma[FAKE_DMAS]; /* mapped; size 0 = free */
	unsigned int rung[16];          /* doorbells of the card */
	/* What the card does when it is reset and when the boot interrupt arrives. */
	void (*on_reset)(void);
	void (*on_go)(void);
	void (*on_dma_map)(void); /* host memory came into its reach */
	unsigned int resets, goes;
	struct x100_why *why;
};

extern struct fake fake;
extern const struct x100_transport_ops fake_ops;
extern const struct x100_clock fake_clock;

/* A cmocka setup: a ready card with 512 MiB, POST 12, that boots and resets as it should. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* Open the fake; fails the test if that does not work. */
struct x100_card *fake_open(void);

uint32_t fake_sbox(uint32_t offset);
void fake_set_sbox(uint32_t offset, uint32_t value);
void fake_set_post(uint32_t post);

/* After @ms from now: show this POST code; also this SCRATCH2; also call something. */
void fake_post_in(uint64_t ms, uint32_t post);
void fake_ready_in(uint64_t ms);
void fake_call_in(uint64_t ms, void (*call)(void));
void fake_forget_events(void);

/* As measured on a 3120A: off the bus after 200 ms for 10 ms, ready after 9.3 s. */
void fake_good_reset(void);
/* A reset after which the card is ready within 2 ms without ever being seen on its way. */
void fake_fast_reset(void);
/* Boot signal, loading, kernel entered, login. */
void fake_good_boot(void);

/* Boot record in fake memory; fake_record_seal() makes it valid. */
struct x100_record *fake_record(void);
void fake_record_seal(void);

/* A bzImage that passes every check: @size bytes of which the header claims all. */
struct x100_blob fake_image(size_t size);
void fake_blob_free(struct x100_blob *blob);

/* Vectors. */
json_object *load_vectors(const char *name);
json_object *vget(json_object *o, const char *key);
uint64_t vnum(json_object *value); /* plain or "0x..." */

#endif
