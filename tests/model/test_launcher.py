# SPDX-License-Identifier: BSD-3-Clause
"""model/x100-model: what it refuses in words, and that what it starts answers on every socket."""

import os
import pathlib
import socket
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LAUNCHER = TOP / "model" / "x100-model"


def launch(*arguments, timeout=20, **environment):
    return subprocess.run(
        [LAUNCHER, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, env=os.environ | environment
    )


@pytest.fixture
def flash(tmp_path):
    path = tmp_path / "flash.bin"
    # cli; hlt; jmp to the hlt, at the reset vector
    path.write_bytes(b"\xff" * ((2 << 20) - 16) + bytes.fromhex("faf4ebfd").ljust(16, b"\xff"))
    return path


def monitor(path, command):
    """One command to QEMU's monitor; returns what it prints."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(10)
        sock.connect(str(path) + ".monitor")
        text = b""
        while b"(qemu) " not in text:
            text += sock.recv(4096)
        sock.sendall(command.encode() + b"\n")
        text = b""
        while b"\n(qemu) " not in text:
            got = sock.recv(4096)
            if not got:
                break
            text += got
        return text.decode(errors="replace")


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "sub" / "card.sock"
    yield path
    if (tmp_path / "sub" / "card.sock.monitor").exists():
        monitor(path, "quit")


def test_help_names_every_option():
    result = launch("--help")
    assert result.returncode == 0
    for option in "socket gddr cores threads product flash relaxed training-ms pci daemonize".split():
        assert f"--{option}" in result.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--bogus"], "unknown option --bogus"),
        (["--cores"], "--cores needs a value"),
        (["--cores", "0"], "0 is no number of cores"),
        (["--threads", "x"], "x is no number of cores or threads"),
        (["--training-ms", "-1"], "-1 is no number of milliseconds"),
        (["--flash", "/nonexistent/flash.bin"], "no flash image /nonexistent/flash.bin"),
        (["--socket", "/tmp/" + "s" * 100], "too long for Unix sockets"),
        (["--socket", "/tmp/a,b"], "a comma in a path"),
        (["--product", "9999"], "unknown product 9999"),
        (["--cores", "62"], "C up to 61"),
        (["--gddr", "100M"], "gddr must be"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(arguments, words, flash, tmp_path):
    result = launch("--flash", flash, "--socket", tmp_path / "card.sock", *arguments)
    assert result.returncode == 1
    assert words in result.stderr


def test_without_an_emulator_it_says_what_to_run(flash):
    result = launch("--flash", flash, X100_QEMU="/nonexistent")
    assert result.returncode == 1
    assert "Run: make -C model" in result.stderr


def test_daemonized_card_has_its_sockets(card, flash):
    result = launch("--daemonize", "--socket", card, "--flash", flash, "--cores", 3, "--threads", 4)
    assert result.returncode == 0, result.stderr
    for suffix in ("", ".serial", ".monitor", ".gdb"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(str(card) + suffix)
    assert pathlib.Path(str(card) + ".serial.log").exists()
    assert card.parent.stat().st_mode & 0o077 == 0
    text = monitor(card, "info cpus")
    assert "CPU #11" in text and "CPU #12" not in text


def test_relaxed_and_extra_arguments_reach_the_emulator(card, flash):
    result = launch("--daemonize", "--relaxed", "--socket", card, "--flash", flash, "--", "-name", "card-under-test")
    assert result.returncode == 0, result.stderr
    assert "card-under-test" in monitor(card, "info name")
    assert "false" in monitor(card, "qom-get /machine strict")


def test_pci_bus_is_there_when_asked_for(card, flash):
    extra = ["--", "-device", "virtio-rng-pci"]
    assert "No 'PCI' bus" in launch("--socket", card, "--flash", flash, *extra).stderr
    result = launch("--daemonize", "--pci", "--socket", card, "--flash", flash, *extra)
    assert result.returncode == 0, result.stderr
    assert "1af4:1044" in monitor(card, "info pci")
