# SPDX-License-Identifier: BSD-3-Clause
"""I2C controller and the SC16IS740 behind it (x100-hardware.md 3.10), driven as a polling driver does."""

import fcntl
import socket
import struct
import termios

import pytest

from vfio_user import wait_until

ICR, ISR, ISAR, IDBR, IBMR = 0x1000, 0x1004, 0x1008, 0x100C, 0x1010
START, STOP, ACKNAK, TB, MA, SCLE, IUE, UR = 1, 2, 4, 8, 16, 32, 64, 1 << 14
UB, ITE, IRF, BED, NAK = 4, 64, 128, 1 << 10, 2
THR, IER, FCR, LCR, MCR, LSR, MSR, SPR, TXLVL, RXLVL, IOCONTROL = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14


class Bus:
    def __init__(self, chip):
        self.chip = chip
        chip.sbox_write(ICR, SCLE | IUE)

    def byte(self, flags, done):
        """One byte on the bus; returns ISR, whose events are acknowledged."""
        self.chip.sbox_write(ICR, SCLE | IUE | TB | flags)
        assert self.chip.sbox(ICR) & TB == 0
        status = self.chip.sbox(ISR)
        assert status & done
        self.chip.sbox_write(ISR, status)
        return status

    def send(self, address, data, stop=True):
        self.chip.sbox_write(IDBR, address << 1)
        status = self.byte(START, ITE)
        for n, value in enumerate(data):
            self.chip.sbox_write(IDBR, value)
            status = self.byte(STOP if stop and n == len(data) - 1 else 0, ITE)
        return status

    def receive(self, address, count):
        self.chip.sbox_write(IDBR, address << 1 | 1)
        self.byte(START, ITE)
        data = []
        for n in range(count):
            self.byte(STOP | ACKNAK if n == count - 1 else 0, IRF)
            data.append(self.chip.sbox(IDBR))
        return bytes(data)


class Uart:
    def __init__(self, chip):
        self.bus = Bus(chip)

    def write(self, reg, *values):
        self.bus.send(0x48, [reg << 3, *values])

    def read(self, reg, count=1):
        self.bus.send(0x48, [reg << 3], stop=False)
        data = self.bus.receive(0x48, count)
        return data if count > 1 else data[0]

    def set_up(self):
        self.write(LCR, 0x83)
        self.write(0, 1)
        self.write(1, 0)
        self.write(LCR, 0x03)
        self.write(FCR, 0x07)
        return self


@pytest.fixture
def uart(chip):
    uart = Uart(chip)
    uart.chip = chip
    return uart.set_up()


def test_address_nobody_has_gets_no_acknowledge(chip):
    bus = Bus(chip)
    chip.sbox_write(IDBR, 0x4D << 1)
    status = bus.byte(START | STOP, BED)
    assert status & NAK


def test_unit_is_busy_between_start_and_stop(chip):
    bus = Bus(chip)
    bus.send(0x48, [SPR << 3], stop=False)
    assert chip.sbox(ISR) & UB
    bus.send(0x48, [SPR << 3, 0x12])
    assert chip.sbox(ISR) & UB == 0


def test_events_are_write_1_to_clear(chip):
    Bus(chip)
    chip.sbox_write(IDBR, 0x48 << 1)
    chip.sbox_write(ICR, SCLE | IUE | START | TB)
    assert chip.sbox(ISR) & ITE
    chip.sbox_write(ISR, 0)
    assert chip.sbox(ISR) & ITE
    chip.sbox_write(ISR, ITE)
    assert chip.sbox(ISR) & ITE == 0


def test_disabled_unit_never_completes(chip):
    chip.sbox_write(ICR, START | TB)
    assert chip.sbox(ICR) & TB
    assert "disabled" in chip.guest_errors()


def test_unit_reset_gives_up_the_bus(chip):
    Bus(chip).send(0x48, [SPR << 3], stop=False)
    chip.sbox_write(ICR, UR)
    assert chip.sbox(ISR) == 0
    assert chip.sbox(IBMR) == 3


def test_master_abort_gives_up_the_bus(chip):
    Bus(chip).send(0x48, [SPR << 3], stop=False)
    chip.sbox_write(ICR, SCLE | IUE | MA)
    assert chip.sbox(ISR) & UB == 0


def test_registers_of_the_uart_after_reset(chip):
    uart = Uart(chip)
    assert uart.read(LCR) == 0x1D
    assert uart.read(LSR) == 0x60
    assert uart.read(SPR) == 0xFF
    assert uart.read(RXLVL) == 0


