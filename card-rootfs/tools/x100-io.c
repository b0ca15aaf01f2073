// SPDX-License-Identifier: BSD-3-Clause
/*
 * Block I/O with verification and as a benchmark, on a block device or a file.
 *
 * Every sector that is written says which one it is, how often it was written (its generation) and in which
 * run (the seed); the rest of it follows from the three, so that a sector that is stale, torn, misplaced or
 * damaged is told from a right one. Requests go through Linux AIO past the page cache.
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR       512
#define SECTOR_WORDS (SECTOR / 8)
#define MAX_DEPTH    1024
#define MAX_BLOCK    (16 << 20)
#define MAX_SHOWN    10 /* bad sectors described */

/* The first words of a sector. */
struct stamp {
	uint64_t seed;
	uint64_t sector;
	uint64_t generation;
};

#define STAMP_WORDS (sizeof(struct stamp) / 8)

struct options {
	const char *mode;
	const char *path;
	uint64_t size;    /* bytes used of the device or file; 0: all */
	uint64_t ops;     /* requests; 0: no limit */
	uint64_t seconds; /* 0: no limit */
	uint64_t seed;
	uint64_t generation; /* of fill and check */
	uint64_t flush;      /* verify: fsync after that many writes; 0: only at the end */
	uint32_t block;
	uint32_t depth;
	bool buffered;
};

struct slot {
	struct iocb cb;
	uint8_t *buffer;
	uint64_t block;
	uint32_t generation; /* written, or expected from a read; 0: not known, not checked */
};

struct run {
	const struct options *opt;
	int fd;
	aio_context_t aio;
	struct slot *slots;
	struct slot *idle[MAX_DEPTH];
	uint32_t idle_count;
	uint64_t blocks;
	uint32_t *generations; /* verify: of each block, as last written */
	uint8_t *busy;         /* verify: a request for the block is under way */
	uint32_t *order;       /* fill, check: the blocks, shuffled */
	uint64_t random;       /* requests chosen so far */
	uint64_t issued, done, bytes, bad;
};

static const char usage[] =
	"usage: x100-io MODE PATH [OPTION]...\n"
	"\n"
	"  fill       write every block once, in random order, and fsync\n"
	"  check      read every block and compare with what fill wrote (same -r, -g, -s)\n"
	"  verify     random reads and writes of blocks, every read compared; at the end, all\n"
	"  randread, randwrite, read, write    for figures; writes leave other data behind\n"
	"\n"
	"  -s SIZE    bytes used from the start (all; needed for a file to be made)\n"
	"  -b SIZE    block (4K)\n"
	"  -q N       requests under way (1)\n"
	"  -n N       requests (verify: 4 per block; else as many as there are blocks)\n"
	"  -t S       stop after S seconds\n"
	"  -r SEED    (1)\n"
	"  -g N       generation that fill writes and check expects (1)\n"
	"  -f N       verify: fsync after every N writes (1024; 0: only at the end)\n"
	"  -B         through the page cache, for file systems without O_DIRECT\n"
	"\n"
	"Prints key=value. Exit status: 0; 1 wrong data; 2 usage; 3 an I/O error.\n";

static uint64_t chance(struct run *run, uint64_t below)
{
	return tool_word(~run->opt->seed, run->random++) % below;
}

/* The seed of a sector's words after the stamp. */
static uint64_t sector_seed(const struct stamp *stamp)
{
	return tool_word(tool_word(stamp->seed, stamp->sector), stamp->generation);
}

static void stamp_block(const struct run *run, struct slot *slot)
{
	uint32_t sectors = run->opt->block / SECTOR;

	for (uint32_t i = 0; i < sectors; i++) {
		uint64_t *words = (uint64_t *)(slot->buffer + (size_t)i * SECTOR);
		struct stamp stamp = { run->opt->seed, slot->block * sectors + i,
				       slot->generation };

		memcpy(words, &stamp, sizeof(stamp));
		tool_fill(words + STAMP_WORDS, SECTOR_WORDS - STAMP_WORDS, sector_seed(&stamp), 0);
	}
}

