// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: disks of NBD servers (lib/block_nbd.c) against nbdkit, which each test starts and ends.
 * Faked: the device page and the rings (fake_vq.h).
 */
#include "blk_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE  (64u << 20)
#define FLUSH (1u << VIRTIO_BLK_F_FLUSH)
#define ALL   (fake_vq.params.features)

static char dir[32], log_path[64], sock_path[64];
static pid_t server;
static struct x100_backend *disk;

/*
 * The socket listens before the server is started and is handed to it, so that nobody has to wait until the
 * server is there (systemd's socket activation).
 */
static void start_server(const char *const *args)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	const char *argv[24] = { "nbdkit", "-f" };
	unsigned int n = 2;

	strcpy(address.sun_path, sock_path);
	unlink(sock_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 5), 0);
	while (*args)
		argv[n++] = *args++;
	server = fork();
	if (!server) {
		char pid[16];
		int null = open("/dev/null", O_WRONLY);

		/* Nor does it stay when a test fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		dup2(null, 2);
		if (listener == 3 ? fcntl(3, F_SETFD, 0) : dup2(listener, 3) < 0)
			_exit(126);
		execvp(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	assert_true(server > 0);
	close(listener);
}

#define SERVER(...) start_server((const char *const[]){ __VA_ARGS__, NULL })

static void end_server(int signal)
{
	if (server <= 0)
		return;
	kill(server, signal);
	waitpid(server, NULL, 0);
	server = 0;
}

static int open_spec(const char *options, struct x100_why *why)
{
	char spec[160];

	snprintf(spec, sizeof(spec), "nbd+unix:///?socket=%s%s", sock_path, options);
	return x100_block_class.open(&fake_vq.env, "disk1", spec, why, &disk);
}

static void open_disk(const char *options)
{
	struct x100_why why = { "" };

	if (open_spec(options, &why))
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
	strcpy(dir, "/tmp/x100-nbd-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(sock_path, sizeof(sock_path), "%s/socket", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	next_card = 0;
	fake_vq_setup();
	return 0;
}

static int teardown(void **state)
{
	char file[64];

	(void)state;
	close_disk();
	end_server(SIGKILL);
	fake_vq_teardown();
	unlink(sock_path);
	unlink(log_path);
	snprintf(file, sizeof(file), "%s/hold", dir);
	unlink(file);
	return rmdir(dir);
}

/* What the server's log filter wrote down; the caller frees it. */
static unsigned int logged(const char *what)
{
	FILE *log = fopen(log_path, "r");
	unsigned int count = 0;
	char line[512];

	assert_non_null(log);
	while (fgets(line, sizeof(line), log))
		count += strstr(line, what) != NULL;
	fclose(log);
	return count;
}

static uint64_t status_number(const char *key)
{
	json_object *member = fake_vq_status(disk, key);
	uint64_t n = json_object_get_uint64(member);

	json_object_put(member);
	return n;
}

static void writes_and_reads(void **state)
{
	size_t size = 1u << 20;
	uint8_t *data = malloc(size);
	struct request r;

	(void)state;
	SERVER("memory", "64M");
	open_disk("");
	assert_int_equal(((struct virtio_blk_config *)(void *)fake_vq.config)->capacity,
			 SIZE / SECTOR);
	fake_vq_start(ALL);
	for (unsigned int i = 0; i < 2; i++) {
		fill(data, size, i);
		r = offer_parts(0, VIRTIO_BLK_T_OUT, 1000, data, (uint32_t)size, 40000);
		assert_ok(run(&r));
		assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
		r = offer_parts(0, VIRTIO_BLK_T_IN, 1000, NULL, (uint32_t)size, 30001);
		assert_ok(run(&r));
		assert_memory_equal(fake_vq.memory + r.data, data, size);
		fake_vq.mapped = false;
	}
	assert_int_equal(status_number("errors") + status_number("refused"), 0);
	assert_int_equal(status_number("connected"), 1);
	free(data);
}

static void discards_and_zeroes(void **state)
{
	uint8_t data[4 * SECTOR], zero[4 * SECTOR] = { 0 };
	struct request r;

	(void)state;
	SERVER("--filter=log", "memory", "64M", "logfile=/dev/null");
	fill(data, sizeof(data), 1);
	open_disk("");
	assert_true(ALL & 1u << VIRTIO_BLK_F_DISCARD);
	assert_true(ALL & 1u << VIRTIO_BLK_F_WRITE_ZEROES);
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, 8, data, sizeof(data)));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 1, 0));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 9, 1, 1));
	assert_ok(one_range(VIRTIO_BLK_T_DISCARD, 10, 1, 0));
	r = offer(VIRTIO_BLK_T_IN, 8, NULL, sizeof(data));
	assert_ok(run(&r));
	/* What the memory plugin does with a discarded sector is forget it. */
	memcpy(zero + 3 * SECTOR, data + 3 * SECTOR, SECTOR);
	assert_memory_equal(fake_vq.memory + r.data, zero, sizeof(data));
}