def test_scratch_pad_stores(uart):
    uart.write(SPR, 0x5A)
    assert uart.read(SPR) == 0x5A


def test_fifos_are_64_bytes_deep(uart):
    assert uart.read(TXLVL) == 64


def test_text_reaches_the_serial_line(uart):
    line = uart.chip.serial()
    uart.write(THR, *b"hello, ")
    uart.write(THR, *b"world\r\n")
    got = b""
    while len(got) < 14:
        got += line.recv(64)
    assert got == b"hello, world\r\n"
    assert uart.chip.counter("uart-tx") == 14


def test_text_without_a_listener_is_gone(uart):
    uart.write(THR, *b"nobody")
    assert uart.chip.counter("uart-tx") == 6
    assert uart.read(TXLVL) == 64
    assert uart.read(LSR) & 0x60 == 0x60


def test_text_comes_in(uart):
    line = uart.chip.serial()
    line.sendall(b"root\r")
    wait_until(lambda: uart.read(RXLVL) == 5, what="five bytes in the FIFO")
    assert uart.read(LSR) & 1
    assert uart.read(THR, 5) == b"root\r"
    assert uart.read(LSR) & 1 == 0


def test_more_than_the_fifo_holds_waits_outside(uart):
    line = uart.chip.serial()
    text = bytes(range(256))
    line.sendall(text)
    got = b""
    while len(got) < len(text):
        count = wait_until(lambda: uart.read(RXLVL), what="bytes in the FIFO")
        assert count <= 64
        got += bytes([uart.read(THR)]) if count == 1 else uart.read(THR, count)
    assert got == text


def test_listener_that_does_not_read_never_stops_the_card(uart):
    line = uart.chip.serial()
    for _ in range(40):
        assert uart.read(TXLVL) == 64
        uart.write(THR, *b"x" * 64)
    # More than the socket holds; what the line kept for the listener is all there once it reads.
    held = struct.unpack("i", fcntl.ioctl(line, termios.FIONREAD, bytes(4)))[0]
    assert held < 40 * 64
    line.settimeout(10)
    taken = 0
    while taken < 40 * 64:
        taken += len(line.recv(65536))
    assert taken == 40 * 64


def test_byte_into_a_full_fifo_is_lost_and_reported(uart):
    uart.write(LCR, 0x83)
    uart.write(0, 0)
    uart.write(LCR, 0x03)
    uart.write(THR, *b"y" * 65)
    assert "full transmit FIFO" in uart.chip.guest_errors()


def test_nothing_is_sent_without_a_divisor(chip):
    uart = Uart(chip)
    uart.write(LCR, 3)
    uart.write(FCR, 7)
    uart.write(THR, 0x41)
    assert uart.read(TXLVL) == 63
    assert "divisor 0" in chip.guest_errors()


def test_wrong_speed_is_reported(uart):
    uart.write(LCR, 0x83)
    uart.write(0, 12)
    uart.write(LCR, 0x03)
    uart.write(THR, 0x41)
    assert "not 115200 8N1" in uart.chip.guest_errors()


def test_loop_back(uart):
    uart.write(MCR, 0x10)
    uart.write(THR, 0x41, 0x42)
    assert uart.read(THR, 2) == b"AB"


def test_fifo_resets(uart):
    uart.write(MCR, 0x10)
    uart.write(THR, 0x41)
    assert uart.read(RXLVL) == 1
    uart.write(FCR, 0x03)
    assert uart.read(RXLVL) == 0


def test_enhanced_registers_open_with_lcr_bf(uart):
    uart.write(LCR, 0xBF)
    uart.write(FCR, 0x10)
    assert uart.read(FCR) == 0x10
    uart.write(LCR, 0x03)
    assert uart.read(FCR) & 0xC1 == 0xC1


def test_prescaler_needs_enhanced_functions(uart):
    uart.write(MCR, 0x80)
    assert uart.read(MCR) == 0
    uart.write(LCR, 0xBF)
    uart.write(FCR, 0x10)
    uart.write(LCR, 0x03)
    uart.write(MCR, 0x80)
    assert uart.read(MCR) == 0x80


def test_software_reset(uart):
    uart.write(SPR, 1)
    uart.write(IOCONTROL, 8)
    assert uart.read(SPR) == 0xFF and uart.read(LCR) == 0x1D


def test_second_uart_address_is_not_fitted_on_the_board(chip):
    bus = Bus(chip)
    chip.sbox_write(IDBR, 0x54 << 1)
    assert bus.byte(START | STOP, BED) & NAK
