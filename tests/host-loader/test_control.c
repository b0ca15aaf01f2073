// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lines of JSON and descriptors (message.c), connections to the control socket (client.c),
 * the requests of a card (request.c), the state file and the rate limit of the log. Faked: the card.
 */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "served.h"

/* ------------------------------------------------------------------ lines */

static struct message_reader reader;
static struct x100_why why;

/* Have the reader receive this; returns what its last message_receive() did. */
static int receive(const char *text, size_t size)
{
	int pair[2], ret = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(write(pair[0], text, size), size);
	close(pair[0]);
	while (ret > 0)
		ret = message_receive(&reader, pair[1]);
	close(pair[1]);
	return ret;
}

static void feed(const char *text)
{
	assert_int_equal(receive(text, strlen(text)), 0);
}

static void expect_object(const char *text)
{
	json_object *object;

	assert_int_equal(message_next(&reader, &object, &why), 1);
	assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), text);
	json_object_put(object);
}

static void expect(int ret)
{
	json_object *object;

	assert_int_equal(message_next(&reader, &object, &why), ret);
	assert_null(object);
}

static void test_lines_become_objects(void **state)
{
	(void)state;
	message_reader_init(&reader, 100);
	feed("{\"a\"");
	expect(0);
	feed(":1}\n\n{}\r\n { } \n{\"b\":[2]");
	expect_object("{\"a\":1}");
	expect_object("{}");
	expect_object("{}");
	expect(0);
	feed("}\n");
	expect_object("{\"b\":[2]}");
	expect(0);
	message_reader_free(&reader);
}

static void test_what_is_no_object_is_refused_and_skipped(void **state)
{
	static const char *const lines[] = {
		"nonsense",
		"1",
		"\"a\"",
		"[1]",
		"null",
		"{",
		"{}{}",
		"{\"a\":}",
		"{} x",
		"\377",
		"{\"a\":\"\377\"}",
		"{\"a\":[[[[[[[[[1]]]]]]]]]}",
	};

	(void)state;
	message_reader_init(&reader, 100);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		feed(lines[i]);
		feed("\n{}\n");
		expect(X100_ERR_ARGUMENT);
		expect_object("{}");
	}
	message_reader_free(&reader);
}

static void test_a_line_has_a_limit(void **state)
{
	static char text[20000];

	(void)state;
	memset(text, 'x', sizeof(text));
	message_reader_init(&reader, 10000);
	assert_int_equal(receive(text, sizeof(text)), -EMSGSIZE);
	message_reader_free(&reader);
}

static void test_members_of_the_wrong_type_are_refused(void **state)
{
	json_object *o =
		json_tokener_parse("{\"s\":\"x\",\"z\":\"a\\u0000b\",\"n\":7,\"m\":-1,\"f\":true,"
				   "\"d\":1.5,\"big\":18446744073709551615}");
	const char *s = "default";
	uint64_t n = 3;
	bool f = false;

	(void)state;
	assert_int_equal(message_string(o, "none", &s, &why), X100_OK);
	assert_string_equal(s, "default");
	assert_int_equal(message_string(o, "s", &s, &why), X100_OK);
	assert_string_equal(s, "x");
	assert_int_equal(message_string(o, "n", &s, &why), X100_ERR_ARGUMENT);
	assert_int_equal(message_string(o, "z", &s, &why), X100_ERR_ARGUMENT);
	assert_int_equal(message_number(o, "none", 10, &n, &why), X100_OK);
	assert_int_equal(n, 3);
	assert_int_equal(message_number(o, "n", 7, &n, &why), X100_OK);
	assert_int_equal(n, 7);
	assert_int_equal(message_number(o, "n", 6, &n, &why), X100_ERR_ARGUMENT);
	assert_int_equal(message_number(o, "m", 10, &n, &why), X100_ERR_ARGUMENT);
	assert_int_equal(message_number(o, "d", 10, &n, &why), X100_ERR_ARGUMENT);
	assert_int_equal(message_number(o, "s", 10, &n, &why), X100_ERR_ARGUMENT);
	assert_int_equal(message_number(o, "big", UINT64_MAX, &n, &why), X100_OK);
	assert_true(n == UINT64_MAX);
	assert_int_equal(message_flag(o, "none", &f, &why), X100_OK);
	assert_false(f);
	assert_int_equal(message_flag(o, "f", &f, &why), X100_OK);
	assert_true(f);
	assert_int_equal(message_flag(o, "n", &f, &why), X100_ERR_ARGUMENT);
	json_object_put(o);
}

