/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libx100: find, reset, boot and observe an X100 card from user space.
 *
 * All of it works on a struct x100_card, which belongs to one thread at a time. Functions return
 * an enum x100_error unless they say otherwise; X100_OK is 0, errors are negative. After an error
 * x100_why() has the particulars, x100_error_words() the kind in one sentence, x100_error_hint() what
 * to try. Times are nanoseconds, sizes bytes, addresses card physical, which is also the offset in
 * the aperture (x100-abi.md 0.4).
 */
#ifndef LIBX100_H
#define LIBX100_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <x100/record.h>
#include <x100/smpt.h>

/*
 * Errors, grouped by who has to act. X(name, number, exit status, "what it is", "what to try").
 */
#define X100_ERROR_LIST(X)                                                                         \
	/* The caller: the command or its arguments. */                                            \
	X(ARGUMENT, -1, 2, "an argument makes no sense", "see x100 --help")                        \
	X(NAME, -2, 2, "this is not a device name", "write model:PATH, with the model's socket")   \
	X(AMBIGUOUS, -3, 2, "there is more than one card", "choose one with -d or X100_DEVICE")    \
	/* The caller: the files to push. */                                                       \
	X(FILE, -10, 3, "a file cannot be read", "check the path and its permissions")             \
	X(IMAGE, -11, 3, "the image cannot be booted", "push the bzImage the card OS build made")  \
	X(RAMDISK, -12, 3, "the ramdisk cannot be placed", "use a smaller ramdisk or image")       \
	X(CMDLINE, -13, 3, "the command line cannot be passed on", "shorten it to printable text") \
	/* The host system. */                                                                     \
	X(NO_DEVICE, -20, 4, "there is no card",                                                   \
	  "start the model with model/x100-model or name a device with -d")                        \
	X(PERMISSION, -21, 4, "the system does not let this user at the card",                     \
	  "check the owner and mode of the socket")                                                \
	X(SYSTEM, -22, 4, "the system refused something",                                          \
	  "check limits and permissions of this process")                                          \
	X(MEMORY, -23, 4, "there is not enough host memory", "close other programs and try again") \
	X(NO_ROOM, -24, 4, "the device page has no room for another device",                       \
	  "remove a device first")                                                                 \
	/* The other end of the transport. */                                                      \
	X(BUSY, -30, 5, "the card is in use by another program",                                   \
	  "end that program, then try again")                                                      \
	X(NOBODY, -31, 5, "nobody answers at the card's socket",                                   \
	  "the model has ended: start it again")                                                   \
	X(GONE, -32, 5, "the connection to the card broke", "see whether the model still runs")    \
	X(NO_ANSWER, -33, 5, "the card's transport did not answer in time",                        \
	  "see whether the model hangs; its monitor is the socket with .monitor behind its name")  \
	X(PROTOCOL, -34, 5, "the other end does not speak vfio-user 0.1 as agreed",                \
	  "check that the path is an X100 model's socket")                                         \
	X(PEER, -35, 5, "the other end refused a request", "see the model's log")                  \
	X(NOT_X100, -36, 5, "the device is not an X100 card", "choose another device with -d")     \
	X(NO_DAEMON, -37, 5, "x100d does not serve this card", "start x100d, or see x100 list")    \
	/* The card. */                                                                            \
	X(NOT_READY, -40, 6, "the card is not ready for an image", "run x100 reset --wait")        \
	X(OFF_BUS, -41, 6, "the card reads all ones: it is off the bus",                           \
	  "power the card off and on")                                                             \
	X(CARD_FAILED, -42, 6, "the card stopped with a failure",                                  \
	  "run x100 log, then x100 reset --wait")                                                  \
	X(RESET_TIMEOUT, -43, 6, "the card did not get ready in time after a reset",               \
	  "try x100 reset --wait once more; power the card off and on if it stays")                \
	X(BOOT_ADDRESS, -44, 6, "the card offers an impossible download address",                  \
	  "the card's bootstrap is damaged or foreign: reset it or flash it")                      \
	X(BOOT_TIMEOUT, -45, 6, "the card OS did not come up in time",                             \
	  "run x100 log to see how far it came")                                                   \
	X(NO_RECORD, -46, 6, "the card has no boot record",                                        \
	  "it runs a foreign bootstrap, or none yet")                                              \
	X(TRAINING, -47, 6, "card memory cannot be read now", "wait until the card is ready")      \
	X(CRASHED, -48, 6, "the card OS crashed", "run x100 log for its last words")               \
	X(STOPPED, -49, 6, "the card OS stopped", "run x100 reset --wait, then push again")        \
	X(STATE, -50, 6, "what was noted about the card does not fit it",                          \
	  "the card was reset meanwhile: push again")                                              \
	X(RESUME, -51, 6, "the card OS cannot take a restarted host program back",                 \
	  "run x100 reset --wait, then push again")                                                \
	/* The card about the image. */                                                            \
	X(REFUSED, -60, 7, "the card refused the image", "see the reason above")                   \
	/* The person. */                                                                          \
	X(INTERRUPTED, -70, 130, "interrupted", "run the command again")

