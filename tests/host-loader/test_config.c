// SPDX-License-Identifier: BSD-3-Clause
/* Under test: x100d.conf, every mistake with its place. Faked: nothing; back-ends only check their words. */
#include "fake.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

struct told {
	unsigned int count;
	char text[16][600];
};

static void tell(void *arg, const char *text)
{
	struct told *told = arg;

	if (told->count < 16)
		snprintf(told->text[told->count], sizeof(told->text[0]), "%s", text);
	told->count++;
}

static struct config config;
static struct told told;

static unsigned int parse(const char *text)
{
	unsigned int mistakes;

	memset(&told, 0, sizeof(told));
	config_init(&config);
	mistakes = config_parse(&config, "f", text, strlen(text), tell, &told);
	assert_int_equal(mistakes, told.count);
	return mistakes;
}

/* One mistake, at this line, with these words in it. */
static void refused(const char *text, unsigned int line, const char *words)
{
	char place[32];

	assert_int_equal(parse(text), 1);
	snprintf(place, sizeof(place), "f:%u: ", line);
	if (strncmp(told.text[0], place, strlen(place)) || !strstr(told.text[0], words))
		fail_msg("\"%s\" is not \"%s...%s\"", told.text[0], place, words);
	config_free(&config);
}

#define CARD "[card mic0]\ndevice = model:/run/a\n"

static void test_everything_that_can_be_said(void **state)
{
	const struct config_card *card;

	(void)state;
	assert_int_equal(parse("# comment\n; another\n\n"
			       "[daemon]\nsocket=/run/x/control\nstate = /var/lib/x\n"
			       "allow-users = root, 12345 root\nallow-groups = root 77\n"
			       "log-level = debug\n"
			       "[ card  mic0 ]\n\tdevice = model:/run/a b#c \r\n"
			       "generation = A\nlegacy-features = yes\nimage = /i\nramdisk = /r\n"
			       "cmdline = a=b ; c # d\nboot = auto\non-restart = ready\n"
			       "on-crash = boot\nrng = yes\ndisk = /a.img,ro\ndisk = /b.img\n"
			       "disk7 = /c.img\n"),
			 0);
	assert_string_equal(config.socket, "/run/x/control");
	assert_string_equal(config.state, "/var/lib/x");
	assert_int_equal(config.users, 3);
	assert_int_equal(config.user[1], 12345);
	assert_int_equal(config.groups, 2);
	assert_int_equal(config.group[1], 77);
	assert_int_equal(config.log_level, X100_LOG_DEBUG);
	assert_int_equal(config.cards, 1);
	card = config.card[0];
	assert_string_equal(card->name, "mic0");
	assert_string_equal(card->device, "model:/run/a b#c");
	assert_int_equal(card->generation, X100_GEN_A);
	assert_true(card->legacy_features);
	assert_string_equal(card->image, "/i");
	assert_string_equal(card->ramdisk, "/r");
	assert_string_equal(card->cmdline, "a=b ; c # d");
	assert_true(card->boot);
	assert_int_equal(card->on_restart, CONFIG_READY);
	assert_int_equal(card->on_crash, CONFIG_BOOT);
	assert_int_equal(card->devices, 4);
	assert_string_equal(card->dev[0].name, "rng0");
	assert_string_equal(card->dev[1].name, "disk0");
	assert_string_equal(card->dev[1].spec, "/a.img,ro");
	assert_string_equal(card->dev[2].name, "disk1");
	assert_string_equal(card->dev[3].name, "disk7");
	config_free(&config);
}

static void test_defaults(void **state)
{
	const struct config_card *card;

	(void)state;
	assert_int_equal(parse(CARD), 0);
	card = config.card[0];
	assert_null(config.socket);
	assert_int_equal(config.log_level, X100_LOG_INFO);
	assert_int_equal(card->generation, X100_GEN_C2);
	assert_false(card->legacy_features);
	assert_false(card->boot);
	assert_int_equal(card->on_restart, CONFIG_BOOT);
	assert_int_equal(card->on_crash, CONFIG_LEAVE);
	assert_int_equal(card->devices, 0);
	config_free(&config);
}

