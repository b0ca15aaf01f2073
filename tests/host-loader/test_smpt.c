// SPDX-License-Identifier: BSD-3-Clause
/* Under test: lib/smpt.c, against what the old driver did (vectors/smpt.json). Nothing is faked. */
#include "fake.h"

#include <string.h>

/* Apply one recorded map step and compare address, entries and register writes. */
static uint64_t check_map(struct x100_smpt *smpt, json_object *step)
{
	json_object *card = vget(step, "card"), *entries, *writes = vget(step, "register_writes");
	uint32_t changed, expected = 0;
	uint64_t got;

	got = x100_smpt_map(smpt, vnum(vget(step, "host")), vnum(vget(step, "length")), &changed);
	for (size_t i = 0; i < json_object_array_length(writes); i++) {
		json_object *w = json_object_array_get_idx(writes, i);
		unsigned int n = (unsigned int)vnum(vget(w, "entry"));

		expected |= 1u << n;
		assert_int_equal(x100_smpt_entry(smpt->entry[n].host), vnum(vget(w, "value")));
	}
	assert_int_equal(changed, expected);
	if (!card) {
		assert_int_equal(got, 0);
		return 0;
	}
	assert_int_equal(got, vnum(card));
	entries = vget(step, "entries");
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		json_object *e = json_object_array_get_idx(entries, i);
		unsigned int n = (unsigned int)vnum(vget(e, "entry"));

		assert_int_equal(smpt->entry[n].host, vnum(vget(e, "host_base")));
		assert_int_equal(smpt->entry[n].bytes, vnum(vget(e, "bytes")));
		assert_int_equal(x100_smpt_entry(smpt->entry[n].host), vnum(vget(e, "register")));
	}
	return got;
}

/* Card addresses back to host addresses; outside the window there is none. */
static void check_lookups(const struct x100_smpt *smpt, json_object *lookups)
{
	for (size_t i = 0; i < json_object_array_length(lookups); i++) {
		json_object *l = json_object_array_get_idx(lookups, i), *host = vget(l, "host");
		uint64_t card = vnum(vget(l, "card"));
		uint32_t entry;

		if (card < X100_SYSMEM_BASE || card - X100_SYSMEM_BASE >= X100_SYSMEM_SIZE) {
			assert_null(host);
			continue;
		}
		entry = x100_smpt_entry(smpt->entry[x100_smpt_index(card)].host);
		assert_int_equal(x100_smpt_host(entry, card), vnum(host));
	}
}

static void starts_one_to_one(void **state)
{
	json_object *root = load_vectors("smpt.json"), *table = vget(root, "initial_table");
	struct x100_smpt smpt;

	(void)state;
	x100_smpt_init(&smpt);
	assert_int_equal(json_object_array_length(table), X100_SMPT_ENTRIES);
	for (size_t i = 0; i < X100_SMPT_ENTRIES; i++) {
		json_object *e = json_object_array_get_idx(table, i);

		assert_int_equal(x100_smpt_entry(smpt.entry[i].host), vnum(vget(e, "value")));
		assert_int_equal(smpt.entry[i].bytes, 0);
	}
	json_object_put(root);
}

static void single_maps_are_those_of_the_old_driver(void **state)
{
	json_object *root = load_vectors("smpt.json"), *cases = vget(vget(root, "single"), "cases");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		struct x100_smpt smpt;

		x100_smpt_init(&smpt);
		check_map(&smpt, json_object_array_get_idx(cases, i));
	}
	json_object_put(root);
}

static void sequences_are_those_of_the_old_driver(void **state)
{
	json_object *root = load_vectors("smpt.json");
	json_object *cases = vget(vget(root, "sequences"), "cases");

	(void)state;
	for (size_t i = 0; i < json_object_array_length(cases); i++) {
		json_object *c = json_object_array_get_idx(cases, i), *steps, *restore, *lookups;
		struct x100_smpt smpt;

		x100_smpt_init(&smpt);
		if (json_object_object_get_ex(c, "lookups", &lookups)) {
			check_lookups(&smpt, lookups);
			continue;
		}
		steps = vget(c, "steps");
		restore = vget(c, "restore");
		for (size_t s = 0; s < json_object_array_length(steps); s++) {
			json_object *step = json_object_array_get_idx(steps, s);

			if (strcmp(json_object_get_string(vget(step, "op")), "map") == 0) {
				check_map(&smpt, step);
			} else {
				json_object *entries = vget(step, "entries");

				assert_true(x100_smpt_unmap(&smpt, vnum(vget(step, "card")),
							    vnum(vget(step, "length"))));
				for (size_t k = 0; k < json_object_array_length(entries); k++) {
					json_object *e = json_object_array_get_idx(entries, k);

					assert_int_equal(smpt.entry[vnum(vget(e, "entry"))].bytes,
							 vnum(vget(e, "bytes")));
				}
			}
		}
		for (size_t n = 0; n < X100_SMPT_ENTRIES; n++)
			assert_int_equal(x100_smpt_entry(smpt.entry[n].host),
					 vnum(json_object_array_get_idx(restore, n)));
	}
	json_object_put(root);
}

static void nonsense_is_refused(void **state)
{
	struct x100_smpt smpt;
	uint32_t changed;

	(void)state;
	x100_smpt_init(&smpt);
	assert_int_equal(x100_smpt_map(&smpt, 0x1000, 0, &changed), 0);
	assert_int_equal(x100_smpt_map(&smpt, UINT64_MAX - 1, 0x1000, &changed), 0);
	assert_int_equal(x100_smpt_map(&smpt, 0, 33ull << 34, &changed), 0);
	assert_int_equal(changed, 0);
	assert_false(x100_smpt_unmap(&smpt, 0x8000000000, 0x1000)); /* never mapped */
	assert_false(x100_smpt_unmap(&smpt, 0x1000, 0x1000));       /* no window address */
	assert_false(x100_smpt_unmap(&smpt, 0xFFFFFFF000, 0x2000)); /* leaves the window */
	for (unsigned int i = 0; i < X100_SMPT_ENTRIES; i++)
		assert_int_equal(smpt.entry[i].bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_one_to_one),
		cmocka_unit_test(single_maps_are_those_of_the_old_driver),
		cmocka_unit_test(sequences_are_those_of_the_old_driver),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("smpt", tests, NULL, NULL);
}