enum x100_error {
	X100_OK = 0,
#define X100_ERROR_ENUM(name, number, status, what, hint) X100_ERR_##name = (number),
	X100_ERROR_LIST(X100_ERROR_ENUM)
#undef X100_ERROR_ENUM
};

/* One sentence without a full stop; never NULL, also for a number that is no error. */
const char *x100_error_words(int error);
/* What to try; "" for X100_OK. */
const char *x100_error_hint(int error);
/* Exit status of the x100 command for this error: 0, 2 to 7, 130; 1 for a number that is none. */
int x100_error_exit_status(int error);

/* Room for the particulars of the last error. */
#define X100_WHY_SIZE 512
struct x100_why {
	char text[X100_WHY_SIZE];
};

/* Where time comes from; tests give another one. */
struct x100_clock {
	uint64_t (*monotonic)(void *arg); /* ns */
	uint64_t (*realtime)(void *arg);  /* ns since 1970 */
	void (*sleep)(void *arg, uint64_t ns);
	void *arg;
};

/* CLOCK_MONOTONIC, CLOCK_REALTIME and clock_nanosleep(). */
extern const struct x100_clock x100_system_clock;

/* ------------------------------------------------------------------ transport */

/* Region numbers are those of VFIO: 0 to 5 the BARs, 7 the configuration space. */
#define X100_REGION_APERTURE 0
#define X100_REGION_MMIO     4
#define X100_REGION_CONFIG   7

struct x100_region {
	uint64_t size;
	/* Ranges of it that map() can give; mappable[i].size 0 ends the list. */
	struct x100_map_range {
		uint64_t offset;
		uint64_t size;
	} mappable[8];
};

/* Host memory that the card may read and write. */
struct x100_dma {
	void *memory;  /* page aligned, from x100_dma_alloc() */
	uint64_t size; /* a multiple of the page size */
	uint64_t iova; /* address on the card's side of the link, before the SMPT */
	int fd;        /* memory file behind it */
};

/*
 * A way to reach a card. Every function returns an enum x100_error and writes particulars into the
 * struct x100_why given at open, which outlives the device. None waits without a deadline.
 */
struct x100_transport_ops {
	const char *scheme; /* what stands before the colon of a device name */
	/* Connect to the card called @where (what stands behind the colon). */
	int (*open)(const char *where, struct x100_why *why, void **dev);
	void (*close)(void *dev);
	int (*region)(void *dev, unsigned int region, struct x100_region *info);
	/* One aligned 32-bit access. */
	int (*read32)(void *dev, unsigned int region, uint64_t offset, uint32_t *value);
	int (*write32)(void *dev, unsigned int region, uint64_t offset, uint32_t value);
	/* The same without an answer: an error may stay unseen. NULL: write32 does. */
	int (*post32)(void *dev, unsigned int region, uint64_t offset, uint32_t value);
	/* Bytes, for what cannot be mapped; no promise on access width. */
	int (*read)(void *dev, unsigned int region, uint64_t offset, void *to, size_t size);
	int (*write)(void *dev, unsigned int region, uint64_t offset, const void *from,
		     size_t size);
	/* Map part of a mappable range; offset and size are page aligned. */
	int (*map)(void *dev, unsigned int region, uint64_t offset, uint64_t size, void **at);
	void (*unmap)(void *dev, void *at, uint64_t size);
	int (*dma_map)(void *dev, const struct x100_dma *dma);
	int (*dma_unmap)(void *dev, const struct x100_dma *dma);
	/* Let MSI-X vector i signal eventfd fds[i], i < count; count 0 switches all off. */
	int (*set_irqs)(void *dev, const int *fds, unsigned int count);
	/* A descriptor that polls as hung up when the other end is gone, or -1; NULL: there is none. */
	int (*hangup_fd)(void *dev);
	/* Words for a person: what this is and where. */
	void (*describe)(void *dev, char *text, size_t size);
	/* The aperture is plain memory: reading it while card memory trains is harmless. */
	bool memory_backed;
};