static void check_block(struct run *run, const struct slot *slot)
{
	uint32_t sectors = run->opt->block / SECTOR;

	for (uint32_t i = 0; i < sectors; i++) {
		const uint64_t *words = (const uint64_t *)(slot->buffer + (size_t)i * SECTOR);
		struct stamp want = { run->opt->seed, slot->block * sectors + i, slot->generation },
			     got;
		size_t good;

		memcpy(&got, words, sizeof(got));
		good = tool_compare(words + STAMP_WORDS, SECTOR_WORDS - STAMP_WORDS,
				    sector_seed(&got), 0);
		if (!memcmp(&got, &want, sizeof(got)) && good == SECTOR_WORDS - STAMP_WORDS)
			continue;
		if (run->bad++ >= MAX_SHOWN)
			continue;
		fprintf(stderr, "sector %llu: ", (unsigned long long)want.sector);
		if (good == SECTOR_WORDS - STAMP_WORDS)
			fprintf(stderr,
				"holds sector %llu generation %llu seed %llu, not generation %llu seed %llu\n",
				(unsigned long long)got.sector, (unsigned long long)got.generation,
				(unsigned long long)got.seed, (unsigned long long)want.generation,
				(unsigned long long)want.seed);
		else
			fprintf(stderr, "torn or damaged: wrong from byte %zu on\n",
				(good + STAMP_WORDS) * 8);
	}
}

static void flush(const struct run *run)
{
	if (fsync(run->fd))
		tool_die(TOOL_FAILED, "fsync: %s", strerror(errno));
}

static void submit(struct run *run, struct slot *slot, bool is_write)
{
	struct iocb *cb = &slot->cb;

	memset(cb, 0, sizeof(*cb));
	cb->aio_data = (uintptr_t)slot;
	cb->aio_lio_opcode = is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
	cb->aio_fildes = (uint32_t)run->fd;
	cb->aio_buf = (uintptr_t)slot->buffer;
	cb->aio_nbytes = run->opt->block;
	cb->aio_offset = (int64_t)(slot->block * run->opt->block);
	if (syscall(SYS_io_submit, run->aio, 1, &cb) != 1)
		tool_die(TOOL_FAILED, "io_submit: %s", strerror(errno));
	run->issued++;
}

/* Waits for at least one request and takes what is finished. */
static void reap(struct run *run)
{
	struct io_event events[64];
	long count;

	do
		count = syscall(SYS_io_getevents, run->aio, 1, 64, events, NULL);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		tool_die(TOOL_FAILED, "io_getevents: %s", strerror(errno));
	for (long i = 0; i < count; i++) {
		struct slot *slot = (struct slot *)(uintptr_t)events[i].data;
		bool is_read = slot->cb.aio_lio_opcode == IOCB_CMD_PREAD;

		if (events[i].res != (int64_t)run->opt->block)
			tool_die(TOOL_FAILED, "%s of block %llu: %s", is_read ? "read" : "write",
				 (unsigned long long)slot->block,
				 events[i].res < 0 ? strerror((int)-events[i].res) : "too short");
		if (is_read && slot->generation)
			check_block(run, slot);
		if (run->busy)
			run->busy[slot->block] = 0;
		run->bytes += run->opt->block;
		run->done++;
		run->idle[run->idle_count++] = slot;
	}
}

/*
 * Keeps the queue full until ops requests were issued or the time is up. choose() picks a request for the slot and
 * says whether it is a write.
 */
static void pump(struct run *run, uint64_t ops, bool (*choose)(struct run *run, struct slot *slot))
{
	uint64_t end = run->opt->seconds ? tool_now() + run->opt->seconds * 1000000000 : UINT64_MAX;
	uint64_t left = ops, writes = 0;

	while (left) {
		struct slot *slot;
		bool is_write;

		if (!run->idle_count)
			reap(run);
		if (run->opt->seconds && tool_now() >= end)
			break;
		slot = run->idle[--run->idle_count];
		is_write = choose(run, slot);
		submit(run, slot, is_write);
		left--;
		if (run->generations && is_write && run->opt->flush &&
		    !(++writes % run->opt->flush))
			flush(run);
	}
	while (run->done < run->issued)
		reap(run);
}

