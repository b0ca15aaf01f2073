// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: disks in files and on block devices (lib/block*.c) with both engines. Faked: the device
 * page and the rings (fake_vq.h); where a test says so, the system calls of the thread engine.
 */
#include "blk_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE  (4u << 20) /* of the disk */
#define FLUSH (1u << VIRTIO_BLK_F_FLUSH)
#define ALL   (fake_vq.params.features)

/* ------------------------------------------------------------------ system calls */

enum {
	READ,
	WRITE,
	SYNC,
	ALLOC,
	CALLS
};

/* What the thread engine's system calls do. */
static struct {
	int error[CALLS];  /* fail with this; 0 = do not */
	int alloc_refused; /* modes of fallocate() that are not supported */
	size_t most;       /* bytes of one read or write; 0 = all */
	unsigned int count[CALLS];
	unsigned int durable; /* writes with RWF_DSYNC */
	bool block;           /* wait in a write until in_stop */
	int pass;             /* this many writes do not */
	bool in_write, in_stop;
	unsigned int left; /* writes that are done */
	pthread_mutex_t lock;
	pthread_cond_t moved;
} sys;

static void set_moved(bool *what)
{
	pthread_mutex_lock(&sys.lock);
	*what = true;
	pthread_cond_broadcast(&sys.moved);
	pthread_mutex_unlock(&sys.lock);
}

static void await_moved(const bool *what)
{
	pthread_mutex_lock(&sys.lock);
	while (!*what)
		pthread_cond_wait(&sys.moved, &sys.lock);
	pthread_mutex_unlock(&sys.lock);
}

static bool injected(unsigned int call)
{
	__atomic_add_fetch(&sys.count[call], 1, __ATOMIC_RELAXED);
	errno = sys.error[call];
	return sys.error[call];
}

/* At most sys.most bytes of what is in @iov. */
static int shorten(const struct iovec *iov, int count, struct iovec *to)
{
	size_t left = sys.most ? sys.most : SIZE_MAX;
	int n = 0;

	for (; n < count && left; n++) {
		to[n] = iov[n];
		if (to[n].iov_len > left)
			to[n].iov_len = left;
		left -= to[n].iov_len;
	}
	return n;
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	struct iovec to[1024];

	if (injected(READ))
		return -1;
	count = shorten(iov, count, to);
	return syscall(SYS_preadv2, fd, to, (long)count, (long)offset, 0L, (long)flags);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	struct iovec to[1024];
	ssize_t ret;

	if (injected(WRITE))
		return -1;
	if (flags & RWF_DSYNC)
		__atomic_add_fetch(&sys.durable, 1, __ATOMIC_RELAXED);
	if (sys.block && __atomic_sub_fetch(&sys.pass, 1, __ATOMIC_RELAXED) < 0) {
		set_moved(&sys.in_write);
		await_moved(&sys.in_stop);
	}
	count = shorten(iov, count, to);
	ret = syscall(SYS_pwritev2, fd, to, (long)count, (long)offset, 0L, (long)flags);
	__atomic_add_fetch(&sys.left, 1, __ATOMIC_RELEASE);
	return ret;
}

int fdatasync(int fd)
{
	return injected(SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	if (injected(ALLOC))
		return -1;
	if (mode & sys.alloc_refused) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, (long)mode, (long)offset, (long)size);
}

/* Waiting for a lock takes no time here. */
static unsigned int pauses;
static void (*paused)(void);

int nanosleep(const struct timespec *time, struct timespec *rest)
{
	(void)time;
	(void)rest;
	pauses++;
	if (paused)
		paused();
	return 0;
}

/* ------------------------------------------------------------------ fixture */

static char path[64];
static int file = -1;
static struct x100_backend *disk;

static void open_disk(const char *options)
{
	struct x100_why why = { "" };
	char spec[160];

	snprintf(spec, sizeof(spec), "%s%s", path, options);
	if (x100_block_class.open(&fake_vq.env, "disk0", spec, &why, &disk))
		fail_msg("%s", why.text);
}

static void close_disk(void)
{
	fake_vq_stop();
	if (disk)
		x100_block_class.close(disk);
	disk = NULL;
	fake_vq.added = false;
}

static int setup(void **state)
{
	(void)state;
	memset(&sys, 0, sizeof(sys));
	pthread_mutex_init(&sys.lock, NULL);
	pthread_cond_init(&sys.moved, NULL);
	fake_vq_setup();
	next_card = 0;
	strcpy(path, "/tmp/x100-block-XXXXXX");
	file = mkstemp(path);
	return file < 0 || ftruncate(file, SIZE);
}

static int setup_ring(void **state)
{
	unsetenv("X100_NO_IO_URING");
	return setup(state);
}

static int setup_threads(void **state)
{
	setenv("X100_NO_IO_URING", "1", 1);
	return setup(state);
}

static int teardown(void **state)
{
	(void)state;
	close_disk();
	fake_vq_teardown();
	close(file);
	unlink(path);
	return 0;
}

static uint64_t status_number(const char *key)
{
	json_object *member = fake_vq_status(disk, key);
	uint64_t n = json_object_get_uint64(member);

	json_object_put(member);
	return n;
}

static void assert_engine(const char *name)
{
	json_object *member = fake_vq_status(disk, "engine");

	assert_string_equal(json_object_get_string(member), name);
	json_object_put(member);
}

static void assert_file(uint64_t offset, const void *want, size_t size)
{
	uint8_t *got = malloc(size);

	assert_int_equal(pread(file, got, size, (off_t)offset), size);
	assert_memory_equal(got, want, size);
	free(got);
}

/* ------------------------------------------------------------------ what is offered */

static const struct virtio_blk_config *config(void)
{
	return (const struct virtio_blk_config *)(void *)fake_vq.config;
}

