# SPDX-License-Identifier: BSD-3-Clause
"""Elapsed-time counter (x100-hardware.md 3.4)."""

LOW, HIGH, FREEZE = 0x1074, 0x1078, 0x107C


def raw(chip):
    return chip.sbox(HIGH) << 32 | chip.sbox(LOW)


def test_counts_15_625_mhz_in_steps_of_32(chip):
    start = raw(chip)
    chip.step(1000000000)
    assert raw(chip) - start == 15625000 << 5
    chip.step(64)
    assert raw(chip) - start == 15625001 << 5


def test_low_five_bits_are_zero(chip):
    for _ in range(20):
        chip.step(1237)
        assert chip.sbox(LOW) & 0x1F == 0


def test_high_word_follows_the_carry(chip):
    chip.step((1 << 32 >> 5) * 64 + 6400)
    assert chip.sbox(HIGH) == 1
    assert chip.sbox(LOW) < 1 << 20


def test_freeze_holds_the_count_and_thawing_goes_on_from_it(chip):
    chip.step(1000000)
    chip.sbox_write(FREEZE, 1 << 31)
    held = raw(chip)
    assert chip.sbox(FREEZE) >> 31 == 1
    chip.step(5000000)
    assert raw(chip) == held != 0
    chip.sbox_write(FREEZE, 0)
    assert chip.sbox(FREEZE) == 0
    chip.step(6400)
    assert raw(chip) - held == 100 << 5


def test_counter_cannot_be_written(chip):
    chip.sbox_write(LOW, 0xFFFFFFE0)
    assert raw(chip) < 1 << 20


def test_runs_in_the_time_of_the_host(chip):
    """The host reads the same counter."""
    host = chip.host()
    chip.step(64000)
    assert host.sbox(LOW) == chip.sbox(LOW) == 1000 << 5
