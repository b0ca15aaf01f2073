// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/console.c, console_ring.c and console_pty.c: output to viewers and scrollback, keys to the
 * card, the pseudo-terminal. Faked: the card with its driver (vcard.c), time, and who looks on.
 */
#include "vcard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "backend.h"
#include "console_ring.h"

#define SIZE (1u << VIRTIO_CONSOLE_F_SIZE)

static struct x100_backend_env env;
static struct x100_backend *be;
static struct vcard_driver drv;
static char dir[64], log_line[512];
static unsigned int warnings;

static void note_log(void *arg, int level, const char *text)
{
	(void)arg;
	warnings += level <= X100_LOG_WARNING;
	snprintf(log_line, sizeof(log_line), "%s", text);
}

static int setup(void **state)
{
	if (vcard_setup(state))
		return -1;
	snprintf(dir, sizeof(dir), "/tmp/x100-console-XXXXXX");
	assert_non_null(mkdtemp(dir));
	env = (struct x100_backend_env){
		.card = vcard.card,
		.loop = vcard.loop,
		.page = vcard.page,
		.card_name = "mic0",
		.state_dir = dir,
		.log = note_log,
	};
	warnings = 0;
	memset(&drv, 0, sizeof(drv));
	return 0;
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

/* As the daemon does when it ends or the device goes. */
static void end(void)
{
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	if (be)
		x100_console_class.close(be);
	be = NULL;
}

static int teardown(void **state)
{
	end();
	remove_file("mic0.pty");
	remove_file("mic0-console.scrollback");
	if (rmdir(dir))
		fail_msg("%s is not empty", dir);
	return vcard_teardown(state);
}

static void open_console(const char *spec)
{
	struct x100_why why = { "" };

	if (!vcard.page)
		vcard_new_page(&vcard.params);
	env.page = vcard.page;
	if (x100_console_class.open(&env, "console", spec, &why, &be))
		fail_msg("%s: %s", spec, why.text);
}

static void probe(uint32_t features)
{
	vcard.next_db = 8;
	vcard_probe(&drv, 0, features);
}

static void begin(const char *spec)
{
	open_console(spec);
	vcard_boot();
	probe(SIZE);
}

/* ------------------------------------------------------------------ the card */

/* The card prints @size bytes, in one chain of @parts parts, and waits for them to be taken, as it does. */
static void print_parts(const void *text, size_t size, unsigned int parts)
{
	struct vcard_queue *q = &drv.q[1];
	uint64_t at = vcard.heap;
	uint32_t id, len;

	assert_int_equal(size % parts, 0);
	vcard_chain(q, parts, 0, (uint32_t)(size / parts), NULL);
	for (unsigned int i = 0; i < parts; i++) {
		memcpy(vcard_memory(at), (const uint8_t *)text + size / parts * i, size / parts);
		at += (size / parts + 4095) & ~4095ull;
	}
	vcard_kick(&drv);
	assert_true(vcard_used(q, &id, &len));
	/* The heap is used again. */
	vcard.heap -= parts * ((size / parts + 4095) & ~4095ull);
}

static void print(const char *text)
{
	print_parts(text, strlen(text), 1);
}

static uint8_t big[1 << 20];

static void print_big(size_t size)
{
	for (size_t i = 0; i < size; i++)
		big[i] = (uint8_t)('A' + i % 53);
	for (size_t at = 0; at < size; at += 4096)
		print_parts(big + at, size - at < 4096 ? size - at : 4096, 1);
}

/* Buffers for input: where they are is remembered by descriptor. */
static uint64_t in_buffer[128];

static void post_input(unsigned int count, uint32_t size)
{
	for (unsigned int i = 0; i < count; i++) {
		uint16_t head = drv.q[0].free_desc;

		vcard_chain(&drv.q[0], 0, 1, size, &in_buffer[head]);
	}
	vcard_kick(&drv);
}

/* What the card got in its next buffer; "" for nothing. */
static const char *typed(void)
{
	static char text[65536];
	uint32_t id, len;

	text[0] = '\0';
	if (vcard_used(&drv.q[0], &id, &len)) {
		memcpy(text, vcard_memory(in_buffer[id]), len);
		text[len] = '\0';
	}
	return text;
}

/* ------------------------------------------------------------------ viewers */

struct eye {
	struct x100_viewer v;
	char text[2 << 20];
	size_t used, room; /* room: bytes it takes before it is full */
	unsigned int told; /* calls of writer() */
	bool taken;
};

static size_t look(void *arg, const void *bytes, size_t size)
{
	struct eye *e = arg;

	if (size > e->room)
		size = e->room;
	assert_true(e->used + size < sizeof(e->text));
	memcpy(e->text + e->used, bytes, size);
	e->used += size;
	e->text[e->used] = '\0';
	e->room -= size;
	return size;
}

static void writer(void *arg, bool taken)
{
	struct eye *e = arg;

	e->told++;
	e->taken = taken;
}

static struct eye *attach(bool may_write, size_t scrollback)
{
	struct eye *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->room = SIZE_MAX;
	e->v = (struct x100_viewer){ .output = look, .writer = writer, .arg = e };
	x100_console_attach(be, &e->v, may_write, scrollback);
	return e;
}

static void detach(struct eye *e)
{
	x100_console_detach(be, &e->v);
	free(e);
}

static int64_t number(const char *name)
{
	struct json_object *o = json_object_new_object(), *v;
	int64_t value;

	x100_console_class.status(be, o);
	assert_true(json_object_object_get_ex(o, name, &v));
	value = json_object_get_int64(v);
	json_object_put(o);
	return value;
}

/* ------------------------------------------------------------------ the device */

static void is_the_console_of_the_old_host(void **state)
{
	struct virtio_console_config c;
	struct x100_vdev_desc d;

	(void)state;
	begin("scrollback=256K");
	memcpy(&d, vcard_scan(0), sizeof(d));
	assert_int_equal(d.type, 3);
	assert_int_equal(d.num_vq, 2);
	assert_int_equal(d.config_len, 12);
	assert_int_equal(drv.q[0].num, 128);
	assert_int_equal(drv.offered & 0x00FFFFFF, SIZE);
	memcpy(&c, vcard_scan(0) + x100_vdev_config(&d), sizeof(c));
	assert_int_equal(c.cols, 80);
	assert_int_equal(c.rows, 24);
}

static void legacy_offers_nothing(void **state)
{
	const struct x100_vpage_params params = { .generation = X100_GEN_C2,
						  .legacy_features = true };

	(void)state;
	vcard_new_page(&params);
	begin("pty");
	assert_int_equal(drv.offered, 0);
	print("hello");
	assert_int_equal(number("bytes_out"), 5);
}

static void words_are_checked(void **state)
{
	static const char *const bad[] = {
		"tty",         "pty,scrollback=1K", "scrollback=65M",
		"scrollback=", "pty,colour=green",  "scrollback=8K,entries=3"
	};
	static const char *const good[] = { "", "pty", "scrollback=4K", "pty,scrollback=64M" };
	struct x100_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (x100_backend_check("console", bad[i], &why) != X100_ERR_ARGUMENT)
			fail_msg("%s", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (x100_backend_check("console", good[i], &why) != X100_OK)
			fail_msg("%s: %s", good[i], why.text);
}

/* ------------------------------------------------------------------ output */

static void output_is_taken_without_anybody_looking(void **state)
{
	(void)state;
	begin("pty");
	for (int i = 0; i < 300; i++)
		print("line\r\n");
	assert_int_equal(number("bytes_out"), 1800);
	assert_int_equal(number("viewers"), 0);
}

static void output_reaches_every_viewer(void **state)
{
	struct eye *a, *b;

	(void)state;
	begin("pty");
	a = attach(true, 0);
	b = attach(false, 0);
	print("hello, ");
	print_parts("wide world", 10, 5);
	assert_string_equal(a->text, "hello, wide world");
	assert_string_equal(b->text, a->text);
	assert_int_equal(number("viewers"), 2);
	detach(a);
	print("!");
	assert_string_equal(b->text, "hello, wide world!");
	detach(b);
}

static unsigned int printed;

/* The card prints again as fast as it is served. */
static size_t print_again(void *arg, const void *bytes, size_t size)
{
	uint32_t id, len;

	(void)arg;
	(void)bytes;
	for (; vcard_used(&drv.q[1], &id, &len); printed++)
		vcard_offer(&drv.q[1], (uint16_t)id);
	return size;
}

static void others_get_their_turn(void **state)
{
	struct x100_viewer v = { .output = print_again };
	unsigned int turns = 0;
	uint64_t at;

	(void)state;
	begin("pty");
	printed = 0;
	x100_console_attach(be, &v, false, 0);
	at = vcard_alloc(64);
	for (uint16_t i = 0; i < 128; i++) {
		vcard_desc(&drv.q[1], i, at, 8, 0, 0);
		vcard_offer(&drv.q[1], i);
	}
	vcard_ring_only(drv.c2h_db);
	for (; printed < 5000; turns++)
		vcard_turn();
	assert_in_range(turns, 10, 100);
	x100_console_detach(be, &v);
}

static void a_chain_of_no_use_comes_back(void **state)
{
	uint32_t id, len;

	(void)state;
	begin("pty");
	vcard_chain(&drv.q[1], 0, 1, 64, NULL);
	vcard_kick(&drv);
	assert_true(vcard_used(&drv.q[1], &id, &len));
	assert_int_equal(len, 0);
	vcard_chain(&drv.q[0], 1, 0, 64, &in_buffer[drv.q[0].free_desc]);
	struct eye *e = attach(true, 0);
	x100_console_input(be, &e->v, "x", 1);
	vcard_kick(&drv);
	assert_true(vcard_used(&drv.q[0], &id, &len));
	assert_int_equal(len, 0);
	detach(e);
}

static void works_without_a_mapping(void **state)
{
	struct eye *e;

	(void)state;
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_close(vcard.card);
	fake.mappable = false;
	vcard.card = fake_open();
	begin("pty");
	e = attach(true, 0);
	print("hello");
	assert_string_equal(e->text, "hello");
	post_input(1, 64);
	x100_console_input(be, &e->v, "keys", 4);
	assert_string_equal(typed(), "keys");
	detach(e);
}

/* ------------------------------------------------------------------ scrollback */

static void scrollback_is_told_first(void **state)
{
	struct eye *e;

	(void)state;
	begin("pty");
	print("0123456789");
	e = attach(false, 4);
	print("ab");
	assert_string_equal(e->text, "6789ab");
	detach(e);
	e = attach(false, 1 << 20);
	assert_string_equal(e->text, "0123456789ab");
	detach(e);
	e = attach(false, 0);
	assert_string_equal(e->text, "");
	detach(e);
}

static void scrollback_is_as_long_as_asked_for(void **state)
{
	struct eye *e;

	(void)state;
	begin("scrollback=8K");
	print_big(20000);
	e = attach(false, 1 << 20);
	assert_int_equal(e->used, 8192);
	assert_memory_equal(e->text, big + 20000 - 8192, 8192);
	detach(e);
}

static void scrollback_survives_the_process(void **state)
{
	struct eye *e;

	(void)state;
	begin("scrollback=8K");
	print_big(10000);
	end();
	begin("scrollback=8K");
	print("more");
	e = attach(false, 1 << 20);
	assert_int_equal(e->used, 8192);
	assert_memory_equal(e->text, big + 10000 - 8188, 8188);
	assert_string_equal(e->text + 8188, "more");
	assert_int_equal(warnings, 0);
	detach(e);
}

static void scrollback_survives_another_size(void **state)
{
	struct eye *e;

	(void)state;
	begin("scrollback=8K");
	print_big(10000);
	end();
	begin("scrollback=4K");
	e = attach(false, 1 << 20);
	assert_int_equal(e->used, 4096);
	assert_memory_equal(e->text, big + 10000 - 4096, 4096);
	detach(e);
	print("x");
	end();
	begin("scrollback=64K");
	e = attach(false, 1 << 20);
	assert_int_equal(e->used, 4096);
	assert_memory_equal(e->text, big + 10000 - 4095, 4095);
	detach(e);
	assert_int_equal(warnings, 0);
}

static void damaged_scrollback_is_made_anew(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/mic0-console.scrollback", dir);
	/* Each 32-bit word of the head in turn, then lengths. */
	for (int i = 0; i < 9; i++) {
		uint32_t word = 0xDEADBEEF;
		struct eye *e;
		int fd;

		begin("scrollback=8K");
		print("old");
		end();
		fd = open(path, O_RDWR);
		assert_true(fd >= 0);
		if (i < 4)
			assert_int_equal(pwrite(fd, &word, 4, i * 4), 4);
		else if (i == 4)
			assert_int_equal(pwrite(fd, &word, 4, 20), 4); /* written, upper half */
		else
			assert_int_equal(ftruncate(fd, i == 5 ? 1 :
						       i == 6 ? 63 :
						       i == 7 ? 5000 :
								8192 + 65),
					 0);
		close(fd);
		warnings = 0;
		begin("scrollback=8K");
		assert_int_equal(warnings, 1);
		e = attach(false, 1 << 20);
		assert_string_equal(e->text, "");
		print("new");
		assert_string_equal(e->text, "new");
		detach(e);
		end();
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 8192 + 64);
		assert_int_equal(st.st_mode & 0777, 0600);
		unlink(path);
	}
}

static void without_a_file_there_is_memory(void **state)
{
	char path[128];
	struct eye *e;

	(void)state;
	snprintf(path, sizeof(path), "%s/mic0-console.scrollback", dir);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	begin("pty");
	assert_int_equal(warnings, 1);
	print("hello");
	e = attach(false, 100);
	assert_string_equal(e->text, "hello");
	detach(e);
}

/* ------------------------------------------------------------------ slow viewers */

static void slow_viewer_gets_all_of_it_later(void **state)
{
	struct eye *slow, *fast;

	(void)state;
	begin("scrollback=64K");
	slow = attach(false, 0);
	fast = attach(false, 0);
	slow->room = 10;
	print_big(30000);
	assert_int_equal(slow->used, 10);
	assert_int_equal(fast->used, 30000);
	slow->room = SIZE_MAX;
	assert_int_equal(slow->used, 10);
	x100_console_ready(be, &slow->v);
	assert_int_equal(slow->used, 30000);
	assert_memory_equal(slow->text, big, 30000);
	detach(slow);
	detach(fast);
}

static void too_slow_a_viewer_skips_with_a_note(void **state)
{
	static const char note[] = "\r\n[11808 bytes of output are left out]\r\n";
	struct eye *e;

	(void)state;
	begin("scrollback=8K");
	e = attach(false, 0);
	e->room = 0;
	print_big(20000);
	assert_int_equal(e->used, 0);
	e->room = SIZE_MAX;
	x100_console_ready(be, &e->v);
	assert_int_equal(e->used, strlen(note) + 8192);
	assert_memory_equal(e->text, note, strlen(note));
	assert_memory_equal(e->text + strlen(note), big + 11808, 8192);
	detach(e);
}

/* ------------------------------------------------------------------ keys */

static void first_who_may_write_writes(void **state)
{
	struct eye *viewer, *first, *second;

	(void)state;
	begin("pty");
	post_input(10, 64);
	viewer = attach(false, 0);
	first = attach(true, 0);
	second = attach(true, 0);
	assert_false(viewer->v.is_writer);
	assert_true(first->v.is_writer);
	assert_false(second->v.is_writer);
	assert_int_equal(x100_console_input(be, &viewer->v, "v", 1), 1);
	assert_int_equal(x100_console_input(be, &second->v, "s", 1), 1);
	assert_string_equal(typed(), "");
	assert_int_equal(x100_console_input(be, &first->v, "f", 1), 1);
	assert_string_equal(typed(), "f");
	/* The place goes to the next one, and all hear of it. */
	viewer->told = second->told = 0;
	detach(first);
	assert_true(second->v.is_writer);
	assert_int_equal(viewer->told, 1);
	assert_true(viewer->taken);
	assert_int_equal(second->told, 1);
	assert_false(second->taken);
	x100_console_input(be, &second->v, "s", 1);
	assert_string_equal(typed(), "s");
	detach(second);
	assert_int_equal(viewer->told, 2);
	assert_false(viewer->taken);
	assert_false(viewer->v.is_writer);
	detach(viewer);
}

static void keys_wait_for_buffers(void **state)
{
	struct eye *e;

	(void)state;
	begin("pty");
	e = attach(true, 0);
	assert_int_equal(x100_console_input(be, &e->v, "hello", 5), 5);
	assert_int_equal(number("keys_waiting"), 5);
	x100_console_input(be, &e->v, " world", 6);
	post_input(1, 8);
	assert_string_equal(typed(), "hello wo");
	assert_string_equal(typed(), "");
	post_input(1, 8);
	assert_string_equal(typed(), "rld");
	assert_int_equal(number("keys_waiting"), 0);
	detach(e);
}

static void keys_typed_before_the_driver_reach_it(void **state)
{
	struct eye *e;

	(void)state;
	open_console("pty");
	vcard_boot();
	e = attach(true, 0);
	x100_console_input(be, &e->v, "early", 5);
	probe(SIZE);
	post_input(2, 64);
	assert_string_equal(typed(), "early");
	detach(e);
}

static void keys_are_forgotten_with_the_driver(void **state)
{
	struct eye *e;

	(void)state;
	begin("pty");
	e = attach(true, 0);
	x100_console_input(be, &e->v, "rm -rf", 6);
	probe(SIZE);
	post_input(1, 64);
	assert_string_equal(typed(), "");
	detach(e);
}

static void count_room(void *arg)
{
	(*(unsigned int *)arg)++;
}

static void room_for_keys_is_bounded_and_told(void **state)
{
	unsigned int told = 0;
	size_t taken, done = 0;
	struct eye *e;

	(void)state;
	begin("pty");
	e = attach(true, 0);
	x100_console_on_room(be, count_room, &told);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)('a' + i % 23);
	assert_int_equal(x100_console_room(be), 16384);
	taken = x100_console_input(be, &e->v, big, 20000);
	assert_int_equal(taken, 16384);
	assert_int_equal(x100_console_room(be), 0);
	assert_int_equal(x100_console_input(be, &e->v, big, 1), 0);
	assert_int_equal(told, 0);
	post_input(1, 1000);
	assert_int_equal(told, 1);
	assert_int_equal(x100_console_room(be), 1000);
	/* Round the corner of the ring. */
	assert_int_equal(x100_console_input(be, &e->v, big + taken, 3616), 1000);
	taken += 1000;
	post_input(100, 1000);
	assert_int_equal(told, 2);
	for (const char *t = typed(); *t; t = typed()) {
		assert_memory_equal(t, big + done, strlen(t));
		done += strlen(t);
	}
	assert_int_equal(done, taken);
	assert_int_equal(number("bytes_in"), taken);
	detach(e);
}

