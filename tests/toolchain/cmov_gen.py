#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes an assembly file with a function for every spelling and operand form of CMOVcc, and the table of them.

Each function: void f(struct state *s): s->flags, s->dst and s->src are loaded, one CMOV runs, flags, dst and src are
stored. Assembled once with the prelude and once without, the two must do the same.
usage: cmov_gen.py 64|32 TABLE_SYMBOL >FILE.s
"""
import sys

bits = int(sys.argv[1])
table = sys.argv[2]
CONDITIONS = ("o no b c nae nb nc ae e z ne nz be na nbe a s ns p pe np po "
              "l nge nl ge le ng nle g").split()
# Register sets: by width, the names of destination (dst), source (src) and state pointer.
if bits == 64:
    SETS = [
        {16: ("ax", "cx"), 32: ("eax", "ecx"), 64: ("rax", "rcx")},
        {16: ("r9w", "dx"), 32: ("r9d", "edx"), 64: ("r9", "rdx")},
        {16: ("si", "r15w"), 32: ("esi", "r15d"), 64: ("rsi", "r15")},
    ]
    POINTER, FULL, SUFFIX, FLAGS = "rdi", 64, {16: "w", 32: "l", 64: "q"}, "popfq pushfq"
else:
    SETS = [{16: ("ax", "cx"), 32: ("eax", "ecx")}, {16: ("bx", "dx"), 32: ("ebx", "edx")}]
    POINTER, FULL, SUFFIX, FLAGS = "edi", 32, {16: "w", 32: "l"}, "popfl pushfl"
POP, PUSH = FLAGS.split()
WIDTHS = sorted(SUFFIX)
WORD = {16: "WORD", 32: "DWORD", 64: "QWORD"}
functions = []


def function(name, before, cmov, regs, dst_in_memory=False):
    """Load the state, run one CMOV, store the state. MOV and LEA keep the flags."""
    dst, src = regs[FULL]
    functions.append((name, cmov.replace("\n", "; ")))
    saved = ["rbx", "r15"] if bits == 64 else ["ebx", "edi", "esi"]
    print(f"f{len(functions)}_{table}:")
    for r in saved:
        print(f" push %{r}")
    if bits == 32:
        print(" mov 16(%esp), %edi")
    size = bits // 8
    print(f" mov {size}(%{POINTER}), %{dst}\n mov {2 * size}(%{POINTER}), %{src}")
    if before:
        print(before)
    print(f" push{'q' if bits == 64 else 'l'} (%{POINTER})\n {POP}\n{cmov}\n {PUSH}")
    print(f" pop{'q' if bits == 64 else 'l'} (%{POINTER})")
    print(f" mov %{dst}, {size}(%{POINTER})\n mov %{src}, {2 * size}(%{POINTER})")
    for r in reversed(saved):
        print(f" pop %{r}")
    print(" ret")


print(".text")
size = bits // 8
for cc in CONDITIONS:
    for w in WIDTHS:
        for n, regs in enumerate(SETS):
            dst, src = regs[w]
            base = regs[FULL]
            scale = f"{3 * size - size * 2}"
            for form, operand in (
                    ("register", f"%{src}"),
                    ("same register", f"%{dst}"),
                    ("base", f"{3 * size}(%{POINTER})"),
                    ("base-index-scale", f"{3 * size}(%{POINTER},%{base[1]},4)"),
                    ("base-index-scale, blanks", f" {3 * size} ( %{POINTER} , %{base[1]} , 4 ) "),
                    ("addressed by the destination", f"{3 * size}(%{base[0]})"),
                    ("symbol", "data_" + table + ("(%rip)" if bits == 64 else "")),
                    ("symbol and offset", "data_" + table + "+2" + ("(%rip)" if bits == 64 else "")),
                    ("expression", f"(8+{3 * size})-8(%{POINTER})")):
                before = ""
                if "index" in form:
                    before = f" and $3, %{base[1]}"
                elif "destination" in form:
                    before = f" mov %{POINTER}, %{base[0]}"
                if "blanks" in form and n:
                    continue
                for suffix in ("", SUFFIX[w]):
                    function(f"cmov{cc}{suffix} {form} {w} {dst}", before, f" cmov{cc}{suffix} {operand}, %{dst}", regs)
                if n == 0 and form in ("register", "base-index-scale"):
                    function(f"CMOV{cc.upper()} {form} {w}", before, f" CMOV{cc.upper()} {operand}, %{dst}", regs)
            # Upper case registers, and Intel syntax in both cases
            if n < 2:
                function(f"cmov{cc} upper case {w} {dst}", "", f" cmov{cc} %{src.upper()}, %{dst.upper()}", regs)
            for form, operand in (("register", src), ("base", f"{WORD[w]} PTR [{POINTER}+{3 * size}]"),
                                  ("base-index-scale", f"{WORD[w]} PTR {3 * size}[{POINTER}+{base[1]}*4]"),
                                  ("addressed by the destination", f"{WORD[w].lower()} ptr [{base[0]} + {3 * size}]")):
                before = ""
                if "index" in form:
                    before = f" and $3, %{base[1]}"
                elif "destination" in form:
                    before = f" mov %{POINTER}, %{base[0]}"
                function(f"cmov{cc} Intel {form} {w} {dst}", before,
                         f".intel_syntax noprefix\n cmov{cc} {dst}, {operand}\n.att_syntax prefix", regs)
    # In one line with others, with comments and labels
    dst, src = SETS[0][32]
    function(f"cmov{cc} among others", "", f" nop; cmov{cc} %{src}, %{dst} ; nop # {cc}", SETS[0])
    function(f"cmov{cc} behind a label", "", f" jmp 1f; nop; 1: cmov{cc} %{src}, %{dst} /* x */", SETS[0])

print(f".data\n.balign 8\ndata_{table}: .quad 0x8123456789abcdef, 0x76543210fedcba98\n")
print(f".section .rodata\n.balign 8\n.globl {table}\n{table}:")
word = ".quad" if bits == 64 else ".long"
for i, (name, _) in enumerate(functions):
    print(f" {word} f{i + 1}_{table}, {i}f\n .pushsection .rodata.names, \"a\"\n{i}: .asciz \"{name}\"\n .popsection")
print(f" {word} 0, 0\n.section .note.GNU-stack, \"\"")
