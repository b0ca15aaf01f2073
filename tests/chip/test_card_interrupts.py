# SPDX-License-Identifier: BSD-3-Clause
"""Interrupts to the card (x100-hardware.md 3.8, 4.2, 4.3): APICICR, RDMASR, the I/O APIC."""

import json
import pathlib

import pytest

ICR = 0xA9D0
SEND, MASKED = 1 << 13, 1 << 16


def rte(chip, pin, vector, apic_id, flags=0):
    chip.sbox_write(0xA844 + 8 * pin, apic_id)
    chip.sbox_write(0xA840 + 8 * pin, vector | flags)


def test_boot_interrupt_reaches_the_cpu_it_names(start):
    chip = start(cores=3, threads=4)
    host = chip.host()
    host.sbox_write(0xAA0C, 9)
    host.sbox_write(0xAA08, 0x20E5)
    assert chip.pending(9) == [229]
    assert all(chip.pending(other) == [] for other in (0, 1, 4, 8, 10, 11))


def test_send_bit_reads_back_0(chip):
    chip.sbox_write(ICR, 0x20A9)
    assert chip.sbox(ICR) == 0xA9


def test_write_without_send_bit_only_programs(chip):
    chip.sbox_write(ICR, 0xA9)
    chip.sbox_write(ICR + 4, 0)
    assert chip.pending(0) == []
    assert chip.sbox(ICR) == 0xA9
    chip.sbox_write(ICR, chip.sbox(ICR) | SEND)
    assert chip.pending(0) == [0xA9]


def test_masked_icr_sends_nothing(chip):
    chip.sbox_write(ICR, 0xA9 | MASKED | SEND)
    assert chip.pending(0) == []
    assert chip.sbox(ICR) == 0xA9 | MASKED
    assert chip.counter("interrupts-dropped") == 1


@pytest.mark.parametrize("n", range(8))
def test_every_icr_rings_with_its_own_vector(chip, n):
    chip.sbox_write(ICR + 8 * n, 0x90 + n)
    chip.sbox_write(ICR + 8 * n + 4, 1)
    chip.sbox_write(ICR + 8 * n, 0x90 + n | SEND)
    assert chip.pending(1) == [0x90 + n] and chip.pending(0) == []


def test_icr_to_nobody_is_reported(chip):
    chip.sbox_write(ICR + 4, 200)
    chip.sbox_write(ICR, 0x20A9)
    assert "APIC id 200" in chip.guest_errors()


def test_shorthand_all_reaches_every_cpu(start):
    chip = start(cores=2, threads=2)
    chip.sbox_write(ICR, 2 << 18 | SEND | 0x77)
    assert all(chip.pending(apic_id) == [0x77] for apic_id in (0, 1, 4, 5))


@pytest.mark.parametrize("n", range(8))
@pytest.mark.parametrize("value", [0, 0xFFFFFFFF])
def test_rdmasr_is_pin_17_plus_n_whatever_is_written(chip, n, value):
    rte(chip, 17 + n, 0x50 + n, 1)
    chip.sbox_write(0xB180 + 4 * n, value)
    assert chip.pending(1) == [0x50 + n]
    assert chip.sbox(0xB180 + 4 * n) == 0


def test_pins_start_masked_and_an_edge_at_a_masked_pin_is_lost(chip):
    assert chip.sbox(0xA840 + 8 * 17) & MASKED
    chip.sbox_write(0xB180, 0)
    rte(chip, 17, 0x51, 0)
    assert chip.pending(0) == []


def test_destination_is_in_the_low_half_of_the_high_dword(start):
    chip = start(cores=3, threads=4)
    rte(chip, 17, 0x51, 6)
    assert chip.sbox(0xA844 + 8 * 17) == 6
    chip.sbox_write(0xB180, 0)
    assert chip.pending(6) == [0x51]


def test_all_26_entries_store(chip):
    for pin in range(26):
        rte(chip, pin, 0x30 + pin, 0, MASKED)
    assert [chip.sbox(0xA840 + 8 * pin) for pin in range(26)] == [0x30 + pin | MASKED for pin in range(26)]


def test_read_only_bits_of_an_entry_stay_0(chip):
    chip.sbox_write(0xA840, 0xFFFFFFFF)
    assert chip.sbox(0xA840) & (1 << 12 | 1 << 14 | 1 << 17) == 0


def test_stray_writes_of_the_old_kernel_change_nothing(chip):
    before = [chip.sbox(0xA840 + 4 * n) for n in range(52)]
    chip.sbox_write(0xA800, 0x32)
    chip.sbox_write(0xA810, 0x10030)
    assert [chip.sbox(0xA840 + 4 * n) for n in range(52)] == before
    assert chip.sbox(0xA800) == 0 and chip.sbox(0xA810) == 0
    assert chip.guest_errors() == ""


def test_trigger_bit_of_an_entry_tests_the_pin(chip):
    rte(chip, 3, 0x66, 0, 1 << 17)
    assert chip.pending(0) == [0x66]


def test_level_pin_waits_for_the_end_of_interrupt(chip):
    rte(chip, 17, 0x66, 0, 1 << 15)
    chip.sbox_write(0xB180, 0)
    assert chip.sbox(0xA840 + 8 * 17) >> 14 & 1
    count = chip.counter("interrupts-to-card")
    chip.sbox_write(0xB180, 0)
    assert chip.counter("interrupts-to-card") == count


@pytest.mark.parametrize("mode", [2, 3, 7])
def test_modes_nobody_can_deliver_are_reported(chip, mode):
    chip.sbox_write(ICR, SEND | mode << 8 | 0x40)
    assert f"mode {mode}" in chip.guest_errors()
    assert chip.pending(0) == []


VECTORS = json.loads((pathlib.Path(__file__).resolve().parents[1] / "vectors" / "interrupts.json").read_text())


@pytest.mark.parametrize("case", VECTORS["host_to_card"], ids=lambda case: case["register"] + str(case["index"]))
def test_recorded_writes_of_the_old_host_ring(chip, case):
    """Every doorbell write recorded from the old driver, at the BAR4 offset it used."""
    host, offset = chip.host(), int(case["bar4_offset"], 16)
    if case["io_apic_pin"] is not None:
        rte(chip, case["io_apic_pin"], 0x44, 0)
        for write in case["writes"]:
            host.write32(4, offset, int(write["written"], 16))
        assert chip.pending(0) == [0x44]
        return
    for write in case["writes"]:
        before = int(write["before"], 16) & ~SEND
        host.write32(4, offset, before)
        rung = chip.counter("doorbells-to-card")
        sent = chip.counter("interrupts-to-card")
        host.write32(4, offset, int(write["written"], 16))
        assert chip.counter("doorbells-to-card") == rung + 1
        vector = before & 0xFF
        if vector and not before & MASKED:
            assert vector in chip.pending(0)
            assert chip.counter("interrupts-to-card") == sent + 1
