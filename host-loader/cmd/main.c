// SPDX-License-Identifier: BSD-3-Clause
/* The x100 command: global options and the choice of what to do. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define VERSION "0.2"

const char *cmd_device;

static const struct command *const commands[] = {
	&command_list,    &command_status, &command_reset, &command_push,
	&command_console, &command_device, &command_log,   &command_timeline,
};

static void overview(FILE *to)
{
	fprintf(to, "usage: x100 [-d DEVICE] COMMAND [ARGUMENT]...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  x100 %-9s %s\n", commands[i]->name, commands[i]->usage);
	fprintf(to,
		"  x100 help      [COMMAND]\n"
		"  x100 version\n\n"
		"DEVICE is the name of a card that x100d serves, such as mic0, or model:PATH, PATH being\n"
		"the model's socket. Without -d it is taken from X100_DEVICE; where there is only one\n"
		"card, it need not be named at all. console and device need x100d; the others use it\n"
		"where it serves the card.\n\n"
		"Exit status: 0 done; 2 wrong arguments; 3 the files to push are no good; 4 the host\n"
		"system said no; 5 the other end of the socket is busy, gone or foreign; 6 the card\n"
		"failed or was late; 7 the card refused the image; 130 interrupted.\n");
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i]->name))
			return commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	fprintf(stderr, "x100: there is no command \"%s\"\n      try: x100 --help\n", name);
	return CMD_USAGE;
}

static int dispatch(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const struct command *command;
	int c;

	/* Options stop at the command, whose own come after it. */
	while ((c = getopt_long(argc, argv, "+d:hV", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'h':
			overview(stdout);
			return 0;
		case 'V':
			printf("x100 " VERSION "\n");
			return 0;
		default:
			fprintf(stderr, "      try: x100 --help\n");
			return CMD_USAGE;
		}
	}
	if (optind == argc) {
		overview(stderr);
		return CMD_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (!strcmp(argv[0], "version")) {
		printf("x100 " VERSION "\n");
		return 0;
	}
	if (!strcmp(argv[0], "help")) {
		if (argc < 2) {
			overview(stdout);
			return 0;
		}
		command = find(argv[1]);
		if (!command)
			return unknown(argv[1]);
		cmd_help(command, stdout);
		return 0;
	}
	command = find(argv[0]);
	if (!command)
		return unknown(argv[0]);
	optind = 0;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	int status = dispatch(argc, argv);
	bool lost = fflush(stdout) || ferror(stdout);

	/* What went wrong before says more. */
	if (lost && !status)
		return cmd_error(X100_ERR_SYSTEM, "the output could not be written", NULL);
	return status;
}