/* The vfio-user client, scheme "model". */
extern const struct x100_transport_ops x100_vfu_transport;

/* ------------------------------------------------------------------ devices */

struct x100_card;

#define X100_NAME_SIZE 256

struct x100_device_list {
	unsigned int count;
	char (*name)[X100_NAME_SIZE]; /* "model:/run/..."; sorted */
};

/*
 * List the models whose sockets stand in ${XDG_RUNTIME_DIR:-/tmp/x100-UID}/x100/. They are not
 * connected to. The caller frees the list with x100_device_list_free().
 */
int x100_discover(struct x100_device_list *list);
void x100_device_list_free(struct x100_device_list *list);

/*
 * Turn what a person said into one device name: @wanted, or X100_DEVICE, or the only card there is.
 *
 * @wanted: NULL if nothing was said
 * @name: result, X100_NAME_SIZE bytes
 * @why: particulars on error; lists the cards when there are several
 *
 * Errors: NAME, AMBIGUOUS, NO_DEVICE, SYSTEM.
 */
int x100_choose(const char *wanted, char *name, struct x100_why *why);

/*
 * Open a card by device name and check that it is an X100. Does not touch what it is doing; in its
 * configuration space memory space and bus master are switched on.
 *
 * @why: particulars on error; may be NULL
 *
 * Errors: NAME, NO_DEVICE, PERMISSION, SYSTEM, MEMORY, BUSY, NOBODY, GONE, NO_ANSWER, PROTOCOL, PEER,
 * NOT_X100.
 */
int x100_open(const char *name, struct x100_card **card, struct x100_why *why);

/* As x100_open() over a given transport and clock; for tests and new transports. */
int x100_open_with(const struct x100_transport_ops *ops, const char *where,
		   const struct x100_clock *clock, struct x100_card **card, struct x100_why *why);

/* Take back what the card was given of host memory, disconnect, free. NULL is fine. */
void x100_close(struct x100_card *card);

/*
 * A descriptor to watch for EPOLLRDHUP, and for nothing else: the other end of the transport is gone.
 * -1 when there is none. It stays the card's.
 */
int x100_hangup_fd(const struct x100_card *card);

/* Particulars of the last error on this card; "" if there were none. Valid until the next call. */
const char *x100_why(const struct x100_card *card);

/*
 * Ask the waits of this card to give up with X100_ERR_INTERRUPTED; callable from a signal handler.
 */
void x100_interrupt(struct x100_card *card);

/* ------------------------------------------------------------------ registers and memory */

/* Offsets are those of x100/regs.h, inside the block. All ones is a value here, not an error. */
int x100_sbox_read(struct x100_card *card, uint32_t offset, uint32_t *value);
int x100_sbox_write(struct x100_card *card, uint32_t offset, uint32_t value);
int x100_dbox_read(struct x100_card *card, uint32_t offset, uint32_t *value);

/* Size of BAR0, not of the memory behind it. */
uint64_t x100_aperture_size(const struct x100_card *card);

/*
 * Copy from or to card memory. Errors: ARGUMENT when the range leaves the aperture, transport errors.
 * The caller has made sure that card memory is trained (x100-hardware.md 7.2).
 */
int x100_memory_read(struct x100_card *card, uint64_t address, void *to, size_t size);
int x100_memory_write(struct x100_card *card, uint64_t address, const void *from, size_t size);

/* Elapsed-time counter in ticks of 64 ns. Error OFF_BUS when it reads all ones. */
int x100_etc_read(struct x100_card *card, uint64_t *ticks);

/* One moment on both clocks. */
struct x100_time_pair {
	uint64_t etc;         /* ticks */
	uint64_t realtime;    /* ns since 1970 */
	uint64_t uncertainty; /* ns: the two belong together within this */
};

/* Sample both clocks; the best of a few tries. */
int x100_time_sample(struct x100_card *card, struct x100_time_pair *pair);

/* ------------------------------------------------------------------ POST codes */

/* Words for a code; "a code this program does not know" for others. Never NULL. */
const char *x100_post_words(uint32_t post);
/* The two characters, '?' for what is not printable, "--" for none, "gone" for all ones. */
const char *x100_post_text(uint32_t post, char text[8]);
/* The bootstrap cannot go on after this code; only a reset helps. */
bool x100_post_is_failure(uint32_t post);
/* Card memory may be accessed by the host while this code stands. */
bool x100_post_memory_usable(uint32_t post);

