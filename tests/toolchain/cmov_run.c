// SPDX-License-Identifier: BSD-3-Clause
/*
 * Runs every CMOV function of cmov_gen.py as the processor has it and as the prelude makes it, with all combinations
 * of the flags, and compares registers and flags. One TAP line per spelling; upper halves count.
 */
#include <stdio.h>
#include <string.h>

struct state {
	unsigned long flags, dst, src, memory[8];
};

struct entry {
	void (*run)(struct state *s);
	const char *name;
};

extern const struct entry native[], clean[];

/* CF, PF, AF, ZF, SF, OF */
static const unsigned int flag_bits[] = { 0x1, 0x4, 0x10, 0x40, 0x80, 0x800 };

/* Both variants run on the same object, so that addresses taken into a register are equal too. */
static struct state shared;

static struct state run(void (*f)(struct state *), const struct state *start)
{
	shared = *start;
	f(&shared);
	return shared;
}

static const char *compare(const struct entry *x, const struct entry *y)
{
	static const unsigned long long values[][2] = {
		{ 0xfedcba9876543210, 0x0123456789abcdef },
		{ 0, 0xffffffffffffffff },
		{ 0xffffffffffffffff, 0 },
		{ 0xffffffff80000000, 0x000000007fff8000 },
	};

	for (unsigned int i = 0; i < 4 * 64; i++) {
		struct state start = { .flags = 0x202 }, a, b;

		start.dst = (unsigned long)values[i / 64][0];
		start.src = (unsigned long)values[i / 64][1];
		for (unsigned int bit = 0; bit < 6; bit++)
			start.flags |= i & (1u << bit) ? flag_bits[bit] : 0;
		for (unsigned int w = 0; w < 8; w++)
			start.memory[w] = (unsigned long)(0x8877665544332211 * (w + 1));
		a = run(x->run, &start);
		b = run(y->run, &start);
		if (a.flags != b.flags)
			return "flags";
		if (a.dst != b.dst)
			return "destination";
		if (a.src != b.src || memcmp(a.memory, b.memory, sizeof(a.memory)))
			return "source";
	}
	return NULL;
}

/* The mnemonic: the first word of an entry's name. */
static size_t mnemonic(const struct entry *e)
{
	return strcspn(e->name, " ");
}

static int same_mnemonic(const struct entry *x, const struct entry *y)
{
	return mnemonic(x) == mnemonic(y) && !strncmp(x->name, y->name, mnemonic(x));
}

int main(void)
{
	unsigned int number = 0, failed = 0;

	for (unsigned int n = 0; native[n].run || clean[n].run; n++) {
		unsigned int forms = 0, wrong = 0, first = 0;

		while (first < n && !same_mnemonic(&native[first], &native[n]))
			first++;
		if (first < n)
			continue;
		for (unsigned int i = n; native[i].run && clean[i].run; i++) {
			const char *what;

			if (strcmp(native[i].name, clean[i].name)) {
				printf("Bail out! the two tables differ\n");
				return 1;
			}
			if (!same_mnemonic(&native[i], &native[n]))
				continue;
			forms++;
			what = compare(&native[i], &clean[i]);
			if (what && !wrong++)
				printf("# %s: differs in %s\n", native[i].name, what);
		}
		failed += wrong || !forms;
		printf("%s %u - %.*s in %u forms\n", wrong || !forms ? "not ok" : "ok", ++number,
		       (int)mnemonic(&native[n]), native[n].name, forms);
	}
	printf("1..%u\n", number);
	return failed != 0;
}
