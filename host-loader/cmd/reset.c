// SPDX-License-Identifier: BSD-3-Clause
/* x100 reset */
#include <getopt.h>

#include "cmd.h"

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
	struct x100_card *card;
	int c, ret, status;

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
	card = cmd_open(&status);
	if (!card)
		return status;
	ret = x100_reset(card);
	if (!ret && wait)
		ret = x100_wait_ready(card, timeout * X100_NS_PER_SEC, cmd_show_post, NULL);
	if (ret)
		status = cmd_error(ret, x100_why(card), NULL);
	else if (wait)
		printf("ready\n");
	cmd_close(card);
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