/* ------------------------------------------------------------------ state */

enum x100_state {
	X100_STATE_OFF_BUS,  /* all ones */
	X100_STATE_STARTING, /* reset taken, not ready yet */
	X100_STATE_READY,    /* waiting for an image */
	X100_STATE_BOOTING,  /* image taken, OS not up yet */
	X100_STATE_RUNNING,  /* login available */
	X100_STATE_HALTED,
	X100_STATE_OFF,     /* powered off by its OS */
	X100_STATE_RESTART, /* its OS asks for a reset */
	X100_STATE_CRASHED, /* its OS panicked */
	X100_STATE_FAILED,  /* its bootstrap stopped */
};

/* "ready", "running", ...; one word. */
const char *x100_state_words(enum x100_state state);

struct x100_status {
	enum x100_state state;
	char device[X100_NAME_SIZE]; /* words of the transport */
	uint16_t pci_device;
	uint8_t revision;
	const char *product;  /* "5110P" etc., or "unknown product" */
	const char *stepping; /* "A0" ... or "??" */
	uint64_t aperture;    /* bytes of BAR0 */
	uint32_t post;
	uint32_t spad2;
	uint64_t memory;       /* bytes visible on the card as its bootstrap says; 0 = not said */
	unsigned int cores;    /* as SCRATCH4 says; 0 = not said */
	unsigned int threads;  /* per core */
	unsigned int core_mhz; /* 0 = not said */
	uint32_t sdbic1;
	const char *shutdown; /* words for what the card OS said with SDBIC1, or NULL */
	uint64_t etc;         /* ticks */
	bool has_record;
	struct x100_record record; /* valid if has_record: checked, all indices in range */
};

/* Look at everything without changing anything. Errors: transport errors only. */
int x100_status_read(struct x100_card *card, struct x100_status *status);

/* ------------------------------------------------------------------ reset */

/* Deadlines of the waits, ns. */
#define X100_NS_PER_SEC     1000000000ull
#define X100_NS_PER_MS      1000000ull
#define X100_RESET_DEADLINE (90 * X100_NS_PER_SEC)  /* MPSS: "around 90 s" on some cards */
#define X100_OFF_BUS_LIMIT  (2 * X100_NS_PER_SEC)   /* a reset takes it off for about 10 ms */
#define X100_TAKE_DEADLINE  (15 * X100_NS_PER_SEC)  /* boot interrupt to kernel entry or refusal */
#define X100_RUN_DEADLINE   (180 * X100_NS_PER_SEC) /* kernel entry to login, as MPSS allows */

/*
 * Called when a wait sees a new POST code.
 */
typedef void x100_post_fn(void *arg, uint32_t post);

/*
 * Reset the card: SCRATCH2 = 0, RGCR bit 0 (x100-abi.md 1.2). Returns as soon as the reset is seen
 * to have happened or, where nothing can be seen, after the second that the old hosts slept.
 *
 * Errors: OFF_BUS when the card reads all ones before and after; INTERRUPTED; transport errors.
 */
int x100_reset(struct x100_card *card);

/*
 * Wait until the card is ready: POST "12" and the ready bit, both (silicon-notes.md).
 *
 * @timeout: ns from now
 *
 * Errors: RESET_TIMEOUT; CARD_FAILED when POST shows a failure; OFF_BUS; INTERRUPTED.
 */
int x100_wait_ready(struct x100_card *card, uint64_t timeout, x100_post_fn *seen, void *arg);

/* ------------------------------------------------------------------ push */

/* Bytes to push: a file or memory. */
struct x100_blob {
	uint64_t size;
	const void *memory; /* NULL: from fd */
	int fd;             /* read with pread(); stays the caller's */
};

/* Where things go on the card. */
struct x100_placement {
	uint64_t image; /* download address from SCRATCH2 */
	uint64_t image_size;
	uint64_t cmdline;      /* directly behind the image */
	uint64_t cmdline_size; /* with the NUL */
	uint64_t ramdisk;      /* 0 if there is none */
	uint64_t ramdisk_size;
	uint64_t run; /* all the memory the kernel uses until it is unpacked */
	uint64_t run_size;
};

