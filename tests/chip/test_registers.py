# SPDX-License-Identifier: BSD-3-Clause
"""DBOX and SBOX registers without a subsystem of their own (x100-hardware.md section 3, Appendix B)."""

import pytest

ONES = 0xFFFFFFFF


def test_scratch_registers_store(chip):
    for n in range(16):
        chip.sbox_write(0xAB20 + 4 * n, 0x11111111 * n)
    assert [chip.sbox(0xAB20 + 4 * n) for n in range(16)] == [0x11111111 * n for n in range(16)]


def test_post_reads_0c_after_power_on_and_stores(chip):
    assert chip.dbox(0x242C) == 0x6330
    chip.dbox_write(0x242C, 0x3231)
    assert chip.host().read32(4, 0x242C) == 0x3231


def test_dbox_storage(chip):
    for offset in (0x2410, 0x2414, 0x2428, 0x2430, 0x2440, 0x340, 0x348, 0x350):
        chip.dbox_write(offset, offset)
        assert chip.dbox(offset) == offset


def test_serial_number_is_ascii(start):
    chip = start(serial_number="ABCDEFGHIJKL")
    assert b"".join(chip.dbox(0x3410 + 4 * n).to_bytes(4, "little") for n in range(3)) == b"ABCDEFGHIJKL"


def test_host_and_card_see_the_same_registers(chip):
    host = chip.host()
    host.sbox_write(0xAB34, 77)
    assert chip.sbox(0xAB34) == 77
    chip.sbox_write(0xAB34, 78)
    assert host.sbox(0xAB34) == 78


@pytest.mark.parametrize("size", [1, 2, 8])
def test_only_32_bit_accesses_work(chip, size):
    chip.bus.write(0x08007DAB20, 0, size=size)
    assert chip.bus.read(0x08007DAB20, size=size) == (1 << 8 * size) - 1
    assert chip.sbox(0xAB20) == 0
    assert f"{size}-byte" in chip.guest_errors()


def test_unaligned_accesses_do_not_work(chip):
    chip.bus.write(0x08007DAB22, 0x12345678)
    assert chip.sbox(0xAB20) == 0 and chip.sbox(0xAB24) == 0


def test_undocumented_register_is_reported_once_for_reads_and_writes(chip):
    for _ in range(3):
        chip.sbox_write(0x0004, 1)
        assert chip.sbox(0x0004) == 0
    log = chip.guest_errors()
    assert log.count("read of SBOX+0x0004") == 1
    assert log.count("write of 0x00000001 to SBOX+0x0004") == 1
    assert chip.counter("guest-errors") == 6


def test_read_only_register_keeps_its_value(chip):
    before = chip.sbox(0xCC28)
    chip.sbox_write(0xCC28, ~before)
    assert chip.sbox(0xCC28) == before != 0
    assert "read-only EMON_CNT" in chip.guest_errors()


@pytest.mark.parametrize(
    "product, divider, ratio, mhz, channels", [("3120A", 20, 0x416, 1100, 12), ("5110P", 19, 0x414, 1052, 16), ("7120P", 21, 0x41A, 1238, 16)]
)
def test_product_decides_clock_and_straps(start, product, divider, ratio, mhz, channels):
    chip = start(product=product, cores=3, threads=4)
    strap = chip.sbox(0xCC54)
    assert strap & 0xFF == 3 and strap >> 8 & 0xF == 0xF
    assert strap >> 12 & 0x3F == channels and strap >> 20 & 0x1F == divider
    assert chip.sbox(0x402C) == ratio | ratio << 16
    assert 4000 * (ratio >> 1 & 0xFF) // divider // 2 == mhz
    assert chip.sbox(0x4100) == 0x80010000 | ratio


def test_values_read_from_a_3120a(start):
    chip = start(product="3120A")
    assert chip.sbox(0x402C) == 0x04160416
    assert chip.sbox(0x4100) == 0x80010416
    assert chip.sbox(0x4104) == 0xAB
    assert chip.sbox(0x3004) == 0
    temperatures = [chip.sbox(0x103C + 4 * (n // 3)) >> 10 * (n % 3) & 0x3FF for n in range(9)]
    assert all(47 <= t <= 53 for t in temperatures[:7]) and temperatures[7:] == [0, 0]


def test_new_core_ratio_is_reached(chip):
    chip.sbox_write(0x4100, 0x80010210)
    assert chip.sbox(0x402C) == 0x02100210
    assert chip.sbox(0x4100) == 0x80010210


def test_voltage_command_ends_idle_and_logs_an_alert(chip):
    assert chip.sbox(0x4110) >> 30 == 1
    chip.sbox_write(0x4110, 1 << 31 | 0x55)
    assert chip.sbox(0x4110) >> 30 == 1
    assert chip.sbox(0x107C) == 1 << 3
    chip.sbox_write(0x107C, 0xA2)
    assert chip.sbox(0x107C) == 1 << 3 & ~0xA2
    assert chip.sbox(0x107C) & 0x80000050 == 0


def test_read_modify_write_registers_read_back(chip):
    for offset in (0x101C, 0x9014, 0x9044, 0x9080, 0xA000, 0xA1C0, 0xA280, 0xAB04, 0xC000, 0xC054, 0x3090, 0x30AC, 0x4128, 0x413C):
        chip.sbox_write(offset, 0x5A5A5A5A)
        assert chip.sbox(offset) == 0x5A5A5A5A, hex(offset)


def test_configuration_space_shadow(start):
    chip = start(product="3120A")
    assert chip.sbox(0x5800) == 0x225D8086
    assert chip.sbox(0x5808) == 0x0B400020
    assert chip.sbox(0x582C) == 0x3C988086
    assert chip.sbox(0x5CD4) != 2


def test_dma_registers_are_idle_and_store(chip):
    for channel in range(8):
        base = 0xA000 + 0x40 * channel
        assert [chip.sbox(base + off) for off in (0x04, 0x08, 0x20, 0x2C)] == [0, 0, 0, 0]
        chip.sbox_write(base + 0x14, 0x12345678)
        assert chip.sbox(base + 0x14) == 0x12345640
        chip.sbox_write(base + 0x20, ONES)
        assert chip.sbox(base + 0x20) == 0


def test_dma_head_of_a_disabled_channel_is_only_stored(chip):
    chip.sbox_write(0xA044, 4)
    assert chip.sbox(0xA044) == 4
    assert "engine not modelled" not in chip.guest_errors()


def test_starting_a_dma_channel_is_reported(chip):
    chip.sbox_write(0xA280, 2 << 2)
    chip.sbox_write(0xA044, 4)
    assert "DMA channel 1 started: engine not modelled yet" in chip.guest_errors()
    assert chip.sbox(0xA044 + 0x28) == 0


def test_gmbus_in_use_is_taken_by_reading(chip):
    assert chip.dbox(0x5108) >> 15 & 1 == 0
    assert chip.dbox(0x5108) >> 15 & 1 == 1
    chip.dbox_write(0x5108, 1 << 15)
    assert chip.dbox(0x5108) >> 15 & 1 == 0


def test_gmbus_transfer_gets_no_acknowledge(chip):
    chip.dbox_write(0x5104, 1 << 30 | 0x28 << 1)
    assert chip.dbox(0x5108) >> 10 & 1 == 1
