// SPDX-License-Identifier: BSD-3-Clause
/*
 * Calls the functions of diff_gen.py, compiled plain and compiled K1OM-clean, with the same arguments and memory. One
 * TAP line per compiler and options; the functions that differ are named.
 */
#include <stdio.h>
#include <string.h>

#include "diff.h"

#define INPUTS 200

extern const diff_function plain[];

#define VARIANT(name) extern const diff_function name[];
VARIANTS
#undef VARIANT

static const struct {
	const char *name;
	const diff_function *functions;
} variants[] = {
#define VARIANT(name) { #name, name },
	VARIANTS
#undef VARIANT
};

static u64 random_state = 0x9e3779b97f4a7c15u;

/* Values near the edges of the widths come up more often than chance has them. */
static u64 random_value(void)
{
	static const u64 edges[] = { 0,
				     1,
				     0x7f,
				     0x80,
				     0xff,
				     0x7fff,
				     0x8000,
				     0x7fffffff,
				     0x80000000,
				     0xffffffff,
				     0x7fffffffffffffff,
				     0x8000000000000000 };

	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	if (random_state & 0x100)
		return edges[(random_state >> 20) % 12] ^ (random_state & 0x200 ? ~0ull : 0);
	return random_state >> (random_state & 0x3f);
}

int main(void)
{
	unsigned int failed = 0, n_variants = sizeof(variants) / sizeof(variants[0]), n = 0;

	while (plain[n])
		n++;
	for (unsigned int v = 0; v < n_variants; v++) {
		unsigned int wrong = 0, first = 0;

		for (unsigned int f = 0; f < n; f++) {
			int differs = 0;

			for (unsigned int i = 0; i < INPUTS && !differs; i++) {
				struct memory a = { .u64 = { 0 } }, b;
				u64 x = random_value(), y = random_value();
				u32 z = (u32)random_value();

				for (unsigned int k = 0; k < sizeof(a); k += 8) {
					u64 r = random_value();

					memcpy((char *)&a + k, &r, 8);
				}
				b = a;
				differs = plain[f](x, y, z, &a) !=
						  variants[v].functions[f](x, y, z, &b) ||
					  memcmp(&a, &b, sizeof(a));
			}
			if (differs && !wrong++)
				first = f;
		}
		if (variants[v].functions[n])
			wrong++;
		printf("%s %u - %u functions by %s as by plain gcc", wrong ? "not ok" : "ok", v + 1,
		       n, variants[v].name);
		if (wrong)
			printf(": %u differ, the first is f%u", wrong, first);
		printf("\n");
		failed += wrong != 0;
	}
	printf("1..%u\n", n_variants);
	return failed != 0;
}