/* How many descriptors this process has open. */
static unsigned int open_fds(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_descriptors_come_with_their_line(void **state)
{
	json_object *o = json_tokener_parse("{\"op\":\"push\"}");
	unsigned int before = open_fds();
	int pair[2], fd[2] = { 1, 2 };

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	message_reader_init(&reader, 1000);
	assert_int_equal(message_send(pair[0], o, fd, 2), 0);
	assert_true(message_receive(&reader, pair[1]) > 0);
	expect_object("{\"op\":\"push\"}");
	fd[0] = message_take_fd(&reader);
	assert_true(fd[0] > pair[1]);
	close(fd[0]);
	/* The other one is closed with the reader. */
	message_reader_free(&reader);
	assert_int_equal(message_take_fd(&reader), -1);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(open_fds(), before);
	json_object_put(o);
}

static void test_too_many_descriptors_end_the_connection_and_are_closed(void **state)
{
	json_object *o = json_tokener_parse("{}");
	unsigned int before = open_fds();
	int pair[2], fd[MESSAGE_FDS] = { 1, 1, 1, 1 };

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	message_reader_init(&reader, 1000);
	assert_int_equal(message_send(pair[0], o, fd, MESSAGE_FDS), 0);
	assert_true(message_receive(&reader, pair[1]) > 0);
	assert_int_equal(message_send(pair[0], o, fd, 1), 0);
	assert_int_equal(message_receive(&reader, pair[1]), -EMSGSIZE);
	message_reader_free(&reader);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(open_fds(), before);
	json_object_put(o);
}

static void test_every_error_has_a_name(void **state)
{
	json_object *answer = message_error(X100_ERR_REFUSED, "because", NULL), *member;

	(void)state;
	assert_true(json_object_object_get_ex(answer, "error", &member));
	assert_string_equal(json_object_get_string(member), "REFUSED");
	assert_true(json_object_object_get_ex(answer, "exit", &member));
	assert_int_equal(json_object_get_int(member), 7);
	json_object_put(answer);
	assert_string_equal(message_error_name(12345), "UNKNOWN");
}

static void test_where_the_socket_is(void **state)
{
	char path[MESSAGE_PATH], deep[200];

	(void)state;
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	assert_true(message_default_path(path));
	assert_string_equal(path, "/run/user/7/x100d/control");
	setenv("RUNTIME_DIRECTORY", "/run/x100d/mic", 1);
	assert_true(message_default_path(path));
	assert_string_equal(path, "/run/x100d/mic/control");
	memset(deep, 'd', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	setenv("RUNTIME_DIRECTORY", deep, 1);
	assert_false(message_default_path(path));
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("XDG_RUNTIME_DIR");
	assert_true(message_default_path(path));
	assert_non_null(strstr(path, "/x100d/control"));
}

/* ------------------------------------------------------------------ connections */

static struct x100_loop *loop;
static struct client *client;
static int peer; /* the client's end */
static unsigned int requests, gone;
static bool answer_later;

static void on_request(struct client *c, json_object *request)
{
	json_object *answer = message_ok();

	requests++;
	json_object_object_add(answer, "number", json_object_new_int((int)requests));
	json_object_put(request);
	if (answer_later)
		json_object_put(answer);
	else
		client_answer(c, answer);
}

static void on_gone(struct client *c)
{
	gone++;
	client_free(c);
	client = NULL;
}

static int client_setup(void **state)
{
	int pair[2];

	(void)state;
	requests = gone = 0;
	answer_later = false;
	loop = x100_loop_new();
	if (!loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		return -1;
	peer = pair[0];
	client = client_new(pair[1]);
	client->request = on_request;
	client->gone = on_gone;
	return client_serve(client, loop);
}

static int client_teardown(void **state)
{
	(void)state;
	if (client)
		client_free(client);
	if (peer >= 0)
		close(peer);
	x100_loop_free(loop);
	return client_count() ? -1 : 0;
}

static void say(const char *text)
{
	assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turn until nothing happens any more. */
static void turn(void)
{
	for (int i = 0; i < 200; i++)
		x100_loop_turn(loop, 0);
}

/* All that came back, lines counted. */
static unsigned int lines(char *text, size_t size)
{
	ssize_t n = recv(peer, text, size - 1, MSG_DONTWAIT);
	unsigned int count = 0;

	text[n > 0 ? n : 0] = '\0';
	for (const char *at = text; *at; at++)
		count += *at == '\n';
	return count;
}

static void test_requests_are_answered_in_order(void **state)
{
	char text[4096];

	(void)state;
	say("{\"op\":1}\n{\"op\":2}\nnonsense\n{\"op\":3}\n");
	turn();
	assert_int_equal(lines(text, sizeof(text)), 4);
	assert_int_equal(requests, 3);
	assert_non_null(strstr(text, "\"number\":1"));
	assert_true(strstr(text, "\"number\":2") < strstr(text, "no JSON"));
	assert_true(strstr(text, "no JSON") < strstr(text, "\"number\":3"));
}

static void test_the_next_request_waits_for_the_answer(void **state)
{
	char text[4096];

	(void)state;
	answer_later = true;
	say("{}\n{}\n");
	turn();
	assert_int_equal(requests, 1);
	client_answer(client, message_ok());
	turn();
	assert_int_equal(requests, 2);
	assert_int_equal(lines(text, sizeof(text)), 1);
}

static void test_a_peer_that_only_sends_no_more_gets_its_answers(void **state)
{
	char text[4096];

	(void)state;
	say("{}\n{}\n");
	shutdown(peer, SHUT_WR);
	turn();
	assert_int_equal(lines(text, sizeof(text)), 2);
	assert_int_equal(gone, 1);
}

static void test_a_peer_that_hangs_up_is_gone_also_while_it_is_worked_for(void **state)
{
	(void)state;
	answer_later = true;
	say("{}\n");
	turn();
	assert_int_equal(requests, 1);
	close(peer);
	peer = -1;
	turn();
	assert_int_equal(gone, 1);
}

static void test_a_peer_that_does_not_read_stops_itself_only(void **state)
{
	static char text[1 << 20];
	unsigned int taken;

	(void)state;
	/* Twenty thousand of them. */
	for (size_t i = 0; i < 60000; i++)
		text[i] = "{}\n"[i % 3];
	assert_int_equal(send(peer, text, 60000, MSG_NOSIGNAL), 60000);
	for (int i = 0; i < 20000; i++)
		x100_loop_turn(loop, 0);
	taken = requests;
	turn();
	/* What is kept for it is one answer, not one for each request. */
	assert_int_equal(requests, taken);
	assert_true(client->out_room < 1000);
	assert_int_equal(gone, 0);
	for (int i = 0; i < 40000; i++) {
		lines(text, sizeof(text));
		x100_loop_turn(loop, 0);
	}
	assert_true(requests > taken);
}

static void test_events_are_left_out_for_a_peer_that_does_not_read(void **state)
{
	(void)state;
	answer_later = true;
	say("{}\n");
	turn();
	for (int i = 0; i < 100000; i++) {
		json_object *event = json_object_new_object();

		json_object_object_add(event, "event", json_object_new_string("x"));
		client_event(client, event);
	}
	assert_true(client->out_used && client->out_room < 1000);
}

static void test_a_line_without_end_ends_the_connection(void **state)
{
	static char text[MESSAGE_REQUEST_MAX + 8192], answer[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (size_t done = 0; done < sizeof(text) - 1;) {
		ssize_t n = send(peer, text + done, sizeof(text) - 1 - done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		x100_loop_turn(loop, 0);
		if (n < 0 && errno == EPIPE)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	turn();
	assert_int_equal(gone, 1);
	assert_int_equal(lines(answer, sizeof(answer)), 1);
	assert_non_null(strstr(answer, "too long"));
}

static void test_a_refused_client_hears_why(void **state)
{
	char text[4096];

	(void)state;
	say("{}\n{}\n");
	answer_later = true;
	turn();
	client_refuse(client, X100_ERR_PERMISSION, "no", NULL);
	turn();
	assert_int_equal(requests, 1);
	assert_int_equal(gone, 1);
	assert_int_equal(lines(text, sizeof(text)), 1);
	assert_non_null(strstr(text, "PERMISSION"));
}

static void test_a_connection_can_be_given_away_with_what_came_behind(void **state)
{
	struct message_reader rest;
	int fd;

	(void)state;
	answer_later = true;
	say("{}\n\001\002");
	turn();
	fd = client_take(client, message_ok(), &rest);
	client = NULL;
	assert_true(fd >= 0);
	assert_int_equal(rest.used, 2);
	assert_memory_equal(rest.data, "\001\002", 2);
	message_reader_free(&rest);
	close(fd);
}

/* ------------------------------------------------------------------ requests of a card */

static struct served served;
static struct config_card card = { .name = "mic0", .device = (char *)(uintptr_t) "model:/x" };

static int served_setup(void **state)
{
	if (fake_setup(state) || client_setup(state))
		return -1;
	memset(&served, 0, sizeof(served));
	served.config = &card;
	served.log.name = "mic0";
	served.loop = loop;
	served.card = fake_open();
	served.next.image = served.next.ramdisk = served.last.image = served.last.ramdisk = -1;
	served.clients = client;
	client->arg = &served;
	client->request = served_request;
	client->gone = served_client_gone;
	/* Lines of the log are not what is tested. */
	log_open(-1);
	return 0;
}

static int served_teardown(void **state)
{
	while (served.clients)
		served_client_gone(served.clients);
	client = NULL;
	served_image_free(&served.next);
	served_image_free(&served.last);
	x100_close(served.card);
	return client_teardown(state) || fake_teardown(state);
}

/* The answer to one request, as text. */
static const char *ask(const char *request)
{
	static char text[256 << 10];

	say(request);
	say("\n");
	turn();
	lines(text, sizeof(text));
	return text;
}

static void told(const char *request, const char *words)
{
	const char *answer = ask(request);

	if (!strstr(answer, words))
		fail_msg("%s: %s does not say %s", request, answer, words);
}

static void test_questions_are_answered(void **state)
{
	(void)state;
	told("{\"op\":\"status\"}", "\"state\":\"ready\"");
	told("{\"op\":\"status\",\"card\":\"mic0\"}", "\"daemon\":true");
	told("{\"op\":\"record\"}", "\"run\":1");
	told("{\"op\":\"record\",\"previous\":true}", "\"run\":null");
	told("{\"op\":\"klog\",\"from\":0}", "NO_RECORD");
	told("{\"op\":\"timeline\"}", "\"events\":[");
	told("{\"op\":\"device-list\"}", "\"devices\":[]");
}

static void test_requests_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	told("{}", "no such");
	told("{\"op\":7}", "no such");
	told("{\"op\":\"dance\"}", "no such");
	told("{\"op\":\"status\",\"card\":\"mic1\"}", "this connection is card mic0's");
	told("{\"op\":\"status\",\"card\":1}", "this connection is card mic0's");
	told("{\"op\":\"record\",\"previous\":1}", "neither true nor false");
	told("{\"op\":\"klog\",\"from\":-1}", "not a number");
	told("{\"op\":\"reset\",\"timeout\":100000}", "not a number");
	told("{\"op\":\"reset\",\"wait\":\"yes\"}", "neither true nor false");
	told("{\"op\":\"push\",\"image\":true}", "did not come");
	told("{\"op\":\"push\",\"image\":true,\"cmdline\":3}", "not a text");
	told("{\"op\":\"push\",\"image\":true,\"ramdisk_at\":4294967296}", "not a number");
	told("{\"op\":\"push\"}", "no image was pushed before");
	told("{\"op\":\"device-add\"}", "needs");
	told("{\"op\":\"device-add\",\"name\":\"rng\",\"spec\":\"yes\"}", "with a number");
	told("{\"op\":\"device-add\",\"name\":\"console7\",\"spec\":\"x\"}", "with a number");
	told("{\"op\":\"device-add\",\"name\":\"tape0\",\"spec\":\"x\"}", "neither disk");
	told("{\"op\":\"device-add\",\"name\":\"rng0\",\"spec\":\"maybe\"}", "ARGUMENT");
	told("{\"op\":\"device-remove\"}", "no device");
	told("{\"op\":\"device-rescan\",\"name\":\"disk0\"}", "no device \\\"disk0\\\"");
	told("{\"op\":\"console\"}", "has no console");
	assert_int_equal(served.job, JOB_NONE);
}

static void test_one_job_at_a_time(void **state)
{
	(void)state;
	say("{\"op\":\"reset\",\"wait\":true,\"timeout\":7}\n");
	turn();
	assert_int_equal(served.job, JOB_RESET);
	assert_ptr_equal(served.asker, client);
	assert_true(served.reset_timeout == 7 * X100_NS_PER_SEC);
	/* Another client, in the place of this one. */
	served.asker = NULL;
	client_answer(client, message_ok());
	turn();
	lines((char[256]){ 0 }, 256);
	told("{\"op\":\"reset\"}", "BUSY");
	told("{\"op\":\"status\"}", "\"ok\":true");
}

static void test_the_asker_may_leave(void **state)
{
	(void)state;
	say("{\"op\":\"reset\"}\n");
	turn();
	close(peer);
	peer = -1;
	turn();
	assert_null(served.asker);
	assert_null(served.clients);
	served_answer_asker(&served, message_ok());
}

static void test_a_card_that_is_not_there_is_said_with_its_reason(void **state)
{
	struct x100_card *open = served.card;

	(void)state;
	served.card = NULL;
	served.open_error = X100_ERR_NOBODY;
	strcpy(served.open_why.text, "/x");
	told("{\"op\":\"status\"}", "NOBODY");
	served.card = open;
}

/* ------------------------------------------------------------------ state and log */

static void test_state_is_read_as_it_was_written(void **state)
{
	char folder[] = "/tmp/x100-state-XXXXXX", path[256];
	struct state written = { .page = (char *)(uintptr_t) "{\"a\":\"b\"}" }, read;

	(void)state;
	for (unsigned int i = 0; i < X100_PUSH_STEPS; i++)
		written.times.realtime[i] = UINT64_MAX - i;
	written.devices = json_tokener_parse("[{\"name\":\"disk7\",\"spec\":\"/x\"}]");
	assert_non_null(mkdtemp(folder));
	assert_true(state_path(folder, "mic0", path, sizeof(path)));
	assert_int_equal(state_load(path, "model:/x", &read), -ENOENT);
	assert_int_equal(state_save(path, "model:/x", &written), 0);
	assert_int_equal(state_load(path, "model:/x", &read), 0);
	assert_string_equal(read.page, written.page);
	assert_memory_equal(&read.times, &written.times, sizeof(read.times));
	assert_true(json_object_equal(read.devices, written.devices));
	state_free(&read);
	/* The same name for another card. */
	assert_int_equal(state_load(path, "model:/y", &read), -ENOENT);
	assert_null(read.page);
	unlink(path);
	rmdir(folder);
	assert_int_equal(state_save(path, "model:/x", &written), -ENOENT);
	assert_false(state_path(folder, "mic0", path, 8));
	json_object_put(written.devices);
}

static void test_a_state_file_that_makes_no_sense_is_not_used(void **state)
{
	static const char *const texts[] = { "",
					     "x",
					     "[]",
					     "{}",
					     "{\"version\":2}",
					     "{\"version\":1}",
					     "{\"version\":1,\"device\":null}" };
	char path[] = "/tmp/x100-state-XXXXXX";
	int fd = mkstemp(path);
	struct state read;

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
		assert_int_not_equal(state_load(path, "model:/x", &read), 0);
		assert_null(read.page);
	}
	close(fd);
	unlink(path);
}

static void test_a_state_that_cannot_be_written_leaves_the_old_one(void **state)
{
	char folder[] = "/tmp/x100-state-XXXXXX", path[256], other[300];
	struct state first = { .page = (char *)(uintptr_t) "first" }, read;
	struct state second = { .page = (char *)(uintptr_t) "second" };

	(void)state;
	assert_non_null(mkdtemp(folder));
	state_path(folder, "mic0", path, sizeof(path));
	assert_int_equal(state_save(path, "model:/x", &first), 0);
	/* As on a full disk: what is written goes nowhere. */
	snprintf(other, sizeof(other), "%s.new", path);
	assert_int_equal(symlink("/dev/full", other), 0);
	assert_int_not_equal(state_save(path, "model:/x", &second), 0);
	assert_int_equal(state_load(path, "model:/x", &read), 0);
	assert_string_equal(read.page, "first");
	state_free(&read);
	unlink(other);
	unlink(path);
	rmdir(folder);
}

static void test_a_source_that_logs_too_much_is_held_back_and_counted(void **state)
{
	struct log_source source = { 0 };
	unsigned int missed, let = 0;
	uint64_t t = 5 * X100_NS_PER_SEC;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		let += log_may(&source, t, &missed);
	assert_int_equal(let, LOG_BURST);
	assert_true(log_may(&source, t + LOG_PERIOD, &missed));
	assert_int_equal(missed, 1000 - LOG_BURST);
	assert_true(log_may(&source, t + LOG_PERIOD, &missed));
	assert_int_equal(missed, 0);
}

static void test_frames_say_their_length(void **state)
{
	uint8_t head[FRAME_HEAD];

	(void)state;
	frame_head(head, FRAME_SIZE, 0x1234);
	assert_memory_equal(head, ((uint8_t[]){ 1, 0, 0x34, 0x12 }), 4);
	assert_int_equal(frame_size(head), 0x1234);
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)
#define SERVED_TEST(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_become_objects),
		cmocka_unit_test(test_what_is_no_object_is_refused_and_skipped),
		cmocka_unit_test(test_a_line_has_a_limit),
		cmocka_unit_test(test_members_of_the_wrong_type_are_refused),
		cmocka_unit_test(test_descriptors_come_with_their_line),
		cmocka_unit_test(test_too_many_descriptors_end_the_connection_and_are_closed),
		cmocka_unit_test(test_every_error_has_a_name),
		cmocka_unit_test(test_where_the_socket_is),
		CLIENT_TEST(test_requests_are_answered_in_order),
		CLIENT_TEST(test_the_next_request_waits_for_the_answer),
		CLIENT_TEST(test_a_peer_that_only_sends_no_more_gets_its_answers),
		CLIENT_TEST(test_a_peer_that_hangs_up_is_gone_also_while_it_is_worked_for),
		CLIENT_TEST(test_a_peer_that_does_not_read_stops_itself_only),
		CLIENT_TEST(test_events_are_left_out_for_a_peer_that_does_not_read),
		CLIENT_TEST(test_a_line_without_end_ends_the_connection),
		CLIENT_TEST(test_a_refused_client_hears_why),
		CLIENT_TEST(test_a_connection_can_be_given_away_with_what_came_behind),
		SERVED_TEST(test_questions_are_answered),
		SERVED_TEST(test_requests_that_make_no_sense_are_refused),
		SERVED_TEST(test_one_job_at_a_time),
		SERVED_TEST(test_the_asker_may_leave),
		SERVED_TEST(test_a_card_that_is_not_there_is_said_with_its_reason),
		cmocka_unit_test(test_state_is_read_as_it_was_written),
		cmocka_unit_test(test_a_state_file_that_makes_no_sense_is_not_used),
		cmocka_unit_test(test_a_state_that_cannot_be_written_leaves_the_old_one),
		cmocka_unit_test(test_a_source_that_logs_too_much_is_held_back_and_counted),
		cmocka_unit_test(test_frames_say_their_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
