// SPDX-License-Identifier: BSD-3-Clause
/* State of a card, and everything a person may want to know about it. */
#include "status.h"

#include <string.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/pci.h>
#include <x100/post.h>
#include <x100/regs.h>

#define ONES 0xFFFFFFFFu

const char *x100_state_words(enum x100_state state)
{
	switch (state) {
	case X100_STATE_OFF_BUS:
		return "off-bus";
	case X100_STATE_STARTING:
		return "starting";
	case X100_STATE_READY:
		return "ready";
	case X100_STATE_BOOTING:
		return "booting";
	case X100_STATE_RUNNING:
		return "running";
	case X100_STATE_HALTED:
		return "halted";
	case X100_STATE_OFF:
		return "off";
	case X100_STATE_RESTART:
		return "restart-wanted";
	case X100_STATE_CRASHED:
		return "crashed";
	case X100_STATE_FAILED:
		return "failed";
	default:
		return "unknown";
	}
}

bool status_in_bootstrap(uint32_t post)
{
	/* 50 to 5F are the steps of loading. */
	return post == X100_POST_GO || post == X100_POST_PLATFORM || post == X100_POST_PAGES ||
	       post == X100_POST_AUTH || (post & 0xFF) == '5';
}

/* What SDBIC1 says about the end of an OS. */
static bool ended(uint32_t sdbic1, enum x100_state *state)
{
	switch (sdbic1 & ~X100_SDBIC_REQUEST) {
	case X100_SHUTDOWN_HALT:
		*state = X100_STATE_HALTED;
		return true;
	case X100_SHUTDOWN_POWER_OFF:
		*state = X100_STATE_OFF;
		return true;
	case X100_SHUTDOWN_RESTART:
		*state = X100_STATE_RESTART;
		return true;
	case X100_SHUTDOWN_CRASH:
		*state = X100_STATE_CRASHED;
		return true;
	default:
		return false;
	}
}

enum x100_state card_state(const struct card_look *look, uint32_t sdbic1)
{
	enum x100_state state;

	if (look->post == ONES)
		return X100_STATE_OFF_BUS;
	if (card_is_ready(look))
		return X100_STATE_READY;
	if (x100_post_is_failure(look->post))
		return X100_STATE_FAILED;
	switch (look->post) {
	case X100_POST_K_PANIC:
		return X100_STATE_CRASHED;
	case X100_POST_K_HALT:
		return X100_STATE_HALTED;
	case X100_POST_K_OFF:
		return X100_STATE_OFF;
	case X100_POST_K_RESTART:
		return X100_STATE_RESTART;
	case X100_POST_MEMTEST:
	case X100_POST_E820:
	case X100_POST_CACHE:
	case X100_POST_AP_PARAMS:
	case X100_POST_MPTABLE:
	case X100_POST_AP_CODE:
	case X100_POST_AP_WAKE:
	case X100_POST_AP_WAIT:
	case X100_POST_SIGNAL:
	case X100_POST_READY: /* the code stands, the bit does not yet */
	case X100_POST_MEM_DONE:
	case X100_POST_AUTH_FAILED:
	case X100_POST_LOCKDOWN:
		return X100_STATE_STARTING;
	default:
		break;
	}
	if (!x100_post_memory_usable(look->post))
		return X100_STATE_STARTING;
	if (ended(sdbic1, &state))
		return state;
	return look->post == X100_POST_K_UP ? X100_STATE_RUNNING : X100_STATE_BOOTING;
}

uint64_t status_memory_size(uint32_t spad0)
{
	uint64_t size = (uint64_t)(spad0 >> 3) << 10;

	/* Bits 2:1: the share of it that may be used (x100-hardware.md 3.2). */
	return size / (((spad0 >> 1) & 3) + 1);
}

static const char *product_words(uint16_t device)
{
	/* x100-hardware.md 1.2: production names of the ids that were sold. */
	switch (device) {
	case 0x2250:
		return "5110P";
	case 0x225C:
		return "7120P";
	case 0x225D:
		return "3120A";
	case 0x225E:
		return "31S1P";
	default:
		return "unknown product";
	}
}

static const char *stepping_words(uint8_t revision)
{
	switch (revision) {
	case X100_PCI_REV_A0:
		return "A0";
	case X100_PCI_REV_B0:
		return "B0";
	case X100_PCI_REV_B1:
		return "B1";
	case X100_PCI_REV_C0:
		return "C0";
	default:
		return "??";
	}
}

static const char *shutdown_words(uint32_t sdbic1)
{
	switch (sdbic1 & ~X100_SDBIC_REQUEST) {
	case X100_SHUTDOWN_HALT:
		return "halted";
	case X100_SHUTDOWN_POWER_OFF:
		return "powered off";
	case X100_SHUTDOWN_RESTART:
		return "wants a restart";
	case X100_SHUTDOWN_CRASH:
		return "crashed";
	default:
		return NULL;
	}
}

/* Cores, threads and clock, from SCRATCH4 and the current ratio (x100-hardware.md 3.2, 3.3). */
static int read_cpus(struct x100_card *card, struct x100_status *s)
{
	uint32_t config, ratio;
	int ret = x100_sbox_read(card, X100_SBOX_SCRATCH(X100_SPAD_CONFIG), &config);

	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_CURRENTRATIO, &ratio);
	if (ret || config == ONES || !config)
		return ret;
	s->cores = (config >> X100_SPAD4_CORES_SHIFT) & 0x3F;
	s->threads = (unsigned int)__builtin_popcount(config & X100_SPAD4_THREADS_MASK);
	s->core_mhz = x100_core_khz(config, ratio) / 1000;
	return X100_OK;
}

int x100_status_read(struct x100_card *card, struct x100_status *s)
{
	struct card_look look;
	uint32_t memory;
	int ret;

	memset(s, 0, sizeof(*s));
	card->ops->describe(card->dev, s->device, sizeof(s->device));
	s->pci_device = card->pci_device;
	s->revision = card->revision;
	s->product = product_words(card->pci_device);
	s->stepping = stepping_words(card->revision);
	s->aperture = card->aperture;

	ret = card_look(card, &look);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SDBIC(X100_SHUTDOWN_DOORBELL), &s->sdbic1);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SCRATCH(X100_SPAD_MEMORY), &memory);
	if (!ret)
		ret = read_cpus(card, s);
	if (ret)
		return ret;
	s->post = look.post;
	s->spad2 = look.spad2;
	if (s->sdbic1 == ONES)
		s->sdbic1 = 0;
	s->memory = memory == ONES ? 0 : status_memory_size(memory);
	s->state = card_state(&look, s->sdbic1);
	s->shutdown = shutdown_words(s->sdbic1);
	if (s->state == X100_STATE_OFF_BUS)
		return X100_OK;

	ret = x100_etc_read(card, &s->etc);
	if (ret == X100_ERR_OFF_BUS || ret == X100_ERR_CARD_FAILED)
		ret = X100_OK;
	if (ret)
		return ret;
	ret = x100_record_read(card, &s->record);
	s->has_record = !ret;
	if (ret == X100_ERR_NO_RECORD || ret == X100_ERR_TRAINING || ret == X100_ERR_OFF_BUS)
		ret = X100_OK;
	return ret;
}
