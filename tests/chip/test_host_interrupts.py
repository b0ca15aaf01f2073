# SPDX-License-Identifier: BSD-3-Clause
"""Interrupts to the host (x100-hardware.md 3.6, 3.7, 4.4): SDBIC, SICR, SICE, SIAC, MXAR."""

import os

import pytest

from vfio_user import INTX, MSI, MSIX, eventfd_wait

SICR, SICS, SICE, SICC, SIAC, MXAR, PBACR = 0x9004, 0x9008, 0x900C, 0x9010, 0x9014, 0x9044, 0x9084
SDBIC = 0xCC90
QUIET = 0.2


class Listener:
    def __init__(self, host, index, count):
        self.fds = [os.eventfd(0) for _ in range(count)]
        host.listen(index, self.fds)

    def got(self, vector=0):
        return eventfd_wait(self.fds[vector], 5)

    def nothing(self, vector=0):
        return eventfd_wait(self.fds[vector], QUIET) == 0


@pytest.fixture
def msix(chip):
    host = chip.host()
    listener = Listener(host, MSIX, 16)
    listener.host = host
    yield listener
    for fd in listener.fds:
        os.close(fd)


@pytest.mark.parametrize("n", range(4))
def test_doorbell_arrives_at_the_vector_it_is_routed_to(chip, msix, n):
    chip.sbox_write(SICE, 0xF)
    chip.sbox_write(MXAR + 4 * (n + 3), 1 << n)
    chip.sbox_write(SDBIC + 4 * n, 0x80000000)
    assert msix.got(n + 3) == 1
    assert chip.sbox(SICR) == 1 << n


def test_doorbell_keeps_its_mailbox_and_bit_31_reads_0(chip):
    chip.sbox_write(SDBIC + 4, 0x8000DEAD)
    assert chip.sbox(SDBIC + 4) == 0xDEAD
    assert chip.sbox(SICR) == 2


def test_clearing_the_mailbox_does_not_ring(chip):
    chip.sbox_write(SDBIC + 4, 0)
    assert chip.sbox(SICR) == 0


def test_causes_latch_while_disabled_and_go_out_when_enabled(chip, msix):
    chip.sbox_write(MXAR, 0xFF0F)
    chip.sbox_write(SDBIC, 0x80000000)
    assert chip.sbox(SICR) == 1
    assert msix.nothing()
    chip.sbox_write(SICE, 0xFF0F)
    assert msix.got() == 1


def test_status_is_write_1_to_clear_and_reading_does_not_clear(chip):
    chip.sbox_write(SICS, 0xFF0F)
    assert chip.sbox(SICR) == chip.sbox(SICR) == 0xFF0F
    chip.sbox_write(SICR, 0x0F01)
    assert chip.sbox(SICR) == 0xF00E


def test_enable_is_write_1_to_set_and_sicc_clears(chip):
    chip.sbox_write(SICE, 0xF)
    chip.sbox_write(SICE, 0xF00)
    assert chip.sbox(SICE) == 0xF0F
    chip.sbox_write(SICE, 0)
    assert chip.sbox(SICE) == 0xF0F
    chip.sbox_write(SICC, 0x105)
    assert chip.sbox(SICE) == 0xE0A


def test_a_cause_already_set_sends_no_second_message(chip, msix):
    chip.sbox_write(SICE, 1)
    chip.sbox_write(MXAR, 1)
    chip.sbox_write(SDBIC, 0x80000000)
    assert msix.got() == 1
    chip.sbox_write(SDBIC, 0x80000000)
    assert msix.nothing()


def test_auto_clear_lets_every_ring_through(chip, msix):
    chip.sbox_write(SICE, 1)
    chip.sbox_write(SIAC, 1)
    chip.sbox_write(MXAR, 1)
    for _ in range(3):
        chip.sbox_write(SDBIC, 0x80000000)
        assert chip.sbox(SICR) == 0
        assert msix.got() == 1


def test_auto_clear_takes_every_source_of_a_shared_vector(chip, msix):
    chip.sbox_write(SIAC, 0xF)
    chip.sbox_write(MXAR, 0xF)
    chip.sbox_write(SICS, 0x6)
    chip.sbox_write(SICE, 0xF)
    assert msix.got() == 1
    assert chip.sbox(SICR) == 0


def test_rearming_sends_what_was_not_acknowledged(chip, msix):
    chip.sbox_write(SICE, 1)
    chip.sbox_write(MXAR, 1)
    chip.sbox_write(SDBIC, 0x80000000)
    assert msix.got() == 1
    chip.sbox_write(SICE, chip.sbox(SICE))
    assert msix.got() == 1


def test_cause_without_a_vector_stays_latched(chip, msix):
    chip.sbox_write(SICE, 1)
    chip.sbox_write(SDBIC, 0x80000000)
    assert chip.sbox(SICR) == 1
    assert all(eventfd_wait(fd, 0) == 0 for fd in msix.fds)


def test_msi_uses_mxar0_and_does_not_auto_clear(chip):
    host = chip.host()
    line = Listener(host, MSI, 1)
    chip.sbox_write(SICE, 0xF)
    chip.sbox_write(SIAC, 0xF)
    chip.sbox_write(MXAR, 0x1)
    chip.sbox_write(MXAR + 4, 0x2)
    chip.sbox_write(SDBIC, 0x80000000)
    assert line.got() == 1
    assert chip.sbox(SICR) == 1
    chip.sbox_write(SDBIC + 4, 0x80000000)
    assert line.nothing()


def test_intx_is_the_level_of_enabled_causes(chip):
    host = chip.host()
    line = Listener(host, INTX, 1)
    chip.sbox_write(SICE, 0xFF0F)
    chip.sbox_write(SDBIC, 0x80000000)
    assert line.got() == 1
    assert host.config16(6) & 8
    chip.sbox_write(SICR, 1)
    assert not host.config16(6) & 8


def test_masked_vector_sets_its_pending_bit_which_the_card_can_read(chip, msix):
    msix.host.write32(4, 0x17000 + 12, 1)
    chip.sbox_write(SICE, 1)
    chip.sbox_write(MXAR, 1)
    chip.sbox_write(SDBIC, 0x80000000)
    assert msix.nothing()
    assert chip.sbox(0x8000) == 1
    chip.sbox_write(PBACR, 1)
    assert chip.sbox(0x8000) == 0


def test_msix_table_is_register_ram(chip):
    chip.sbox_write(0x7000, 0xFEE00000)
    assert chip.host().read32(4, 0x17000) == 0xFEE00000


def test_counters_tell_doorbells_from_messages(chip, msix):
    chip.sbox_write(SDBIC, 0x80000000)
    assert chip.counter("doorbells-to-host") == 1
    assert chip.counter("interrupts-to-host") == 0
