// SPDX-License-Identifier: BSD-3-Clause
/*
 * The card's transport held against the old card driver: given the page and the stores of the old host,
 * as they were recorded (tests/vectors/device_page.json), it has to store and ring what the old card did,
 * in the same order, but for what the table below lists. Faked: the kernel under the drivers (stub/), the
 * card and its link (sim.h), the virtio drivers (driver.h); the host is the recording.
 */
#include <fake.h>

#include "driver.h"
#include "rude.h"

/* ------------------------------------------------------------------ what we do otherwise, and why */

enum how {
	ADDED, /* the recording does not have it */
	LEFT_OUT,
	VALUE,   /* any value that makes sense */
	EARLIER, /* than recorded, by as many rows as it takes */
};

enum deviation {
	DOUBLE_STORE,
	CARD_FEATURES,
	ACK_DOORBELL,
	CONFIG_DB_EARLY,
	TYPE_BEFORE_ACK,
	SCIF,
	USED_ADDRESS,
	COOKIE,
	DEVIATIONS,
};

static const struct {
	enum how how;
	const char *field; /* end of the name in the recording */
	const char *why;
} deviation[DEVIATIONS] = {
	[DOUBLE_STORE] = { ADDED, NULL,
			   "a store of what stands there already: doubled before a doorbell, "
			   "which may overtake the last store (x100-abi.md 2.9)" },
	[CARD_FEATURES] = { ADDED, "card_features",
			    "padding to an old host; says that a restarted host can take over" },
	[ACK_DOORBELL] = { ADDED, NULL,
			   "rings after guest_ack, so that the host need not poll for it" },
	[CONFIG_DB_EARLY] = { EARLIER, "h2c_config_db",
			      "the page is scanned before the transport is there to probe devices" },
	[TYPE_BEFORE_ACK] = { EARLIER, "type",
			      "after guest_ack the slot is the host's (x100-abi.md 9.3 no. 10)" },
	[SCIF] = { LEFT_OUT, "scif", "there is no SCIF here" },
	[USED_ADDRESS] = { VALUE, "used_address", "an address in the card's memory" },
	[COOKIE] = { VALUE, "ctrl.vdev", "opaque; we show no kernel pointer" },
};

static unsigned int used[DEVIATIONS];

/* ------------------------------------------------------------------ the recording */

struct row {
	enum {
		CARD,
		HOST,
		TO_HOST,
		TO_CARD
	} kind;
	u32 offset, size; /* doorbells: number */
	u64 value;
	const char *field;
};

static struct row rows[256];
static unsigned int row_count, at;   /* at: the next one */
static unsigned int seen;            /* events of the card that were looked at */
static u8 shadow[X100_DEVPAGE_SIZE]; /* the page as the events so far leave it */
static json_object *vectors;

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), e = strlen(end);

	return n >= e && !strcmp(text + n - e, end);
}

static bool is(const struct row *row, enum deviation d)
{
	return row->field && (d == SCIF ? strstr(row->field, "scif") != NULL :
					  ends_with(row->field, deviation[d].field));
}

static u64 value_of(json_object *o)
{
	/* Signed ones are plain numbers. */
	return vnum(o);
}

static void add_row(json_object *o)
{
	struct row *row = &rows[row_count];
	const char *who = json_object_get_string(json_object_array_get_idx(o, 0));

	if (!strcmp(who, "time_ms"))
		return;
	*row = (struct row){ 0 };
	if (!strcmp(who, "doorbell")) {
		const char *way = json_object_get_string(json_object_array_get_idx(o, 1));

		row->kind = strcmp(way, "card to host") ? TO_CARD : TO_HOST;
		row->offset = (u32)vnum(json_object_array_get_idx(o, 2));
	} else {
		row->kind = strcmp(who, "card") ? HOST : CARD;
		row->offset = (u32)vnum(json_object_array_get_idx(o, 1));
		row->size = (u32)vnum(json_object_array_get_idx(o, 2));
		row->field = json_object_get_string(json_object_array_get_idx(o, 3));
		row->value = value_of(json_object_array_get_idx(o, 4));
	}
	row_count++;
}

/* Move row @from in front of row @to. */
static void move_row(unsigned int from, unsigned int to)
{
	struct row row = rows[from];

	memmove(&rows[to + 1], &rows[to], (from - to) * sizeof(row));
	rows[to] = row;
}

