# SPDX-License-Identifier: BSD-3-Clause
"""What the model counts of the traffic between host and card (design.md, Counters)."""

import os
import struct

import pytest

from vfio_user import BAR0, BAR4, CONFIG, MSIX, Refused

SCRATCH = 0x1AB20
WINDOW = 0x80_0000_0000


def difference(before, after):
    return {key: after[key] - before[key] for key in after if after[key] != before[key]}


def test_registers_and_configuration_space(model, client):
    before = model.counters()
    for _ in range(5):
        client.read32(BAR4, SCRATCH)
    client.read(BAR4, SCRATCH, 8)
    for value in range(3):
        client.post(BAR4, SCRATCH, struct.pack("<I", value))
    client.read(CONFIG, 0, 64)
    client.write(CONFIG, 0x3C, b"\1")
    assert difference(before, model.counters()) == {
        "mmio-reads": 7,
        "mmio-writes": 3,
        "config-reads": 1,
        "config-writes": 1,
    }


def test_traced_aperture_counts_every_access(start):
    model = start(trace="on")
    client = model.client()
    before = model.counters()
    client.write(BAR0, 0x1000, b"12345678")
    client.write(BAR0, 0x2000, bytes(4096))
    client.read(BAR0, 0x1000, 8)
    assert difference(before, model.counters()) == {
        "aperture-writes": 2,
        "aperture-write-bytes": 4104,
        "aperture-reads": 1,
        "aperture-read-bytes": 8,
    }


def test_mapped_aperture_costs_nothing_here(model, client):
    view = client.map_bar0()
    before = model.counters()
    view[0:4096] = bytes(4096)
    assert difference(before, model.counters()) == {}
    view.close()


def test_dma_and_what_was_refused_of_it(model, client):
    memory = os.memfd_create("host")
    os.ftruncate(memory, 4096)
    client.bus_master()
    client.sbox_write(0x3100, 0)
    client.dma_map(0, 4096, memory)
    os.close(memory)
    before = model.counters()
    model.bus.read(WINDOW)
    model.bus.write(WINDOW, 1, 8)
    model.bus.read(WINDOW + 4096)
    assert difference(before, model.counters()) == {
        "dma-reads": 2,
        "dma-read-bytes": 8,
        "dma-writes": 1,
        "dma-write-bytes": 8,
        "dma-refused": 1,
    }


def test_interrupts(model, client):
    event = os.eventfd(0)
    client.bus_master()
    client.listen(MSIX, [event])
    client.sbox_write(0x9044, 1)
    client.sbox_write(0x9014, 1)
    client.sbox_write(0x900C, 1)
    before = model.counters()
    for _ in range(3):
        model.bus.write(0x8007DCC90, 0x80000000)
    assert difference(before, model.counters()) == {"interrupts": 3, "vector-0": 3}
    os.close(event)


def test_messages_by_vector(client, model):
    events = [os.eventfd(0) for _ in range(16)]
    client.bus_master()
    client.listen(MSIX, events)
    for vector in range(16):
        client.sbox_write(0x9044 + 4 * vector, 1 << 8 if vector in (3, 15) else 0)
    client.sbox_write(0x9014, 1 << 8)
    client.sbox_write(0x900C, 1 << 8)
    before = model.counters()
    client.sbox_write(0x9008, 1 << 8)
    after = difference(before, model.counters())
    assert (after["interrupts"], after["vector-3"], after["vector-15"]) == (2, 1, 1)
    assert sum(value for name, value in after.items() if name.startswith("vector-")) == 2
    for fd in events:
        os.close(fd)


def test_doorbells_of_each_kind(client, model):
    def chip():
        names = ["doorbells-to-host", *(f"sdbic-{n}" for n in range(4)), "doorbells-to-card", "host-icr-sends"]
        counters = model.property("x100-counters")
        return {name: counters[name] for name in [*names, "host-rdmasr-writes"]}

    before = chip()
    for doorbell in (0, 2, 2, 3, 3, 3):
        model.bus.write(0x8007DCC90 + 4 * doorbell, 0x80000000)
        model.bus.write(0x8007DCC90 + 4 * doorbell, 0x0000DEAD)
    for n in range(5):
        client.sbox_write(0xB180 + 4 * n, 0)
    for n in range(2):
        client.sbox_write(0xA9D0 + 8 * n, 0x2045)
        client.sbox_write(0xA9D0 + 8 * n, 0x45)
    model.bus.write(0x8007DB180, 0)
    model.bus.write(0x8007DA9D0, 0x2045)
    assert difference(before, chip()) == {
        "doorbells-to-host": 6,
        "sdbic-0": 1,
        "sdbic-2": 2,
        "sdbic-3": 3,
        "doorbells-to-card": 9,
        "host-icr-sends": 2,
        "host-rdmasr-writes": 5,
    }


def test_bad_accesses(model, client):
    before = model.counters()
    with pytest.raises(Refused):
        client.read(BAR4, SCRATCH, 2)
    client.read(BAR0, 5 << 30, 4)
    after = difference(before, model.counters())
    assert after["bad-accesses"] == 2


def test_clients(model, client):
    with pytest.raises(Refused):
        model.client()
    counters = model.counters()
    assert (counters["clients"], counters["clients-refused"]) == (1, 1)
