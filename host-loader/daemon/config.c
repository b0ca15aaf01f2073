// SPDX-License-Identifier: BSD-3-Clause
/* The configuration file: sections in brackets, "key = value", comments; one sentence per mistake. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"

#define BLANKS " \t\r"

struct parser {
	struct config *config;
	const char *file;
	unsigned int line;
	unsigned int mistakes;
	config_report *report;
	void *arg;
	/* Of the section the line is in. */
	bool in_daemon, in_card;
	struct config_card *card; /* NULL after a mistake in its head */
	uint32_t seen;            /* keys of it that came, by their place in the table */
};

__attribute__((format(printf, 2, 3))) static void mistake(struct parser *p, const char *format, ...)
{
	char text[X100_WHY_SIZE + 128];
	va_list args;
	int n;

	p->mistakes++;
	if (p->line)
		n = snprintf(text, sizeof(text), "%.256s:%u: ", p->file, p->line);
	else
		n = snprintf(text, sizeof(text), "%.256s: ", p->file);
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	x100_text_clean(text, strlen(text));
	p->report(p->arg, text);
}

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config->log_level = X100_LOG_INFO;
}

static void free_card(struct config_card *card)
{
	for (unsigned int i = 0; i < card->devices; i++)
		free(card->dev[i].spec);
	free(card->device);
	free(card->image);
	free(card->ramdisk);
	free(card->cmdline);
	free(card);
}

void config_free(struct config *config)
{
	for (unsigned int i = 0; i < config->cards; i++)
		free_card(config->card[i]);
	free(config->socket);
	free(config->state);
	config_init(config);
}

static void set_text(struct parser *p, char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	if (!*to)
		mistake(p, "there is no memory left");
}

/* One of @words (NULL-ended); -1 with a mistake noted otherwise. */
static int choose(struct parser *p, const char *key, const char *value, const char *const *words)
{
	char text[128] = "";
	size_t n = 0;

	for (int i = 0; words[i]; i++) {
		if (!strcmp(value, words[i]))
			return i;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "", words[i]);
	}
	mistake(p, "%s takes one of %s, not \"%s\"", key, text, value);
	return -1;
}

/* A user or group id written as a number. */
static bool id_number(const char *text, unsigned int *id)
{
	unsigned long long value;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value >= UINT32_MAX)
		return false;
	*id = (unsigned int)value;
	return true;
}

static bool find_user(const char *name, unsigned int *id)
{
	const struct passwd *user = getpwnam(name);

	if (user)
		*id = user->pw_uid;
	return user || id_number(name, id);
}

static bool find_group(const char *name, unsigned int *id)
{
	const struct group *group = getgrnam(name);

	if (group)
		*id = group->gr_gid;
	return group || id_number(name, id);
}

/* Names between blanks or commas. */
static void set_ids(struct parser *p, char *value, const char *what,
		    bool (*find)(const char *name, unsigned int *id), unsigned int *id,
		    unsigned int *count)
{
	char *rest = value;

	for (char *name; (name = strsep(&rest, BLANKS ","));) {
		if (!*name)
			continue;
		if (*count == CONFIG_ALLOW_MAX) {
			mistake(p, "more than %u %ss", CONFIG_ALLOW_MAX, what);
			return;
		}
		if (find(name, &id[*count]))
			++*count;
		else
			mistake(p, "there is no %s \"%s\"", what, name);
	}
}

enum daemon_key {
	DAEMON_SOCKET,
	DAEMON_STATE,
	DAEMON_USERS,
	DAEMON_GROUPS,
	DAEMON_LEVEL,
	DAEMON_KEYS
};

static const char *const daemon_keys[] = {
	[DAEMON_SOCKET] = "socket",     [DAEMON_STATE] = "state",
	[DAEMON_USERS] = "allow-users", [DAEMON_GROUPS] = "allow-groups",
	[DAEMON_LEVEL] = "log-level",   [DAEMON_KEYS] = NULL,
};