static char *log_word(void)
{
	static char word[80];

	snprintf(word, sizeof(word), "logfile=%s", log_path);
	return word;
}

/* FUA where the server has it, a flush behind each write where not. */
static void is_write_through_for_a_driver_without_flush(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	SERVER("--filter=log", "memory", "64M", log_word());
	open_disk("");
	fake_vq_start(ALL & ~FLUSH);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
	assert_ok(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR));
	assert_int_equal(logged(" fua=1"), 2);
	assert_int_equal(logged("Flush"), 0);
	close_disk();
	end_server(SIGTERM);
	unlink(log_path);

	SERVER("--filter=log", "--filter=fua", "memory", "64M", log_word());
	open_disk("");
	fake_vq_start(ALL & ~FLUSH);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
	assert_ok(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
	assert_ok(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR));
	assert_int_equal(logged(" fua=1"), 0);
	assert_int_equal(logged(" Flush"), 2);
	fake_vq_stop();
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
	assert_int_equal(logged(" Flush"), 2);
	assert_ok(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	assert_int_equal(logged(" Flush"), 3);
}

static void read_only_servers_are_for_reading(void **state)
{
	struct x100_why why = { "" };
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	SERVER("-r", "memory", "64M");
	assert_int_equal(open_spec("", &why), X100_ERR_PERMISSION);
	assert_non_null(strstr(why.text, "say 'ro'"));
	open_disk(",ro");
	assert_true(ALL & 1u << VIRTIO_BLK_F_RO);
	assert_false(ALL & (1u << VIRTIO_BLK_F_DISCARD | 1u << VIRTIO_BLK_F_WRITE_ZEROES));
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
}

static void server_errors_reach_the_card(void **state)
{
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	SERVER("--filter=error", "memory", "64M", "error=ENOSPC", "error-pwrite-rate=100%");
	open_disk("");
	fake_vq_start(ALL);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_ok(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR));
	assert_int_equal(status_number("errors"), 1);
	assert_string_equal(fake_vq.line,
			    "disk1: write of 512 bytes at 0 failed: No space left on device");
}

static void refuses_what_is_no_server(void **state)
{
	static const char *const bad[] = { "nbd://", "nbd+unix://", "nbd+unix:///?socket=" };
	struct x100_why why = { "" };

	(void)state;
	assert_int_equal(open_spec("", &why), X100_ERR_FILE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_in_range(-x100_block_class.open(&fake_vq.env, "disk1", bad[i], &why, &disk),
				1, 99);
	/* A size that no disk has. */
	SERVER("memory", "1000");
	assert_int_equal(open_spec("", &why), X100_ERR_FILE);
	assert_non_null(strstr(why.text, "1000 bytes"));
	assert_null(disk);
}

static void tells_the_size_of_blocks(void **state)
{
	struct x100_why why = { "" };

	(void)state;
	SERVER("--filter=blocksize-policy", "memory", "64M", "blocksize-minimum=4096");
	open_disk("");
	assert_int_equal(((struct virtio_blk_config *)(void *)fake_vq.config)->blk_size, 4096);
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_IN, 8, NULL, 4096));
	close_disk();
	end_server(SIGTERM);
	SERVER("--filter=blocksize-policy", "memory", "64M", "blocksize-minimum=65536",
	       "blocksize-preferred=65536");
	assert_int_equal(open_spec("", &why), X100_ERR_FILE);
	assert_non_null(strstr(why.text, "65536 bytes"));
}

