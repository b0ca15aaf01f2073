// SPDX-License-Identifier: BSD-3-Clause
/* x100 list */
#include <getopt.h>

#include "cmd.h"

/* What a look at the card gives in a word or two. */
static void describe(const char *name)
{
	struct x100_status s;
	struct x100_card *card;
	int ret = x100_open(name, &card, NULL);

	if (ret) {
		printf("%-40s %s\n", name, x100_error_words(ret));
		return;
	}
	ret = x100_status_read(card, &s);
	if (ret)
		printf("%-40s %s\n", name, x100_error_words(ret));
	else
		printf("%-40s %s, %s\n", name, s.product, x100_state_words(s.state));
	x100_close(card);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct x100_device_list list;
	int c, ret;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'h')
			return cmd_usage(&command_list, NULL);
		cmd_help(&command_list, stdout);
		return 0;
	}
	if (optind != argc)
		return cmd_usage(&command_list, "list takes no arguments");
	ret = x100_discover(&list);
	if (ret)
		return cmd_error(ret, "the folder of the models' sockets cannot be read", NULL);
	if (!list.count)
		fprintf(stderr, "x100: there is no card; start the model with model/x100-model\n");
	for (unsigned int i = 0; i < list.count; i++)
		describe(list.name[i]);
	x100_device_list_free(&list);
	return 0;
}

const struct command command_list = {
	.name = "list",
	.usage = "",
	.help = "List the cards there are: their device names and what each is doing.\n",
	.run = run,
};