static void set_daemon(struct parser *p, enum daemon_key key, char *value)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
	int level;

	switch (key) {
	case DAEMON_SOCKET:
		set_text(p, &p->config->socket, value);
		break;
	case DAEMON_STATE:
		set_text(p, &p->config->state, value);
		break;
	case DAEMON_USERS:
		set_ids(p, value, "user", find_user, p->config->user, &p->config->users);
		break;
	case DAEMON_GROUPS:
		set_ids(p, value, "group", find_group, p->config->group, &p->config->groups);
		break;
	case DAEMON_LEVEL:
		level = choose(p, "log-level", value, levels);
		if (level >= 0)
			p->config->log_level = X100_LOG_ERR + level;
		break;
	default:
		break;
	}
}

enum card_key {
	CARD_DEVICE,
	CARD_GENERATION,
	CARD_LEGACY,
	CARD_IMAGE,
	CARD_RAMDISK,
	CARD_CMDLINE,
	CARD_BOOT,
	CARD_RESTART,
	CARD_CRASH,
	CARD_KEYS
};

static const char *const card_keys[] = {
	[CARD_DEVICE] = "device",
	[CARD_GENERATION] = "generation",
	[CARD_LEGACY] = "legacy-features",
	[CARD_IMAGE] = "image",
	[CARD_RAMDISK] = "ramdisk",
	[CARD_CMDLINE] = "cmdline",
	[CARD_BOOT] = "boot",
	[CARD_RESTART] = "on-restart",
	[CARD_CRASH] = "on-crash",
	[CARD_KEYS] = NULL,
};

static void set_device(struct parser *p, struct config_card *card, const char *value)
{
	if (strncmp(value, "model:", 6) || !value[6])
		mistake(p, "a device is model:PATH, with the model's socket, not \"%s\"", value);
	else if (strlen(value) >= X100_NAME_SIZE)
		mistake(p, "the name of the device is too long");
	else
		set_text(p, &card->device, value);
}

static void set_card(struct parser *p, struct config_card *card, enum card_key key,
		     const char *value)
{
	static const char *const generations[] = { "C2", "C", "A", NULL };
	static const char *const flags[] = { "no", "yes", NULL };
	static const char *const boots[] = { "manual", "auto", NULL };
	static const char *const restarts[] = { "leave", "ready", "boot", NULL };
	static const char *const crashes[] = { "leave", "boot", NULL };
	int choice;

	switch (key) {
	case CARD_DEVICE:
		set_device(p, card, value);
		break;
	case CARD_GENERATION:
		choice = choose(p, card_keys[key], value, generations);
		if (choice >= 0)
			card->generation = (enum x100_generation)choice;
		break;
	case CARD_LEGACY:
		card->legacy_features = choose(p, card_keys[key], value, flags) > 0;
		break;
	case CARD_IMAGE:
		set_text(p, &card->image, value);
		break;
	case CARD_RAMDISK:
		set_text(p, &card->ramdisk, value);
		break;
	case CARD_CMDLINE:
		set_text(p, &card->cmdline, value);
		break;
	case CARD_BOOT:
		card->boot = choose(p, card_keys[key], value, boots) > 0;
		break;
	case CARD_RESTART:
		choice = choose(p, card_keys[key], value, restarts);
		if (choice >= 0)
			card->on_restart = (enum config_policy)choice;
		break;
	case CARD_CRASH:
		choice = choose(p, card_keys[key], value, crashes);
		if (choice >= 0)
			card->on_crash = choice ? CONFIG_BOOT : CONFIG_LEAVE;
		break;
	default:
		break;
	}
}

int config_kind(const char *name, char *kind, struct x100_why *why)
{
	size_t n = strlen(name), letters = n;

	while (letters && name[letters - 1] >= '0' && name[letters - 1] <= '9')
		letters--;
	if (!letters || n >= CONFIG_DEV_NAME || n - letters > 3)
		return x100_fail(why, X100_ERR_ARGUMENT, "\"%.40s\" is no name of a device", name);
	memcpy(kind, name, letters);
	kind[letters] = '\0';
	if (!x100_backend_find(kind))
		return x100_fail(why, X100_ERR_ARGUMENT,
				 "\"%.40s\" is neither disk, net, console nor rng with a number",
				 name);
	return X100_OK;
}

static bool has_device(const struct config_card *card, const char *name)
{
	for (unsigned int i = 0; i < card->devices; i++)
		if (!strcmp(card->dev[i].name, name))
			return true;
	return false;
}

