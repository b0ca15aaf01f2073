# SPDX-License-Identifier: BSD-3-Clause
"""The PCI bus of `-M x100,pci=on`, which no card has (model/hw/pci-bridge.h): QEMU's virtio devices on it are
found, reach GDDR and interrupt a local APIC. Here the test is their driver."""

import struct

import pytest

from conftest import SBOX
from vfio_user import wait_until

ECAM, MMIO32, MMIO64, PIN = 0x10_0000_0000, 0xFEF0_0000, 0x11_0000_0000, 8
RING, DATA, USED = 0x100000, 0x108000, 0x104000
APIC, VECTOR = 1, 0x51
COMMON, NOTIFY, ISR = 1, 2, 3
VERSION_1, ACCESS_PLATFORM = 1, 2  # features 32 and 33


class Function:
    """A virtio function at device number `slot`, its BARs placed one page after the other."""

    def __init__(self, chip, slot):
        self.bus, self.config = chip.bus, ECAM + (slot << 15)
        self.write(0x14, MMIO32 + slot * 0x1000)
        self.write(0x20, MMIO64 + slot * 0x10000 & 0xFFFFFFFF)
        self.write(0x24, MMIO64 >> 32)
        self.write(0x04, 6)  # memory, bus master
        self.bars = {1: MMIO32 + slot * 0x1000, 4: MMIO64 + slot * 0x10000}
        self.places, self.msix = {}, None
        at = self.read(0x34) & 0xFF
        while at:
            ident, following, _, kind = struct.pack("<I", self.read(at))
            if ident == 9:
                self.places.setdefault(kind, self.bars.get(self.read(at + 4) & 0xFF, 0) + self.read(at + 8))
            elif ident == 0x11:
                self.msix = at
            at = following

    def read(self, offset):
        return self.bus.read(self.config + offset)

    def write(self, offset, value):
        self.bus.write(self.config + offset, value)

    def common(self, offset, value, size=4):
        self.bus.write(self.places[COMMON] + offset, value, size)

    def start(self, msix, features=VERSION_1):
        """Queue 0 with 8 entries at RING."""
        for status in (0, 1, 3):
            self.common(0x14, status, 1)
        self.common(0x08, 1)
        self.common(0x0C, features)
        self.common(0x14, 11, 1)
        if msix:
            self.bus.write(self.bars[1], 0xFEE00000 | APIC << 12)
            self.bus.write(self.bars[1] + 4, 0)
            self.bus.write(self.bars[1] + 8, VECTOR)
            self.bus.write(self.bars[1] + 12, 0)
            self.write(self.msix, 0x80000000)
        self.common(0x16, 0, 2)
        self.common(0x18, 8, 2)
        self.common(0x1A, 0 if msix else 0xFFFF, 2)
        for offset, address in ((0x20, RING), (0x28, RING + 0x1000), (0x30, USED)):
            self.common(offset, address)
            self.common(offset + 4, 0)
        self.common(0x1C, 1, 2)
        self.common(0x14, 15, 1)

    def ask(self, turn, where=DATA, size=64):
        """Random bytes to this address."""
        self.bus.write(RING, where, 8)
        self.bus.write(RING + 8, size)
        self.bus.write(RING + 12, 2, 2)
        self.bus.write(RING + 0x1000 + 4 + 2 * (turn % 8), 0, 2)
        self.bus.write(RING + 0x1002, turn + 1, 2)
        self.bus.write(self.places[NOTIFY], 0, 2)
        wait_until(lambda: self.bus.read(USED + 2, 2) == turn + 1, what="the device using the buffer")


RNG = ("-device", "virtio-rng-pci,addr=1")


@pytest.fixture
def pci(start):
    chip = start(pci="on", extra=RNG)
    chip.train()
    return chip


def test_a_card_has_no_pci_bus(start):
    chip = start()
    assert chip.bus.read(ECAM) == chip.bus.read(MMIO32) == chip.bus.read(MMIO64) == 0xFFFFFFFF
    other = start(wait=False, extra=RNG)
    assert other.process.wait(20) == 1
    assert "No 'PCI' bus found" in other.text()


