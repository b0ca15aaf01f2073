// SPDX-License-Identifier: BSD-3-Clause
/* x100 reset */
#include <getopt.h>

#include "cmd.h"

/* Beyond the time that the card may take. */
#define ANSWER_SECONDS 60u

static void on_event(void *arg, json_object *event)
{
	if (answer_member(event, "post", json_type_int))
		cmd_show_post(arg, (uint32_t)answer_number(event, "post"));
}

static int ask_daemon(struct target *target, bool wait, uint64_t timeout)
{
	struct target_ask ask = {
		.seconds = (unsigned int)timeout + ANSWER_SECONDS,
		.event = on_event,
	};
	json_object *request = target_request(target, "reset"), *answer;

	json_object_object_add(request, "wait", json_object_new_boolean(wait));
	json_object_object_add(request, "timeout", json_object_new_uint64(timeout));
	if (!target_ask(target, request, &ask, &answer))
		return target_failed(&ask);
	json_object_put(answer);
	return 0;
}

static int reset_here(struct x100_card *card, bool wait, uint64_t timeout)
{
	int ret = x100_reset(card);

	if (!ret && wait)
		ret = x100_wait_ready(card, timeout * X100_NS_PER_SEC, cmd_show_post, NULL);
	return ret ? cmd_error(ret, x100_why(card), NULL) : 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "wait", no_argument, NULL, 'w' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t timeout = X100_RESET_DEADLINE / X100_NS_PER_SEC;
	bool wait = false;
	struct target target;
	int c, status;

	while ((c = getopt_long(argc, argv, "d:wt:h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'w':
			wait = true;
			break;
		case 't':
			if (!cmd_number(optarg, 86400, &timeout) || !timeout)
				return cmd_usage(&command_reset,
						 "--timeout takes seconds, 1 to 86400");
			break;
		case 'h':
			cmd_help(&command_reset, stdout);
			return 0;
		default:
			return cmd_usage(&command_reset, NULL);
		}
	}
	if (optind != argc)
		return cmd_usage(&command_reset, "reset takes no arguments");
	status = target_open(&target);
	if (!status && target.daemon >= 0)
		status = ask_daemon(&target, wait, timeout);
	else if (!status)
		status = reset_here(target.card, wait, timeout);
	if (!status && wait)
		printf("ready\n");
	target_close(&target);
	return status;
}

const struct command command_reset = {
	.name = "reset",
	.usage = "[--wait [--timeout SECONDS]]",
	.help = "Reset the card, whatever it is doing.\n\n"
		"  -w, --wait      return when it is ready for an image (POST 12 and the ready bit),\n"
		"                  or fail after 90 s\n"
		"  -t, --timeout   fail after that many seconds instead\n",
	.run = run,
};
