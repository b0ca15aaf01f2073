# SPDX-License-Identifier: BSD-3-Clause
"""What a figure is, and how figures become a table and JSON."""

import dataclasses
import os
import sys


@dataclasses.dataclass
class Figure:
    """A value with a bar from the issue, or one without that is only reported."""

    name: str
    value: float | None  # None: could not be measured, note says why
    unit: str = ""
    bar: float | None = None
    at_least: bool = False  # else the bar is a maximum
    note: str = ""
    detail: dict = dataclasses.field(default_factory=dict)

    @property
    def verdict(self):
        """ok, MISSED, not measured, or nothing where there is no bar."""
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        met = self.value >= self.bar if self.at_least else self.value <= self.bar
        return "ok" if met else "MISSED"

    def show_value(self):
        """The value with its unit."""
        return "-" if self.value is None else show(self.value) + (f" {self.unit}" if self.unit else "")

    def show_bar(self):
        """The bar with its direction and unit."""
        if self.bar is None:
            return ""
        return (">= " if self.at_least else "<= ") + show(self.bar) + (f" {self.unit}" if self.unit else "")

    def as_json(self):
        """Everything, for build/bench.json."""
        return dataclasses.asdict(self) | {"verdict": self.verdict}


def show(number):
    """Whole numbers with commas, others with three digits that matter."""
    if isinstance(number, int) or number == int(number):
        return f"{int(number):,}"
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:,.0f}"


def table(figures):
    """The figures as text, one line each, notes below their line."""
    rows = [("figure", "value", "bar", "")]
    rows += [(f.name, f.show_value(), f.show_bar(), f.verdict) for f in figures]
    width = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for i, row in enumerate(rows):
        lines.append(f"{row[0]:<{width[0]}}  {row[1]:>{width[1]}}  {row[2]:<{width[2]}}  {row[3]}".rstrip())
        if i == 0:
            lines.append("-" * (sum(width) + 6))
        elif figures[i - 1].note:
            lines += ["    " + line for line in figures[i - 1].note.splitlines()]
    return "\n".join(lines)


def outer_environment(**more):
    """The environment as if make had not called us, so that a make of our own is a first one."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "CCACHE_")) and name not in ("JOBS", "V")} | more


def say(text):
    """Progress, apart from the table on standard output."""
    print(f"  {text}", file=sys.stderr, flush=True)