/* The name that a device given as @key gets: a kind alone takes its lowest free number. */
static bool name_device(struct parser *p, const struct config_card *card, const char *key,
			const char *kind, char *name)
{
	bool console = !strcmp(kind, "console");

	if (console || strcmp(key, kind)) {
		snprintf(name, CONFIG_DEV_NAME, "%s", console ? kind : key);
		if (console && strcmp(key, kind))
			mistake(p, "there is one console, with no number");
		else if (has_device(card, name))
			mistake(p, "there is a %s already", name);
		else
			return true;
		return false;
	}
	for (unsigned int i = 0; i <= CONFIG_DEVICES; i++) {
		snprintf(name, CONFIG_DEV_NAME, "%.16s%u", kind, i);
		if (!has_device(card, name))
			break;
	}
	return true;
}

static void add_device(struct parser *p, struct config_card *card, const char *key,
		       const char *value)
{
	struct config_device *dev = &card->dev[card->devices];
	struct x100_why why = { "" };
	char kind[CONFIG_DEV_NAME];

	if (config_kind(key, kind, &why)) {
		mistake(p, "a card has no key \"%s\", and it is no device", key);
		return;
	}
	if (card->devices == CONFIG_DEVICES) {
		mistake(p, "more than %u devices", CONFIG_DEVICES);
		return;
	}
	if (!name_device(p, card, key, kind, dev->name))
		return;
	if (x100_backend_check(kind, value, &why)) {
		mistake(p, "%s: %s", dev->name, why.text);
		return;
	}
	dev->spec = NULL;
	set_text(p, &dev->spec, value);
	if (dev->spec)
		card->devices++;
}

static struct config_card *find_card(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->cards; i++)
		if (!strcmp(config->card[i]->name, name))
			return config->card[i];
	return NULL;
}

static struct config_card *new_card(struct parser *p, const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	struct config_card *card;

	if (!name[0] || strlen(name) >= CONFIG_NAME || name[strspn(name, letters)]) {
		mistake(p, "a card's name is 1 to %u letters, digits, - and _, not \"%.40s\"",
			CONFIG_NAME - 1, name);
		return NULL;
	}
	if (p->config->cards == CONFIG_CARDS) {
		mistake(p, "more than %u cards", CONFIG_CARDS);
		return NULL;
	}
	card = calloc(1, sizeof(*card));
	if (!card) {
		mistake(p, "there is no memory left");
		return NULL;
	}
	strcpy(card->name, name);
	card->on_restart = CONFIG_BOOT;
	card->line = p->line;
	p->config->card[p->config->cards++] = card;
	return card;
}

/* "[daemon]" or "[card NAME]", the brackets cut off. */
static void begin_section(struct parser *p, char *head)
{
	char *name = head + strcspn(head, BLANKS);

	p->in_daemon = p->in_card = false;
	p->card = NULL;
	p->seen = 0;
	if (*name) {
		*name++ = '\0';
		name += strspn(name, BLANKS);
	}
	if (!strcmp(head, "daemon") && !*name) {
		p->in_daemon = true;
	} else if (!strcmp(head, "card")) {
		p->in_card = true;
		if (find_card(p->config, name))
			mistake(p, "there is a card %.40s already", name);
		else
			p->card = new_card(p, name);
	} else {
		/* Its keys are not worth a mistake each. */
		p->in_card = true;
		mistake(p, "a section is [daemon] or [card NAME], not [%.40s]", head);
	}
}

/* Place of a key in a table, noting one that comes twice; -1 for none. */
static int find_key(struct parser *p, const char *const *keys, const char *key)
{
	for (int i = 0; keys[i]; i++) {
		if (strcmp(keys[i], key))
			continue;
		if (p->seen & 1u << i)
			mistake(p, "%s was given already", key);
		p->seen |= 1u << i;
		return i;
	}
	return -1;
}

static void set_key(struct parser *p, char *key, char *value)
{
	int place;

	if (!*value) {
		mistake(p, "%.40s has no value", key);
	} else if (p->in_daemon) {
		place = find_key(p, daemon_keys, key);
		if (place >= 0)
			set_daemon(p, (enum daemon_key)place, value);
		else
			mistake(p, "[daemon] has no key \"%.40s\"", key);
	} else if (p->card) {
		place = find_key(p, card_keys, key);
		if (place >= 0)
			set_card(p, p->card, (enum card_key)place, value);
		else
			add_device(p, p->card, key, value);
	} else if (!p->in_card) {
		mistake(p, "\"%.40s\" stands before the first section", key);
	}
}