static void test_an_empty_file_is_a_configuration(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(config.cards, 0);
	config_free(&config);
}

static void test_mistakes_in_lines_and_sections(void **state)
{
	(void)state;
	refused("nonsense\n", 1, "key = value");
	refused("\n= 3\n", 2, "key = value");
	refused("socket = /a\n", 1, "before the first section");
	refused("[daemon\n", 1, "no ]");
	refused("[daemons]\nx = 1\ny = 2\n", 1, "[daemon] or [card NAME]");
	refused("[daemon x]\n", 1, "[daemon] or [card NAME]");
	refused("[daemon]\nsocket =\n", 2, "no value");
	refused("[daemon]\nport = 3\n", 2, "no key \"port\"");
	refused("[daemon]\nsocket = /a\nsocket = /b\n", 3, "given already");
	refused("[daemon]\nlog-level = loud\n", 2, "error, warning, notice, info, debug");
	refused("[daemon]\nallow-users = nobody-has-this-name\n", 2, "no user");
	refused("[daemon]\nallow-groups = 99999999999\n", 2, "no group");
}

static void test_mistakes_in_cards(void **state)
{
	(void)state;
	refused("[card]\n", 1, "1 to 15 letters");
	refused("[card a/b]\n", 1, "1 to 15 letters");
	refused("[card abcdefghijklmnop]\n", 1, "1 to 15 letters");
	refused(CARD CARD, 3, "already");
	refused("[card mic0]\n", 1, "no device");
	refused(CARD "device = model:/b\n", 3, "given already");
	refused(CARD "[card mic1]\ndevice = model:/run/a\n", 3, "same device as card mic0");
	refused(CARD "generation = B\n", 3, "C2, C, A");
	refused(CARD "legacy-features = maybe\n", 3, "no, yes");
	refused(CARD "boot = auto\n", 1, "no image");
	refused(CARD "ramdisk = /r\n", 1, "no image");
	refused(CARD "on-restart = dance\n", 3, "leave, ready, boot");
	refused(CARD "on-crash = ready\n", 3, "leave, boot");
	refused(CARD "colour = blue\n", 3, "no key \"colour\"");
}

static void test_a_device_of_another_kind(void **state)
{
	(void)state;
	assert_int_equal(parse("[card mic0]\ndevice = vfio:1\n"), 2);
	assert_non_null(strstr(told.text[0], "f:2: a device is model:PATH"));
	assert_non_null(strstr(told.text[1], "f:1: card mic0 has no device"));
	config_free(&config);
}

static void test_mistakes_in_devices(void **state)
{
	(void)state;
	refused(CARD "disk0 = /a\ndisk0 = /b\n", 4, "a disk0 already");
	refused(CARD "disk1234 = /a\n", 3, "no key");
	refused(CARD "rng = maybe\n", 3, "rng0: ");
	refused(CARD "disk = /a,colour=blue\n", 3, "colour");
	refused(CARD "console1 = scrollback=64K\n", 3, "no number");
	refused(CARD "console = scrollback=64K\nconsole = scrollback=64K\n", 4, "console already");
}

static void test_every_mistake_is_told(void **state)
{
	(void)state;
	assert_int_equal(parse("[daemon]\nx = 1\nlog-level = 7\n[card mic0]\nboot = never\n"), 4);
	config_free(&config);
}

static void test_what_is_no_text(void **state)
{
	static const char text[] = "[daemon]\nso\0cket = /a\nstate = /b\n";

	(void)state;
	memset(&told, 0, sizeof(told));
	config_init(&config);
	assert_int_equal(config_parse(&config, "f", text, sizeof(text) - 1, tell, &told), 1);
	assert_string_equal(told.text[0], "f:2: this is not text");
	config_free(&config);
	/* Control characters of a file do not reach the terminal. */
	assert_int_equal(parse("[daemon]\n\033[31mx = 1\n"), 1);
	assert_null(strchr(told.text[0], '\033'));
	config_free(&config);
}