static bool choose_fill(struct run *run, struct slot *slot)
{
	slot->block = run->order[run->issued];
	slot->generation = (uint32_t)run->opt->generation;
	stamp_block(run, slot);
	return true;
}

static bool choose_check(struct run *run, struct slot *slot)
{
	slot->block = run->order[run->issued % run->blocks];
	slot->generation = run->generations ? run->generations[slot->block] :
					      (uint32_t)run->opt->generation;
	return false;
}

static bool choose_verify(struct run *run, struct slot *slot)
{
	/* Two requests for one block may be served in either order: the result would be open. */
	do
		slot->block = chance(run, run->blocks);
	while (run->busy[slot->block]);
	run->busy[slot->block] = 1;
	if (chance(run, 2) && run->generations[slot->block]) {
		slot->generation = run->generations[slot->block];
		return false;
	}
	slot->generation = ++run->generations[slot->block];
	stamp_block(run, slot);
	return true;
}

static bool choose_speed(struct run *run, struct slot *slot)
{
	bool is_random = !strncmp(run->opt->mode, "rand", 4);

	slot->generation = 0;
	slot->block = is_random ? chance(run, run->blocks) : run->issued % run->blocks;
	return strstr(run->opt->mode, "write");
}

static void shuffle(struct run *run)
{
	run->order = calloc(run->blocks, sizeof(*run->order));
	if (!run->order)
		tool_die(TOOL_FAILED, "not enough memory");
	for (uint64_t i = 0; i < run->blocks; i++) {
		uint64_t j = chance(run, i + 1);

		run->order[i] = run->order[j];
		run->order[j] = (uint32_t)i;
	}
}

/* Opens the device or file and finds how many blocks there are. */
static void open_path(struct run *run)
{
	const struct options *opt = run->opt;
	bool writes = strcmp(opt->mode, "check") && !strstr(opt->mode, "read");
	struct stat st;
	uint64_t size;

	run->fd =
		open(opt->path,
		     (writes ? O_RDWR : O_RDONLY) | (opt->buffered ? 0 : O_DIRECT) | O_CLOEXEC |
			     (writes && opt->size && strncmp(opt->path, "/dev/", 5) ? O_CREAT : 0),
		     0666);
	if (run->fd < 0)
		tool_die(TOOL_FAILED, "%s: %s%s", opt->path, strerror(errno),
			 errno == EINVAL ? " (no O_DIRECT here? -B does without)" : "");
	if (fstat(run->fd, &st))
		tool_die(TOOL_FAILED, "%s: %s", opt->path, strerror(errno));
	size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(run->fd, BLKGETSIZE64, &size))
			tool_die(TOOL_FAILED, "%s: %s", opt->path, strerror(errno));
	} else if (writes && opt->size > size) {
		if (ftruncate(run->fd, (off_t)opt->size))
			tool_die(TOOL_FAILED, "%s: %s", opt->path, strerror(errno));
		size = opt->size;
	}
	if (opt->size > size)
		tool_die(TOOL_FAILED, "%s has only %llu bytes", opt->path,
			 (unsigned long long)size);
	if (opt->size)
		size = opt->size;
	run->blocks = size / opt->block;
	if (run->blocks <= opt->depth || run->blocks > UINT32_MAX)
		tool_die(TOOL_USAGE, "%s has %llu blocks: too few for the queue depth, or too many",
			 opt->path, (unsigned long long)run->blocks);
}

static void prepare(struct run *run)
{
	const struct options *opt = run->opt;

	open_path(run);
	if (syscall(SYS_io_setup, opt->depth, &run->aio))
		tool_die(TOOL_FAILED, "io_setup: %s", strerror(errno));
	run->slots = calloc(opt->depth, sizeof(*run->slots));
	if (!run->slots)
		tool_die(TOOL_FAILED, "not enough memory");
	for (uint32_t i = 0; i < opt->depth; i++) {
		void *buffer;

		if (posix_memalign(&buffer, 4096, opt->block))
			tool_die(TOOL_FAILED, "not enough memory");
		run->slots[i].buffer = buffer;
		tool_fill(buffer, opt->block / 8, opt->seed, i);
		run->idle[run->idle_count++] = &run->slots[i];
	}
}

