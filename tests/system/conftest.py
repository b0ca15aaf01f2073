# SPDX-License-Identifier: BSD-3-Clause
"""Puts tests/lib on the path and gives tests a card of their own."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))

from card import Model  # noqa: E402 (the path comes first)


@pytest.fixture
def card():
    """A default card, ready for a push."""
    with Model() as model:
        yield model


@pytest.fixture(scope="module")
def shared_card():
    """One default card for the tests of a module that leave it ready for a push."""
    with Model() as model:
        yield model
