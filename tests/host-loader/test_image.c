// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/image.c. Oracle for what the old host did: vectors/boot.json; where this host
 * refuses what the old one let through, the test says so.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/reason.h>

#define SPAD2 0x040001C1u
#define GIB   (1ull << 30)

struct placed {
	struct x100_placement at;
	uint32_t reason;
	struct x100_why why;
	int ret;
};

static struct placed place(const struct x100_blob *image, uint64_t ramdisk)
{
	struct x100_blob disk = { .size = ramdisk, .fd = -1 };
	struct placed p = { 0 };

	p.ret = x100_place(SPAD2, 8 * GIB, GIB, image, &disk, 64, 0, &p.at, &p.reason, &p.why);
	return p;
}

static void command_lines_are_those_of_the_old_host(void **state)
{
	json_object *root = load_vectors("boot.json"), *cases = vget(root, "linux_placement");
	unsigned int compared = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i), *expect, *user;
		struct x100_why why = { "" };
		uint64_t size;
		char text[2048];
		int ret;

		user = vget(c, "cmdline");
		if (!json_object_object_get_ex(c, "command_line_text", &expect) ||
		    (user && !json_object_is_type(user, json_type_string)))
			continue;
		ret = x100_cmdline(vnum(vget(c, "aperture_bytes")), NULL,
				   user ? json_object_get_string(user) : NULL, text, &size, &why);
		assert_int_equal(ret, X100_OK);
		assert_string_equal(text, json_object_get_string(expect));
		assert_int_equal(size, vnum(vget(c, "command_line_bytes_with_nul")));
		compared++;
	}
	assert_true(compared >= 10);
	json_object_put(root);
}

/*
 * Same places for image, command line and ramdisk as the old host's. The recorded images are not
 * bootable, so only the addresses are compared, which are there also when the header is refused.
 */
static void placement_is_that_of_the_old_host(void **state)
{
	json_object *root = load_vectors("boot.json"), *cases = vget(root, "linux_placement");
	unsigned int compared = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i);
		json_object *writes = vget(c, "writes"), *disk = vget(c, "ramdisk_bytes");
		uint32_t spad2 = (uint32_t)vnum(vget(c, "spad2"));
		struct x100_blob image = { .fd = -1 }, ramdisk = { .fd = -1 };
		struct x100_placement at;
		struct x100_why why;
		uint32_t reason;
		int ret;

		image.size = vnum(vget(c, "image_bytes"));
		image.memory = calloc(1, image.size);
		if (json_object_is_type(disk, json_type_int))
			ramdisk.size = vnum(disk);
		ret = x100_place(spad2, vnum(vget(c, "aperture_bytes")), 0, &image, &ramdisk, 11, 0,
				 &at, &reason, &why);
		free((void *)image.memory);
		/* No file of zeros can be booted; what counts is how far it came. */
		assert_true(ret < 0);
		if (x100_spad2_addr(spad2) >= X100_BOOT_ADDR_MAX ||
		    x100_spad2_addr(spad2) < 0x100000) {
			/* Old: 2 GiB itself is taken, and so is an address inside low memory. */
			assert_int_equal(ret, X100_ERR_BOOT_ADDRESS);
			continue;
		}
		if (vnum(vget(c, "result")) != 0 && !json_object_array_length(writes)) {
			assert_int_equal(reason, X100_REASON_SIZE_HUGE);
			continue;
		}
		for (size_t w = 0; w < json_object_array_length(writes); w++) {
			json_object *write = json_object_array_get_idx(writes, w), *what, *to;

			if (!json_object_object_get_ex(write, "what", &what) ||
			    !json_object_object_get_ex(write, "address", &to))
				continue;
			if (!strcmp(json_object_get_string(what), "image")) {
				assert_int_equal(at.image, vnum(to));
				assert_int_equal(at.image_size, vnum(vget(write, "bytes")));
			} else if (!strcmp(json_object_get_string(what), "command line")) {
				assert_int_equal(at.cmdline, vnum(to));
			} else if (!strcmp(json_object_get_string(what), "ramdisk")) {
				assert_int_equal(at.ramdisk, vnum(to));
				assert_int_equal(at.ramdisk_size, vnum(vget(write, "bytes")));
			}
			compared++;
		}
	}
	assert_true(compared >= 30);
	json_object_put(root);
}

