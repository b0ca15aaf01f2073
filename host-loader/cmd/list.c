// SPDX-License-Identifier: BSD-3-Clause
/* x100 list */
#include <getopt.h>
#include <string.h>

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

static bool is_served(const char *device, const struct cmd_served *served, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(served[i].device, device))
			return true;
	return false;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	static struct cmd_served served[CMD_SERVED_MAX];
	struct x100_device_list list;
	unsigned int count;
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
	count = cmd_list_served(served);
	if (!list.count && !count)
		fprintf(stderr, "x100: there is no card; start the model with model/x100-model\n");
	for (unsigned int i = 0; i < count; i++) {
		x100_text_clean(served[i].device, strlen(served[i].device));
		printf("%-16s %s, served by x100d, %s\n", served[i].name, served[i].state,
		       served[i].device);
	}
	for (unsigned int i = 0; i < list.count; i++)
		if (!is_served(list.name[i], served, count))
			describe(list.name[i]);
	x100_device_list_free(&list);
	return 0;
}

const struct command command_list = {
	.name = "list",
	.usage = "",
	.help = "List the cards there are, those x100d serves first: their names and what each is doing.\n",
	.run = run,
};