static void load_sequence(const char *name)
{
	json_object *sequence =
		vget(vget(vget(vget(vectors, "generations"), "C2"), "sequences"), name);

	row_count = at = seen = 0;
	for (size_t i = 0; i < json_object_array_length(sequence); i++)
		add_row(json_object_array_get_idx(sequence, i));
	for (unsigned int i = 1; i < row_count; i++) {
		if (rows[i].kind != CARD)
			continue;
		if (is(&rows[i], TYPE_BEFORE_ACK) && ends_with(rows[i - 1].field, "guest_ack")) {
			move_row(i, i - 1);
			used[TYPE_BEFORE_ACK]++;
		} else if (is(&rows[i], CONFIG_DB_EARLY)) {
			move_row(i, 0);
			used[CONFIG_DB_EARLY]++;
		}
	}
}

static void load_page(const char *name, u8 *page)
{
	json_object *snapshot =
		vget(vget(vget(vget(vectors, "generations"), "C2"), "snapshots"), name);
	json_object *runs = vget(snapshot, "runs");

	memset(page, 0, X100_DEVPAGE_SIZE);
	for (size_t i = 0; i < json_object_array_length(runs); i++) {
		json_object *run = json_object_array_get_idx(runs, i);
		size_t offset = vnum(json_object_array_get_idx(run, 0));
		const char *hex = json_object_get_string(json_object_array_get_idx(run, 1));

		for (; *hex; hex += 2) {
			unsigned int byte;

			sscanf(hex, "%2x", &byte);
			page[offset++] = (u8)byte;
		}
	}
}

static void load_rings(const char *generation)
{
	json_object *rings = vget(vget(vget(vectors, "generations"), generation), "rings");

	for (size_t i = 0; i < json_object_array_length(rings); i++) {
		json_object *ring = json_object_array_get_idx(rings, i);
		u8 *memory = rude.memory + (vnum(vget(ring, "card_address")) - RUDE_CARD);
		u32 magic = (u32)vnum(vget(ring, "magic"));

		memset(memory, 0, vnum(vget(ring, "bytes")));
		memcpy(memory + vnum(vget(ring, "magic_offset")), &magic, sizeof(magic));
	}
}

/* ------------------------------------------------------------------ the replay */

static void host_stores(const struct row *row)
{
	memcpy(rude.page + row->offset, &row->value, row->size);
	memcpy(shadow + row->offset, &row->value, row->size);
	/* The net device that comes back has other rings, which are not listed. */
	if (row->field && ends_with(row->field, ".address") && strstr(row->field, "net: vq")) {
		u32 magic = X100_DEVPAGE_MAGIC + 1 + (strstr(row->field, "vq1") != NULL);
		u8 *ring = rude.memory + (row->value - RUDE_CARD);

		memset(ring, 0, x100_vring_alloc(128));
		memcpy(ring + x100_vring_info_c2(128) + 4, &magic, 4);
	}
}

static bool stores_same(const struct row *row, const struct sim_event *e)
{
	return row->kind == CARD && e->kind == SIM_STORE && e->at == RUDE_PAGE + row->offset;
}

static bool matches(const struct row *row, const struct sim_event *e)
{
	u64 mask = row->size >= 8 ? ~0ull : (1ull << 8 * row->size) - 1;

	if (row->kind == TO_HOST)
		return e->kind == SIM_DOORBELL && e->at == row->offset;
	if (!stores_same(row, e))
		return false;
	if (is(row, USED_ADDRESS)) {
		used[USED_ADDRESS]++;
		return e->value && e->value % 4096 == 0 && e->value < FAKE_MEMORY;
	}
	if (is(row, COOKIE)) {
		used[COOKIE]++;
		return true;
	}
	return (e->value & mask) == (row->value & mask);
}

/* True when the recording need not have it. */
static bool is_added(const struct sim_event *e)
{
	u64 offset = e->at - RUDE_PAGE;

	if (e->kind == SIM_DOORBELL) {
		const struct sim_event *before = e - 1;

		/* Of our own after guest_ack = 1, which is byte 10 of a control block. */
		if (before->kind != SIM_STORE || (u8)before->value != 1)
			return false;
		used[ACK_DOORBELL]++;
		return true;
	}
	if (!memcmp(shadow + offset, &e->value, min(8ull, X100_DEVPAGE_SIZE - offset))) {
		used[DOUBLE_STORE]++;
		return true;
	}
	/* Byte 15 of the control blocks of the three devices. */
	if (offset == 119 || offset == 223 || offset == 319) {
		used[CARD_FEATURES]++;
		return true;
	}
	return false;
}

static void complain(const struct sim_event *e)
{
	fprintf(stderr, "row %u (%s): ", at,
		at < row_count && rows[at].field ? rows[at].field : "-");
	if (e->kind == SIM_STORE)
		fail_msg("the card stored %#llx at %llu", e->value, e->at - RUDE_PAGE);
	fail_msg("the card rang %llu", e->at);
}

static void apply(const struct sim_event *e)
{
	if (e->kind == SIM_STORE)
		memcpy(shadow + (e->at - RUDE_PAGE), &e->value,
		       min(8ull, X100_DEVPAGE_SIZE - (e->at - RUDE_PAGE)));
}

