# SPDX-License-Identifier: BSD-3-Clause
"""Interrupts to the host: SICR, SICE, MXAR in front of MSI-X, MSI and INTx (x100-hardware.md 3.6, 4.4)."""

import os
import struct

import pytest

from vfio_user import (
    ACTION_MASK,
    ACTION_TRIGGER,
    ACTION_UNMASK,
    BAR4,
    CONFIG,
    DATA_BOOL,
    DATA_EVENTFD,
    DATA_NONE,
    ERR,
    INTX,
    MSI,
    MSIX,
    REQ,
    Refused,
    eventfd_wait,
)

SICR, SICS, SICE, SICC, SIAC = 0x9004, 0x9008, 0x900C, 0x9010, 0x9014
TABLE, PBA = 0x17000, 0x18000
USED = 0xFF0F
SDBIC_CARD = 0x8007DCC90
SOON, NEVER = 5.0, 0.2


def mxar(vector):
    return 0x9044 + 4 * vector


@pytest.fixture
def events():
    fds = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(16)]
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.fixture
def msix(client, events):
    """A client that listens to all 16 MSI-X vectors, source bit v (0-3) routed to vector v."""
    client.bus_master()
    client.listen(MSIX, events)
    for vector in range(4):
        client.sbox_write(mxar(vector), 1 << vector)
    client.sbox_write(SIAC, USED)
    client.sbox_write(SICE, USED)
    return client


def test_irq_info(client):
    assert [client.irq_info(index)[1] for index in range(5)] == [1, 16, 16, 1, 1]
    assert all(client.irq_info(index)[0] & 1 for index in range(5)), "eventfd"
    assert client.irq_info(INTX)[0] == 7, "maskable and automasked too"
    with pytest.raises(Refused):
        client.irq_info(5)


def test_listening_enables_msix_in_configuration_space(client, events):
    assert not client.config16(0x9A) & 0x8000
    client.listen(MSIX, events)
    assert client.config16(0x9A) & 0x8000
    client.silence(MSIX)
    assert not client.config16(0x9A) & 0x8000


def test_doorbell_of_the_card_reaches_its_vector(model, msix, events):
    for doorbell in range(4):
        model.bus.write(SDBIC_CARD + 4 * doorbell, 0x80000000)
        assert eventfd_wait(events[doorbell], SOON) == 1
    assert all(eventfd_wait(fd, 0) == 0 for fd in events)


def test_every_vector_and_source(msix, events):
    sources = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]
    for vector, source in enumerate(sources):
        msix.sbox_write(mxar(vector), 1 << source)
    for vector in range(len(sources), 16):
        msix.sbox_write(mxar(vector), 0)
    for vector, source in enumerate(sources):
        msix.sbox_write(SICS, 1 << source)
        assert eventfd_wait(events[vector], SOON) == 1, f"source {source}"
        assert msix.sbox(SICR) & 1 << source == 0, "auto-clear"


def test_sources_not_enabled_only_latch(msix, events):
    msix.sbox_write(SICC, 1)
    msix.sbox_write(SICS, 1)
    assert eventfd_wait(events[0], NEVER) == 0
    assert msix.sbox(SICR) & 1


def test_masked_vector_pends_and_fires_when_unmasked(msix, events):
    msix.write32(BAR4, TABLE + 12, 1)
    msix.sbox_write(SICS, 1)
    assert eventfd_wait(events[0], NEVER) == 0
    assert msix.read32(BAR4, PBA) == 1
    msix.write32(BAR4, TABLE + 12, 0)
    assert eventfd_wait(events[0], SOON) == 1
    assert msix.read32(BAR4, PBA) == 0


def test_mask_and_unmask_by_message(msix, events):
    msix.set_irqs(MSIX, DATA_NONE | ACTION_MASK, 1, 1)
    assert msix.read32(BAR4, TABLE + 16 + 12) == 1
    msix.sbox_write(SICS, 2)
    assert eventfd_wait(events[1], NEVER) == 0
    msix.set_irqs(MSIX, DATA_NONE | ACTION_UNMASK, 1, 1)
    assert eventfd_wait(events[1], SOON) == 1


def test_function_mask_holds_all_back(msix, events):
    control = msix.config16(0x9A)
    msix.write(CONFIG, 0x9A, struct.pack("<H", control | 0x4000))
    msix.sbox_write(SICS, 0xF)
    assert msix.read32(BAR4, PBA) == 0xF
    assert eventfd_wait(events[0], NEVER) == 0
    msix.write(CONFIG, 0x9A, struct.pack("<H", control))
    assert [eventfd_wait(fd, SOON) for fd in events[:4]] == [1] * 4


def test_without_bus_mastering_nothing_leaves_the_card(msix, events):
    msix.bus_master(False)
    msix.sbox_write(SICS, 1)
    assert eventfd_wait(events[0], NEVER) == 0
    msix.bus_master()
    assert eventfd_wait(events[0], SOON) == 1


def test_msix_table_is_memory(client):
    for vector in range(16):
        client.write(BAR4, TABLE + 16 * vector, struct.pack("<Q", 0xFEE00000 + 64 * vector))
        client.write(BAR4, TABLE + 16 * vector + 8, struct.pack("<Q", 0x4000 + vector))
    for vector in range(16):
        assert client.read(BAR4, TABLE + 16 * vector, 8) == struct.pack("<Q", 0xFEE00000 + 64 * vector)
        assert client.read32(BAR4, TABLE + 16 * vector + 8) == 0x4000 + vector


