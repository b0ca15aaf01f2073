# SPDX-License-Identifier: BSD-3-Clause
"""The unit tests inside the card's kernel: one built with them boots in the model, runs them, and says on its serial
line how they ended. Nothing is faked; what the tests themselves fake stands in virtio-front/*_test.c."""

import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from card import BOOT, TOP, Model  # noqa: E402

KERNEL = os.path.join(TOP, "build/card-kernel-patches/bzImage.kunit")
SUITES = {
    "mic_devpage": os.path.join(TOP, "virtio-front/devpage_test.c"),
    "mic_far_ring": os.path.join(TOP, "virtio-front/far_ring_test.c"),
}


def cases(path):
    """Names of the test cases in a source file."""
    with open(path, encoding="utf-8") as file:
        return re.findall(r"KUNIT_CASE\((\w+)\)", file.read())


@pytest.fixture(scope="module")
def log():
    """What the kernel printed until all suites were through."""
    with Model() as card:
        line = card.line()
        # The host leaves as soon as the kernel runs: these tests need no devices, and no ramdisk.
        card.push("--cmdline", "console=ttyS0,115200 kunit.enable=1 kunit.filter_glob=mic_*", kernel=KERNEL,
                  initrd=None, wait="ready")
        # There is no root file system, so that the panic marks the end.
        line.expect("Kernel panic - not syncing: ", timeout=BOOT)
        return line.before.replace("\r", "")


@pytest.mark.parametrize("suite", SUITES)
def test_every_case_ran(log, suite):
    ran = re.findall(r"^(?:\[[^]]*\] )?    (?:not )?ok \d+ (?:- )?(\w+)", log, re.M)
    missing = [case for case in cases(SUITES[suite]) if case not in ran]
    assert not missing, log


@pytest.mark.parametrize("suite", SUITES)
def test_suite_is_ok(log, suite):
    result = re.search(r"^(?:\[[^]]*\] )?((?:not )?ok) \d+ (?:- )?" + suite + r"\b", log, re.M)
    assert result, log
    assert result[1] == "ok", log
