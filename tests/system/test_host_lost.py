# SPDX-License-Identifier: BSD-3-Clause
"""The host tool is killed at a step of a push; the card must take a new push all the same."""

import os
import signal

import pytest
from card import INITRD, KERNEL, Model
from relay import Relay

STEPS = 16  # places spread over the requests of one push, first and last included


def push_through(card, at=None):
    """One push through a relay that kills the host tool before its request number `at`.

    Returns the number of requests the tool made, and its exit status.
    """
    path = os.path.join(card.folder, "relay.sock")
    victim = {}
    relay = Relay(path, card.socket, at, lambda: os.kill(victim["pid"], signal.SIGKILL))
    process = card.start_x100("push", KERNEL, "--initrd", INITRD, device="model:" + path)
    victim["pid"] = process.pid
    process.communicate(timeout=180)
    relay.close()
    return relay.requests, process.returncode


@pytest.fixture(scope="module")
def counted():
    """A card that has taken one whole push, and how many requests that took."""
    with Model() as card:
        card.x100("reset", "--wait")
        requests, status = push_through(card)
        assert status == 0
        assert requests > STEPS
        yield card, requests


@pytest.mark.parametrize("step", range(STEPS))
def test_host_killed_during_a_push_and_the_next_one_succeeds(counted, step):
    card, requests = counted
    card.x100("reset", "--wait")
    at = (requests - 1) * step // (STEPS - 1)
    done, status = push_through(card, at)
    # Requests made while waiting for the card vary, so the last steps may not be reached.
    assert status == -signal.SIGKILL or (status == 0 and done <= at)
    card.push(wait="running")


def test_host_killed_while_it_waits_for_the_login(counted):
    card, _ = counted
    card.x100("reset", "--wait")
    process = card.start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
    card.line()
    card.line().expect("Linux version")
    process.kill()
    process.communicate()
    card.wait_state("running")