static void test_more_than_there_is_room_for(void **state)
{
	static char text[64 << 10];
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i <= CONFIG_CARDS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "[card c%u]\ndevice = model:/%u\n", i, i);
	assert_int_equal(parse(text), 1);
	assert_non_null(strstr(told.text[0], "more than 64 cards"));
	config_free(&config);

	n = (size_t)snprintf(text, sizeof(text), CARD);
	for (unsigned int i = 0; i <= CONFIG_DEVICES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "disk = /%u\n", i);
	assert_int_equal(parse(text), 1);
	assert_non_null(strstr(told.text[0], "more than 32 devices"));
	config_free(&config);

	n = (size_t)snprintf(text, sizeof(text), "[daemon]\nallow-users =");
	for (unsigned int i = 0; i <= CONFIG_ALLOW_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %u", i);
	assert_int_equal(parse(text), 1);
	assert_non_null(strstr(told.text[0], "more than 32 users"));
	config_free(&config);
}

static void test_files_that_cannot_be_read(void **state)
{
	char path[] = "/tmp/x100-config-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	memset(&told, 0, sizeof(told));
	config_init(&config);
	assert_int_equal(config_load(&config, "/nonexistent/x", tell, &told), 1);
	assert_non_null(strstr(told.text[0], "/nonexistent/x: it cannot be read"));
	assert_int_equal(config_load(&config, "/", tell, &told), 1);
	assert_int_equal(config_load(&config, "/dev/zero", tell, &told), 1);
	assert_non_null(strstr(told.text[2], "longer than"));
	assert_true(fd >= 0 && write(fd, CARD, strlen(CARD)) == (ssize_t)strlen(CARD));
	close(fd);
	assert_int_equal(config_load(&config, path, tell, &told), 0);
	unlink(path);
	assert_int_equal(config.cards, 1);
	config_free(&config);
}

static void test_cards_of_the_command_line(void **state)
{
	(void)state;
	assert_int_equal(parse(CARD "rng = yes\n"), 0);
	assert_int_equal(config_add_card(&config, "mic0=model:/b", tell, &told), 0);
	assert_string_equal(config.card[0]->device, "model:/b");
	assert_int_equal(config.card[0]->devices, 1);
	assert_int_equal(config_add_card(&config, "other=model:/c", tell, &told), 0);
	assert_int_equal(config.cards, 2);
	assert_int_equal(config.card[1]->devices, 3);
	assert_int_equal(config_add_card(&config, "mic2", tell, &told), 1);
	assert_int_equal(config_add_card(&config, "mic3=/c", tell, &told), 1);
	assert_int_equal(config_add_card(&config, "averyverylongcardname=model:/c", tell, &told),
			 1);
	config_free(&config);
}

static void test_kinds_of_device_names(void **state)
{
	char kind[CONFIG_DEV_NAME];
	struct x100_why why;

	(void)state;
	assert_int_equal(config_kind("disk12", kind, &why), X100_OK);
	assert_string_equal(kind, "disk");
	assert_int_equal(config_kind("console", kind, &why), X100_OK);
	assert_int_equal(config_kind("", kind, &why), X100_ERR_ARGUMENT);
	assert_int_equal(config_kind("7", kind, &why), X100_ERR_ARGUMENT);
	assert_int_equal(config_kind("disk1234", kind, &why), X100_ERR_ARGUMENT);
	assert_int_equal(config_kind("tape0", kind, &why), X100_ERR_ARGUMENT);
	assert_int_equal(config_kind("disk-with-a-very-long-name-indeed-0", kind, &why),
			 X100_ERR_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_that_can_be_said),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_an_empty_file_is_a_configuration),
		cmocka_unit_test(test_mistakes_in_lines_and_sections),
		cmocka_unit_test(test_mistakes_in_cards),
		cmocka_unit_test(test_a_device_of_another_kind),
		cmocka_unit_test(test_mistakes_in_devices),
		cmocka_unit_test(test_every_mistake_is_told),
		cmocka_unit_test(test_what_is_no_text),
		cmocka_unit_test(test_more_than_there_is_room_for),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_cards_of_the_command_line),
		cmocka_unit_test(test_kinds_of_device_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