static void offers_what_the_medium_can(void **state)
{
	(void)state;
	open_disk("");
	assert_int_equal(fake_vq.params.type, 2);
	assert_int_equal(fake_vq.params.queues, 1);
	assert_int_equal(fake_vq.params.entries, 128);
	assert_int_equal(fake_vq.params.config_size, 60);
	assert_int_equal(ALL, 1u << VIRTIO_BLK_F_SEG_MAX | 1u << VIRTIO_BLK_F_BLK_SIZE |
				      1u << VIRTIO_BLK_F_TOPOLOGY | FLUSH |
				      1u << VIRTIO_BLK_F_DISCARD | 1u << VIRTIO_BLK_F_WRITE_ZEROES);
	assert_int_equal(config()->capacity, SIZE / SECTOR);
	assert_int_equal(config()->seg_max, 126);
	assert_int_equal(config()->blk_size, 512);
	assert_int_equal(config()->physical_block_exp, 3);
	assert_int_equal(config()->num_queues, 1);
	assert_true(config()->max_discard_sectors && config()->max_discard_seg);
	assert_true(config()->max_write_zeroes_sectors && config()->max_write_zeroes_seg);
	assert_int_equal(config()->write_zeroes_may_unmap, 1);
}

static void offers_what_linux_4_19_did_when_told_to(void **state)
{
	(void)state;
	fake_vq.env.legacy_features = true;
	open_disk(",queues=4");
	assert_int_equal(ALL, 0x4);
	assert_int_equal(fake_vq.params.config_size, 36);
	assert_int_equal(fake_vq.params.queues, 1);
	assert_int_equal(config()->capacity, SIZE / SECTOR);
	assert_int_equal(config()->seg_max, 126);
	for (unsigned int i = 16; i < 36; i++)
		assert_int_equal(fake_vq.config[i], 0);
}

static void offers_queues_and_entries_as_told(void **state)
{
	(void)state;
	open_disk(",queues=4,entries=1024");
	assert_int_equal(fake_vq.params.queues, 4);
	assert_int_equal(fake_vq.params.entries, 1024);
	assert_true(ALL & 1u << VIRTIO_BLK_F_MQ);
	assert_int_equal(config()->num_queues, 4);
	assert_int_equal(config()->seg_max, 1022);
}

static void offers_no_writes_when_read_only(void **state)
{
	(void)state;
	open_disk(",ro");
	assert_true(ALL & 1u << VIRTIO_BLK_F_RO);
	assert_false(ALL & (1u << VIRTIO_BLK_F_DISCARD | 1u << VIRTIO_BLK_F_WRITE_ZEROES));
}

/* ------------------------------------------------------------------ opening */

static int open_error(const char *spec, const char *words)
{
	struct x100_why why = { "" };
	int ret = x100_block_class.open(&fake_vq.env, "disk0", spec, &why, &disk);

	assert_null(disk);
	assert_false(fake_vq.added);
	assert_non_null(strstr(why.text, words));
	return ret;
}

static void refuses_what_is_no_disk(void **state)
{
	char spec[128];

	(void)state;
	assert_int_equal(open_error("/tmp/x100-there-is-no-such-file", "No such file"),
			 X100_ERR_FILE);
	assert_int_equal(open_error("/tmp", "directory"), X100_ERR_FILE);
	assert_int_equal(open_error("/tmp,ro", "neither"), X100_ERR_FILE);
	assert_int_equal(open_error("/dev/null", "neither"), X100_ERR_FILE);
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(open_error(path, "0 bytes"), X100_ERR_FILE);
	assert_int_equal(ftruncate(file, 1000), 0);
	assert_int_equal(open_error(path, "multiple of 512"), X100_ERR_FILE);
	snprintf(spec, sizeof(spec), "%s.fifo", path);
	assert_int_equal(mkfifo(spec, 0600), 0);
	assert_int_equal(open_error(spec, "neither"), X100_ERR_FILE);
	unlink(spec);
}

