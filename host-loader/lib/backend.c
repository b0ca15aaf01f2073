// SPDX-License-Identifier: BSD-3-Clause
/* The kinds of devices there are. */
#include <string.h>

#include "backend.h"

static const struct x100_backend_class *const classes[] = {
	&x100_block_class,
	&x100_net_class,
	&x100_console_class,
	&x100_rng_class,
};

const struct x100_backend_class *x100_backend_find(const char *kind)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (!strcmp(classes[i]->kind, kind))
			return classes[i];
	return NULL;
}

int x100_backend_check(const char *kind, const char *spec, struct x100_why *why)
{
	const struct x100_backend_class *class = x100_backend_find(kind);
	struct x100_spec words;
	int ret;

	if (!class)
		return x100_fail(why, X100_ERR_ARGUMENT, "there are no devices called '%s'", kind);
	ret = x100_spec_parse(&words, spec, why);
	if (ret)
		return ret;
	ret = class->check(&words, why);
	x100_spec_free(&words);
	return ret;
}
