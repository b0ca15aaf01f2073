# SPDX-License-Identifier: BSD-3-Clause
"""Resets as the host sees them (x100-hardware.md 7.1, 7.2)."""

import time

from vfio_user import BAR0, BAR4, CONFIG, wait_until

SCRATCH2 = 0xAB28
RGCR, SMPT, SICE = 0x4010, 0x3100, 0x900C


def test_device_reset_keeps_the_stale_ready_word_and_loses_windows_and_enables(client):
    client.sbox_write(SCRATCH2, 0x040001C1)
    client.sbox_write(SMPT, 0x40)
    client.sbox_write(SICE, 0xFF0F)
    client.reset()
    assert client.sbox(SCRATCH2) == 0x040001C1
    assert client.sbox(SMPT) == 0
    assert client.sbox(SICE) == 0


def test_device_reset_keeps_configuration_space(client):
    client.bus_master()
    client.reset()
    assert client.config16(4) & 4
    assert client.config16(0) == 0x8086


def test_memory_survives_a_reset(client):
    view = client.map_bar0()
    view[0x5000000:0x5000004] = b"keep"
    client.reset()
    assert view[0x5000000:0x5000004] == b"keep"
    view.close()


def test_rgcr_takes_the_card_off_the_bus_for_a_moment(client):
    client.sbox_write(SCRATCH2, 1)
    client.sbox_write(RGCR, client.sbox(RGCR) | 1)
    gone = wait_until(lambda: client.config16(0) == 0xFFFF, what="the card leaving the bus", step=0.001)
    assert gone
    assert client.read32(BAR4, 0x1AB28) == 0xFFFFFFFF or client.config16(0) == 0x8086
    wait_until(lambda: client.config16(0) == 0x8086, what="the card's return")
    assert client.sbox(SCRATCH2) & 1 == 0


def test_writes_vanish_while_the_card_is_off_the_bus(client):
    client.sbox_write(RGCR, 1)
    wait_until(lambda: client.config16(0) == 0xFFFF, what="the card leaving the bus", step=0.0005)
    client.write(CONFIG, 0x3C, b"\x55")
    still_gone = client.config16(0) == 0xFFFF
    wait_until(lambda: client.config16(0) == 0x8086, what="the card's return")
    if still_gone:
        assert client.read(CONFIG, 0x3C, 1) == b"\0"


def test_card_is_back_within_a_second(client):
    client.sbox_write(RGCR, 1)
    start = time.monotonic()
    wait_until(lambda: client.config16(0) == 0xFFFF, what="the card leaving the bus", step=0.001)
    wait_until(lambda: client.config16(0) == 0x8086, what="the card's return")
    assert time.monotonic() - start < 1
    assert client.read(BAR0, 0xFFFF0000, 4) == b"\xff" * 4