static void refuses_words_that_make_no_sense(void **state)
{
	static const struct {
		const char *spec, *words;
	} bad[] = {
		{ "", "needs a path" },
		{ "/x,rw", "'rw'" },
		{ "/x,ro=1", "'ro' takes no value" },
		{ "/x,queues=5", "queues=5" },
		{ "/x,queues=0", "queues=0" },
		{ "/x,entries=100", "power of two" },
		{ "/x,entries=2", "entries=2" },
		{ "/x,entries=2048", "entries=2048" },
		{ "/x,serial=123456789012345678901", "longer than 20" },
		{ "/x,timeout=0", "timeout=0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct x100_why why = { "" };

		assert_int_equal(x100_backend_check("disk", bad[i].spec, &why), X100_ERR_ARGUMENT);
		assert_non_null(strstr(why.text, bad[i].words));
		assert_int_equal(open_error(bad[i].spec, bad[i].words), X100_ERR_ARGUMENT);
	}
	assert_int_equal(x100_backend_check("disk", "/x,ro,queues=2,entries=64,serial=a", NULL), 0);
}

/* Two disks that write to one file would destroy each other's file systems. */
static void refuses_a_file_that_another_disk_writes(void **state)
{
	struct x100_backend *first;
	char ro[80];

	(void)state;
	open_disk("");
	first = disk;
	disk = NULL;
	fake_vq.added = false;
	snprintf(ro, sizeof(ro), "%s,ro", path);
	assert_int_equal(open_error(path, "in use"), X100_ERR_FILE);
	assert_int_equal(open_error(ro, "in use"), X100_ERR_FILE);
	x100_block_class.close(first);
	open_disk(",ro");
	first = disk;
	disk = NULL;
	fake_vq.added = false;
	assert_int_equal(open_error(path, "in use"), X100_ERR_FILE);
	open_disk(",ro");
	x100_block_class.close(first);
}

static int held = -1;

static void let_go(void)
{
	if (pauses == 5)
		close(held);
}

/* The daemon before was killed, and its last writes are not at their end. */
static void waits_for_what_a_killed_program_had_under_way(void **state)
{
	struct flock lock = { .l_type = F_WRLCK };

	(void)state;
	held = open(path, O_RDWR);
	assert_int_equal(fcntl(held, F_OFD_SETLK, &lock), 0);
	pauses = 0;
	paused = let_go;
	open_disk("");
	paused = NULL;
	assert_int_equal(pauses, 5);
}

/* ------------------------------------------------------------------ requests */

static void writes_and_reads(void **state)
{
	uint8_t data[65536];
	struct request r;

	(void)state;
	fill(data, sizeof(data), 1);
	open_disk("");
	fake_vq_start(ALL);
	r = offer_parts(0, VIRTIO_BLK_T_OUT, 100, data, sizeof(data), 4096);
	assert_ok(run(&r));
	assert_int_equal(fake_vq.queue[0].used[0].written, 1);
	assert_file(100 * SECTOR, data, sizeof(data));
	/* In parts that have nothing to do with sectors. */
	r = offer_parts(0, VIRTIO_BLK_T_IN, 100, NULL, sizeof(data), 1000);
	assert_ok(run(&r));
	assert_int_equal(fake_vq.queue[0].used[1].written, sizeof(data) + 1);
	assert_memory_equal(fake_vq.memory + r.data, data, sizeof(data));
	assert_int_equal(status_number("reads"), 1);
	assert_int_equal(status_number("writes"), 1);
	assert_int_equal(status_number("bytes_read"), sizeof(data));
	assert_int_equal(status_number("bytes_written"), sizeof(data));
	assert_int_equal(status_number("errors") + status_number("refused"), 0);
}

/* More than is copied at a time. */
static void copies_where_the_aperture_is_not_mapped(void **state)
{
	size_t size = 1000 * SECTOR * 2;
	uint8_t *data = malloc(size);
	struct request r;

	(void)state;
	fill(data, size, 2);
	open_disk("");
	fake_vq.mapped = false;
	fake_vq_start(ALL);
	r = offer_parts(0, VIRTIO_BLK_T_OUT, 1, data, (uint32_t)size, 20000);
	assert_ok(run(&r));
	assert_file(SECTOR, data, size);
	r = offer_parts(0, VIRTIO_BLK_T_IN, 1, NULL, (uint32_t)size, 30001);
	assert_ok(run(&r));
	assert_memory_equal(fake_vq.memory + r.data, data, size);
	free(data);
}

static void takes_chains_as_long_as_the_ring(void **state)
{
	uint8_t data[1022 * SECTOR];
	struct request r;

	(void)state;
	fill(data, sizeof(data), 3);
	open_disk(",entries=1024");
	fake_vq_start(ALL);
	r = offer_parts(0, VIRTIO_BLK_T_OUT, 7, data, sizeof(data), SECTOR);
	assert_ok(run(&r));
	assert_file(7 * SECTOR, data, sizeof(data));
}

static void reaches_the_last_sector_and_no_further(void **state)
{
	uint8_t data[2 * SECTOR] = { 1 };
	uint64_t last = SIZE / SECTOR - 1;

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, last, data, SECTOR));
	assert_ok(request(VIRTIO_BLK_T_IN, last, NULL, SECTOR));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, last, data, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, last + 1, NULL, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, UINT64_MAX, NULL, SECTOR), VIRTIO_BLK_S_IOERR);
	/* These end inside the disk if the arithmetic wraps. */
	assert_int_equal(request(VIRTIO_BLK_T_OUT, UINT64_MAX / SECTOR + 1, data, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, UINT64_MAX, data, 2 * SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(lseek(file, 0, SEEK_END), SIZE);
	assert_int_equal(status_number("refused"), 5);
	assert_int_equal(fake_vq.fault, X100_FAULT_NONE);
}

static void reads_zeroes_from_holes(void **state)
{
	static const uint8_t zero[8192];
	struct request r;

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	memset(fake_vq.memory, 0xFF, FAKE_VQ_MEMORY);
	r = offer(VIRTIO_BLK_T_IN, 1000, NULL, sizeof(zero));
	assert_ok(run(&r));
	assert_memory_equal(fake_vq.memory + r.data, zero, sizeof(zero));
}

static void tells_its_serial_number(void **state)
{
	struct request r;
	uint8_t guard;

	(void)state;
	open_disk(",serial=ABCDEFGHIJKLMNOPQRST");
	fake_vq_start(ALL);
	r = offer(VIRTIO_BLK_T_GET_ID, 0, NULL, VIRTIO_BLK_ID_BYTES);
	assert_ok(run(&r));
	assert_memory_equal(fake_vq.memory + r.data, "ABCDEFGHIJKLMNOPQRST", 20);
	assert_int_equal(fake_vq.queue[0].used[0].written, 21);
	/* A longer buffer gets no more, a shorter one less. */
	r = offer(VIRTIO_BLK_T_GET_ID, 0, NULL, 64);
	fake_vq.memory[r.data + 20] = guard = 0x5A;
	assert_ok(run(&r));
	assert_int_equal(fake_vq.memory[r.data + 20], guard);
	r = offer(VIRTIO_BLK_T_GET_ID, 0, NULL, 4);
	assert_ok(run(&r));
	assert_int_equal(fake_vq.queue[0].used[2].written, 5);
	close_disk();
	open_disk("");
	fake_vq_start(ALL);
	r = offer(VIRTIO_BLK_T_GET_ID, 0, NULL, VIRTIO_BLK_ID_BYTES);
	assert_ok(run(&r));
	assert_string_equal(fake_vq.memory + r.data, "disk0");
}

static void flushes(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk("");
	fake_vq_start(FLUSH);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, sizeof(data)));
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_int_equal(status_number("flushes"), 1);
}

static void refuses_writes_to_a_read_only_disk(void **state)
{
	uint8_t data[SECTOR] = { 1 };
	static const uint8_t zero[SECTOR];

	(void)state;
	open_disk(",ro");
	fake_vq_start(ALL);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_ok(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR));
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_file(0, zero, SECTOR);
}

/* ------------------------------------------------------------------ discard and write zeroes */

static uint64_t blocks(void)
{
	struct stat st;

	assert_int_equal(fstat(file, &st), 0);
	return (uint64_t)st.st_blocks;
}

