/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the x100 command share. */
#ifndef X100_CMD_H
#define X100_CMD_H

#include <libx100.h>
#include <stdio.h>

/* One command: its name and a function that gets getopt-ready arguments. */
struct command {
	const char *name;
	const char *usage;                 /* arguments, for the first line of its help */
	const char *help;                  /* the rest of its help */
	int (*run)(int argc, char **argv); /* returns the exit status */
};

extern const struct command command_list, command_status, command_reset, command_push,
	command_console, command_log, command_timeline;

/* What the person said with -d; NULL if nothing. */
extern const char *cmd_device;

/* Exit status for a wrong command line. */
#define CMD_USAGE 2

/* Print the help of one command. */
void cmd_help(const struct command *command, FILE *to);

/* "try x100 NAME --help"; returns CMD_USAGE. */
int cmd_usage(const struct command *command, const char *what);

/* Print what went wrong and what to try; returns the exit status. @particulars may be "". */
int cmd_error(int error, const char *particulars, const char *hint);

/*
 * Find and open the card meant; prints on error.
 *
 * @status: exit status on error
 *
 * Returns NULL on error. Signals that end programs interrupt its waits until cmd_close().
 */
struct x100_card *cmd_open(int *status);
void cmd_close(struct x100_card *card);

/* A signal asked the command to end. */
bool cmd_interrupted(void);

/* Name of the card meant, into X100_NAME_SIZE bytes; prints on error. Returns an exit status. */
int cmd_name(char *name);

/* A number from 0 to @most, decimal or with 0x; false for anything else. */
bool cmd_number(const char *text, uint64_t most, uint64_t *value);

/* Standard error is a terminal: progress may be drawn there. */
bool cmd_terminal(void);

/* Bytes for people: "12.3 MiB". */
const char *cmd_bytes(uint64_t bytes, char text[32]);

/* POST codes as they come, on a terminal. */
void cmd_show_post(void *arg, uint32_t post);

/*
 * The host's time stamps of the last push, kept in ${XDG_STATE_HOME:-~/.local/state}/x100/. Both
 * return false when that is not possible; nothing important depends on it.
 */
bool cmd_stamps_save(const char *device, const struct x100_push_times *times);
bool cmd_stamps_load(const char *device, struct x100_push_times *times);

/* Name of a step as the timeline and the state file call it. */
const char *cmd_step_name(enum x100_push_step step);

#endif