enum x100_push_step {
	X100_PUSH_CHECK,
	X100_PUSH_RESET,
	X100_PUSH_IMAGE,   /* progress in bytes */
	X100_PUSH_RAMDISK, /* progress in bytes */
	X100_PUSH_PREPARE, /* command line, SMPT, device page, interrupts */
	X100_PUSH_GO,      /* boot interrupt sent */
	X100_PUSH_TAKEN,   /* the bootstrap entered the image */
	X100_PUSH_RUNNING,
	X100_PUSH_STEPS,
};

enum x100_push_wait {
	X100_WAIT_TAKEN,   /* until the bootstrap entered or refused the image */
	X100_WAIT_RUNNING, /* until POST "up" */
};

/* When each step began, for the timeline; 0 = not reached. */
struct x100_push_times {
	uint64_t realtime[X100_PUSH_STEPS];
};

struct x100_push {
	struct x100_blob image;
	struct x100_blob ramdisk; /* size 0: none */
	const char *cmdline;      /* user's text; NULL: none */
	uint64_t ramdisk_at;      /* 0: twice the download address */
	uint32_t declare_size;    /* 0: the image's size; else what SCRATCH5 says instead */
	bool unchecked; /* let the card judge image and placement: for tests of the card */
	enum x100_push_wait wait;
	/* Called with bytes done and in all; may be NULL. */
	void (*progress)(void *arg, enum x100_push_step step, uint64_t done, uint64_t all);
	x100_post_fn *post; /* new POST codes; may be NULL */
	void *arg;
};

struct x100_push_result {
	struct x100_placement placement;
	struct x100_push_times times;
	uint32_t reason;    /* enum x100_reason when the host or the card refused */
	uint64_t copy_ns;   /* time spent copying image and ramdisk */
	char cmdline[2048]; /* as written */
};

/*
 * Push an image and start it (x100-abi.md 1.3 to 1.5).
 *
 * Errors: IMAGE, RAMDISK, CMDLINE (refused here; result->reason says why), FILE, NOT_READY (somebody
 * else was faster), BOOT_ADDRESS, REFUSED (by the card; result->reason), CARD_FAILED, CRASHED, STOPPED,
 * BOOT_TIMEOUT, those of x100_reset() and x100_wait_ready(), transport errors.
 *
 * The device page and the SMPT stay as they are until x100_close().
 */
int x100_push(struct x100_card *card, const struct x100_push *push,
	      struct x100_push_result *result);

/*
 * What a push would put where; no card is touched.
 *
 * @spad2: what the card said; @aperture: bytes of BAR0; @memory: bytes of card memory, 0 if unknown
 * @cmdline_size: bytes with NUL
 * @ramdisk_at: 0 for twice the download address
 * @place: result; filled as far as possible also on error
 * @reason: enum x100_reason on error, or 0
 *
 * Errors: BOOT_ADDRESS, IMAGE, RAMDISK, CMDLINE, FILE.
 */
int x100_place(uint32_t spad2, uint64_t aperture, uint64_t memory, const struct x100_blob *image,
	       const struct x100_blob *ramdisk, uint64_t cmdline_size, uint64_t ramdisk_at,
	       struct x100_placement *place, uint32_t *reason, struct x100_why *why);

/*
 * The command line as the old host wrote it, with @extra (may be NULL) put in front of the user's
 * text: " mem=<MiB>M[ extra][ user]".
 *
 * @size: bytes with NUL on success
 * Errors: CMDLINE when it needs more than 2048 bytes or holds control characters.
 */
int x100_cmdline(uint64_t aperture, const char *extra, const char *user, char text[2048],
		 uint64_t *size, struct x100_why *why);

/* Words for enum x100_reason: what happened, and what to try. Never NULL. */
const char *x100_reason_words(uint32_t reason);
const char *x100_reason_hint(uint32_t reason);

/*
 * What happened with its particulars: value, size, limit, header field; of an exception: vector, error
 * code, EIP, CR2. Those that are 0 are left out. Returns @text.
 */
#define X100_REASON_TEXT 256
const char *x100_reason_text(uint32_t reason, const uint64_t detail[4],
			     char text[X100_REASON_TEXT]);

/* ------------------------------------------------------------------ boot record and logs */

/*
 * Check a copy of a boot record and clamp every index in it. Returns false when it is none.
 */
bool x100_record_check(struct x100_record *record);

/* Read and check the boot record. Errors: NO_RECORD, TRAINING, OFF_BUS, transport errors. */
int x100_record_read(struct x100_card *card, struct x100_record *record);