static void write_all(uint8_t byte)
{
	uint8_t *data = malloc(SIZE);

	memset(data, byte, SIZE);
	assert_int_equal(pwrite(file, data, SIZE, 0), SIZE);
	fsync(file);
	free(data);
}

static void assert_bytes(uint64_t offset, uint8_t byte, size_t size)
{
	uint8_t *want = malloc(size);

	memset(want, byte, size);
	assert_file(offset, want, size);
	free(want);
}

static void discard_gives_space_back(void **state)
{
	struct virtio_blk_discard_write_zeroes range[16];
	uint64_t before;

	(void)state;
	write_all(0xAA);
	before = blocks();
	open_disk("");
	fake_vq_start(ALL);
	for (unsigned int i = 0; i < 16; i++)
		range[i] = (struct virtio_blk_discard_write_zeroes){ i * 256, 128, 0 };
	assert_ok(ranges(VIRTIO_BLK_T_DISCARD, range, 16));
	/* Extents of many pieces take a few blocks themselves. */
	assert_true(blocks() <= before - 16 * 128 + 64);
	for (unsigned int i = 0; i < 16; i++) {
		assert_bytes(i * 131072, 0, 65536);
		assert_bytes(i * 131072 + 65536, 0xAA, 65536);
	}
	assert_int_equal(lseek(file, 0, SEEK_END), SIZE);
	assert_int_equal(status_number("discards"), 1);
}

static void write_zeroes_zeroes(void **state)
{
	uint64_t before;

	(void)state;
	write_all(0xAA);
	before = blocks();
	open_disk("");
	fake_vq_start(ALL);
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 3, 500, 0));
	assert_bytes(0, 0xAA, 3 * SECTOR);
	assert_bytes(3 * SECTOR, 0, 500 * SECTOR);
	assert_bytes(503 * SECTOR, 0xAA, SECTOR);
	/* May unmap, and does. */
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 4096, 4096,
			    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP));
	assert_bytes(2u << 20, 0, 2u << 20);
	assert_true(blocks() <= before - 4096 + 64);
	assert_int_equal(lseek(file, 0, SEEK_END), SIZE);
	assert_int_equal(status_number("write_zeroes"), 2);
}

static void ranges_that_make_no_sense_are_refused(void **state)
{
	struct virtio_blk_discard_write_zeroes many[17] = { 0 };
	const uint32_t sectors = SIZE / SECTOR;

	(void)state;
	write_all(0xAA);
	open_disk("");
	fake_vq_start(ALL);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, 1, sectors, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, sectors, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(one_range(VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX / SECTOR + 1, 1, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, many, 17), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, many, 15), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
	/* One bad range among good ones: none is carried out. */
	many[0].num_sectors = 8;
	many[1] = (struct virtio_blk_discard_write_zeroes){ sectors, 8, 0 };
	assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, many, 2), VIRTIO_BLK_S_IOERR);
	assert_bytes(0, 0xAA, SIZE);
	/* Nothing to do is done. */
	assert_ok(one_range(VIRTIO_BLK_T_DISCARD, sectors, 0, 0));
	assert_int_equal(status_number("refused"), 12);
}

static void ranges_need_their_feature(void **state)
{
	(void)state;
	write_all(0xAA);
	open_disk("");
	fake_vq_start(FLUSH);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_bytes(0, 0xAA, SIZE);
}

