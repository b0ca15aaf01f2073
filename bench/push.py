# SPDX-License-Identifier: BSD-3-Clause
"""A push of 64 MiB against memcpy() into the same mapping."""

import json
import os
import random
import statistics
import subprocess

from card import TOP, Model
from figure import Figure

PROGRAM = os.path.join(TOP, "build/bench/push-rate")
SIZE = 64 << 20
ROUNDS = 41
BAR = 0.8


def typical(rounds, what):
    """Nanoseconds for all of it: each MiB counts with its median, so that a process which takes the
    processor away for some milliseconds does not weigh on the one or the other."""
    return sum(statistics.median(chunk) for chunk in zip(*(one[what] for one in rounds)))


def measure(folder):
    """The ratio, of rounds taken in turns."""
    image = os.path.join(folder, "image")
    # No bzImage, so that the card takes all of it and then refuses; no page like another.
    with open(image, "wb") as file:
        file.write(random.Random(1).randbytes(SIZE))
        # Writing it to the disk must not go on beside the copies.
        file.flush()
        os.fsync(file.fileno())
    with Model() as card:
        card.wait_state("ready")
        done = subprocess.run([PROGRAM, "model:" + card.socket, image, str(ROUNDS)],
                              capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)["rounds"]
    push, memcpy = typical(rounds, "push"), typical(rounds, "memcpy")
    whole = statistics.median(one["whole"] for one in rounds)
    return Figure(
        "push of 64 MiB through the aperture / memcpy into the same mapping", memcpy / push, "", BAR, at_least=True,
        note=f"push {SIZE / push:.1f} GB/s from the page cache, memcpy {SIZE / memcpy:.1f} GB/s, medians of {ROUNDS}"
             f" rounds in turns;\nwith registers, device page and all up to the boot interrupt {SIZE / whole:.1f} GB/s",
        detail={"push_ns": push, "memcpy_ns": memcpy, "whole_ns": whole,
                "rounds": [{key: sum(one[key]) for key in ("push", "memcpy")} for one in rounds]})
