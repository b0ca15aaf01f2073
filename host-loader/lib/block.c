// SPDX-License-Identifier: BSD-3-Clause
/*
 * Disks for the card: "disk" in the configuration. Opens the medium, says to the card what the disk
 * is like (virtio 1.1, 5.2.3 and 5.2.4) and to people how it is.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block_disk.h"

#define DISK_TYPE 2

/* Bytes of config space: as in Linux 4.19, and as much as the features that we know have. */
#define CONFIG_LEGACY offsetof(struct virtio_blk_config, max_discard_sectors)
#define CONFIG_SIZE   offsetof(struct virtio_blk_config, max_secure_erase_sectors)

/* 2^3 sectors of 512 are a page of the host's cache: smaller writes may have to read first. */
#define PAGE_EXPONENT 3

struct options {
	bool read_only;
	uint64_t queues, entries, timeout; /* timeout: seconds */
	const char *serial;
};

static int read_options(const struct x100_spec *spec, struct options *options, struct x100_why *why)
{
	static const char *const keys[] = { "ro", "queues", "entries", "serial", "timeout", NULL };
	int ret;

	*options = (struct options){
		.queues = 1,
		.entries = X100_VRING_ENTRIES,
		.timeout = 30,
		.serial = x100_spec_get(spec, "serial"),
	};
	if (!spec->count)
		return x100_fail(why, X100_ERR_ARGUMENT, "a disk needs a path or an nbd URI");
	ret = x100_spec_only(spec, keys, why);
	if (!ret)
		ret = x100_spec_flag(spec, "ro", &options->read_only, why);
	if (!ret)
		ret = x100_spec_number(spec, "queues", 1, X100_VDEV_MAX_QUEUES, &options->queues,
				       why);
	if (!ret)
		ret = x100_spec_number(spec, "entries", 4, X100_VRING_MAX, &options->entries, why);
	if (!ret)
		ret = x100_spec_number(spec, "timeout", 1, 86400, &options->timeout, why);
	if (ret)
		return ret;
	if (options->entries & (options->entries - 1))
		return x100_fail(why, X100_ERR_ARGUMENT, "entries=%llu is not a power of two",
				 (unsigned long long)options->entries);
	if (options->serial && strlen(options->serial) > VIRTIO_BLK_ID_BYTES)
		return x100_fail(why, X100_ERR_ARGUMENT, "serial=%s is longer than %d characters",
				 options->serial, VIRTIO_BLK_ID_BYTES);
	return X100_OK;
}

static int disk_check(const struct x100_spec *spec, struct x100_why *why)
{
	struct options options;

	return read_options(spec, &options, why);
}

static int open_medium(struct disk *disk, const char *where, const struct options *options,
		       struct x100_why *why)
{
	struct block_medium_params params = {
		.loop = disk->env->loop,
		.name = disk->backend.name,
		.where = where,
		.read_only = options->read_only,
		.timeout = options->timeout * 1000000000u,
		.log = disk->env->log,
		.arg = disk->env->log_arg,
	};

	return block_nbd_is_uri(where) ? block_nbd_open(&params, why, &disk->medium) :
					 block_file_open(&params, why, &disk->medium);
}

/* What is offered and what the config space says about it. Returns the size of the latter. */
static uint8_t describe(const struct disk *disk, uint32_t *features,
			struct virtio_blk_config *config)
{
	const struct block_medium *medium = disk->medium;

	*features = 1u << VIRTIO_BLK_F_SEG_MAX;
	*config = (struct virtio_blk_config){
		.capacity = htole64(medium->size / 512),
		.seg_max = htole32(disk->entries - 2u), /* header and status */
	};
	if (disk->env->legacy_features)
		return CONFIG_LEGACY;

	*features |= 1u << VIRTIO_BLK_F_BLK_SIZE | 1u << VIRTIO_BLK_F_TOPOLOGY |
		     1u << VIRTIO_BLK_F_FLUSH;
	config->blk_size = htole32(medium->block_size);
	if (medium->block_size == 512)
		config->physical_block_exp = PAGE_EXPONENT;
	if (medium->read_only)
		*features |= 1u << VIRTIO_BLK_F_RO;
	if (disk->queues_offered > 1)
		*features |= 1u << VIRTIO_BLK_F_MQ;
	config->num_queues = htole16((uint16_t)disk->queues_offered);
	if (medium->can_discard) {
		*features |= 1u << VIRTIO_BLK_F_DISCARD;
		config->max_discard_sectors = htole32(DISK_DISCARD_MAX);
		config->max_discard_seg = htole32(DISK_RANGES);
		config->discard_sector_alignment = htole32(1u << PAGE_EXPONENT);
	}
	if (medium->can_zero) {
		*features |= 1u << VIRTIO_BLK_F_WRITE_ZEROES;
		config->max_write_zeroes_sectors = htole32(DISK_ZERO_MAX);
		config->max_write_zeroes_seg = htole32(DISK_RANGES);
		config->write_zeroes_may_unmap = 1;
	}
	return CONFIG_SIZE;
}