static void zeroes_are_written_where_nothing_better_works(void **state)
{
	(void)state;
	write_all(0xAA);
	sys.alloc_refused = FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE;
	open_disk("");
	fake_vq_start(ALL);
	/* 2 MiB and some: several writes. */
	assert_ok(
		one_range(VIRTIO_BLK_T_WRITE_ZEROES, 1, 4099, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP));
	assert_int_equal(sys.count[ALLOC], 2);
	assert_int_equal(sys.count[WRITE], 3);
	assert_int_equal(sys.count[SYNC], 0);
	assert_bytes(0, 0xAA, SECTOR);
	assert_bytes(SECTOR, 0, 4099 * SECTOR);
	assert_bytes(4100 * SECTOR, 0xAA, SECTOR);
	assert_int_equal(one_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	sys.error[WRITE] = EIO;
	assert_int_equal(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
}

/* ------------------------------------------------------------------ malformed requests */

static void unknown_types_are_not_supported(void **state)
{
	static const uint32_t type[] = { 2,  3,  5,  6,          7,          9,         10,
					 12, 14, 15, 0x80000000, 0x80000001, 0xFFFFFFFF };
	uint8_t data[SECTOR] = { 0 };

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	for (size_t i = 0; i < sizeof(type) / sizeof(type[0]); i++)
		assert_int_equal(request(type[i], 0, data, SECTOR), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(status_number("refused"), sizeof(type) / sizeof(type[0]));
}

static void shapes_that_make_no_sense_are_errors(void **state)
{
	/* Bytes that can be read and written, and what is asked for. */
	static const struct {
		const char *what;
		uint32_t type;
		uint32_t readable, writable;
	} shape[] = {
		{ "no header", VIRTIO_BLK_T_IN, 0, 513 },
		{ "half a header", VIRTIO_BLK_T_IN, 15, 513 },
		{ "read of nothing", VIRTIO_BLK_T_IN, 16, 1 },
		{ "read of half a sector", VIRTIO_BLK_T_IN, 16, 257 },
		{ "read of a sector and a bit", VIRTIO_BLK_T_IN, 16, 514 },
		{ "read with data to write", VIRTIO_BLK_T_IN, 16 + 512, 513 },
		{ "read with a longer header", VIRTIO_BLK_T_IN, 17, 513 },
		{ "write of nothing", VIRTIO_BLK_T_OUT, 16, 1 },
		{ "write of half a sector", VIRTIO_BLK_T_OUT, 16 + 256, 1 },
		{ "write of a sector and a bit", VIRTIO_BLK_T_OUT, 16 + 513, 1 },
		{ "write with room for data", VIRTIO_BLK_T_OUT, 16 + 512, 513 },
		{ "flush with data", VIRTIO_BLK_T_FLUSH, 16 + 512, 1 },
		{ "flush with room for data", VIRTIO_BLK_T_FLUSH, 16, 513 },
		{ "id without room", VIRTIO_BLK_T_GET_ID, 16, 1 },
		{ "id with data", VIRTIO_BLK_T_GET_ID, 32, 21 },
		{ "discard without a range", VIRTIO_BLK_T_DISCARD, 16, 1 },
		{ "discard with half a range", VIRTIO_BLK_T_DISCARD, 24, 1 },
		{ "discard with room for data", VIRTIO_BLK_T_DISCARD, 32, 2 },
	};

	(void)state;
	write_all(0xAA);
	open_disk("");
	fake_vq_start(ALL);
	for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		struct virtio_blk_outhdr header = { .type = shape[i].type };
		uint32_t in = card_room(2048), out = card_room(2048);
		struct x100_seg seg[2] = { { in, shape[i].readable }, { out, shape[i].writable } };
		bool readable = shape[i].readable;

		memcpy(fake_vq.memory + in, &header, sizeof(header));
		memset(fake_vq.memory + out, BUSY, 2048);
		fake_vq_offer(0, (uint16_t)i, seg + !readable, readable, 1);
		fake_vq_kick();
		if (!fake_vq_wait(0, (unsigned int)i + 1))
			fail_msg("%s: no answer", shape[i].what);
		if (fake_vq.memory[out + shape[i].writable - 1] != VIRTIO_BLK_S_IOERR)
			fail_msg("%s: status %u", shape[i].what,
				 fake_vq.memory[out + shape[i].writable - 1]);
		/* Nothing but the status byte, which is the last one that can be written. */
		assert_int_equal(fake_vq.queue[0].used[i].written, 1);
		for (uint32_t b = 0; b + 1 < shape[i].writable; b++)
			assert_int_equal(fake_vq.memory[out + b], BUSY);
		assert_int_equal(fake_vq.memory[out + shape[i].writable], BUSY);
	}
	assert_bytes(0, 0xAA, SIZE);
	assert_int_equal(fake_vq.fault, X100_FAULT_NONE);
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
}

static void a_card_that_never_stops_asking_is_served_by_turns(void **state)
{
	unsigned int first;

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	offer(0x1234, 0, NULL, 0);
	fake_vq.endless = true;
	fake_vq_kick();
	first = fake_vq.queue[0].published;
	assert_in_range(first, 1, 4 * X100_VRING_ENTRIES);
	x100_loop_turn(fake_vq.env.loop, 1000);
	assert_in_range(fake_vq.queue[0].published, first + 1, 8 * X100_VRING_ENTRIES);
}

static void header_and_data_may_share_parts(void **state)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_OUT, .sector = 5 };
	uint32_t at = card_room(16 + SECTOR), status = card_room(1);
	/* Split in the middle of the header, rest of it together with the data. */
	struct x100_seg seg[] = { { at, 5 }, { at + 5, 11 + SECTOR }, { status, 1 } };

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	memcpy(fake_vq.memory + at, &header, sizeof(header));
	memset(fake_vq.memory + at + 16, 0x77, SECTOR);
	fake_vq_offer(0, 0, seg, 2, 1);
	fake_vq_kick();
	assert_true(fake_vq_wait(0, 1));
	assert_ok(fake_vq.memory[status]);
	assert_bytes(5 * SECTOR, 0x77, SECTOR);
}

static void a_request_without_room_for_a_status_stops_the_device(void **state)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_OUT };
	uint32_t at = card_room(16 + SECTOR);
	struct x100_seg seg = { at, 16 + SECTOR };
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	memcpy(fake_vq.memory + at, &header, sizeof(header));
	/* Among good ones, which must not be touched any more. */
	offer(VIRTIO_BLK_T_OUT, 8, data, SECTOR);
	fake_vq_offer(0, 99, &seg, 1, 0);
	offer(VIRTIO_BLK_T_OUT, 16, data, SECTOR);
	fake_vq_kick();
	assert_int_equal(fake_vq.fault, X100_FAULT_REQUEST);
	assert_int_equal(fake_vq.fault_detail, 99);
	assert_false(fake_vq.live);
	/* The driver resets it and goes on. */
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, 8, data, SECTOR));
}

static void a_broken_ring_stops_the_device(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk(",queues=4");
	fake_vq_start(ALL);
	offer(VIRTIO_BLK_T_OUT, 8, data, SECTOR);
	fake_vq.pop_faults = true;
	fake_vq_kick();
	assert_int_equal(fake_vq.fault, X100_FAULT_LOOP);
	fake_vq.pop_faults = false;
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, 8, data, SECTOR));
}

static void a_card_that_is_gone_writes_nothing(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	write_all(0xAA);
	open_disk("");
	fake_vq_start(ALL);
	fake_vq.mapped = false;
	offer(VIRTIO_BLK_T_OUT, 0, data, SECTOR);
	offer(VIRTIO_BLK_T_IN, 0, NULL, SECTOR);
	fake_vq.gone = true;
	fake_vq_kick();
	assert_true(fake_vq_wait(0, 2));
	assert_bytes(0, 0xAA, SIZE);
}

/* ------------------------------------------------------------------ errors of the host */

static void host_errors_reach_the_card(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	sys.error[READ] = EIO;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(fake_vq.queue[0].used[0].written, 1);
	assert_int_equal(fake_vq.lines, 1);
	assert_string_equal(fake_vq.line,
			    "disk0: read of 512 bytes at 0 failed: Input/output error");
	sys.error[WRITE] = ENOSPC;
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 1, data, SECTOR), VIRTIO_BLK_S_IOERR);
	sys.error[SYNC] = EIO;
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
	/* A full disk does not fill the log, too. */
	assert_int_equal(fake_vq.lines, 1);
	assert_int_equal(status_number("errors"), 102);
	assert_int_equal(status_number("reads") + status_number("writes"), 0);
	memset(sys.error, 0, sizeof(sys.error));
	assert_ok(request(VIRTIO_BLK_T_OUT, 1, data, SECTOR));
}