static uint16_t config_word(unsigned int at)
{
	uint16_t w;

	memcpy(&w, drv.desc + x100_vdev_config((void *)drv.desc) + at, 2);
	return w;
}

static void window_size_reaches_the_card(void **state)
{
	struct eye *a, *b;

	(void)state;
	begin("pty");
	vcard_publish(3);
	vcard_turn();
	a = attach(true, 0);
	b = attach(true, 0);
	x100_console_size(be, &a->v, 132, 43);
	vcard_turn();
	assert_int_equal(config_word(0), 132);
	assert_int_equal(config_word(2), 43);
	x100_console_size(be, &b->v, 100, 30);
	vcard_turn();
	assert_int_equal(config_word(0), 132);
	assert_int_equal(number("columns"), 132);
	detach(a);
	detach(b);
}

static void new_driver_is_told_the_size(void **state)
{
	struct x100_vdev_ctrl ctrl;
	struct eye *e;

	(void)state;
	open_console("pty");
	vcard_boot();
	e = attach(true, 0);
	x100_console_size(be, &e->v, 132, 43);
	vcard_publish(3);
	probe(SIZE);
	vcard_turn();
	assert_int_equal(config_word(0), 132);
	memcpy(&ctrl, drv.ctrl, sizeof(ctrl));
	assert_int_equal(ctrl.config_change, X100_CHANGE_CONFIG);
	detach(e);
}

