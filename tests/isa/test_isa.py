# SPDX-License-Identifier: BSD-3-Clause
"""The model's processor refuses what KNC lacks and does what KNC has: one test per probe of probes.py."""

import pytest
from probes import FALL, GP, PROBES, UD


def compare(probe, result):
    assert result.valid
    assert result.vector == probe.vector, str(result)
    if probe.vector is not None and "call *" not in probe.code:
        assert result.rip == probe.fault, str(result)
    if probe.error is not None and probe.mode != "16":
        assert result.error == probe.error, str(result)
    if probe.rax is not None:
        assert result.rax == probe.rax, str(result)
    if probe.rdx is not None:
        assert result.rdx == probe.rdx, str(result)
    if probe.check is not None:
        assert probe.check(result.rax, result.rdx), str(result)


def by_id(image, results):
    """The results of a run, by probe id; the engine runs mode after mode."""
    ordered = [p for mode in ("16", "32", "64") for p in image.probes if p.mode == mode]
    return {p.id: r for p, r in zip(ordered, results)}


def test_probe_names_are_unique():
    assert len({p.id for p in PROBES}) == len(PROBES)


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.id)
def test_probe(probe, image, strict):
    compare(probe, strict[0][probe.id])


@pytest.mark.parametrize("name", FALL)
def test_after_paging_before_the_far_jump(name, image, machine):
    number = list(FALL).index(name) + 1
    probe = image.falls[number - 1]
    one = machine()
    results = one.run(image, number)
    if probe.vector is None:
        assert results == []
        assert one.bus.read(0x7040) == 11
    else:
        assert len(results) == 1
        compare(probe, results[0])


def test_refusals_are_logged_with_their_name(strict):
    log = strict[1]
    for words in ("#UD", "CMOVcc", "PAUSE", "port I/O", "vector or mask instruction (not modelled)", "MXCSR = 0x1f80"):
        assert words in log
    assert "read of MSR 0x1a0" in log
    assert "CR4 = 0xa0" in log
    assert "32-bit code segment in long mode" in log


def test_pse_is_accepted_with_one_warning(strict):
    assert strict[1].count("CR4.PSE set") == 1


def test_relaxed_processor_runs_the_rest_of_x86_64(image, machine):
    results = by_id(image, machine(strict="off").run(image))
    for name in ("cmovne %eax, %ecx", "pause", "prefetcht0 0x6000", "inb $0x80, %al", "popcnt %eax, %ecx", "endbr64"):
        assert results[f"64-{name}"].vector is None, name
    for name in ("CR4.PGE", "CR4.OSFXSR", "far jump to 32-bit code", "rdmsr MISC_ENABLE"):
        assert results[f"64-{name}"].vector != GP, name
    for name in ("delay edi", "vex popcnt", "lapic id in 31:23", "nmi to one"):
        compare(next(p for p in image.probes if p.id == f"64-{name}"), results[f"64-{name}"])
    assert results["64-ud2"].vector == UD


@pytest.mark.parametrize("product", ["3120A", "5110P", "7120P"])
def test_every_product_reports_a_known_stepping(product, image, machine):
    probe = next(p for p in image.probes if p.name == "cpuid family 11 model 1 stepping 2 or 3")
    compare(probe, by_id(image, machine(product=product).run(image))[probe.id])


def test_cpus_sharing_one_host_thread(image, machine):
    """DELAY has to end the turn of its CPU there; everything else is the same."""
    results = by_id(image, machine(thread="single").run(image))
    for probe in image.probes:
        if "clock" not in probe.name:
            compare(probe, results[probe.id])
