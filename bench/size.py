# SPDX-License-Identifier: BSD-3-Clause
"""Sizes: flash used by the bootstrap, the images that are pushed."""

import os

from card import FLASH, INITRD, KERNEL
from figure import Figure

BLOCK = 65536  # the bootstrap lives in the last 64 KiB of flash
ERASED = 0xFF


def flash():
    """Bytes from the first to the last that is not erased, the reset vector apart in its last 16."""
    with open(FLASH, "rb") as file:
        image = file.read()
    vector = image[-16:]
    body = image[:-16].rstrip(bytes([ERASED]))
    start = next(i for i, byte in enumerate(image) if byte != ERASED)
    used = len(body) - start + len(vector)
    return Figure("flash bytes used by the bootstrap", used, "bytes", BLOCK,
                  detail={"first": start - len(image), "image": len(image)})


def pushed():
    """What travels over the link at a push."""
    return [Figure(name, os.path.getsize(path), "bytes", bar)
            for name, path, bar in (("kernel image", KERNEL, None), ("initramfs", INITRD, 2 << 20))
            if os.path.exists(path)]