/* The run that goes on now, and the one before it (NULL when there was none). */
const struct x100_run *x100_record_current(const struct x100_record *record);
const struct x100_run *x100_record_previous(const struct x100_record *record);

/*
 * Console text of a run, oldest first, made printable.
 *
 * @text: X100_RECORD_CONSOLE + 1 bytes, NUL-terminated on return. Returns its length.
 */
size_t x100_run_console(const struct x100_run *run, char *text);

/* Make foreign text safe for a terminal, in place: controls but \n and \t become '.'. */
void x100_text_clean(char *text, size_t size);

#define X100_KLOG_MAX (1u << 20) /* a ring said to be larger is not believed */

/*
 * Read the card kernel's log.
 *
 * @from: bytes of it already seen; set to the number seen now
 * @text: malloc()ed text from @from on, made printable, NUL-terminated; the caller frees it
 * @lost: bytes that the ring had dropped before they could be read
 *
 * Errors: NO_RECORD when no kernel of the current run published one or what it published makes no
 * sense; MEMORY; those of x100_record_read().
 */
int x100_klog_read(struct x100_card *card, uint64_t *from, char **text, size_t *size,
		   uint64_t *lost);

/* ------------------------------------------------------------------ timeline */

enum x100_side {
	X100_SIDE_CARD,
	X100_SIDE_HOST,
};

/* Something that happened, on the host's clock. */
struct x100_event {
	uint64_t realtime; /* ns since 1970, below 2^63 */
	enum x100_side side;
	uint32_t what; /* card: POST code; host: enum x100_push_step */
};

#define X100_EVENTS ((unsigned int)X100_PUSH_STEPS + X100_RECORD_STAGES)

/*
 * One table of both sides' time stamps, in the order of time.
 *
 * @run: stamps of the card, from a checked record; NULL: none
 * @pair: what moves them onto the host's clock (x100_time_sample()). A stamp its counter has not
 *        reached was taken before the counter was cleared, and is left out
 * @times: stamps of a push; NULL: none
 *
 * Returns the number of events.
 */
unsigned int x100_timeline(const struct x100_run *run, const struct x100_time_pair *pair,
			   const struct x100_push_times *times,
			   struct x100_event events[X100_EVENTS]);

/* ------------------------------------------------------------------ SMPT */

/*
 * Bookkeeping of the 32 windows, with the allocation rules of the old host driver, which old peers
 * know (x100-abi.md 0.4). Reference counts are in bytes.
 */
struct x100_smpt {
	struct {
		uint64_t host;  /* start of the 16 GiB page shown */
		uint64_t bytes; /* mapped through it */
	} entry[X100_SMPT_ENTRIES];
};

/* All 32 entries one to one: host 0 to 512 GiB. */
void x100_smpt_init(struct x100_smpt *smpt);

/*
 * Find or make windows for [host, host + size).
 *
 * @changed: bit n set when entry n has to be written to the card
 *
 * Returns the card address, or 0 when there is no room.
 */
uint64_t x100_smpt_map(struct x100_smpt *smpt, uint64_t host, uint64_t size, uint32_t *changed);

/* Give back [card, card + size) as mapped. False when it was not mapped like that. */
bool x100_smpt_unmap(struct x100_smpt *smpt, uint64_t card, uint64_t size);

/* ------------------------------------------------------------------ host memory for the card */

/*
 * Allocate zeroed host memory, make it reachable for the card and find its card address.
 *
 * @address: card address, in the system memory window
 */
int x100_dma_alloc(struct x100_card *card, uint64_t size, struct x100_dma *dma, uint64_t *address);
void x100_dma_free(struct x100_card *card, struct x100_dma *dma, uint64_t address);

/* ------------------------------------------------------------------ interrupts */

/*
 * Route the causes to MSI-X vectors with eventfds as the old host does on its first boot: DMA
 * channels 0 to 3 on vectors 0 to 3, doorbells 0 to 3 on 4 to 7 (x100-abi.md 7.3).
 */
#define X100_IRQ_VECTORS 9
int x100_irq_setup(struct x100_card *card);
/* Bits X100_SRC_* that came since the last call; does not wait. Not beside a struct x100_vpage. */
int x100_irq_take(struct x100_card *card, uint32_t *causes);
/* Ring card doorbell @index, 0 to 15 (x100-abi.md 7.1). Errors: ARGUMENT, transport errors. */
int x100_doorbell(struct x100_card *card, unsigned int index);

#endif