static void driver_that_took_no_size_is_left_alone(void **state)
{
	struct eye *e;

	(void)state;
	open_console("pty");
	vcard_boot();
	probe(0);
	e = attach(true, 0);
	x100_console_size(be, &e->v, 132, 43);
	vcard_turn();
	assert_int_equal(config_word(0), 80);
	detach(e);
}

/* ------------------------------------------------------------------ pseudo-terminal */

static int open_pty(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/mic0.pty", dir);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

/* Read until nothing comes for a while. */
static size_t read_pty(int fd, char *to, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t done = 0;

	while (done < size && poll(&p, 1, 200) > 0) {
		ssize_t n = read(fd, to + done, size - done);

		if (n <= 0)
			break;
		done += (size_t)n;
		vcard_turn();
	}
	return done;
}

/* Turn until the card has something, for at most 5 s. */
static const char *typed_soon(void)
{
	const char *text = typed();

	for (int i = 0; i < 500 && !*text; i++) {
		usleep(10000);
		vcard_turn();
		text = typed();
	}
	return text;
}

static void pty_is_the_console(void **state)
{
	char text[64] = "";
	int fd;

	(void)state;
	begin("pty");
	fd = open_pty();
	print("login: ");
	assert_int_equal(read_pty(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "login: ");
	post_input(4, 64);
	assert_int_equal(write(fd, "root\n", 5), 5);
	assert_string_equal(typed_soon(), "root\n");
	close(fd);
}

static void pty_changes_no_byte(void **state)
{
	uint8_t all[256], got[512];
	const char *text;
	int fd;

	(void)state;
	begin("pty");
	fd = open_pty();
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	print_parts(all, 256, 1);
	assert_int_equal(read_pty(fd, (char *)got, sizeof(got)), 256);
	assert_memory_equal(got, all, 256);
	post_input(4, 512);
	assert_int_equal(write(fd, all, 256), 256);
	text = typed_soon();
	if (!*text)
		assert_int_equal(number("bytes_in"), 256);
	assert_int_equal(number("bytes_in"), 256);
	/* Nothing comes back as an echo. */
	assert_int_equal(read_pty(fd, (char *)got, sizeof(got)), 0);
	close(fd);
}

static void pty_survives_its_readers(void **state)
{
	char text[64];

	(void)state;
	begin("pty");
	for (int i = 0; i < 5; i++) {
		int fd = open_pty();

		memset(text, 0, sizeof(text));
		print("hello");
		assert_int_equal(read_pty(fd, text, sizeof(text)), 5);
		assert_string_equal(text, "hello");
		close(fd);
		for (int n = 0; n < 10; n++)
			vcard_turn();
	}
}

static void pty_nobody_reads_holds_up_nothing(void **state)
{
	static char text[1 << 20];
	static const char note[] = "bytes of output are left out]\r\n";
	struct eye *e;
	size_t size;
	char *at;
	int fd;

	(void)state;
	begin("scrollback=16K");
	e = attach(false, 0);
	print_big(500000);
	assert_int_equal(e->used, 500000);
	/* Who comes late sees the oldest that the kernel kept, a note, and the scrollback up to the end. */
	fd = open_pty();
	size = read_pty(fd, text, sizeof(text));
	at = memmem(text, size, note, strlen(note));
	assert_non_null(at);
	at += strlen(note);
	assert_int_equal(text + size - at, 16384);
	assert_memory_equal(at, big + 500000 - 16384, 16384);
	close(fd);
	detach(e);
}

static void pty_does_not_spin(void **state)
{
	uint64_t before;
	int fd;

	(void)state;
	begin("pty");
	vcard_publish(3);
	print_big(300000);
	fd = open_pty();
	close(fd);
	vcard_run(5000);
	/* In fake time a wait for nothing lasts as long as it may. */
	before = fake.now;
	x100_loop_turn(vcard.loop, 60000);
	assert_int_equal(fake.now - before, 60 * X100_NS_PER_SEC);
}

static void pty_keys_wait_when_there_is_no_room(void **state)
{
	size_t done = 0, sent = 0;
	int fd;

	(void)state;
	begin("pty");
	fd = open_pty();
	memset(big, 'k', 60000);
	for (int i = 0; i < 200 && sent < 60000; i++) {
		ssize_t n = write(fd, big, 60000 - sent > 1000 ? 1000 : 60000 - sent);

		if (n > 0)
			sent += (size_t)n;
		usleep(1000);
		vcard_turn();
	}
	assert_true(sent > 16384);
	assert_int_equal(number("keys_waiting"), 16384);
	for (int i = 0; i < 120 && done < sent; i++) {
		const char *t;

		post_input(1, 1000);
		for (t = typed_soon(); *t; t = typed())
			done += strlen(t);
	}
	assert_int_equal(done, sent);
	close(fd);
}

static void link_is_replaced_and_removed(void **state)
{
	char path[128], target[128] = "";

	(void)state;
	snprintf(path, sizeof(path), "%s/mic0.pty", dir);
	assert_int_equal(symlink("/dev/pts/99999", path), 0);
	begin("pty");
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_not_equal(target, "/dev/pts/99999");
	end();
	assert_int_equal(access(path, F_OK), -1);
	/* One that is another's by now stays. */
	begin("pty");
	unlink(path);
	assert_int_equal(symlink("/dev/pts/99999", path), 0);
	end();
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
}

static void without_a_pty_there_is_a_console(void **state)
{
	char path[128];
	struct eye *e;

	(void)state;
	/* A folder cannot be replaced by a link. */
	snprintf(path, sizeof(path), "%s/mic0.pty", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	begin("pty");
	assert_int_equal(warnings, 1);
	e = attach(true, 0);
	print("hello");
	assert_string_equal(e->text, "hello");
	detach(e);
	rmdir(path);
	remove_file("mic0.pty.new");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(is_the_console_of_the_old_host),
		TEST(legacy_offers_nothing),
		TEST(words_are_checked),
		TEST(output_is_taken_without_anybody_looking),
		TEST(output_reaches_every_viewer),
		TEST(others_get_their_turn),
		TEST(a_chain_of_no_use_comes_back),
		TEST(works_without_a_mapping),
		TEST(scrollback_is_told_first),
		TEST(scrollback_is_as_long_as_asked_for),
		TEST(scrollback_survives_the_process),
		TEST(scrollback_survives_another_size),
		TEST(damaged_scrollback_is_made_anew),
		TEST(without_a_file_there_is_memory),
		TEST(slow_viewer_gets_all_of_it_later),
		TEST(too_slow_a_viewer_skips_with_a_note),
		TEST(first_who_may_write_writes),
		TEST(keys_wait_for_buffers),
		TEST(keys_typed_before_the_driver_reach_it),
		TEST(keys_are_forgotten_with_the_driver),
		TEST(room_for_keys_is_bounded_and_told),
		TEST(window_size_reaches_the_card),
		TEST(new_driver_is_told_the_size),
		TEST(driver_that_took_no_size_is_left_alone),
		TEST(pty_is_the_console),
		TEST(pty_changes_no_byte),
		TEST(pty_survives_its_readers),
		TEST(pty_nobody_reads_holds_up_nothing),
		TEST(pty_does_not_spin),
		TEST(pty_keys_wait_when_there_is_no_room),
		TEST(link_is_replaced_and_removed),
		TEST(without_a_pty_there_is_a_console),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
