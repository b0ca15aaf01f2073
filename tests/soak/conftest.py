# SPDX-License-Identifier: BSD-3-Clause
"""Puts tests/lib on the path."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