static const struct sim_event *next_event(void)
{
	while (seen < sim_event_count && sim_events[seen].kind == SIM_RUNG)
		seen++;
	return seen < sim_event_count ? &sim_events[seen] : NULL;
}

/* Go on in the recording as far as what the card did allows. True when the host did something. */
static bool follow(void)
{
	bool did = false;

	for (;;) {
		const struct row *row = at < row_count ? &rows[at] : NULL;
		const struct sim_event *e = next_event();

		if (row && (row->kind == CARD || row->kind == TO_HOST)) {
			if (is(row, SCIF)) {
				used[SCIF]++;
				at++;
				continue;
			}
			if (e && matches(row, e)) {
				apply(e);
				seen++;
				at++;
				continue;
			}
		}
		/* What the card has added was before the host's next act. */
		if (e) {
			if (!is_added(e))
				complain(e);
			apply(e);
			seen++;
			continue;
		}
		if (!row || row->kind == CARD || row->kind == TO_HOST)
			return did;
		if (row->kind == HOST)
			host_stores(row);
		else
			sim_ring_card(row->offset);
		at++;
		did = true;
	}
}

static void play(const char *name)
{
	sim_forget_events();
	load_sequence(name);
	memcpy(shadow, rude.page, sizeof(shadow));
	follow();
}

static void assert_played(const char *name)
{
	sim_run(1000);
	if (at != row_count)
		fail_msg("%s: the card did not come to row %u (%s)", name, at,
			 rows[at].field ? rows[at].field : "a doorbell");
}

/* The page byte for byte, but for what the table lists. */
static void assert_page(const char *name)
{
	u8 want[X100_DEVPAGE_SIZE], got[X100_DEVPAGE_SIZE];
	json_object *fields =
		vget(vget(vget(vget(vget(vectors, "generations"), "C2"), "snapshots"), "card"),
		     "fields");

	load_page(name, want);
	memcpy(got, rude.page, sizeof(got));
	for (size_t i = 0; i < json_object_array_length(fields); i++) {
		json_object *field = json_object_array_get_idx(fields, i);
		size_t offset = vnum(json_object_array_get_idx(field, 0));
		size_t size = vnum(json_object_array_get_idx(field, 1));
		struct row row = { .field = json_object_get_string(
					   json_object_array_get_idx(field, 3)) };

		if (is(&row, USED_ADDRESS) || is(&row, SCIF) || !strcmp(row.field, "ctrl.vdev") ||
		    ends_with(row.field, "ctrl padding") || offset == 119 || offset == 223 ||
		    offset == 319) {
			memset(want + offset, 0, size);
			memset(got + offset, 0, size);
		}
	}
	got[119] = got[223] = got[319] = 0;
	for (size_t i = 0; i < sizeof(got); i++)
		if (got[i] != want[i])
			fail_msg("%s: byte %zu is %02x, not %02x", name, i, got[i], want[i]);
}

static void life_of_three_devices(const char *generation)
{
	rude_begin();
	sim_param("old_doorbells", 1);
	/* The old card's virtio drivers were there before its transport. */
	drv_early = true;
	rude.turn = NULL;
	load_page("block", rude.page);
	load_rings(generation);
	sim_host_turn = follow;
	sim_watch_stores(RUDE_PAGE, X100_DEVPAGE_SIZE);

	play("card_probe");
	sim_boot();
	assert_played("card_probe");
	assert_page("card");

	play("config_change");
	assert_played("config_change");
	assert_page("config_change");
	assert_int_equal(drv_find(2)->config_changes, 1);
	rude.page[264] ^= 1; /* that branched off: back to the capacity of before */

	play("remove_net");
	assert_played("remove_net");
	assert_page("remove_net");
	play("readd_net");
	assert_played("readd_net");
	assert_page("readd_net");
	play("stop");
	assert_played("stop");
	assert_page("stop");
	assert_int_equal(sim_complaints, 0);
}

static int begin(void **state)
{
	(void)state;
	vectors = load_vectors("device_page.json");
	return 0;
}

static int end(void **state)
{
	(void)state;
	rude_end();
	json_object_put(vectors);
	return 0;
}

static void generation_c2(void **state)
{
	(void)state;
	life_of_three_devices("C2");
}

static void generation_c(void **state)
{
	(void)state;
	life_of_three_devices("C");
}

/* What is listed and never happens is no deviation. */
static void each_deviation_is_one(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < DEVIATIONS; i++)
		if (!used[i])
			fail_msg("never happened: %s", deviation[i].why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(generation_c2, begin, end),
		cmocka_unit_test_setup_teardown(generation_c, begin, end),
		cmocka_unit_test(each_deviation_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