def test_configuration_space(pci):
    assert pci.bus.read(ECAM) == 0x0008_1B36, "host bridge"
    assert pci.bus.read(ECAM + (1 << 15)) == 0x1044_1AF4, "virtio 1.0 entropy"
    assert pci.bus.read(ECAM + (2 << 15)) == 0xFFFFFFFF
    assert pci.bus.read(ECAM + (1 << 20)) == 0xFFFFFFFF, "bus 1"
    assert pci.bus.read(MMIO32) == pci.bus.read(MMIO64) == 0xFFFFFFFF, "no BAR there yet"


@pytest.mark.parametrize(
    "device,ident",
    [("blk-pci,drive=d", 0x1042), ("net-pci,netdev=n", 0x1041), ("serial-pci", 0x1043), ("rng-pci", 0x1044)],
)
def test_devices_of_the_comparison(start, tmp_path, device, ident):
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    extra = ["-drive", f"if=none,id=d,format=raw,aio=io_uring,file={tmp_path}/disk", "-netdev", "user,id=n"]
    chip = start(pci="on", extra=[*extra, "-device", f"virtio-{device}"])
    assert chip.bus.read(ECAM + (1 << 15)) == ident << 16 | 0x1AF4
    assert chip.bus.read(ECAM + (1 << 15) + 0x10) == 0, "no port I/O"


def test_message_interrupt_reaches_the_local_apic(pci):
    device = Function(pci, 1)
    device.start(msix=True)
    for turn in range(3):
        device.ask(turn)
    assert pci.pending(APIC) == [VECTOR]
    assert pci.pending(0) == []
    assert pci.bus.read_bytes(DATA, 64) != bytes(64)


def test_line_interrupt_is_a_level_at_its_pin(pci):
    device = Function(pci, 1)
    pin = PIN + 1
    pci.sbox_write(0xA840 + 8 * pin + 4, APIC)
    pci.sbox_write(0xA840 + 8 * pin, 0x18000 | VECTOR)
    device.start(msix=False)
    device.ask(0)
    assert pci.pending(APIC) == [], "masked"
    pci.sbox_write(0xA840 + 8 * pin, 0x8000 | VECTOR)
    assert pci.pending(APIC) == [VECTOR], "the level waited"
    assert pci.sbox(0xA840 + 8 * pin) & 0x4000, "until the CPU ends it"
    assert device.bus.read(device.places[ISR], 1) == 1
    assert device.bus.read(device.places[ISR], 1) == 0


def test_the_bus_reaches_gddr_only(start):
    """QEMU's virtio devices go by the bus where the driver accepts that there is something between it and memory."""
    chip = start(pci="on", extra=["-device", "virtio-rng-pci,addr=1,iommu_platform=on"])
    chip.train()
    device = Function(chip, 1)
    device.start(msix=True, features=VERSION_1 | ACCESS_PLATFORM)
    before = chip.sbox(0xAB20)
    device.ask(0, SBOX + 0xAB20, 4)
    assert chip.sbox(0xAB20) == before
    device.ask(1)
    assert chip.bus.read_bytes(DATA, 64) != bytes(64)
    assert chip.pending(APIC) == [VECTOR]


def test_cpus_have_no_message_page(pci):
    """KNC decodes 4 KiB at the local APIC; only the bus knows the rest as interrupt messages."""
    pci.bus.write(0xFEE01000, VECTOR)
    assert pci.pending(APIC) == []


def test_reset_of_the_card_resets_the_devices(pci):
    device = Function(pci, 1)
    device.start(msix=True)
    host = pci.host()
    host.reset()
    wait_until(lambda: pci.phase() == "running", what="the CPUs being reset")
    assert device.read(0x04) & 7 == 0
    assert device.read(0x14) & ~0xF == 0
    pci.train()
    again = Function(pci, 1)
    again.start(msix=True)
    pci.bus.write(USED, 0, 8)
    again.ask(0)
