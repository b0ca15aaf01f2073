# SPDX-License-Identifier: BSD-3-Clause
"""Images and ramdisks that must be refused, first by the host, then (with --force) by the card.

After every refusal the card must be ready for the next push, without a reset.
"""

import os
import struct

import pytest
from card import BAD_FILE, KERNEL, REFUSED

MIB = 1 << 20


def kernel_bytes():
    with open(KERNEL, "rb") as file:
        return bytearray(file.read())


def patched(offset, form, value):
    """A function that stores value into the header."""
    def patch(image):
        struct.pack_into(form, image, offset, value)
        return image
    return patch


def cut(count):
    return lambda image: image[:count]


# name, how to spoil the kernel, word that the sentence must have
BAD_IMAGES = [
    ("empty", lambda image: b"", "zero"),
    ("one byte", lambda image: b"\0", "short"),
    ("half a header", cut(0x230), "short"),
    ("only the setup part", cut(4096), "longer than the image"),
    ("truncated", lambda image: image[:len(image) // 2], "ends before its header says"),
    ("one sector short", lambda image: image[:-512], "ends before its header says"),
    ("random", lambda image: os.urandom(MIB), "not a Linux bzImage"),
    ("zeros", lambda image: bytes(MIB), "not a Linux bzImage"),
    ("an ELF program", lambda image: open("/bin/ls", "rb").read(), "ELF"),
    ("a FIT image", lambda image: b"\xd0\x0d\xfe\xed" + bytes(MIB), "FIT"),
    ("no HdrS", patched(0x202, "<I", 0), "not a Linux bzImage"),
    ("no boot flag", patched(0x1FE, "<H", 0), "0xAA55"),
    ("old protocol", patched(0x206, "<H", 0x0200), "protocol"),
    ("loads low", patched(0x211, "<B", 0), "high"),
    ("setup_sects 255", patched(0x1F1, "<B", 255), "ends before its header says"),
    ("syssize zero", patched(0x1F4, "<I", 0), "goes on behind the end"),
    ("syssize huge", patched(0x1F4, "<I", 0xFFFFFFFF), "ends before its header says"),
    ("alignment zero", patched(0x230, "<I", 0), "alignment"),
    ("alignment odd", patched(0x230, "<I", 0x1001), "alignment"),
    ("alignment huge", patched(0x230, "<I", 0x80000000), "alignment"),
    ("init_size zero", patched(0x260, "<I", 0), "unpack makes no sense"),
    ("init_size huge", patched(0x260, "<I", 0xFFFFFFFF), "unpack makes no sense"),
    ("fixed where no RAM is", patched(0x258, "<Q", 0), "no RAM where the kernel unpacks"),
    ("fixed above memory", patched(0x258, "<Q", 0x7FFFFFE00000), "no RAM where the kernel unpacks"),
    ("fixed at an odd place", patched(0x258, "<Q", 0x1000001), "alignment"),
    ("command line limit 1", patched(0x238, "<I", 1), "command line"),
]


def write(tmp_path, image):
    path = tmp_path / "image"
    path.write_bytes(bytes(image))
    return str(path)


@pytest.mark.parametrize("name, spoil, word", BAD_IMAGES, ids=[bad[0] for bad in BAD_IMAGES])
def test_card_refuses_image(shared_card, tmp_path, name, spoil, word):
    path = write(tmp_path, spoil(kernel_bytes()))
    out = shared_card.x100("push", path, "--force", status=REFUSED)
    assert word.lower() in out.lower(), out
    status = shared_card.status()
    assert status["state"] == "ready", status


@pytest.mark.parametrize("name, arguments, word", [
    ("in the image", ["--initrd-at", "0x4001000"], "overlaps the image"),
    ("in the bootstrap's memory", ["--initrd-at", "0x10000"], "bootstrap's own memory"),
    ("over the boot record", ["--initrd-at", "0xd0000"], "bootstrap's own memory"),
    ("where the kernel unpacks", ["--initrd-at", "0x1100000"], "the kernel unpacks into"),
    ("above memory", ["--initrd-at", "0x3ffff000"], "does not lie in RAM"),
    ("over the local APIC", ["--initrd-at", "0xfedff000"], "does not lie in RAM"),
    ("wrapping", ["--initrd-at", "0xfffff000"], "does not lie in RAM"),
    ("size says more than memory", ["--declare-size", "0x7fffffff"], "does not fit into card memory"),
    ("size says all ones", ["--declare-size", "0xffffffff"], "does not fit into card memory"),
    ("size says less than the header", ["--declare-size", "0x1000"], "longer than the image"),
])
def test_card_refuses_placement(shared_card, tmp_path, name, arguments, word):
    ramdisk = tmp_path / "ramdisk"
    ramdisk.write_bytes(os.urandom(64 * 1024))
    out = shared_card.x100("push", KERNEL, "--initrd", str(ramdisk), "--force", *arguments,
                           status=REFUSED)
    assert word in out, out
    assert shared_card.status()["state"] == "ready"


@pytest.mark.parametrize("name, spoil", [
    ("a program", lambda image: open("/bin/ls", "rb").read()),
    ("a truncated bzImage", lambda image: image[:len(image) // 2]),
    ("an empty file", lambda image: b""),
])
def test_host_refuses_image_with_a_sentence(shared_card, tmp_path, name, spoil):
    path = write(tmp_path, spoil(kernel_bytes()))
    out = shared_card.x100("push", path, status=BAD_FILE)
    assert path in out and len(out.split()) > 5, out
    assert shared_card.status()["state"] == "ready"


def test_host_refuses_a_ramdisk_that_overlaps_the_kernel(shared_card, tmp_path):
    ramdisk = tmp_path / "ramdisk"
    ramdisk.write_bytes(bytes(MIB))
    out = shared_card.x100("push", KERNEL, "--initrd", str(ramdisk), "--initrd-at", "0x4100000",
                           status=BAD_FILE)
    assert "overlap" in out, out
    assert shared_card.status()["state"] == "ready"


def test_host_refuses_what_is_not_there(shared_card):
    out = shared_card.x100("push", "/nonexistent/bzImage", status=BAD_FILE)
    assert "/nonexistent/bzImage" in out


def test_good_push_boots_after_all_of_these(shared_card):
    shared_card.login()
    assert shared_card.run("uname -s").strip() == "Linux"
