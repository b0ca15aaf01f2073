// SPDX-License-Identifier: BSD-3-Clause
/* x100 log */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

static void print_text(const char *text, size_t size)
{
	fwrite(text, 1, size, stdout);
	if (size && text[size - 1] != '\n')
		fputc('\n', stdout);
}

static void print_run(const struct x100_run *run)
{
	char text[X100_RECORD_CONSOLE + 1], reason[X100_REASON_TEXT];
	size_t size = x100_run_console(run, text);

	printf("--- bootstrap, run %u ---\n", run->seq);
	if (run->reason)
		printf("(last failure: %s)\n", x100_reason_text(run->reason, run->detail, reason));
	print_text(text, size);
}

/* The card kernel's log, once or until interrupted. Returns an enum x100_error. */
static int print_klog(struct x100_card *card, bool follow)
{
	uint64_t from = 0, lost;
	bool first = true;
	size_t size;
	char *text;
	int ret;

	for (;;) {
		ret = x100_klog_read(card, &from, &text, &size, &lost);
		if (ret && (ret != X100_ERR_NO_RECORD || !follow))
			return ret;
		if (!ret) {
			if (first)
				printf("--- card kernel ---\n");
			if (lost)
				printf("(%llu bytes lost)\n", (unsigned long long)lost);
			if (follow)
				fwrite(text, 1, size, stdout);
			else
				print_text(text, size);
			first = false;
			free(text);
			if (fflush(stdout))
				return X100_OK;
		}
		if (!follow)
			return X100_OK;
		if (cmd_interrupted())
			return X100_OK;
		x100_system_clock.sleep(NULL, 100 * X100_NS_PER_MS);
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "follow", no_argument, NULL, 'f' },
		{ "previous", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool follow = false, want_previous = false;
	const struct x100_run *previous;
	struct x100_record record;
	struct x100_card *card;
	int c, ret, status;

	while ((c = getopt_long(argc, argv, "d:fph", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'f':
			follow = true;
			break;
		case 'p':
			want_previous = true;
			break;
		case 'h':
			cmd_help(&command_log, stdout);
			return 0;
		default:
			return cmd_usage(&command_log, NULL);
		}
	}
	if (optind != argc)
		return cmd_usage(&command_log, "log takes no arguments");
	card = cmd_open(&status);
	if (!card)
		return status;
	ret = x100_record_read(card, &record);
	if (!ret) {
		previous = x100_record_previous(&record);
		if (want_previous && previous)
			print_run(previous);
		else if (want_previous)
			printf("(there was no run before this one)\n");
		else
			print_run(x100_record_current(&record));
		/* No kernel yet is no error here: the bootstrap's words have been printed. */
		if (!want_previous)
			ret = print_klog(card, follow);
		if (ret == X100_ERR_NO_RECORD)
			ret = X100_OK;
	}
	if (ret)
		status = cmd_error(ret, x100_why(card), NULL);
	cmd_close(card);
	return status;
}

const struct command command_log = {
	.name = "log",
	.usage = "[--follow | --previous]",
	.help = "Print what the bootstrap said in this run and the log of the card kernel, read from card\n"
		"memory; works on a card that hangs or crashed.\n\n"
		"  -f, --follow    go on until interrupted; holds the card meanwhile\n"
		"  -p, --previous  the bootstrap's words of the run before the last reset\n",
	.run = run,
};
