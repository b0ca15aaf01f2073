// SPDX-License-Identifier: BSD-3-Clause
/*
 * A disk in a file or on a block device of the host, through the page cache: what was written survives
 * the daemon, what was flushed survives the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "block.h"

#define ZERO_CHUNK (1u << 20) /* bytes written at once where zeroes have to be written */

/* Tries to lock a file, and ns between two of them: 10 s in all. */
#define LOCK_TRIES 1000
#define LOCK_PAUSE 10000000

struct file {
	struct block_medium medium;
	struct x100_loop *loop;
	char *path;
	int fd;
	uint32_t sector; /* bytes; what discards are multiples of on a block device; 0: a file */
	struct block_engine *engine;
	struct block_engine *threads; /* for what the engine cannot do; of a block device only */
	struct x100_task task;        /* commit what was started from the loop */
	bool draining;
};

/* How a BLOCK_ZERO goes on: from one to the next until one works, then SYNC. */
enum stage {
	STAGE_PUNCH, /* give the space back */
	STAGE_ALLOC, /* zeroes without data behind them */
	STAGE_WRITE, /* zeroes */
	STAGE_SYNC,
};

/* Never written to; not const, which would put them into the program file. */
static uint8_t zeroes[ZERO_CHUNK];

static void file_called(struct block_call *call);

static void start(struct file *file, struct block_io *io, enum block_call_kind kind, int flags)
{
	struct block_engine *engine = kind == BLOCK_CALL_TRIM ? file->threads : file->engine;

	io->call.kind = kind;
	io->call.flags = flags;
	io->call.fd = file->fd;
	io->call.done = file_called;
	io->owner = file;
	engine->start(engine, &io->call);
}

/* Only whole sectors of the device can be discarded; what is left over stays as it is. */
static void start_trim(struct file *file, struct block_io *io)
{
	uint64_t end = (io->offset + io->size) & ~(uint64_t)(file->sector - 1);

	io->call.offset = (io->offset + file->sector - 1) & ~(uint64_t)(file->sector - 1);
	io->call.size = end > io->call.offset ? end - io->call.offset : 0;
	start(file, io, BLOCK_CALL_TRIM, 0);
}

