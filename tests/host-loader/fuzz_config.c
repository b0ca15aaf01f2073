// SPDX-License-Identifier: BSD-3-Clause
/* Fuzzed: the parser of x100d.conf, and with it the words of device specifications. */
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void tell(void *arg, const char *text)
{
	unsigned int *count = arg;

	/* One line for a terminal, whatever the file holds. */
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7F)
			if (*text != '\n' && *text != '\t')
				abort();
	++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	unsigned int told = 0, mistakes;

	config_init(&config);
	mistakes = config_parse(&config, "f", (const char *)data, size, tell, &told);
	if (mistakes != told)
		abort();
	for (unsigned int i = 0; i < config.cards && !mistakes; i++)
		if (!config.card[i]->device || !config.card[i]->name[0])
			abort();
	config_free(&config);
	return 0;
}