def test_vectors_start_masked(client):
    assert all(client.read32(BAR4, TABLE + 16 * vector + 12) == 1 for vector in range(16))


def test_pending_bits_cannot_be_written(client):
    client.write32(BAR4, PBA, 0xFFFF)
    assert client.read32(BAR4, PBA) == 0


def test_one_vector_can_be_given_up(msix, events):
    msix.set_irqs(MSIX, DATA_EVENTFD | ACTION_TRIGGER, 2, 1)
    msix.sbox_write(SICS, 1 << 2 | 1 << 3)
    assert eventfd_wait(events[3], SOON) == 1
    assert eventfd_wait(events[2], NEVER) == 0


def test_msi_uses_message_0(client, events):
    client.bus_master()
    client.listen(MSI, events[:1])
    assert client.config16(0x8A) & 1
    client.sbox_write(mxar(0), USED)
    client.sbox_write(SICE, USED)
    client.sbox_write(SICS, 1 << 1)
    assert eventfd_wait(events[0], SOON) == 1
    assert client.sbox(SICR) == 1 << 1, "no auto-clear with MSI"
    client.silence(MSI)
    assert not client.config16(0x8A) & 1


def test_intx_fires_once_and_waits_for_its_unmask(client, events):
    client.listen(INTX, events[:1])
    client.sbox_write(SICE, USED)
    client.sbox_write(SICS, 1)
    assert eventfd_wait(events[0], SOON) == 1
    assert client.config16(6) & 8, "interrupt status"
    client.sbox_write(SICS, 2)
    assert eventfd_wait(events[0], NEVER) == 0, "masked itself"
    client.set_irqs(INTX, DATA_NONE | ACTION_UNMASK, 0, 1)
    assert eventfd_wait(events[0], SOON) == 1, "the level is still there"
    client.sbox_write(SICR, client.sbox(SICR))
    client.set_irqs(INTX, DATA_NONE | ACTION_UNMASK, 0, 1)
    assert eventfd_wait(events[0], NEVER) == 0
    assert not client.config16(6) & 8


def test_intx_can_be_disabled_in_the_command_register(client, events):
    client.listen(INTX, events[:1])
    client.write(CONFIG, 4, struct.pack("<H", 0x402))
    client.sbox_write(SICE, USED)
    client.sbox_write(SICS, 1)
    assert eventfd_wait(events[0], NEVER) == 0
    client.write(CONFIG, 4, struct.pack("<H", 0x002))
    assert eventfd_wait(events[0], SOON) == 1


def test_interrupt_types_exclude_each_other(client, events):
    client.listen(MSIX, events[:1])
    for other in (INTX, MSI):
        with pytest.raises(Refused):
            client.listen(other, events[1:2])
    client.silence(MSIX)
    client.listen(INTX, events[1:2])


def test_error_and_request_lines_take_a_listener(client, events):
    client.listen(ERR, events[:1])
    client.listen(REQ, events[1:2])


def test_request_line_fires_when_the_model_ends(model, client, events):
    client.listen(REQ, events[:1])
    model.process.terminate()
    assert eventfd_wait(events[0], SOON) == 1
    assert model.stop() == 0


def test_self_test_by_message(msix, events):
    msix.set_irqs(MSIX, DATA_NONE | ACTION_TRIGGER, 5, 2)
    assert [eventfd_wait(fd, SOON) for fd in events[5:7]] == [1, 1]
    msix.set_irqs(MSIX, DATA_BOOL | ACTION_TRIGGER, 5, 2, data=b"\0\1")
    assert eventfd_wait(events[6], SOON) == 1 and eventfd_wait(events[5], NEVER) == 0


def test_descriptor_that_is_no_eventfd_is_refused(client):
    reader, writer = os.pipe()
    with pytest.raises(Refused):
        client.listen(MSIX, [writer])
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    "index,flags,first,count,data,fds",
    [
        (5, DATA_NONE | ACTION_TRIGGER, 0, 1, b"", 0),
        (MSIX, DATA_NONE | ACTION_TRIGGER, 16, 1, b"", 0),
        (MSIX, DATA_NONE | ACTION_TRIGGER, 1, 0xFFFFFFFF, b"", 0),
        (MSIX, DATA_EVENTFD | ACTION_TRIGGER, 0, 3, b"", 2),
        (MSIX, DATA_EVENTFD | ACTION_TRIGGER, 15, 2, b"", 2),
        (MSIX, DATA_NONE | DATA_EVENTFD | ACTION_TRIGGER, 0, 1, b"", 1),
        (MSIX, DATA_NONE | ACTION_MASK | ACTION_TRIGGER, 0, 1, b"", 0),
        (MSIX, DATA_NONE, 0, 1, b"", 0),
        (MSIX, DATA_NONE | ACTION_MASK, 0, 0, b"", 0),
        (MSIX, DATA_BOOL | ACTION_TRIGGER, 0, 4, b"\1", 0),
        (MSIX, DATA_NONE | ACTION_TRIGGER, 0, 1, b"", 1),
        (MSI, DATA_NONE | ACTION_MASK, 0, 1, b"", 0),
    ],
)
def test_bad_set_irqs_is_refused(client, events, index, flags, first, count, data, fds):
    with pytest.raises(Refused):
        client.set_irqs(index, flags, first, count, data, events[:fds])
    assert client.config16(0) == 0x8086


def test_full_event_counter_does_not_stop_the_card(model, msix, events):
    os.eventfd_write(events[0], 2**64 - 2)
    model.bus.write(SDBIC_CARD, 0x80000000)
    assert msix.config16(0) == 0x8086