static int add(struct disk *disk, struct x100_why *why)
{
	struct virtio_blk_config config;
	struct x100_vdev_params params = {
		.type = DISK_TYPE,
		.queues = disk->queues_offered,
		.entries = disk->entries,
		.config = &config,
		.name = disk->backend.name,
		.ops = &disk_ops,
		.arg = disk,
	};
	int ret;

	params.config_size = describe(disk, &params.features, &config);
	ret = x100_vpage_add(disk->env->page, &params, &disk->backend.dev);
	return ret ? x100_fail(why, ret, "%s: %s", disk->backend.name, x100_error_words(ret)) :
		     X100_OK;
}

static void disk_free(struct disk *disk)
{
	if (disk->medium)
		disk->medium->ops->close(disk->medium);
	free(disk);
}

static int disk_open_words(const struct x100_backend_env *env, const char *name,
			   const struct x100_spec *spec, struct x100_why *why,
			   struct x100_backend **backend)
{
	struct options options;
	struct disk *disk;
	const char *serial;
	int ret = read_options(spec, &options, why);

	if (ret)
		return ret;
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for %s", name);
	disk->backend.class = &x100_block_class;
	strncpy(disk->backend.name, name, sizeof(disk->backend.name) - 1);
	disk->env = env;
	disk->entries = (uint16_t)options.entries;
	/* The card cannot learn of more than one without the feature. */
	disk->queues_offered = env->legacy_features ? 1 : (unsigned int)options.queues;
	serial = options.serial ? options.serial : disk->backend.name;
	memcpy(disk->serial, serial, strnlen(serial, sizeof(disk->serial)));
	ret = open_medium(disk, spec->word[0], &options, why);
	if (!ret)
		ret = add(disk, why);
	if (ret) {
		disk_free(disk);
		return ret;
	}
	*backend = &disk->backend;
	return X100_OK;
}

static int disk_open(const struct x100_backend_env *env, const char *name, const char *spec,
		     struct x100_why *why, struct x100_backend **backend)
{
	struct x100_spec words;
	int ret = x100_spec_parse(&words, spec, why);

	if (ret)
		return ret;
	ret = disk_open_words(env, name, &words, why, backend);
	x100_spec_free(&words);
	return ret;
}

static void disk_close(struct x100_backend *backend)
{
	disk_free((struct disk *)backend);
}

static void count(struct json_object *status, const char *key, uint64_t n)
{
	json_object_object_add(status, key, json_object_new_uint64(n));
}

static void disk_status(const struct x100_backend *backend, struct json_object *status)
{
	const struct disk *disk = (const struct disk *)backend;

	disk->medium->ops->status(disk->medium, status);
	count(status, "size", disk->medium->size);
	json_object_object_add(status, "read_only",
			       json_object_new_boolean(disk->medium->read_only));
	count(status, "in_flight", disk->in_flight);
	count(status, "reads", disk->count.reads);
	count(status, "writes", disk->count.writes);
	count(status, "flushes", disk->count.flushes);
	count(status, "discards", disk->count.discards);
	count(status, "write_zeroes", disk->count.zeroes);
	count(status, "bytes_read", disk->count.bytes_read);
	count(status, "bytes_written", disk->count.bytes_written);
	count(status, "errors", disk->count.errors);
	count(status, "refused", disk->count.refused);
}

static int disk_rescan(struct x100_backend *backend, struct x100_why *why)
{
	struct disk *disk = (struct disk *)backend;
	uint64_t before = disk->medium->size, sectors;
	char line[120];
	int ret = disk->medium->ops->rescan(disk->medium, why);

	if (ret || disk->medium->size == before)
		return ret;
	snprintf(line, sizeof(line), "%s: %llu bytes now, %llu before", disk->backend.name,
		 (unsigned long long)disk->medium->size, (unsigned long long)before);
	disk->env->log(disk->env->log_arg, X100_LOG_NOTICE, line);
	sectors = htole64(disk->medium->size / 512);
	ret = x100_vdev_config_write(disk->backend.dev,
				     offsetof(struct virtio_blk_config, capacity), &sectors,
				     sizeof(sectors), NULL, NULL);
	return ret ? x100_fail(why, ret, "%s: %s", disk->backend.name, x100_error_words(ret)) :
		     X100_OK;
}

const struct x100_backend_class x100_block_class = {
	.kind = "disk",
	.check = disk_check,
	.open = disk_open,
	.close = disk_close,
	.status = disk_status,
	.rescan = disk_rescan,
};