/* Cut blanks off both ends. */
static char *trim(char *text)
{
	size_t n;

	text += strspn(text, BLANKS);
	n = strlen(text);
	while (n && strchr(BLANKS, text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

static void parse_line(struct parser *p, char *line)
{
	char *text = trim(line), *value;
	size_t n = strlen(text);

	if (!n || text[0] == '#' || text[0] == ';')
		return;
	if (text[0] == '[') {
		if (text[n - 1] != ']') {
			mistake(p, "the section has no ]");
			p->in_daemon = false;
			p->in_card = true;
			p->card = NULL;
			return;
		}
		text[n - 1] = '\0';
		begin_section(p, trim(text + 1));
		return;
	}
	value = strchr(text, '=');
	if (!value || value == text) {
		mistake(p, "a line is \"key = value\", a section in [] or a comment");
		return;
	}
	*value++ = '\0';
	set_key(p, trim(text), trim(value));
}

/* What can be said only when all of it was read. */
static void check_cards(struct parser *p)
{
	for (unsigned int i = 0; i < p->config->cards; i++) {
		const struct config_card *card = p->config->card[i];

		p->line = card->line;
		if (!card->device)
			mistake(p, "card %s has no device", card->name);
		if (card->boot && !card->image)
			mistake(p, "card %s is to boot by itself, but has no image", card->name);
		if (card->ramdisk && !card->image)
			mistake(p, "card %s has a ramdisk, but no image", card->name);
		for (unsigned int k = 0; card->device && k < i; k++)
			if (p->config->card[k]->device &&
			    !strcmp(p->config->card[k]->device, card->device))
				mistake(p, "card %s is the same device as card %s", card->name,
					p->config->card[k]->name);
	}
}

unsigned int config_parse(struct config *config, const char *name, const char *text, size_t size,
			  config_report *report, void *arg)
{
	struct parser p = { .config = config, .file = name, .report = report, .arg = arg };

	for (size_t at = 0; at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t n = end ? (size_t)(end - text) - at : size - at;
		char *line = strndup(text + at, n);

		p.line++;
		if (!line)
			mistake(&p, "there is no memory left");
		else if (strlen(line) != n)
			mistake(&p, "this is not text");
		else
			parse_line(&p, line);
		free(line);
		at += n + 1;
	}
	check_cards(&p);
	return p.mistakes;
}

unsigned int config_load(struct config *config, const char *path, config_report *report, void *arg)
{
	struct parser p = { .file = path, .report = report, .arg = arg };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *text = malloc(CONFIG_FILE_MAX + 1);
	size_t size = 0;
	ssize_t n = -1;

	while (fd >= 0 && text && size <= CONFIG_FILE_MAX &&
	       (n = read(fd, text + size, CONFIG_FILE_MAX + 1 - size)) > 0)
		size += (size_t)n;
	if (fd < 0 || n < 0)
		mistake(&p, "it cannot be read: %s", strerror(errno));
	else if (size > CONFIG_FILE_MAX)
		mistake(&p, "it is longer than %u KiB", CONFIG_FILE_MAX >> 10);
	else
		p.mistakes = config_parse(config, path, text, size, report, arg);
	free(text);
	if (fd >= 0)
		close(fd);
	return p.mistakes;
}

unsigned int config_add_card(struct config *config, const char *argument, config_report *report,
			     void *arg)
{
	struct parser p = { .config = config, .file = "--card", .report = report, .arg = arg };
	const char *device = strchr(argument, '=');
	struct config_card *card;
	char name[CONFIG_NAME + 1];

	if (!device) {
		mistake(&p, "write NAME=model:PATH");
		return p.mistakes;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(device - argument), argument);
	card = find_card(config, name);
	if (!card) {
		card = new_card(&p, name);
		if (!card)
			return p.mistakes;
		add_device(&p, card, "console", "scrollback=256K");
		add_device(&p, card, "net", "slirp");
		add_device(&p, card, "rng", "yes");
	}
	set_device(&p, card, device + 1);
	return p.mistakes;
}