static void a_full_file_system_is_an_error(void **state)
{
	uint8_t data[SECTOR] = { 1 };
	struct rlimit limit;

	(void)state;
	/* The one way to have a real error from the kernel everywhere: a file may not grow so far. */
	open_disk("");
	fake_vq_start(ALL);
	assert_int_equal(ftruncate(file, SIZE / 2), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = SIZE / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, SIZE / SECTOR - 1, data, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_non_null(strstr(fake_vq.line, "File too large"));
}

static void a_file_cut_short_is_an_error(void **state)
{
	struct request r;

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	assert_int_equal(ftruncate(file, SIZE / 2 + SECTOR), 0);
	r = offer(VIRTIO_BLK_T_IN, SIZE / SECTOR / 2, NULL, 4 * SECTOR);
	assert_int_equal(run(&r), VIRTIO_BLK_S_IOERR);
	assert_int_equal(status_number("errors"), 1);
}

static void short_transfers_are_continued(void **state)
{
	uint8_t data[20000 / SECTOR * SECTOR];
	struct request r;

	(void)state;
	fill(data, sizeof(data), 4);
	open_disk("");
	fake_vq_start(ALL);
	for (unsigned int mapped = 0; mapped < 2; mapped++) {
		fake_vq.mapped = mapped;
		sys.most = 777;
		r = offer_parts(0, VIRTIO_BLK_T_OUT, 9, data, sizeof(data), 1234);
		assert_ok(run(&r));
		assert_file(9 * SECTOR, data, sizeof(data));
		r = offer_parts(0, VIRTIO_BLK_T_IN, 9, NULL, sizeof(data), 4321);
		assert_ok(run(&r));
		assert_memory_equal(fake_vq.memory + r.data, data, sizeof(data));
	}
}

static void interrupted_calls_are_repeated_but_not_for_ever(void **state)
{
	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	sys.error[READ] = EINTR;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_in_range(sys.count[READ], 2, 20);
}

/* Without FLUSH the driver believes that what is written is safe (virtio 1.1, 5.2.6.2). */
static void is_write_through_for_a_driver_without_flush(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk("");
	fake_vq_start(ALL & ~FLUSH);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
	assert_int_equal(sys.durable, 1);
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
	assert_int_equal(sys.count[SYNC], 1);
	sys.alloc_refused = FALLOC_FL_ZERO_RANGE;
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
	assert_int_equal(sys.count[SYNC], 2);
	sys.error[SYNC] = EIO;
	assert_int_equal(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	fake_vq_stop();
	memset(sys.error, 0, sizeof(sys.error));
	memset(sys.count, 0, sizeof(sys.count));
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
	assert_int_equal(sys.durable, 1);
	assert_int_equal(sys.count[SYNC], 0);
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_int_equal(sys.count[SYNC], 1);
}

/* ------------------------------------------------------------------ batches, queues */

static void answers_are_told_in_batches(void **state)
{
	struct request r[64];

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	write_all(0x11);
	for (unsigned int i = 0; i < 64; i++)
		r[i] = offer(VIRTIO_BLK_T_IN, i * 8, NULL, 4096);
	assert_ok(run(&r[63]));
	for (unsigned int i = 0; i < 64; i++)
		assert_ok(fake_vq.memory[r[i].status]);
	/* All of it is in the page cache. */
	assert_in_range(fake_vq.queue[0].flushes, 1, 32);
}

/* Nothing announces what comes next after many at a time, until a look finds nothing. */
static void looks_again_instead_of_being_told_of_each(void **state)
{
	struct request r[8];
	time_t end = time(NULL) + 20;

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	write_all(0x11);
	for (unsigned int i = 0; i < 8; i++)
		r[i] = offer(VIRTIO_BLK_T_IN, i * 8, NULL, 4096);
	assert_ok(run(&r[7]));
	assert_true(fake_vq.queue[0].quiet);
	offer(VIRTIO_BLK_T_IN, 0, NULL, 4096);
	assert_true(fake_vq_wait(0, fake_vq.queue[0].published + 1));
	while (fake_vq.queue[0].quiet && time(NULL) < end)
		x100_loop_turn(fake_vq.env.loop, 100);
	assert_false(fake_vq.queue[0].quiet);
}

static void tells_of_one_at_a_time_at_once(void **state)
{
	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_false(fake_vq.queue[0].quiet);
}

/* One of many is done; it waits for others, but not for those that hang. */
static void answers_do_not_wait_long_for_each_other(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	sys.block = true;
	sys.pass = 1;
	for (unsigned int i = 0; i < 20; i++)
		offer(VIRTIO_BLK_T_OUT, i, data, SECTOR);
	fake_vq_kick();
	assert_true(fake_vq_wait(0, 1));
	assert_int_equal(status_number("in_flight"), 19);
	set_moved(&sys.in_stop);
	assert_true(fake_vq_wait(0, 20));
	assert_in_range(fake_vq.queue[0].flushes, 2, 15);
}

/* More than may be under way at a time, from a driver that does not kick again. */
static void takes_more_than_it_does_at_a_time(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk(",entries=1024");
	fake_vq_start(ALL);
	for (unsigned int i = 0; i < 1000; i++)
		offer(i % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, i, data, SECTOR);
	fake_vq_kick();
	assert_true(fake_vq_wait(0, 1000));
	assert_int_equal(status_number("in_flight"), 0);
	assert_int_equal(status_number("reads") + status_number("writes"), 1000);
}

/* Random reads and writes on four queues, each in its quarter of the disk, against a copy. */
static void four_queues_at_once(void **state)
{
	const uint32_t quarter = SIZE / 4, rounds = 40, batch = 8;
	uint8_t *copy = calloc(1, SIZE), *data = malloc(8 * SECTOR);
	unsigned int seed = 7, offered[4] = { 0 };

	(void)state;
	open_disk(",queues=4");
	fake_vq_start(ALL);
	for (uint32_t i = 0; i < rounds; i++) {
		struct request read[4][8];
		uint64_t from[4][8];

		next_card = 0;
		/* Within a batch no two requests touch the same place. */
		for (uint32_t n = 0; n < batch * 4; n++) {
			uint32_t q = n % 4, slot = n / 4, sectors = 1 + (uint32_t)rand_r(&seed) % 8;
			uint32_t place = quarter / batch / SECTOR;
			uint64_t sector = (uint64_t)q * quarter / SECTOR + slot * place +
					  (uint32_t)rand_r(&seed) % (place - 8);

			read[q][slot].size = 0;
			if (rand_r(&seed) % 2) {
				fill(data, sectors * SECTOR, (unsigned int)rand_r(&seed));
				memcpy(copy + sector * SECTOR, data, sectors * SECTOR);
				offer_parts(q, VIRTIO_BLK_T_OUT, sector, data, sectors * SECTOR,
					    700);
			} else {
				read[q][slot] = offer_parts(q, VIRTIO_BLK_T_IN, sector, NULL,
							    sectors * SECTOR, 900);
			}
			from[q][slot] = sector * SECTOR;
			offered[q]++;
		}
		fake_vq.mapped = i % 4;
		fake_vq_kick();
		for (uint32_t q = 0; q < 4; q++) {
			assert_true(fake_vq_wait(q, offered[q]));
			for (uint32_t slot = 0; slot < batch; slot++)
				if (read[q][slot].size)
					assert_memory_equal(fake_vq.memory + read[q][slot].data,
							    copy + from[q][slot],
							    read[q][slot].size);
		}
	}
	assert_int_equal(status_number("errors") + status_number("refused"), 0);
	assert_file(0, copy, SIZE);
	free(copy);
	free(data);
}

static void one_queue_without_the_feature(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk(",queues=4");
	fake_vq_start(FLUSH);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
	/* Its rings were never set up. */
	offer_parts(1, VIRTIO_BLK_T_OUT, 0, data, SECTOR, SECTOR);
	fake_vq_kick();
	assert_int_equal(fake_vq.queue[1].taken, 0);
}

/* ------------------------------------------------------------------ stop */

static void *stop_soon(void *arg)
{
	(void)arg;
	/* Reached when stop() is about to be called or has begun to wait: both have to work. */
	set_moved(&sys.in_stop);
	return NULL;
}

static void stop_waits_for_calls_under_way(void **state)
{
	uint8_t data[4096] = { 1 };
	pthread_t thread;

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	sys.block = true;
	/* More than there are threads: some have not begun. */
	for (unsigned int i = 0; i < 20; i++)
		offer(VIRTIO_BLK_T_OUT, i * 8, data, sizeof(data));
	fake_vq_kick();
	await_moved(&sys.in_write);
	assert_int_equal(sys.left, 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	fake_vq_stop();
	assert_in_range(sys.left, 1, 20);
	assert_int_equal(__atomic_load_n(&sys.left, __ATOMIC_ACQUIRE), sys.count[WRITE]);
	pthread_join(thread, NULL);
	sys.block = false;
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, sizeof(data)));
}

/* Reset, removal and closing with everything the ring holds under way; ASan looks for what is left. */
static void stops_and_starts_under_load(void **state)
{
	uint8_t *data = malloc(65536);

	(void)state;
	memset(data, 0x5A, 65536);
	open_disk(",queues=4");
	for (unsigned int i = 0; i < 50; i++) {
		next_card = 0;
		fake_vq.mapped = i % 3;
		fake_vq_start(i % 2 ? ALL : ALL & ~FLUSH);
		for (unsigned int n = 0; n < 40; n++)
			offer_parts(n % 4, n % 3 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, n * 128,
				    data, 65536, 4096);
		offer(VIRTIO_BLK_T_FLUSH, 0, NULL, 0);
		one_range(VIRTIO_BLK_T_DISCARD, 7000, 100, 0);
		fake_vq_kick();
		if (i % 5 == 4)
			x100_loop_turn(fake_vq.env.loop, 0);
		fake_vq_stop();
		/* Nothing may write there from now on. */
		memset(fake_vq.memory, i & 0xFF, FAKE_VQ_MEMORY);
		x100_loop_turn(fake_vq.env.loop, 0);
		for (uint32_t b = 0; b < FAKE_VQ_MEMORY; b++)
			if (fake_vq.memory[b] != (i & 0xFF))
				fail_msg("card memory was written after stop()");
	}
	fake_vq_start(ALL);
	offer(VIRTIO_BLK_T_OUT, 0, data, 65536);
	fake_vq_kick();
	close_disk();
	free(data);
}

/* ------------------------------------------------------------------ rescan */

static void notices_a_new_size(void **state)
{
	struct x100_why why = { "" };
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	open_disk("");
	fake_vq_start(ALL);
	assert_int_equal(x100_block_class.rescan(disk, &why), X100_OK);
	assert_int_equal(fake_vq.config_writes, 0);
	assert_int_equal(ftruncate(file, 2 * SIZE), 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, SIZE / SECTOR, data, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(x100_block_class.rescan(disk, &why), X100_OK);
	assert_int_equal(fake_vq.config_writes, 1);
	assert_int_equal(config()->capacity, 2 * SIZE / SECTOR);
	assert_int_equal(config()->seg_max, 126);
	assert_ok(request(VIRTIO_BLK_T_OUT, SIZE / SECTOR, data, SECTOR));
	assert_int_equal(ftruncate(file, SIZE / 2), 0);
	assert_int_equal(x100_block_class.rescan(disk, &why), X100_OK);
	assert_int_equal(config()->capacity, SIZE / 2 / SECTOR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SIZE / 2 / SECTOR, NULL, SECTOR),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ftruncate(file, 1001), 0);
	assert_int_equal(x100_block_class.rescan(disk, &why), X100_ERR_FILE);
	assert_int_equal(config()->capacity, SIZE / 2 / SECTOR);
	assert_int_equal(status_number("size"), SIZE / 2);
}

/* ------------------------------------------------------------------ engines */

static void the_engine_is_the_one_asked_for(void **state)
{
	(void)state;
	open_disk("");
	assert_engine(getenv("X100_NO_IO_URING") ? "threads" : "io_uring");
}

/* Containers refuse it with EPERM, old kernels with ENOSYS. */
static void does_without_io_uring_where_it_is_forbidden(void **state)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	uint8_t data[SECTOR] = { 1 };
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (!child) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(77);
		open_disk("");
		assert_engine("threads");
		fake_vq_start(ALL);
		_exit(request(VIRTIO_BLK_T_OUT, 3, data, SECTOR));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_file(3 * SECTOR, data, SECTOR);
}