/* The server dies with requests under way. */
static void a_server_that_goes_away_gives_errors(void **state)
{
	struct x100_why why = { "" };
	struct request r[20];
	uint8_t data[SECTOR] = { 1 };

	(void)state;
	SERVER("--filter=delay", "memory", "64M", "rdelay=100");
	open_disk("");
	fake_vq_start(ALL);
	for (unsigned int i = 0; i < 20; i++)
		r[i] = offer(VIRTIO_BLK_T_IN, i, NULL, SECTOR);
	fake_vq_kick();
	end_server(SIGKILL);
	assert_true(fake_vq_wait(0, 20));
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(fake_vq.memory[r[i].status], VIRTIO_BLK_S_IOERR);
	/* One line that the server is gone, one for the errors. */
	assert_int_equal(fake_vq.lines, 2);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(status_number("connected"), 0);
	assert_int_equal(x100_block_class.rescan(disk, &why), X100_ERR_FILE);
	/* A new one is found by a rescan, and may have another size. */
	SERVER("memory", "32M");
	assert_int_equal(x100_block_class.rescan(disk, &why), X100_OK);
	assert_int_equal(((struct virtio_blk_config *)(void *)fake_vq.config)->capacity,
			 SIZE / 2 / SECTOR);
	assert_ok(request(VIRTIO_BLK_T_OUT, 0, data, SECTOR));
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
	(void)state;
	SERVER("memory", "64M");
	open_disk(",timeout=1");
	fake_vq_start(ALL);
	assert_ok(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR));
	kill(server, SIGSTOP);
	assert_int_equal(waitpid(server, NULL, WUNTRACED), server);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, NULL, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(status_number("connected"), 0);
}

/* stop() does not wait for a server; what is written after it comes after what was before. */
static void stop_leaves_requests_behind_in_order(void **state)
{
	uint8_t *data = malloc(65536);
	struct request r;

	(void)state;
	SERVER("--filter=delay", "memory", "64M", "wdelay=20ms");
	open_disk("");
	for (unsigned int i = 0; i < 10; i++) {
		next_card = 0;
		fake_vq_start(ALL);
		memset(data, (int)i, 65536);
		for (unsigned int n = 0; n < 10; n++)
			offer(VIRTIO_BLK_T_OUT, 128 * n, data, 65536);
		fake_vq_kick();
		x100_loop_turn(fake_vq.env.loop, 0);
		if (i < 9)
			fake_vq_stop();
		memset(fake_vq.memory, 0xEE, next_card);
	}
	assert_true(fake_vq_wait(0, 10));
	r = offer(VIRTIO_BLK_T_IN, 0, NULL, 65536);
	assert_ok(run(&r));
	assert_memory_equal(fake_vq.memory + r.data, data, 65536);
	/* And closing it ends what is under way. */
	offer(VIRTIO_BLK_T_OUT, 0, data, 65536);
	fake_vq_kick();
	close_disk();
	free(data);
}

/* URIs that would start programs or leave the machine by other ways are none of ours. */
static void knows_its_uris(void **state)
{
	struct x100_why why = { "" };

	(void)state;
	assert_int_equal(x100_block_class.open(&fake_vq.env, "disk1", "nbd+vsock://1", &why, &disk),
			 X100_ERR_FILE);
	assert_int_equal(x100_block_class.open(&fake_vq.env, "disk1", "nbd+ssh://host/", &why,
					       &disk),
			 X100_ERR_FILE);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_and_reads),
		TEST(discards_and_zeroes),
		TEST(is_write_through_for_a_driver_without_flush),
		TEST(read_only_servers_are_for_reading),
		TEST(server_errors_reach_the_card),
		TEST(refuses_what_is_no_server),
		TEST(tells_the_size_of_blocks),
		TEST(a_server_that_goes_away_gives_errors),
		TEST(a_server_that_says_nothing_is_given_up),
		TEST(stop_leaves_requests_behind_in_order),
		TEST(knows_its_uris),
	};

	return cmocka_run_group_tests_name("block_nbd", tests, NULL, NULL);
}