static void a_good_image_is_placed(void **state)
{
	struct x100_blob image = fake_image(4 << 20);
	struct placed p = place(&image, 8 << 20);

	(void)state;
	assert_int_equal(p.ret, X100_OK);
	assert_int_equal(p.at.image, 0x04000000);
	assert_int_equal(p.at.cmdline, 0x04400000);
	assert_int_equal(p.at.ramdisk, 0x08000000);
	/* From the image to init_size behind its start rounded up to 16 MiB. */
	assert_int_equal(p.at.run, 0x04000000);
	assert_int_equal(p.at.run + p.at.run_size, 0x05000000 + 0x1800000);
	fake_blob_free(&image);
}

static void a_kernel_that_cannot_move_runs_where_it_wants(void **state)
{
	struct x100_blob image = fake_image(4 << 20);
	struct placed p;

	(void)state;
	((uint8_t *)image.memory)[X100_HDR_RELOCATABLE] = 0;
	p = place(&image, 0);
	assert_int_equal(p.ret, X100_OK);
	assert_int_equal(p.at.run, 0x1000000);
	assert_int_equal(p.at.run + p.at.run_size, 0x05000000 + 0x1800000);
	fake_blob_free(&image);
}

/* One damaged field and what it is refused for. */
struct damage {
	const char *name;
	unsigned int offset;
	uint64_t value;
	unsigned int bytes;
	int error;
	uint32_t reason;
};

static const struct damage damages[] = {
	{ "no HdrS", X100_HDR_MAGIC, 0, 4, X100_ERR_IMAGE, X100_REASON_NOT_BZIMAGE },
	{ "ELF", 0, 0x464C457F, 4, X100_ERR_IMAGE, X100_REASON_IS_ELF },
	{ "FIT", 0, 0xEDFE0DD0, 4, X100_ERR_IMAGE, X100_REASON_IS_FIT },
	{ "no boot flag", X100_HDR_BOOT_FLAG, 0, 2, X100_ERR_IMAGE, X100_REASON_BOOT_FLAG },
	{ "protocol 2.9", X100_HDR_VERSION, 0x209, 2, X100_ERR_IMAGE, X100_REASON_VERSION },
	{ "zImage", X100_HDR_LOADFLAGS, 0, 1, X100_ERR_IMAGE, X100_REASON_NOT_HIGH },
	{ "truncated", X100_HDR_SYSSIZE, 0x7FFFFFFF, 4, X100_ERR_IMAGE, X100_REASON_TRUNCATED },
	{ "one unit short", X100_HDR_SYSSIZE, ((4 << 20) - 4 * 512) / 16 + 1, 4, X100_ERR_IMAGE,
	  X100_REASON_TRUNCATED },
	{ "alignment 0", X100_HDR_ALIGNMENT, 0, 4, X100_ERR_IMAGE, X100_REASON_ALIGNMENT },
	{ "alignment 3", X100_HDR_ALIGNMENT, 3, 4, X100_ERR_IMAGE, X100_REASON_ALIGNMENT },
	{ "one unit long", X100_HDR_SYSSIZE, ((4 << 20) - 4 * 512) / 16 - 1, 4, X100_ERR_IMAGE,
	  X100_REASON_TOO_LONG },
	{ "relocatable 2", X100_HDR_RELOCATABLE, 2, 1, X100_ERR_IMAGE, X100_REASON_RELOCATABLE },
	{ "alignment below a page", X100_HDR_ALIGNMENT, 2048, 4, X100_ERR_IMAGE,
	  X100_REASON_ALIGNMENT },
	{ "preferred not aligned", X100_HDR_PREF_ADDRESS, 0x1001000, 8, X100_ERR_IMAGE,
	  X100_REASON_ALIGNMENT },
	{ "payload outside", X100_HDR_PAYLOAD_OFFSET, 0xFFFFFF00, 4, X100_ERR_IMAGE,
	  X100_REASON_PAYLOAD },
	{ "payload too long", X100_HDR_PAYLOAD_LENGTH, 0xFFFFFFFF, 4, X100_ERR_IMAGE,
	  X100_REASON_PAYLOAD },
	{ "no payload", X100_HDR_PAYLOAD_LENGTH, 3, 4, X100_ERR_IMAGE, X100_REASON_PAYLOAD },
	{ "init size 0", X100_HDR_INIT_SIZE, 0, 4, X100_ERR_IMAGE, X100_REASON_INIT_SIZE },
	{ "init size below the kernel unpacked", X100_HDR_INIT_SIZE, 0x7FF000, 4, X100_ERR_IMAGE,
	  X100_REASON_INIT_SIZE },
	{ "init size not in pages", X100_HDR_INIT_SIZE, 0x1800010, 4, X100_ERR_IMAGE,
	  X100_REASON_INIT_SIZE },
	{ "init size 4 GiB", X100_HDR_INIT_SIZE, 0xFFFFF000, 4, X100_ERR_IMAGE,
	  X100_REASON_RUN_RANGE },
	{ "preferred above memory", X100_HDR_PREF_ADDRESS, 1ull << 40, 8, X100_ERR_IMAGE,
	  X100_REASON_RUN_RANGE },
	{ "preferred wraps", X100_HDR_PREF_ADDRESS, 0xFFFFFFFFFF000000, 8, X100_ERR_IMAGE,
	  X100_REASON_RUN_RANGE },
	{ "short command line", X100_HDR_CMDLINE_SIZE, 10, 4, X100_ERR_CMDLINE,
	  X100_REASON_CMDLINE_LONG },
	{ "ramdisk limit", X100_HDR_INITRD_MAX, 0x07FFFFFF, 4, X100_ERR_RAMDISK,
	  X100_REASON_RAMDISK_HIGH },
	{ "unpacks over ramdisk", X100_HDR_INIT_SIZE, 0x4000000, 4, X100_ERR_RAMDISK,
	  X100_REASON_RAMDISK_KERNEL },
};

