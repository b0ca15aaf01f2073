# SPDX-License-Identifier: BSD-3-Clause
"""Resets (x100-hardware.md 7.1, 7.2; silicon-notes.md "Bootstrap and reset"): order, and what survives."""

import pytest

from vfio_user import wait_until

RGCR, POST = 0x4010, 0x242C
SCRATCH = 0xAB20
ONES = 0xFFFFFFFF


def rgcr(chip):
    chip.sbox_write(RGCR, chip.sbox(RGCR) | 1)
    wait_until(lambda: chip.phase() == "held", what="the CPUs being reset")


def test_post_and_ready_word_change_at_once(chip):
    chip.dbox_write(POST, 0x3231)
    chip.sbox_write(SCRATCH + 8, 0x040001C1)
    rgcr(chip)
    assert chip.dbox(POST) == 0x6330
    assert chip.sbox(SCRATCH + 8) == 0
    assert chip.sbox(RGCR) == 0


def test_card_leaves_the_bus_and_comes_back_before_its_cpus_run(chip):
    host = chip.host()
    rgcr(chip)
    chip.step(199e6)
    assert host.read32(4, POST) == 0x6330 and chip.phase() == "held"
    chip.step(2e6)
    assert host.read32(4, POST) == ONES and host.config16(0) == 0xFFFF and chip.phase() == "off-bus"
    chip.step(8e6)
    assert chip.phase() == "off-bus"
    chip.step(2e6)
    assert host.read32(4, POST) == 0x6330 and host.config16(0) == 0x8086 and chip.phase() == "running"


def test_times_are_options(start):
    chip = start(reset_delay_ms=0, offbus_ms=3)
    chip.sbox_write(RGCR, 1)
    wait_until(lambda: chip.phase() != "stopping", what="the CPUs being reset")
    chip.step(1e6)
    assert chip.phase() == "off-bus"
    chip.step(3e6)
    assert chip.phase() == "running"


def test_other_scratch_registers_stay(chip):
    chip.sbox_write(SCRATCH + 4 * 5, 0x1234)
    chip.sbox_write(SCRATCH + 4 * 14, 0x5678)
    rgcr(chip)
    assert chip.sbox(SCRATCH + 4 * 5) == 0x1234 and chip.sbox(SCRATCH + 4 * 14) == 0x5678


def test_memory_keeps_its_contents_but_needs_training(chip):
    chip.train()
    chip.bus.write(0x5000, 0xFEEDC0DE)
    rgcr(chip)
    assert chip.bus.read(0x5000) == ONES
    chip.train()
    assert chip.bus.read(0x5000) == 0xFEEDC0DE


def test_smpt_is_lost(chip):
    chip.sbox_write(0x3104, 0x40)
    rgcr(chip)
    assert chip.sbox(0x3104) == 0


def test_interrupt_state_is_lost(chip):
    for offset, value in ((0x900C, 0xF), (0x9044, 0xF), (0x9014, 0xF), (0xA840, 0x30), (0xA9D0, 0xA9), (0x9008, 0xF)):
        chip.sbox_write(offset, value)
    rgcr(chip)
    assert [chip.sbox(o) for o in (0x9004, 0x900C, 0x9044, 0x9014, 0xA9D0)] == [0] * 5
    assert chip.sbox(0xA840) == 1 << 16


def test_doorbells_go_nowhere_while_the_cpus_are_held(chip):
    rgcr(chip)
    chip.sbox_write(0xA9D0, 0x20A9)
    assert chip.pending(0) == [] and chip.counter("interrupts-dropped") == 1


def test_local_apics_are_reset(chip):
    chip.sbox_write(0xA9D0, 0x20A9)
    assert chip.pending(0) == [0xA9]
    rgcr(chip)
    assert chip.pending(0) == []


def test_second_write_while_resetting_changes_nothing(chip):
    rgcr(chip)
    chip.step(100e6)
    chip.sbox_write(RGCR, 1)
    chip.step(111e6)
    assert chip.phase() == "running" and chip.counter("resets-rgcr") == 1


def test_writing_0_does_not_reset(chip):
    chip.sbox_write(RGCR, 0)
    assert chip.phase() == "running" and chip.counter("resets-rgcr") == 0


def test_time_starts_again(chip):
    chip.step(1e9)
    rgcr(chip)
    assert chip.sbox(0x1074) == 0 and chip.sbox(0x1078) == 0


def test_host_can_reset_too(chip):
    host = chip.host()
    host.sbox_write(RGCR, 1)
    wait_until(lambda: chip.phase() == "held", what="the CPUs being reset")


def test_platform_reset_leaves_the_ready_word_stale(chip):
    host = chip.host()
    chip.train()
    chip.sbox_write(SCRATCH + 8, 0x040001C1)
    chip.sbox_write(0x3100, 0x40)
    chip.dbox_write(POST, 0x3231)
    host.reset()
    assert host.sbox(SCRATCH + 8) == 0x040001C1
    assert host.read32(4, POST) == 0x6330
    assert host.sbox(0x3100) == 0
    wait_until(lambda: chip.phase() == "running", what="the CPUs being reset")
    assert chip.bus.read(0) == ONES


def test_platform_reset_ends_a_reset_under_way(chip):
    host = chip.host()
    rgcr(chip)
    chip.step(205e6)
    assert chip.phase() == "off-bus"
    chip.qmp("system_reset")
    wait_until(lambda: chip.phase() == "running", what="the CPUs being reset")
    assert host.config16(0) == 0x8086


@pytest.mark.parametrize("kind", ["rgcr", "platform"])
def test_card_works_after_a_reset(chip, kind):
    host = chip.host()
    if kind == "rgcr":
        rgcr(chip)
        chip.step(211e6)
    else:
        host.reset()
        wait_until(lambda: chip.phase() == "running", what="the CPUs being reset")
    chip.train()
    chip.bus.write(0x1000, 1)
    chip.sbox_write(0xA9D0, 0x20A9)
    assert chip.bus.read(0x1000) == 1 and chip.pending(0) == [0xA9]
