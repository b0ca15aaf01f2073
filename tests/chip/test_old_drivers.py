# SPDX-License-Identifier: BSD-3-Clause
"""Register accesses recorded from the old host driver (tests/vectors), replayed against the model: what the
driver wrote is written, what it read has to come back."""

import json
import pathlib

import pytest

VECTORS = json.loads((pathlib.Path(__file__).resolve().parents[1] / "vectors" / "interrupts.json").read_text())
RGCR, SICE, SIAC, SICR, SICS, SCRATCH2 = 0x14010, 0x1900C, 0x19014, 0x19004, 0x19008, 0x1AB28


def replay(host, accesses):
    """Returns how many accesses to BAR4 were replayed."""
    done = 0
    for access in accesses:
        what, offset, value = access[:3]
        if what not in ("read", "write") or not offset.startswith("0x"):
            continue
        if what == "write":
            host.write32(4, int(offset, 16), int(value, 16))
        else:
            assert host.read32(4, int(offset, 16)) == int(value, 16), offset
        done += 1
    return done


def test_probe(chip):
    assert replay(chip.host(), VECTORS["probe"]) == 6


@pytest.mark.parametrize("mode", ["msi", "intx"])
def test_probe_without_msix(chip, mode):
    assert replay(chip.host(), VECTORS[mode]["probe"]) > 30


def test_start_of_a_boot(chip):
    host = chip.host()
    replay(host, VECTORS["probe"])
    host.write32(4, SCRATCH2, 0x040001C1)
    assert replay(host, VECTORS["boot_start"]["accesses"]) > 60
    assert "nobody documents" not in chip.guest_errors()


@pytest.mark.parametrize("case", VECTORS["enable_disable_msix"], ids=lambda case: f"{case['op']}-{case['sice0_before']}")
def test_enable_and_disable(chip, case):
    host = chip.host()
    host.write32(4, SICE, int(case["sice0_before"], 16))
    host.write32(4, SIAC, int(case["siac0_before"], 16))
    assert replay(host, case["accesses"]) == 4


@pytest.mark.parametrize("case", VECTORS["acknowledge_msi_intx"], ids=lambda case: case["sicr0"])
def test_acknowledge(chip, case):
    host = chip.host()
    host.write32(4, SICS, int(case["sicr0"], 16))
    assert replay(host, case["accesses"]) == 2
    assert host.read32(4, SICR) == 0


@pytest.mark.parametrize("case", VECTORS["after_each_interrupt"], ids=lambda case: case["stepping"])
def test_rearming(chip, case):
    host = chip.host()
    host.write32(4, SICE, 0xFF0F)
    host.write32(4, SIAC, 0xFF0F)
    assert replay(host, case["accesses"]) == len(case["accesses"])


@pytest.mark.parametrize("case", VECTORS["card_to_host"]["cases"][:4], ids=lambda case: str(case["index"]))
def test_doorbell_of_the_card(chip, case):
    chip.bus.write(int(case["card_physical"], 16), int(case["written"], 16))
    assert chip.host().read32(4, SICR) == 1 << case["sicr0_bit"]


@pytest.mark.parametrize("case", VECTORS["boot_interrupt"]["cases"], ids=lambda case: case["spad2"])
def test_boot_interrupt(start, case):
    chip = start(cores=61, threads=1) if case["apic_id"] < 244 and case["apic_id"] % 4 == 0 else start()
    host = chip.host()
    host.write32(4, SCRATCH2, int(case["spad2"], 16))
    assert replay(host, case["accesses"]) == 3
    if chip.counter("interrupts-to-card"):
        assert chip.pending(case["apic_id"]) == [229]
    else:
        assert f"APIC id {case['apic_id']}" in chip.guest_errors()


def test_reset(chip):
    host = chip.host()
    case = VECTORS["reset"][0]
    assert replay(host, case["accesses"]) == 3
    chip.step(case["delay_ms_after"] * 1000000)
    assert chip.phase() == "running" and host.read32(4, RGCR) == 0