static void each_damaged_header_is_refused_for_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct x100_blob image = fake_image(4 << 20);
		struct placed p;

		memcpy((uint8_t *)image.memory + damages[i].offset, &damages[i].value,
		       damages[i].bytes);
		p = place(&image, 1 << 20);
		fake_blob_free(&image);
		if (p.ret != damages[i].error || p.reason != damages[i].reason)
			fail_msg("%s: error %d, reason %u: %s", damages[i].name, p.ret, p.reason,
				 p.why.text);
		assert_true(p.why.text[0]);
	}
}

static void sizes_are_refused_for_their_reason(void **state)
{
	struct x100_blob image = fake_image(4 << 20);
	struct placed p;

	(void)state;
	image.size = 0;
	assert_int_equal(place(&image, 0).reason, X100_REASON_SIZE_ZERO);
	image.size = 1;
	assert_int_equal(place(&image, 0).reason, X100_REASON_SIZE_SMALL);
	image.size = 0x263;
	assert_int_equal(place(&image, 0).reason, X100_REASON_SIZE_SMALL);
	image.size = 0x400;
	assert_int_equal(place(&image, 0).reason, X100_REASON_SETUP_SECTS);
	image.size = 4ull << 30;
	assert_int_equal(place(&image, 0).reason, X100_REASON_SIZE_HUGE);
	image.size = UINT64_MAX;
	assert_int_equal(place(&image, 0).reason, X100_REASON_SIZE_HUGE);
	image.size = 4 << 20;
	assert_int_equal(place(&image, GIB).reason, X100_REASON_RAMDISK_RANGE);
	assert_int_equal(place(&image, UINT64_MAX).reason, X100_REASON_RAMDISK_RANGE);
	/* The most the ramdisk may be: up to the last page of 1 GiB, which the bootstrap keeps. */
	p = place(&image, GIB - X100_GDDR_TOP_KEPT - 0x08000000);
	assert_int_equal(p.ret, X100_OK);
	p = place(&image, GIB - X100_GDDR_TOP_KEPT - 0x08000000 + 1);
	assert_int_equal(p.reason, X100_REASON_RAMDISK_RANGE);
	fake_blob_free(&image);
}

static void ramdisks_in_the_way_are_refused_for_their_reason(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t reason;
	} cases[] = {
		{ 0x04000000, X100_REASON_RAMDISK_IMAGE },
		{ 0x043FFFFF, X100_REASON_RAMDISK_IMAGE },
		{ 0x0440003F, X100_REASON_RAMDISK_CMDLINE },
		{ 0x05000000, X100_REASON_RAMDISK_KERNEL },
		{ 0x067FFFFF, X100_REASON_RAMDISK_KERNEL },
		{ 0x04400040, X100_REASON_RAMDISK_KERNEL },
		{ 0x1000, X100_REASON_RESERVED_OVERLAP },
		{ 0x06800000, X100_REASON_NONE },
	};
	struct x100_blob image = fake_image(4 << 20), disk = { .size = 4096, .fd = -1 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct x100_placement at;
		struct x100_why why;
		uint32_t reason;

		x100_place(SPAD2, 8 * GIB, GIB, &image, &disk, 64, cases[i].at, &at, &reason, &why);
		assert_int_equal(reason, cases[i].reason);
	}
	fake_blob_free(&image);
}