static void verify(struct run *run)
{
	run->generations = calloc(run->blocks, sizeof(*run->generations));
	run->busy = calloc(run->blocks, 1);
	if (!run->generations || !run->busy)
		tool_die(TOOL_FAILED, "not enough memory");
	pump(run, run->opt->ops ? run->opt->ops : 4 * run->blocks, choose_verify);
	flush(run);
}

/* Reads everything once more, whatever the limits for the run were. */
static void final_check(const struct run *verified, uint64_t *bad)
{
	struct options opt = *verified->opt;
	struct run run = *verified;

	opt.seconds = 0;
	run.opt = &opt;
	run.issued = 0;
	run.done = 0;
	run.bad = 0;
	shuffle(&run);
	pump(&run, run.blocks, choose_check);
	*bad += run.bad;
	free(run.order);
}

static int execute(struct run *run)
{
	const struct options *opt = run->opt;
	uint64_t start, ns;

	prepare(run);
	if (!strcmp(opt->mode, "fill") || !strcmp(opt->mode, "check"))
		shuffle(run);
	start = tool_now();
	if (!strcmp(opt->mode, "fill")) {
		pump(run, run->blocks, choose_fill);
		flush(run);
	} else if (!strcmp(opt->mode, "check")) {
		pump(run, run->blocks, choose_check);
	} else if (!strcmp(opt->mode, "verify")) {
		verify(run);
	} else {
		pump(run,
		     opt->ops     ? opt->ops :
		     opt->seconds ? UINT64_MAX :
				    run->blocks,
		     choose_speed);
	}
	ns = tool_now() - start;
	if (run->generations)
		final_check(run, &run->bad);
	printf("mode=%s block=%u depth=%u ops=%llu bytes=%llu ns=%llu bad=%llu\n", opt->mode,
	       opt->block, opt->depth, (unsigned long long)run->done,
	       (unsigned long long)run->bytes, (unsigned long long)ns,
	       (unsigned long long)run->bad);
	return run->bad ? TOOL_BAD_DATA : 0;
}

int main(int argc, char **argv)
{
	/* Unlike getopt(), takes options after the other words with any C library. */
	static const struct option no_long[] = { { 0 } };
	static const char *const modes[] = { "fill",      "check", "verify", "randread",
					     "randwrite", "read",  "write" };
	static struct options opt = {
		.block = 4096, .depth = 1, .seed = 1, .generation = 1, .flush = 1024
	};
	static struct run run = { .opt = &opt };
	bool known = false;
	int option;

	while ((option = getopt_long(argc, argv, "s:b:q:n:t:r:g:f:Bh", no_long, NULL)) != -1) {
		switch (option) {
		case 's':
			opt.size = tool_number(optarg, INT64_MAX);
			break;
		case 'b':
			opt.block = (uint32_t)tool_number(optarg, MAX_BLOCK);
			break;
		case 'q':
			opt.depth = (uint32_t)tool_number(optarg, MAX_DEPTH);
			break;
		case 'n':
			opt.ops = tool_number(optarg, UINT64_MAX);
			break;
		case 't':
			opt.seconds = tool_number(optarg, 1000000);
			break;
		case 'r':
			opt.seed = tool_number(optarg, UINT64_MAX);
			break;
		case 'g':
			opt.generation = tool_number(optarg, UINT32_MAX);
			break;
		case 'f':
			opt.flush = tool_number(optarg, UINT64_MAX);
			break;
		case 'B':
			opt.buffered = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return TOOL_USAGE;
		}
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return TOOL_USAGE;
	}
	opt.mode = argv[optind];
	opt.path = argv[optind + 1];
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		known |= !strcmp(opt.mode, modes[i]);
	if (!known)
		tool_die(TOOL_USAGE, "no mode %s; -h lists them", opt.mode);
	if (!opt.block || opt.block % SECTOR || !opt.depth || !opt.generation)
		tool_die(TOOL_USAGE,
			 "the block is a multiple of %d, depth and generation are at least 1",
			 SECTOR);
	return execute(&run);
}