/* ------------------------------------------------------------------ block devices */

/* A loop device over the file, or skip the test: that takes privileges. */
static int loop_device(char name[32])
{
	struct loop_config setup = { .fd = (uint32_t)file,
				     .block_size = 4096,
				     .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), loop = -1;

	for (unsigned int try = 0; control >= 0 && try < 20; try++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			break;
		snprintf(name, 32, "/dev/loop%d", number);
		loop = open(name, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && !ioctl(loop, LOOP_CONFIGURE, &setup))
			break;
		if (loop >= 0)
			close(loop);
		loop = -1;
		if (errno != EBUSY)
			break;
	}
	if (control >= 0)
		close(control);
	if (loop < 0)
		skip();
	return loop;
}

static void serves_a_block_device(void **state)
{
	uint8_t data[3 * SECTOR];
	char name[32], file_path[64];
	uint64_t before;
	int loop;

	(void)state;
	fill(data, sizeof(data), 5);
	write_all(0xAA);
	before = blocks();
	loop = loop_device(name);
	strcpy(file_path, path);
	strcpy(path, name);
	open_disk("");
	strcpy(path, file_path);
	close(loop);
	assert_int_equal(config()->capacity, SIZE / SECTOR);
	fake_vq_start(ALL);
	/* Smaller than the sectors of the device. */
	assert_ok(request(VIRTIO_BLK_T_OUT, 1, data, sizeof(data)));
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_file(SECTOR, data, sizeof(data));
	/* Only whole sectors inside are discarded. */
	assert_ok(one_range(VIRTIO_BLK_T_DISCARD, 1001, 1000, 0));
	assert_true(blocks() < before);
	assert_bytes(1000 * SECTOR, 0xAA, 8 * SECTOR);
	assert_ok(one_range(VIRTIO_BLK_T_DISCARD, 3001, 3, 0));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 4001, 1003, 0));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 6000, 800,
			    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP));
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_bytes(3000 * SECTOR, 0xAA, 8 * SECTOR);
	assert_bytes(4000 * SECTOR, 0xAA, SECTOR);
	assert_bytes(4001 * SECTOR, 0, 1003 * SECTOR);
	assert_bytes(5004 * SECTOR, 0xAA, SECTOR);
	assert_bytes(6000 * SECTOR, 0, 800 * SECTOR);
	assert_int_equal(x100_block_class.rescan(disk, NULL), X100_OK);
	close_disk();
}

