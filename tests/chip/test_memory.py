# SPDX-License-Identifier: BSD-3-Clause
"""The card's physical memory (x100-hardware.md 2.1, 2.2): GDDR, flash, and where nothing is."""

import pytest

ONES = 0xFFFFFFFF
MIB, GIB = 1 << 20, 1 << 30


def test_memory_reads_ones_and_drops_writes_before_training(chip):
    chip.bus.write(0x1000, 0x12345678)
    assert chip.bus.read(0x1000) == ONES
    chip.train()
    assert chip.bus.read(0x1000) == 0
    assert "before training" in chip.guest_errors()


def test_memory_below_1_mib_has_no_holes(chip):
    chip.train()
    for address in range(0, MIB, 0x10000):
        chip.bus.write(address, address | 1)
    assert all(chip.bus.read(address) == address | 1 for address in range(0, MIB, 0x10000))


def test_visible_memory_is_31_of_32_parts(chip):
    chip.train()
    top = 248 * MIB
    chip.bus.write(top - 4, 0xC0FFEE)
    assert chip.bus.read(top - 4) == 0xC0FFEE
    chip.bus.write(top, 0xC0FFEE)
    assert chip.bus.read(top) == ONES
    assert "where nothing is" in chip.guest_errors()


@pytest.mark.parametrize("size", [8, 16])
def test_memory_goes_on_linearly_above_4_gib(start, size):
    chip = start(gddr=f"{size}G")
    chip.train()
    top = size * GIB * 31 // 32
    for address in (4 * GIB, 4 * GIB + 0x3000, top - 8):
        chip.bus.write(address, 0xA5, size=8)
        assert chip.bus.read(address, size=8) == 0xA5
    assert chip.bus.read(top) == ONES


def test_untouched_memory_costs_nothing(start):
    chip = start(gddr="16G")
    chip.train()
    status = open(f"/proc/{chip.process.pid}/status").read()
    resident = int(status.split("VmRSS:")[1].split()[0])
    assert resident < 300 * 1024


def test_host_and_card_see_the_same_memory(chip):
    chip.train()
    view = chip.host().map_bar0()
    view[0x123000:0x123004] = b"host"
    assert chip.bus.read_bytes(0x123000, 4) == b"host"
    chip.bus.write(0x456000, 0x64726163)
    assert view[0x456000:0x456004] == b"card"
    view.close()


def test_flash_ends_at_4_gib_and_hides_memory(start):
    chip = start(gddr="8G")
    chip.train()
    image = chip.flash.read_bytes()
    assert chip.bus.read_bytes(0xFFFFFFF0, 16) == image[-16:]
    assert chip.bus.read_bytes(0xFFE00000, 16) == image[:16]
    assert chip.bus.read(0xFFDFFFFC) == ONES
    assert chip.bus.read(0xFF000000) == ONES


def test_flash_is_read_only(chip):
    before = chip.bus.read(0xFFFF0000)
    chip.bus.write(0xFFFF0000, 0)
    assert chip.bus.read(0xFFFF0000) == before
    assert "write of the flash window" in chip.guest_errors()


@pytest.mark.parametrize("size", [64 << 10, 16 << 20])
def test_flash_of_other_sizes(start, tmp_path, size):
    (tmp_path / "f").write_bytes(b"\x5a" * size)
    chip = start(flash=tmp_path / "f")
    assert chip.bus.read((1 << 32) - size) == 0x5A5A5A5A
    assert chip.bus.read((1 << 32) - 4) == 0x5A5A5A5A


@pytest.mark.parametrize(
    "size, words",
    [(None, "cannot read the flash image"), (65535, "power of two"), (32 << 20, "64 KiB to 16 MiB"), (0, "power of two")],
)
def test_wrong_flash_is_refused_with_a_sentence(start, tmp_path, size, words):
    if size is not None:
        (tmp_path / "f").write_bytes(bytes(size))
    chip = start(flash=tmp_path / "f", wait=False)
    assert chip.process.wait(20) == 1
    assert words in chip.text()


def test_no_flash_at_all_is_refused_with_a_sentence(start):
    chip = start(flash=None, wait=False)
    assert chip.process.wait(20) == 1
    assert "flash=FILE" in chip.text()


@pytest.mark.parametrize("gddr", ["64M", "100M", "17G"])
def test_wrong_memory_size_is_refused_with_a_sentence(start, gddr):
    chip = start(gddr=gddr, wait=False)
    assert chip.process.wait(20) == 1
    assert "gddr must be" in chip.text()


def test_unknown_product_is_refused_with_a_sentence(start):
    chip = start(product="5110Q", wait=False)
    assert chip.process.wait(20) == 1
    assert "unknown product 5110Q" in chip.text()


def test_training_takes_its_time(start):
    chip = start(training_ms=50)
    state, go = 0x08007A0724, 0x08007A0720
    chip.bus.write(go, 1)
    assert chip.bus.read(go) & 1 and not chip.bus.read(state) & 1
    chip.step(49e6)
    assert not chip.bus.read(state) & 1
    chip.step(2e6)
    assert chip.bus.read(state) & 1 and not chip.bus.read(go) & 1
    assert chip.bus.read(0) == 0


def test_training_can_fail(start):
    chip = start(training_fail="on")
    chip.train()
    assert chip.bus.read(0x08007A0724) == 2
    assert chip.bus.read(0) == ONES


def test_memory_controllers_store_what_is_known_and_report_the_rest(chip):
    for box in (0x08007A0000, 0x0800790000, 0x0800700000, 0x08006A0000):
        chip.bus.write(box + 0x98, 0x33)
        assert chip.bus.read(box + 0x98) == 0x33
    chip.bus.write(0x08007A0004, 1)
    assert chip.bus.read(0x08007A0004) == 0
    assert "GBOX0+0x0004" in chip.guest_errors()


def test_nowhere_answers_with_ones(chip):
    for address in (0x08007E0000, 0x0A00000000, 0x7FFFFFFFF8):
        assert chip.bus.read(address) == ONES
        chip.bus.write(address, 0)
