# SPDX-License-Identifier: BSD-3-Clause
"""The main job: reset, bootstrap, push, kernel, login on the serial line."""

import re
import time

import pytest
from card import CARD, INITRD, KERNEL, Model
from qmp import Qmp


def test_first_boot_ends_in_a_login_on_6_1_and_knc(card):
    card.login()
    assert re.match(r"Linux x100 6\.1\.\d+", card.run("uname -a"))
    cpuinfo = card.run("cat /proc/cpuinfo")
    assert re.search(r"cpu family\s*: 11\b", cpuinfo)
    assert re.search(r"model\s*: 1\b", cpuinfo)
    assert cpuinfo.count("processor") == 2
    flags = set(re.search(r"flags\s*: (.*)", cpuinfo).group(1).split())
    # k1om-cpu-and-kernel.md 1.1 and 1.2
    assert {"fpu", "de", "tsc", "msr", "pae", "cx8", "apic", "fxsr", "syscall", "nx", "lm"} <= flags
    assert not flags & {"cmov", "sse", "sse2", "mmx", "pge", "clflush", "popcnt", "sep", "cx16"}


def test_kernel_boots_without_a_warning(card):
    card.login()
    log = card.run("dmesg")
    for word in ("WARNING", "BUG", "Oops", "call trace", "Call Trace", "unchecked MSR"):
        assert word not in log, log


def test_card_knows_the_time_of_its_host(card):
    card.login()
    assert abs(int(card.run("date +%s")) - time.time()) < 30


def test_user_space_is_what_a_person_expects(card):
    card.login()
    assert card.run("id -un").strip() == "root"
    assert "proc on /proc" in card.run("mount")
    assert card.run("echo $((6*7)); printf '%.3f\\n' 2.5").split() == ["42", "2.500"]
    assert card.run("awk 'BEGIN { printf \"%.6f\\n\", sqrt(2) * exp(1) }'").strip() == "3.844231"
    assert card.run("tty").strip() == "/dev/ttyS0"


def test_clocksource_is_the_elapsed_time_counter_or_tsc_and_time_runs(card):
    card.login()
    before, host = float(card.run("cut -d' ' -f1 /proc/uptime")), time.monotonic()
    card.run("sleep 2")
    card_ran = float(card.run("cut -d' ' -f1 /proc/uptime")) - before
    assert card_ran == pytest.approx(time.monotonic() - host, rel=0.2)


@pytest.mark.parametrize("cores, threads", [(1, 1), (1, 2), (2, 4)])
def test_every_cpu_runs(cores, threads):
    with Model("--cores", str(cores), "--threads", str(threads)) as card:
        card.login()
        assert int(card.run("nproc")) == cores * threads
        first = card.run("grep -m1 'initial apicid' /proc/cpuinfo || grep -m1 apicid /proc/cpuinfo")
        assert int(first.split(":")[1]) == (cores - 1) * 4


@pytest.mark.parametrize("size, product", [(1, "3120A"), (8, "5110P"), (16, "7120P")])
def test_memory_is_what_is_fitted_less_ecc(size, product):
    with Model("--gddr", f"{size}G", "--product", product) as card:
        card.login()
        total = int(card.run("awk '/MemTotal/ {print $2}' /proc/meminfo"))
        visible = size * 1024 * 1024 * 31 // 32
        hidden = 18 * 1024 if size > 4 else 0
        assert visible * 0.94 - hidden < total < visible


def test_second_boot_after_a_reset_of_the_running_card(card):
    card.login()
    card.x100("reset", "--wait")
    card.login()
    assert card.run("uname -s").strip() == "Linux"


def test_push_to_a_running_card_resets_it_first(card):
    card.login()
    card.run("touch /tmp/first-boot")
    card.login()
    assert card.run("ls /tmp").strip() == ""


def test_twenty_boots_in_a_row(card):
    for _ in range(20):
        card.push()
        card.x100("reset", "--wait")


def test_command_line_of_the_user_reaches_the_kernel(card):
    card.line()
    card.push("--cmdline", "x100test=hello quiet")
    card.line().expect("login: ")
    card.line().send("root\n")
    card.line().expect("# ")
    words = card.run("cat /proc/cmdline").split()
    assert "x100test=hello" in words and "quiet" in words
    assert any(re.fullmatch(r"mem=\d+M", word) for word in words)


@pytest.mark.parametrize("command, state", [("poweroff", "off"), ("halt", "halted"), ("reboot", "restart-wanted")])
def test_shutdown_reaches_the_host(card, command, state):
    card.login()
    card.line().send(command + "\n")
    status = card.wait_state(state)
    assert status["shutdown"]
    card.push()


def test_panic_reaches_the_host_with_its_log(card):
    card.login()
    card.line().send("echo c > /proc/sysrq-trigger\n")
    card.wait_state("crashed")
    assert "sysrq triggered crash" in card.x100("log")
    card.push()


def test_log_shows_the_kernel_log_through_the_aperture(card):
    card.login()
    card.run("echo a-line-for-the-host > /dev/kmsg")
    assert "a-line-for-the-host" in card.x100("log")


def test_timeline_has_both_sides_in_order(card):
    card.push()
    table = card.x100("timeline")
    assert "host" in table and "card" in table
    for words in ("ready, waiting for an image", "bootstrap finished", "login available"):
        assert words in table, table


def test_card_that_hangs_before_the_login_is_reported(card):
    out = card.push("--cmdline", "init=/bin/nothing rdinit=/bin/nothing", status=CARD)
    assert "panic" in out.lower(), out
    card.push()


def test_model_can_be_stopped_and_continued_while_cpus_wait_in_delay(tmp_path):
    path = str(tmp_path / "qmp")
    with Model("--", "-qmp", f"unix:{path},server=on,wait=off") as card:
        qmp = Qmp(path)
        # CPUs come up spinning on each other: cpu_relax() is DELAY.
        push = card.start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
        while push.poll() is None:
            qmp("stop")
            qmp("cont")
        assert push.returncode == 0, push.communicate()
        qmp.close()
