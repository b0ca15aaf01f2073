/* SPDX-License-Identifier: BSD-3-Clause */
/* What x100d is told: its configuration file, x100d.conf(5), and its command line. */
#ifndef X100D_CONFIG_H
#define X100D_CONFIG_H

#include <libx100-virtio.h>
#include <sys/types.h>

#define CONFIG_FILE_MAX  (256u << 10) /* bytes of a configuration file */
#define CONFIG_CARDS     64
#define CONFIG_DEVICES   32 /* of one card; the page has room for fewer */
#define CONFIG_NAME      16 /* bytes of a card's name, NUL included: it goes into interface names */
#define CONFIG_DEV_NAME  32
#define CONFIG_ALLOW_MAX 32

/* What to do about a card OS that ended. */
enum config_policy {
	CONFIG_LEAVE, /* nothing */
	CONFIG_READY, /* reset */
	CONFIG_BOOT,  /* reset and push again */
};

struct config_device {
	char name[CONFIG_DEV_NAME]; /* "disk0" */
	char *spec;
};

struct config_card {
	char name[CONFIG_NAME];
	char *device; /* "model:PATH" */
	enum x100_generation generation;
	bool legacy_features;
	char *image, *ramdisk, *cmdline; /* NULL: not given */
	bool boot;                       /* push @image when the card is found ready */
	enum config_policy on_restart, on_crash;
	unsigned int devices;
	struct config_device dev[CONFIG_DEVICES];
	unsigned int line; /* of its section, for messages */
};

struct config {
	char *socket, *state; /* NULL: the default */
	int log_level;
	unsigned int users, groups;
	uid_t user[CONFIG_ALLOW_MAX];
	gid_t group[CONFIG_ALLOW_MAX];
	unsigned int cards;
	struct config_card *card[CONFIG_CARDS];
};

/* Told about each mistake: "FILE:LINE: " and a sentence. */
typedef void config_report(void *arg, const char *text);

/* An empty configuration with its defaults. */
void config_init(struct config *config);
void config_free(struct config *config);

/*
 * Read a configuration into an initialised @config. Every mistake is told; reading goes on after it.
 *
 * @name: of the file, for messages
 *
 * Returns the number of mistakes.
 */
unsigned int config_parse(struct config *config, const char *name, const char *text, size_t size,
			  config_report *report, void *arg);

/* As config_parse(), from a file. */
unsigned int config_load(struct config *config, const char *path, config_report *report, void *arg);

/*
 * What --card NAME=DEVICE says: another device for a card there is, or a card with a console, a network
 * and random numbers. Returns the number of mistakes.
 */
unsigned int config_add_card(struct config *config, const char *argument, config_report *report,
			     void *arg);

/*
 * Split a device name, "disk0" or "disk", into its kind and find the name it gets.
 *
 * @kind: CONFIG_DEV_NAME bytes
 *
 * Errors: ARGUMENT when it is no name, or of no kind there is.
 */
int config_kind(const char *name, char *kind, struct x100_why *why);

#endif