static void an_image_that_reaches_the_ramdisk_is_refused(void **state)
{
	struct x100_blob image = fake_image(16 << 20), disk = { .size = 4096, .fd = -1 };
	struct x100_placement at;
	struct x100_why why;
	uint32_t reason;

	(void)state;
	/* Downloaded to 16 MiB, it puts its command line on the first bytes of the ramdisk. */
	x100_place(0x01000001, 8 * GIB, GIB, &image, &disk, 64, 0, &at, &reason, &why);
	assert_int_equal(reason, X100_REASON_RAMDISK_CMDLINE);
	assert_int_equal(x100_place(0x01000001, 8 * GIB, GIB, &image, NULL, 64, 0, &at, &reason,
				    &why),
			 X100_OK);
	fake_blob_free(&image);
}

static void download_addresses_are_range_checked(void **state)
{
	static const struct {
		uint32_t spad2;
		int ret;
	} cases[] = {
		{ 0x00000001, X100_ERR_BOOT_ADDRESS },
		{ 0x000FF001, X100_ERR_BOOT_ADDRESS },
		{ 0x00100001, X100_OK },
		{ 0x7FFFF001, X100_OK },
		{ 0x80000001, X100_ERR_BOOT_ADDRESS },
		{ 0xFFFFF3FF, X100_ERR_BOOT_ADDRESS },
	};
	struct x100_blob image = fake_image(4 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct x100_placement at;
		struct x100_why why;
		uint32_t reason;

		assert_int_equal(x100_place(cases[i].spad2, 8 * GIB, 4 * GIB, &image, NULL, 64, 0,
					    &at, &reason, &why),
				 cases[i].ret);
	}
	fake_blob_free(&image);
}

static void long_and_odd_command_lines_are_refused(void **state)
{
	struct x100_why why;
	char user[3000], text[2048];
	uint64_t size;

	(void)state;
	memset(user, 'y', sizeof(user));
	/* The recorded one that just fits; the next is cut by the old host and refused here. */
	user[2036] = '\0';
	assert_int_equal(x100_cmdline(8 * GIB, NULL, user, text, &size, &why), X100_OK);
	assert_int_equal(size, 2048);
	user[2036] = 'y';
	user[2037] = '\0';
	assert_int_equal(x100_cmdline(8 * GIB, NULL, user, text, &size, &why), X100_ERR_CMDLINE);
	assert_int_equal(x100_cmdline(8 * GIB, NULL, "a\nb", text, &size, &why), X100_ERR_CMDLINE);
	assert_int_equal(x100_cmdline(8 * GIB, "x100.time=1.000000000@2", "quiet", text, &size,
				      &why),
			 X100_OK);
	assert_string_equal(text, " mem=8192M x100.time=1.000000000@2 quiet");
}

static void a_file_that_became_shorter_is_an_error(void **state)
{
	char path[] = "/tmp/x100-test-XXXXXX";
	struct x100_blob image = { .size = 1 << 20, .fd = mkstemp(path) };
	struct placed p;

	(void)state;
	assert_true(image.fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(image.fd, 16), 0);
	p = place(&image, 0);
	assert_int_equal(p.ret, X100_ERR_FILE);
	close(image.fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines_are_those_of_the_old_host),
		cmocka_unit_test(placement_is_that_of_the_old_host),
		cmocka_unit_test(a_good_image_is_placed),
		cmocka_unit_test(a_kernel_that_cannot_move_runs_where_it_wants),
		cmocka_unit_test(each_damaged_header_is_refused_for_its_reason),
		cmocka_unit_test(sizes_are_refused_for_their_reason),
		cmocka_unit_test(ramdisks_in_the_way_are_refused_for_their_reason),
		cmocka_unit_test(an_image_that_reaches_the_ramdisk_is_refused),
		cmocka_unit_test(download_addresses_are_range_checked),
		cmocka_unit_test(long_and_odd_command_lines_are_refused),
		cmocka_unit_test(a_file_that_became_shorter_is_an_error),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