static void start_zero(struct file *file, struct block_io *io)
{
	uint64_t left = io->size - io->zeroed;

	switch ((enum stage)io->stage) {
	case STAGE_PUNCH:
		start(file, io, BLOCK_CALL_ALLOC, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		break;
	case STAGE_ALLOC:
		start(file, io, BLOCK_CALL_ALLOC, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
		break;
	case STAGE_WRITE:
		io->zero_iov.iov_base = zeroes;
		io->zero_iov.iov_len = left < ZERO_CHUNK ? (size_t)left : ZERO_CHUNK;
		io->call.iov = &io->zero_iov;
		io->call.iovs = 1;
		io->call.offset = io->offset + io->zeroed;
		start(file, io, BLOCK_CALL_WRITE, 0);
		break;
	case STAGE_SYNC:
		start(file, io, BLOCK_CALL_SYNC, 0);
		break;
	}
}

/* What comes after a call of BLOCK_ZERO. Returns false when that was all. */
static bool next_stage(struct block_io *io, int64_t *result)
{
	switch ((enum stage)io->stage) {
	case STAGE_PUNCH:
	case STAGE_ALLOC:
		/* EINVAL: not whole sectors of the device. */
		if (*result == -EOPNOTSUPP || *result == -EINVAL || *result == -ENOSYS) {
			io->stage++;
			return true;
		}
		break;
	case STAGE_WRITE:
		if (*result == 0)
			*result = -EIO;
		if (*result < 0)
			break;
		io->zeroed += (uint64_t)*result;
		*result = 0;
		if (io->zeroed < io->size)
			return true;
		break;
	case STAGE_SYNC:
		return false;
	}
	if (*result < 0 || !io->durable)
		return false;
	io->stage = STAGE_SYNC;
	return true;
}

static void file_called(struct block_call *call)
{
	struct block_io *io =
		(struct block_io *)(void *)((char *)call - offsetof(struct block_io, call));
	struct file *file = io->owner;
	int64_t result = call->result;

	if (io->op == BLOCK_ZERO && next_stage(io, &result)) {
		if (!file->draining) {
			start_zero(file, io);
			/* io->done() is still to come, so nobody else does this. */
			x100_task_queue(file->loop, &file->task);
			return;
		}
		result = -ECANCELED;
	}
	io->done(io, result);
}

static void file_submit(struct block_medium *medium, struct block_io *io)
{
	struct file *file = (struct file *)medium;

	io->call.iov = io->iov;
	io->call.iovs = io->iovs;
	io->call.offset = io->offset;
	io->call.size = io->size;
	switch (io->op) {
	case BLOCK_READ:
		start(file, io, BLOCK_CALL_READ, 0);
		break;
	case BLOCK_WRITE:
		start(file, io, BLOCK_CALL_WRITE, io->durable ? RWF_DSYNC : 0);
		break;
	case BLOCK_FLUSH:
		start(file, io, BLOCK_CALL_SYNC, 0);
		break;
	case BLOCK_DISCARD:
		if (file->sector)
			start_trim(file, io);
		else
			start(file, io, BLOCK_CALL_ALLOC,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		break;
	case BLOCK_ZERO:
		io->zeroed = 0;
		io->stage = io->unmap ? STAGE_PUNCH : STAGE_ALLOC;
		start_zero(file, io);
		break;
	}
}

static void file_commit(struct block_medium *medium)
{
	struct file *file = (struct file *)medium;

	file->engine->commit(file->engine);
	if (file->threads)
		file->threads->commit(file->threads);
}

static void commit_task(void *arg)
{
	file_commit(arg);
}

static void file_drain(struct block_medium *medium)
{
	struct file *file = (struct file *)medium;

	file->draining = true;
	x100_task_cancel(file->loop, &file->task);
	file->engine->drain(file->engine);
	if (file->threads)
		file->threads->drain(file->threads);
	file->draining = false;
}

static void file_free(struct file *file)
{
	x100_task_cancel(file->loop, &file->task);
	if (file->threads)
		file->threads->free(file->threads);
	if (file->engine)
		file->engine->free(file->engine);
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file);
}

static void file_close(struct block_medium *medium)
{
	file_drain(medium);
	file_free((struct file *)medium);
}

static int file_rescan(struct block_medium *medium, struct x100_why *why)
{
	struct file *file = (struct file *)medium;
	struct stat st;
	uint64_t size;

	if (fstat(file->fd, &st))
		return x100_fail(why, X100_ERR_SYSTEM, "%s: %s", file->path, strerror(errno));
	size = (uint64_t)st.st_size;
	if (file->sector && ioctl(file->fd, BLKGETSIZE64, &size))
		return x100_fail(why, X100_ERR_SYSTEM, "size of %s: %s", file->path,
				 strerror(errno));
	if (!size || size % 512)
		return x100_fail(why, X100_ERR_FILE,
				 "%s has %llu bytes, a disk has a multiple of 512", file->path,
				 (unsigned long long)size);
	medium->size = size;
	return X100_OK;
}

static void file_status(const struct block_medium *medium, struct json_object *status)
{
	const struct file *file = (const struct file *)medium;

	json_object_object_add(status, "path", json_object_new_string(file->path));
	json_object_object_add(status, "engine", json_object_new_string(file->engine->name));
}

static const struct block_medium_ops file_ops = {
	.submit = file_submit,
	.commit = file_commit,
	.drain = file_drain,
	.close = file_close,
	.rescan = file_rescan,
	.status = file_status,
};

/*
 * Keep two programs from writing to one disk; file systems that cannot lock go without. A program that was
 * killed has its lock until the last thing it had under way ended, of which nobody is told, and its
 * successor must not write before.
 */
static int lock(const struct file *file, struct x100_why *why)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE };
	struct flock lock = {
		.l_type = file->medium.read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	for (unsigned int i = 0; i < LOCK_TRIES; i++) {
		if (!fcntl(file->fd, F_OFD_SETLK, &lock) || (errno != EAGAIN && errno != EACCES))
			return X100_OK;
		nanosleep(&pause, NULL);
	}
	return x100_fail(why, X100_ERR_FILE, "%s is in use by another disk or program", file->path);
}

static int open_path(struct file *file, struct x100_why *why)
{
	struct stat st;
	int sector;

	/* O_NONBLOCK: a FIFO is to be refused, not waited for. */
	file->fd = open(file->path, (file->medium.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC |
					    O_NOCTTY | O_NONBLOCK);
	if (file->fd < 0 || fstat(file->fd, &st)) {
		bool denied = errno == EACCES || errno == EPERM || errno == EROFS;

		return x100_fail(why, denied ? X100_ERR_PERMISSION : X100_ERR_FILE, "%s: %s%s",
				 file->path, strerror(errno),
				 denied && !file->medium.read_only ? " (say 'ro' to only read)" :
								     "");
	}
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(file->fd, BLKSSZGET, &sector) || sector < 512)
			return x100_fail(why, X100_ERR_SYSTEM, "sector size of %s: %s", file->path,
					 strerror(errno));
		file->sector = (uint32_t)sector;
	} else if (!S_ISREG(st.st_mode)) {
		return x100_fail(why, X100_ERR_FILE, "%s is neither a file nor a block device",
				 file->path);
	}
	if (fcntl(file->fd, F_SETFL, 0))
		return x100_fail(why, X100_ERR_SYSTEM, "%s: %s", file->path, strerror(errno));
	return lock(file, why);
}

static int open_engines(struct file *file, struct x100_why *why)
{
	if (!secure_getenv("X100_NO_IO_URING"))
		file->engine = block_ring_new(file->loop);
	if (!file->engine)
		file->engine = block_threads_new(file->loop);
	if (file->engine && file->sector)
		file->threads = block_threads_new(file->loop);
	if (!file->engine || (file->sector && !file->threads))
		return x100_fail(why, X100_ERR_SYSTEM, "no way to do I/O: %s", strerror(errno));
	return X100_OK;
}

int block_file_open(const struct block_medium_params *params, struct x100_why *why,
		    struct block_medium **medium)
{
	struct file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for %s", params->where);
	file->medium = (struct block_medium){
		.ops = &file_ops,
		.block_size = 512,
		.read_only = params->read_only,
		.can_discard = !params->read_only,
		.can_zero = !params->read_only,
	};
	file->loop = params->loop;
	file->task = (struct x100_task){ .run = commit_task, .arg = file };
	file->fd = -1;
	file->path = strdup(params->where);
	if (!file->path)
		ret = x100_fail(why, X100_ERR_MEMORY, "no memory for %s", params->where);
	else
		ret = open_path(file, why);
	if (!ret)
		ret = file_rescan(&file->medium, why);
	if (!ret)
		ret = open_engines(file, why);
	if (ret) {
		file_free(file);
		return ret;
	}
	*medium = &file->medium;
	return X100_OK;
}
