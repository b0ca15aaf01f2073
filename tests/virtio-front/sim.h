/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine under the stub kernel, as tests see it: time that passes only when everybody waits, tasks,
 * interrupts, the card's memory and registers, the windows onto host memory, the log of messages.
 *
 * All of it is one struct that sim_begin() clears, so that a test or a fuzzer run starts from nothing.
 */
#ifndef SIM_H
#define SIM_H

#include "stub.h"

#define SIM_MS 1000000ull
#define SIM_S  1000000000ull

/* ------------------------------------------------------------------ life */

/*
 * Power on: no task, no device, no driver, time 1000 s. Uses the fake card of tests/host-loader, whose
 * memory and registers the card side shares.
 */
void sim_begin(void);
/* Power off at once: what ran is gone, memory is taken back. */
void sim_end(void);
/* Run the initcalls of the drivers under test, in their order. */
void sim_boot(void);
/* The kernel's way down: every device's shutdown function. */
void sim_shutdown(void);
/* Set a module parameter before sim_boot(). */
void sim_param(const char *name, unsigned int value);

/* ------------------------------------------------------------------ time and tasks */

/* Let everything run for @ms of the card's time. */
void sim_run(unsigned int ms);
/* Run until @cond says true: true; or until @ms have passed: false. */
bool sim_until(bool (*cond)(void *arg), void *arg, unsigned int ms);
/* Run what can run now, without letting time pass. */
void sim_settle(void);
/* Start @fn as a task of its own. */
void sim_spawn(const char *name, void (*fn)(void *arg), void *arg);

/*
 * The other end of the link: called whenever nothing on the card can run, and between two tasks. True when
 * it did something. It says with sim_host_wants() when it wants to be called again at the latest.
 */
extern bool (*sim_host_turn)(void);
void sim_host_wants(u64 at);

/* With a seed other than 0, tasks run in a random order and the host gets turns at odd moments. */
void sim_seed(u64 seed);
u32 sim_random(u32 below);

/* ------------------------------------------------------------------ interrupts and registers */

/* The host rang doorbell @n (0 to 15). */
void sim_ring_card(unsigned int n);
/* A card register was written: the link's business (host.c and rude.c set it). */
extern void (*sim_on_mmio)(u32 bar4_offset, u32 value);
/* Handlers registered for doorbell @n. */
unsigned int sim_doorbell_users(unsigned int n);
/* Doorbells to the host since sim_begin(), by number. */
extern unsigned int sim_rings[4];

/* ------------------------------------------------------------------ memory */

/* Fail the n-th allocation from now on (1 = the next); 0 = none. Returns how many the last order had left. */
unsigned int sim_fail_allocation(unsigned int n);
/* Host memory: @size bytes of file @fd from @offset on, at bus address @iova. */
void sim_host_map(u64 iova, u64 size, int fd, u64 offset);
/* Take it away: the card reads ones there and its stores vanish. */
void sim_host_unmap(u64 iova, u64 size);
/* All of it, as when the host's program dies. */
void sim_host_forget(void);
/* The host's memory behind card address @phys; NULL: nothing. */
u8 *sim_host_at(u64 phys);
/* Things the card's kernel has allocated or mapped. */
unsigned int sim_objects(void);

/* Every store of the card to @size bytes at card address @phys is noted (in windows mapped later, too). */
void sim_watch_stores(u64 phys, u64 size);
/* Called before the card reads there, with the address; for hosts that change what is being read. */
void sim_watch_loads(u64 phys, u64 size, void (*before)(u64 phys));
void sim_watch_none(void);

enum sim_event_kind {
	SIM_STORE,
	SIM_DOORBELL, /* at: number, card to host */
	SIM_RUNG,     /* at: number, host to card */
};

struct sim_event {
	enum sim_event_kind kind;
	u64 at;
	u64 value; /* eight bytes from there on, after the store */
};

extern struct sim_event *sim_events;
extern unsigned int sim_event_count;
void sim_forget_events(void);

/* ------------------------------------------------------------------ messages */

/* Messages of level 4 (warning) and worse since the last sim_forget_messages(). */
extern unsigned int sim_complaints;
/* True when a message has @words in it. */
bool sim_said(const char *words);
void sim_forget_messages(void);
/* WARN()s are bugs unless a test expects this many. */
extern unsigned int sim_warnings;

#endif
