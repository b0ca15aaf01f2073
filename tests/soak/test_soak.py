# SPDX-License-Identifier: BSD-3-Clause
"""What takes minutes: hundreds of boots, a whole card, cards side by side."""

import os
import random
import signal
import threading

import pytest
from card import INITRD, KERNEL, Model

SEED = int(os.environ.get("X100_SOAK_SEED", "1"))


@pytest.mark.parametrize("cores, threads", [(1, 1), (1, 2), (2, 4)])
def test_two_hundred_boots(cores, threads):
    with Model("--cores", str(cores), "--threads", str(threads)) as card:
        for count in range(200):
            try:
                card.push()
            except AssertionError as error:
                pytest.fail(f"boot {count}: {error}\n{card.x100('log')}")
            card.x100("reset", "--wait")


def test_whole_card_of_61_cores_and_244_threads():
    with Model("--cores", "61", "--threads", "4", "--gddr", "16G", "--product", "7120P") as card:
        card.login()
        assert int(card.run("nproc")) == 244


def test_resets_at_random_moments_of_a_boot():
    moments = random.Random(SEED)
    with Model() as card:
        for _ in range(100):
            process = card.start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
            timer = threading.Timer(moments.uniform(0.0, 1.5), process.send_signal, [signal.SIGKILL])
            timer.start()
            process.communicate(timeout=180)
            timer.cancel()
            card.x100("reset", "--wait")
        card.push()


def test_four_cards_side_by_side():
    cards = [Model() for _ in range(4)]
    try:
        for card in cards:
            card.wait_for(card.socket)
        pushes = [card.start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
                  for card in cards]
        for push in pushes:
            out, err = push.communicate(timeout=180)
            assert push.returncode == 0, out + err
    finally:
        for card in cards:
            card.stop()
