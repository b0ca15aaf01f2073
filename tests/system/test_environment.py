# SPDX-License-Identifier: BSD-3-Clause
"""Wrong flash, missing sockets, two hosts at once: one sentence each, and nothing lost."""

import os
import subprocess

from card import CARD, FLASH, HOST, LAUNCHER, PEER, Model, TOP, X100


def launch(*options):
    """Runs the launcher to its end; for starts that must fail."""
    return subprocess.run([LAUNCHER, *options], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30, check=False)


def test_missing_flash_file_is_named(tmp_path):
    done = launch("--socket", str(tmp_path / "s"), "--flash", "/nonexistent/flash.bin")
    assert done.returncode != 0 and "/nonexistent/flash.bin" in done.stderr


def test_flash_file_of_a_wrong_size_is_refused(tmp_path):
    flash = tmp_path / "flash.bin"
    flash.write_bytes(b"\xff" * 12345)
    done = launch("--socket", str(tmp_path / "s"), "--flash", str(flash))
    assert done.returncode != 0 and "12345" in done.stderr


def test_erased_flash_leaves_a_card_that_the_host_explains(tmp_path):
    flash = tmp_path / "flash.bin"
    flash.write_bytes(b"\xff" * os.path.getsize(FLASH))
    with Model("--flash", str(flash)) as card:
        out = card.x100("reset", "--wait", "--timeout", "5", status=CARD)
        assert "POST" in out, out


def test_damaged_bootstrap_leaves_a_card_that_the_host_explains(tmp_path):
    image = bytearray(open(FLASH, "rb").read())
    for place in range(len(image) - 0xF000, len(image) - 0x100, 64):
        image[place] ^= 0xFF
    flash = tmp_path / "flash.bin"
    flash.write_bytes(image)
    with Model("--flash", str(flash)) as card:
        assert "POST" in card.x100("reset", "--wait", "--timeout", "5", status=CARD)


def test_missing_socket_is_named(tmp_path):
    path = str(tmp_path / "no.sock")
    done = subprocess.run([X100, "-d", "model:" + path, "status"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == HOST and path in done.stderr


def test_no_card_at_all_is_said(tmp_path):
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    environment.pop("X100_DEVICE", None)
    done = subprocess.run([X100, "status"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False, env=environment)
    assert done.returncode == HOST and "no card" in done.stderr.lower()


def test_model_started_by_name_is_found_without_a_device(tmp_path):
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    environment.pop("X100_DEVICE", None)
    process = subprocess.Popen([LAUNCHER], stdin=subprocess.DEVNULL, env=environment)
    try:
        # reset --wait has the deadlines; it also tells when the model is there.
        for _ in range(100):
            done = subprocess.run([X100, "reset", "--wait"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60, check=False,
                                  env=environment)
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
    finally:
        process.terminate()
        process.wait(10)


def test_second_host_is_told_that_the_card_is_busy(card):
    from vfio_user import Client
    with_card = Client(card.socket)
    try:
        out = card.x100("status", status=PEER)
        assert "busy" in out.lower() or "in use" in out.lower(), out
    finally:
        with_card.close()
    card.x100("status")


def test_model_ended_during_a_push_is_reported(card):
    process = card.start_x100("push", os.path.join(TOP, "build/card-kernel-patches/bzImage"),
                              "--wait", "running", "--cmdline", "rdinit=/bin/nothing panic=0")
    card.line().expect("Linux version")
    card.process.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == PEER and err.strip()