#define RING(test)                                                                                 \
	{                                                                                          \
#test ".io_uring", test, setup_ring, teardown, NULL                                \
	}
#define THREADS(test)                                                                              \
	{                                                                                          \
#test ".threads", test, setup_threads, teardown, NULL                              \
	}
#define BOTH(test) RING(test), THREADS(test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(the_engine_is_the_one_asked_for),
		RING(does_without_io_uring_where_it_is_forbidden),
		RING(offers_what_the_medium_can),
		RING(offers_what_linux_4_19_did_when_told_to),
		RING(offers_queues_and_entries_as_told),
		RING(offers_no_writes_when_read_only),
		RING(refuses_what_is_no_disk),
		RING(refuses_words_that_make_no_sense),
		RING(refuses_a_file_that_another_disk_writes),
		RING(waits_for_what_a_killed_program_had_under_way),
		BOTH(writes_and_reads),
		BOTH(copies_where_the_aperture_is_not_mapped),
		BOTH(takes_chains_as_long_as_the_ring),
		RING(reaches_the_last_sector_and_no_further),
		BOTH(reads_zeroes_from_holes),
		RING(tells_its_serial_number),
		BOTH(flushes),
		RING(refuses_writes_to_a_read_only_disk),
		BOTH(discard_gives_space_back),
		BOTH(write_zeroes_zeroes),
		RING(ranges_that_make_no_sense_are_refused),
		RING(ranges_need_their_feature),
		THREADS(zeroes_are_written_where_nothing_better_works),
		RING(unknown_types_are_not_supported),
		RING(shapes_that_make_no_sense_are_errors),
		RING(a_card_that_never_stops_asking_is_served_by_turns),
		RING(header_and_data_may_share_parts),
		BOTH(a_request_without_room_for_a_status_stops_the_device),
		BOTH(a_broken_ring_stops_the_device),
		RING(a_card_that_is_gone_writes_nothing),
		THREADS(host_errors_reach_the_card),
		BOTH(a_full_file_system_is_an_error),
		BOTH(a_file_cut_short_is_an_error),
		THREADS(short_transfers_are_continued),
		THREADS(interrupted_calls_are_repeated_but_not_for_ever),
		THREADS(is_write_through_for_a_driver_without_flush),
		BOTH(answers_are_told_in_batches),
		RING(looks_again_instead_of_being_told_of_each),
		BOTH(tells_of_one_at_a_time_at_once),
		THREADS(answers_do_not_wait_long_for_each_other),
		BOTH(takes_more_than_it_does_at_a_time),
		BOTH(four_queues_at_once),
		RING(one_queue_without_the_feature),
		THREADS(stop_waits_for_calls_under_way),
		BOTH(stops_and_starts_under_load),
		RING(notices_a_new_size),
		BOTH(serves_a_block_device),
	};

	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
