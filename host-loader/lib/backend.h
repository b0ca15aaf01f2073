/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device back-end is to the daemon: something made from a line of configuration that puts a
 * device on the page, says how it is, and goes away again.
 */
#ifndef X100_BACKEND_H
#define X100_BACKEND_H

#include <json-c/json.h>
#include <libx100-virtio.h>

#include "loop.h"
#include "why.h"

/*
 * Words of a specification. Copies @text and cuts it at commas; a backslash takes the next character
 * literally. word[0] is the first word; the others are "key" or "key=value", each key once.
 *
 * Errors: ARGUMENT (@why has the particulars: an empty word, a key twice, too many, a backslash at the
 * end), MEMORY.
 */
#define X100_SPEC_WORDS 16
struct x100_spec {
	char *text;
	unsigned int count;
	char *word[X100_SPEC_WORDS];
};
int x100_spec_parse(struct x100_spec *spec, const char *text, struct x100_why *why);
void x100_spec_free(struct x100_spec *spec);
/* Value of "key=value", "" for "key" alone, NULL if absent. Points into @spec. */
const char *x100_spec_get(const struct x100_spec *spec, const char *key);
/* A number with or without one of the suffixes K, M and G for powers of 1024; false for anything else. */
bool x100_spec_size(const char *text, uint64_t *value);
/*
 * Value of "key=number" as x100_spec_size() takes it, or @value as it is if the key is absent. Fails
 * with ARGUMENT for anything else and for numbers outside [min, max].
 */
int x100_spec_number(const struct x100_spec *spec, const char *key, uint64_t min, uint64_t max,
		     uint64_t *value, struct x100_why *why);
/* True in @value for "key" alone, untouched if absent; fails with ARGUMENT for "key=value". */
int x100_spec_flag(const struct x100_spec *spec, const char *key, bool *value,
		   struct x100_why *why);
/* Fails with ARGUMENT naming the first word (but word[0]) whose key is not in @keys (NULL-ended). */
int x100_spec_only(const struct x100_spec *spec, const char *const *keys, struct x100_why *why);

/* Where a back-end lives; outlives it. */
struct x100_backend_env {
	struct x100_card *card;
	struct x100_loop *loop;
	struct x100_vpage *page;
	const char *card_name;   /* "mic0": for host interface names, MAC addresses, file names */
	unsigned int card_index; /* 0 for the first card of the daemon */
	bool legacy_features;    /* as in struct x100_vpage_params */
	const char *state_dir;   /* for what has to survive a restart of the daemon */
	void (*log)(void *arg, int level, const char *text); /* one line */
	void *log_arg;
};

/* What there is to every open back-end; the first member of its own structure. */
struct x100_backend {
	const struct x100_backend_class *class;
	struct x100_vdev *dev;
	char name[32]; /* "console", "net0", "disk0" */
};

struct x100_backend_class {
	const char *kind; /* the key of the configuration: "disk", "net", "console", "rng" */
	/* Check the words of a specification without opening anything. Errors: ARGUMENT. */
	int (*check)(const struct x100_spec *spec, struct x100_why *why);
	/*
	 * Make the back-end that @spec describes and put its device on the page.
	 *
	 * @spec: words separated by commas, the first being what it is on the host; see x100d.conf(5)
	 *
	 * Errors: ARGUMENT (@why names the word), FILE, PERMISSION, SYSTEM, MEMORY, those of
	 * x100_vpage_add().
	 */
	int (*open)(const struct x100_backend_env *env, const char *name, const char *spec,
		    struct x100_why *why, struct x100_backend **backend);
	/* Free it; its device is gone from the page, or the page is. Ends what still goes on. */
	void (*close)(struct x100_backend *backend);
	/* Add members to @status: what it is connected to, counters. */
	void (*status)(const struct x100_backend *backend, struct json_object *status);
	/* Look at the host side again (size of a disk, link of a network); NULL: nothing to look at. */
	int (*rescan)(struct x100_backend *backend, struct x100_why *why);
};

extern const struct x100_backend_class x100_block_class, x100_net_class, x100_console_class,
	x100_rng_class;

/*
 * Check a specification without opening anything, for x100d --check.
 *
 * Errors: ARGUMENT, also when there is no such @kind; MEMORY.
 */
int x100_backend_check(const char *kind, const char *spec, struct x100_why *why);

/* The class called @kind, or NULL. */
const struct x100_backend_class *x100_backend_find(const char *kind);

/* ------------------------------------------------------------------ console */

/* Somebody who looks at the console; made and fed by the daemon. Its functions attach and detach nobody. */
struct x100_viewer {
	/* Console output. Returns the bytes taken; 0 makes the console wait for x100_console_ready(). */
	size_t (*output)(void *arg, const void *bytes, size_t size);
	/*
	 * Who writes has changed: @is_writer says whether it is this one now; @taken: another one is. NULL:
	 * never mind.
	 */
	void (*writer)(void *arg, bool taken);
	void *arg;
	bool is_writer;
	/* The console's: */
	uint64_t seen;  /* position in the output up to which it was told */
	bool waiting;   /* for x100_console_ready() */
	bool may_write; /* as said at x100_console_attach() */
	struct x100_viewer *next;
};

/* Attach; @scrollback bytes of earlier output are told first. The first who may write, writes. */
void x100_console_attach(struct x100_backend *console, struct x100_viewer *viewer, bool may_write,
			 size_t scrollback);
void x100_console_detach(struct x100_backend *console, struct x100_viewer *viewer);
/* Output can be taken again. */
void x100_console_ready(struct x100_backend *console, struct x100_viewer *viewer);
/*
 * Keys of the writer; of another one they are taken and dropped. Returns the bytes taken; the rest
 * later, when there is room again.
 */
size_t x100_console_input(struct x100_backend *console, struct x100_viewer *viewer,
			  const void *bytes, size_t size);
/* Bytes that x100_console_input() would take now. */
size_t x100_console_room(const struct x100_backend *console);
/* Called when room appears after somebody found none, or too little. */
void x100_console_on_room(struct x100_backend *console, void (*room)(void *arg), void *arg);
/* The size of the writer's window; of another one it is ignored. */
void x100_console_size(struct x100_backend *console, struct x100_viewer *viewer, uint16_t columns,
		       uint16_t rows);

#endif
