#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""k1om-check both ways: each instruction KNC lacks is refused by its name, code of KNC passes.

Everything is assembled by stock gas without the prelude. Output is TAP.
usage: corpus.py K1OM_CHECK PRELUDE_FOLDER SCRATCH_FOLDER
"""
import os
import re
import struct
import subprocess
import sys

check, preludes, scratch = sys.argv[1:4]
os.makedirs(scratch, exist_ok=True)
number = 0
failed = 0


def tap(good, name, detail=""):
    global number, failed
    number += 1
    failed += not good
    print(("ok" if good else "not ok"), number, "-", name)
    if not good:
        print("# " + "\n# ".join(detail.strip().splitlines()[:6]))


def assemble(text, bits=64, flags=()):
    path = os.path.join(scratch, "corpus.o")
    source = text + "\n"
    if bits == 16:
        source = ".code16\n" + source
    done = subprocess.run(["as", "--64" if bits == 64 else "--32", *flags, "-o", path, "-"],
                          input=source, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return path


def run(path, *options):
    done = subprocess.run([check, *options, path], text=True, errors="replace", capture_output=True)
    return done.returncode, done.stdout + done.stderr


def refused(name, text, bits=64):
    """The instruction must be found, at its place: behind one NOP, in the function f."""
    code, out = run(assemble(f"f:\nnop\n{text}\nret", bits), f"--mode={bits}")
    want = re.compile(rf": 0x1 <f\+0x1>: {re.escape(name)}: ")
    tap(code == 1 and bool(want.search(out)), f"{bits}-bit: refuses {text.strip()}", f"{code}: {out}")


def passes(name, text, bits=64, *options):
    code, out = run(assemble(text, bits), f"--mode={bits}", *options)
    tap(code == 0 and ": ok: " in out, f"{bits}-bit: passes {name}", out)


CONDITIONS = "o no b ae e ne be a s ns p np l ge le g".split()
EVERYWHERE = [(f"cmov{c}", f"cmov{c} %eax, %ebx") for c in CONDITIONS] + [
    ("cmovne", "cmovnew %ax, %bx"),
    ("mfence", "mfence"), ("lfence", "lfence"), ("sfence", "sfence"),
    ("pause", "pause"), ("pause", "rep nop"), ("pause", "rep; nop"),
    ("emms", "emms"), ("rdtscp", "rdtscp"), ("clac", "clac"), ("stac", "stac"),
    ("monitor", ".byte 0x0f, 0x01, 0xc8"), ("mwait", ".byte 0x0f, 0x01, 0xc9"),
    ("sysenter", "sysenter"), ("sysexit", "sysexit"),
    ("in", "inb $0x60, %al"), ("in", "in %dx, %al"), ("in", "inl %dx, %eax"),
    ("out", "outb %al, $0x80"), ("out", "out %al, %dx"), ("out", "outl %eax, %dx"),
    ("ins", "insb"), ("ins", "rep insl"), ("outs", "outsb"), ("outs", "rep outsw"),
    ("xgetbv", "xgetbv"), ("xsetbv", "xsetbv"), ("rdrand", "rdrand %eax"), ("rdseed", "rdseed %eax"),
    ("popcnt", "popcnt %eax, %ebx"), ("tzcnt", "tzcnt %eax, %ebx"), ("lzcnt", "lzcnt %eax, %ebx"),
    ("tzcnt", "rep; bsf %eax, %ebx"), ("lzcnt", "rep; bsr %eax, %ebx"),
    ("endbr64", ".byte 0xf3, 0x0f, 0x1e, 0xfa"), ("endbr32", ".byte 0xf3, 0x0f, 0x1e, 0xfb"),
    ("fcmovb", "fcmovb %st(1), %st"), ("fcmove", "fcmove %st(1), %st"), ("fcmovbe", "fcmovbe %st(1), %st"),
    ("fcmovu", "fcmovu %st(1), %st"), ("fcmovnb", "fcmovnb %st(1), %st"), ("fcmovne", "fcmovne %st(1), %st"),
    ("fcmovnbe", "fcmovnbe %st(1), %st"), ("fcmovnu", "fcmovnu %st(1), %st"),
    ("fcomi", "fcomi %st(1), %st"), ("fcomip", "fcomip %st(1), %st"),
    ("fucomi", "fucomi %st(1), %st"), ("fucomip", "fucomip %st(1), %st"),
    ("sse/mmx 0f 6f", "movq %mm0, %mm1"), ("sse/mmx 0f fc", "paddb %mm0, %mm1"),
    ("sse/mmx 0f 28", "movaps %xmm0, %xmm1"), ("sse/mmx 0f 58", "addsd %xmm0, %xmm1"),
    ("sse/mmx 0f 2a", "cvtsi2sd %eax, %xmm0"), ("sse/mmx 0f ef", "pxor %xmm0, %xmm0"),
    ("sse/mmx 0f e7", ".byte 0x66, 0x0f, 0xe7, 0x00"), ("sse/mmx 0f f0", ".byte 0xf2, 0x0f, 0xf0, 0x00"),
    ("0f 38 00", "pshufb %xmm0, %xmm1"), ("0f 3a 0f", "palignr $1, %xmm0, %xmm1"),
    ("rdpkru", "rdpkru"), ("vmcall", "vmcall"), ("f1", ".byte 0xf1"),
    ("lock 0f af", ".byte 0xf0, 0x0f, 0xaf, 0x00"), ("rep 01", ".byte 0xf3, 0x01, 0xc0"),
    ("ud0", ".byte 0x0f, 0xff, 0xc0"),
]
MEMORY = [  # "@" is a memory operand
    ("cmove", "cmove @, %ebx"), ("movnti", "movnti %eax, @"),
    ("prefetchnta", "prefetchnta @"), ("prefetcht0", "prefetcht0 @"), ("prefetcht1", "prefetcht1 @"),
    ("prefetcht2", "prefetcht2 @"), ("prefetchw", "prefetchw @"), ("prefetch", "prefetch @"),
    ("clflush", "clflush @"), ("clflushopt", "clflushopt @"), ("clwb", "clwb @"),
    ("xsave", "xsave @"), ("xrstor", "xrstor @"), ("xsaveopt", "xsaveopt @"), ("xsavec", "xsavec @"),
    ("xsaves", "xsaves @"), ("xrstors", "xrstors @"), ("movbe", "movbe @, %eax"), ("popcnt", "popcnt @, %eax"),
    ("fisttp", "fisttps @"), ("fisttp", "fisttpl @"), ("fisttp", "fisttpll @"),
    ("sse/mmx 0f 10", "movups @, %xmm0"),
]
ONLY64 = [
    ("cmovne", "cmovneq %rax, %r9"), ("cmovb", "cmovb 8(%rax,%r9,4), %r10d"),
    ("cmpxchg16b", "cmpxchg16b (%rax)"), ("cmpxchg16b", "lock cmpxchg16b (%rax)"),
    ("xsave", "xsave64 (%rax)"), ("rdfsbase", "rdfsbase %rax"), ("wrgsbase", "wrgsbase %rax"),
    ("rdpid", "rdpid %rax"), ("popcnt", "popcnt %rax, %rbx"), ("movnti", "movntiq %rax, (%rbx)"),
    ("crc32", "crc32b %al, %ebx"), ("adcx", "adcx %eax, %ebx"), ("adox", "adox %rax, %rbx"),
    ("sysretl", "sysretl"), ("vex 2.f2 /0", "andn %eax, %ebx, %eax"), ("vex 1.57 /0", "vxorps %xmm0, %xmm0, %xmm0"),
    ("vex 1.77 /0", "vzeroupper"), ("evex 1.58", "vaddps %zmm0, %zmm1, %zmm0"),
    ("vex 1.41 /0", "kandw %k0, %k1, %k0"),
    # KNC's own ones in forms that it does not have: POPCNT from memory, DELAY from memory, another width
    ("vex 1.b8 /0", ".byte 0xc5, 0xfa, 0xb8, 0x00"), ("vex 1.ae /6", ".byte 0xc5, 0xfa, 0xae, 0x37"),
    ("vex 1.b8 /0", ".byte 0xc5, 0xfe, 0xb8, 0xc0"),
    ("06", ".byte 0x06"), ("27", ".byte 0x27"), ("60", ".byte 0x60"), ("d6", ".byte 0xd6"),
    ("ljmp", ".byte 0xea, 0, 0, 0, 0, 0, 0"),
]

for bits in (64, 32, 16):
    for name, text in EVERYWHERE:
        if text:
            refused(name, text, bits)
    operand = {64: "8(%rax)", 32: "8(%eax,%ecx,4)", 16: "8(%bx)"}[bits]
    for name, text in MEMORY:
        refused(name, text.replace("@", operand), bits)
for name, text in ONLY64:
    refused(name, text)
refused("vex 1.ae /6", ".byte 0xc5, 0xfa, 0xae, 0xf7", 32)
refused("syscall", "syscall", 32)

COMMON = """
f: push %REG; mov %esp, %ebp; add $1, %eax; adc %al, %bl; imul $3, %ecx, %edx; shld $3, %eax, %ebx
 jne f; jmp f; call f; lea 4(%REG), %eax; xchg %eax, (%REG); lock; addl $0, (%REG)
 lock; cmpxchg %eax, (%REG); lock; xadd %eax, (%REG); lock; cmpxchg8b (%REG); lock; btsl $3, (%REG)
 rep movsb; rep stosl; repne scasb; rep; movsl; rep ret
 bsf %eax, %ebx; bsr %eax, %ebx; bswap %eax; bt %eax, %ebx; sete %al; movzbl %al, %eax; movswl %ax, %eax
 cpuid; rdtsc; rdmsr; wrmsr; rdpmc; hlt; cli; sti; clts; invlpg (%REG); wbinvd; int $0x80; int3; ud2; nop
 nopw 8(%REG); nopl 512(%REG); .byte 0x66, 0x90
 lgdt (%REG); lidt (%REG); sgdt (%REG); ltr %ax; lldt %ax; smsw %ax; mov %eax, %ds; mov %fs, %eax
 fxsave (%REG); fxrstor (%REG); ldmxcsr (%REG); stmxcsr (%REG); fninit; fnclex; fwait; fnstcw (%REG); fldcw (%REG)
 fldl (%REG); fstpt (%REG); fldt (%REG); faddp; fmul %st(3), %st; fcom %st(1); fucompp; fnstsw %ax; fsqrt; fsin; fxch
 fildll (%REG); fistpll (%REG); fcompp; fchs; fabs; frndint; fscale; fprem1; fyl2x; f2xm1; fnsave (%REG); frstor (%REG)
 pushf; popf; lahf; sahf; cld; std; cwtl; cltd; xlat; enter $8, $0; leave; test $1, %al; testl $1, (%REG); neg %eax
 mul %ecx; idiv %ecx; shll $3, (%REG); sarl %eax; rcrl %cl, %eax; ret $4; iret; lret; ud1 %eax, %ebx
"""
passes("plain code", COMMON.replace("%REG", "%rsi").replace("mov %esp, %ebp", "mov %rsp, %rbp") + """
 syscall; sysretq; swapgs; movslq %eax, %rbx; movabs $0x123456789abcdef0, %rax; movabs %al, 0x1122334455667788
 mov %cr3, %rax; mov %rax, %cr8; mov %dr7, %rax; push $-1; iretq; lretq; ljmp *(%rax); lea f(%rip), %r9
 cmpxchg %r9, (%r10); bswap %r11; mov %gs:0, %rax
""")
passes("plain code", COMMON.replace("%REG", "%esi") + """
 pusha; popa; daa; aam; les (%eax), %ebx; lds (%eax), %ebx; push %es; ljmp $8, $f; lcall $8, $f; bound %eax, (%ebx)
 arpl %ax, %bx; into; mov %cr0, %eax; inc %eax; dec %ebx; pushl $5; lea (%bx,%si), %ax
""", 32)
passes("plain code", COMMON.replace("%REG", "%si") + """
 ljmp $8, $f; ljmpl $8, $f; mov $f, %ax; movl $5, %eax; movw $5, 0x1234; addr32 movl $5, 4(%eax,%ebx,2); pushl $5
 lgdtl (%bx); mov %cr0, %eax; incl %eax; data32 ret
""", 16)
passes("KNC's own instructions", """
 .byte 0xc5,0xfa,0xae,0xf7                       # delay %edi
 .byte 0xc4,0xe1,0xfa,0xae,0xf0                  # delay %rax
 .byte 0xc5,0xfb,0xae,0xf0                       # spflt %eax
 .byte 0xc5,0xfb,0xae,0x38, 0xc5,0xfa,0xae,0x38  # clevict0, clevict1 (%rax)
 .byte 0xc5,0xf8,0x18,0x00, 0xc5,0xf8,0x18,0x78,0x40
 .byte 0xc5,0xfa,0xb8,0xc3, 0xc5,0xfa,0xbd,0xc3, 0xc5,0xfa,0xbc,0xc3, 0xc5,0xfb,0xbc,0xc3
 .byte 0xc5,0xf8,0x93,0xc0, 0xc5,0xf8,0x92,0xc0  # kmov
""")

# What the preludes make of the forbidden ones is KNC's.
for bits, prelude in ((64, "prelude64.s"), (32, "prelude32.s"), (16, "prelude32.s")):
    memory = {64: "8(%rax,%rcx,2)", 32: "8(%eax,%ecx,4)", 16: "8(%bx)"}[bits]
    text = "\n".join(f"cmov{c} %eax, %ebx; cmov{c}w %ax, %bx; cmov{c} {memory}, %ecx" for c in CONDITIONS)
    text += "\nmfence; lfence; sfence; pause; prefetcht0 @; prefetchw @; prefetchnta @; clflush @; clflushopt @; clwb @; movnti %eax, @" \
            "\nfcomi; fcomip; fucomi %st(3); fucomip %st(2), %st; fcmovb %st(1), %st; fcmovnu %st(7), %st; endbr64; endbr32"
    if bits == 64:
        text += "\npopcnt %eax, %r9d; tzcntq %rax, %rbx; lzcnt %r8, %r15; movntiq %rax, @; delay %edi; delay %r9; spflt %eax"
    path = assemble(text.replace("@", memory), bits, [os.path.join(preludes, prelude)])
    code, out = run(path, f"--mode={bits}")
    tap(code == 0, f"{bits}-bit: the prelude's replacements pass", out)


def prelude_refuses(what, bits=64):
    prelude = os.path.join(preludes, "prelude64.s" if bits == 64 else "prelude32.s")
    try:
        assemble(what, bits, [prelude])
        tap(False, f"{bits}-bit: the prelude refuses {what}", "assembled")
    except RuntimeError as e:
        tap("x100: " in str(e), f"{bits}-bit: the prelude refuses {what}, in words", str(e))
    try:
        assemble(what, bits, ["--defsym", ".LX100_KERNEL=1", prelude])
        tap(True, f"{bits}-bit: for the kernel the prelude leaves {what} alone")
    except RuntimeError as e:
        tap(False, f"{bits}-bit: for the kernel the prelude leaves {what} alone", str(e))


for what in ("inb $0x60, %al", "outb %al, %dx", "insb", "outsl", "rdtscp", "monitor", "mwait", "sysenter", "sysexit",
             "xgetbv", "xsetbv", "emms", "rdrand %eax", "clac", "stac", "crc32b %al, %ebx"):
    prelude_refuses(what)
    prelude_refuses(what, 32)
for what in ("cmpxchg16b (%rax)", "popcnt (%rax), %ebx", "popcntw %ax, %bx", "tzcnt (%rax), %rbx", "lzcnt (%rax), %rbx",
             "xsave64 (%rax)", "xrstor (%rax)", "movbe (%rax), %eax", "rdfsbase %rax", "fisttpll (%rax)", "rdpid %rax"):
    prelude_refuses(what)
prelude_refuses("popcnt %eax, %ebx", 32)
prelude_refuses("movbe (%eax), %eax", 32)

for flags in ((), ("--defsym", "X100_KERNEL=1")):
    for bits, prelude in ((64, "prelude64.s"), (32, "prelude32.s")):
        prelude = os.path.join(preludes, prelude)
        done = subprocess.run(["as", f"--{bits}", *flags, prelude, prelude, "-o", os.path.join(scratch, "twice.o"), "/dev/null"],
                              text=True, capture_output=True)
        tap(done.returncode == 0 and not done.stderr, f"{bits}-bit: reading the prelude twice is silent {flags}", done.stderr)

# Rules
rules = os.path.join(scratch, "rules")


def with_rules(text, *options):
    with open(rules, "w") as f:
        f.write(text)
    return run(assemble("""
 .globl one, two, table, three
 .type one, @function; .type two, @function; .type three, @function
one: mfence; ret
two: mfence; ret
table: .byte 0x0f, 0x0b, 0xff, 0xff
three: ret
 .section .cold, "ax"
 pause
"""), f"--rules={rules}", *options)


code, out = with_rules("# nothing\n")
tap(code == 1 and out.count("mfence") == 2 and "pause" in out, "without rules everything is found", out)
ALL = "allow one,tw* mfence only for the test\nskip-section .co* never run\ndata table three a table\n"
code, out = with_rules(ALL)
tap(code == 0 and "2 excepted by rules" in out and "bytes skipped" in out, "rules excuse and are counted", out)
code, out = with_rules(ALL + "allow nobody cmov* not there\n", "--list-rules")
tap(code == 0 and "rule used one,tw*" in out and "NOT NEEDED nobody" in out, "rules are listed with their use", out)
code, out = with_rules(ALL.replace("one,tw*", "one"))
tap(code == 1 and "<two+0x0>: mfence" in out and "<one" not in out, "a rule for one function excuses no other", out)
code, out = with_rules("allow one mfence\n")
tap(code == 2 and "needs a reason" in out, "a rule without a reason is refused", out)
with open(rules, "w") as f:
    f.write("mode 32 start32 start64\n")
path = assemble(".code32\nstart32: pusha; ljmp $8, $0x1000\n.code64\nstart64: mov %rax, %rbx; ret")
code, out = run(path, f"--rules={rules}")
tap(code == 0, "a 32-bit stretch in a 64-bit file, by rule", out)
code, out = run(path)
tap(code == 1, "the same without the rule fails", out)

with open(rules, "w") as f:
    f.write("for *.elf\nsection-mode 32 .text\nfor *corpus.o\nsection-mode 16 .co*\n")
path = assemble("mov %rax, %rbx; ret\n.section .code, \"ax\"\n.code16\nmov $1, %ax; int $0x10; ljmp $0, $0")
code, out = run(path, f"--rules={rules}")
tap(code == 0 and ": ok: 5 instructions" in out, "the mode of a section, and rules for one file only", out)

# Linux alternatives: { instr, replacement, feature, len, replacement len }
ALTERNATIVE = """
 .globl _start
_start: nop; nop; nop
 ret
 .section .altinstructions, "a"
 .long _start - ., 1f - .
 .word {feature}
 .byte 3, 3
 .section .altinstr_replacement, "ax"
1: mfence
"""
for feature, code_wanted, what in ((26, 0, "a feature the card lacks is not looked at"),
                                   (24, 1, "a feature the card has is checked"),
                                   (26 | 0x8000, 1, "the absence of a feature is checked"),
                                   (117, 1, "ALWAYS is checked")):
    path = assemble(ALTERNATIVE.format(feature=feature))
    linked = os.path.join(scratch, "alt.elf")
    subprocess.run(["ld", "-o", linked, path], check=True)
    code, out = run(linked)
    tap(code == code_wanted and "alternatives" in out, "an alternative for " + what, out)

# Containers
path = assemble(".globl f\nf: cmovne %eax, %ebx; ret")
archive = os.path.join(scratch, "corpus.a")
if os.path.exists(archive):
    os.unlink(archive)
subprocess.run(["ar", "crs", archive, path], check=True)
code, out = run(archive)
tap(code == 1 and "corpus.a(corpus.o" in out and "<f+0x0>: cmovne" in out, "an archive's members are checked", out)
raw = os.path.join(scratch, "raw")
with open(raw, "wb") as f:
    f.write(b"\x90\x0f\xae\xf0")
code, out = run(raw, "--raw", "--mode=64", "--base=0xffff0000")
tap(code == 1 and "0xffff0001 <(raw)>: mfence" in out, "raw code, with its address", out)
code, out = run(raw)
tap(code == 2, "raw code without --raw is refused", out)
linked = os.path.join(scratch, "bad.elf")
subprocess.run(["ld", "-e", "f", "-o", linked, path], check=True)
stripped = os.path.join(scratch, "stripped.elf")
subprocess.run(["strip", "-s", "-o", stripped, linked], check=True)
code, out = run(stripped, f"--symbols={linked}")
tap(code == 1 and "<f+0x0>: cmovne" in out, "names of a stripped file from another", out)


def bzimage(kernel, setup_code, head, compress):
    payload = subprocess.run([compress, "-c"] if compress else ["cat"], input=kernel, capture_output=True, check=True).stdout
    setup = bytearray(1024)
    setup[0x1f1] = 1
    setup[0x1fe:0x200] = b"\x55\xaa"
    setup[0x200:0x202] = b"\xeb\x6a"  # jmp 0x26c
    setup[0x202:0x206] = b"HdrS"
    setup[0x206:0x208] = struct.pack("<H", 0x20f)
    setup[0x26c:0x26c + len(setup_code)] = setup_code
    pm = bytearray(0x400)
    pm[0] = 0xc3
    pm[0x200:0x200 + len(head)] = head
    setup[0x248:0x250] = struct.pack("<II", len(pm), len(payload))
    path = os.path.join(scratch, "bzImage")
    with open(path, "wb") as f:
        f.write(setup + pm + payload + bytes(64))
    return path


with open(linked, "rb") as f:
    bad_kernel = f.read()
good = os.path.join(scratch, "good.elf")
subprocess.run(["ld", "-e", "f", "-o", good, assemble(".globl f\nf: mov %eax, %ebx; ret")], check=True)
with open(good, "rb") as f:
    good_kernel = f.read()
NEAR = b"\xeb\x02\x0f\x0b\xc3"  # jmp over UD2
for tool in ("gzip", "xz", "bzip2", None):
    code, out = run(bzimage(good_kernel, NEAR, NEAR, tool))
    tap(code == 0 and out.count(": ok: ") == 3, f"a clean bzImage, payload by {tool}", out)
    code, out = run(bzimage(bad_kernel, NEAR, NEAR, tool), f"--symbols={linked}")
    tap(code == 1 and "<f+0x0>: cmovne" in out, f"a bzImage with CMOV in its kernel, payload by {tool}", out)
code, out = run(bzimage(good_kernel, b"\xec\xc3", NEAR, "gzip"))
tap(code == 1 and "(setup)>: in:" in out, "a bzImage with IN in its set-up code", out)
code, out = run(bzimage(good_kernel, NEAR, b"\x0f\xae\xe8\xc3", "gzip"))
tap(code == 1 and "(decompressor)>: lfence:" in out, "a bzImage with LFENCE in its decompressor", out)
image = bzimage(good_kernel, NEAR, NEAR, "gzip")
with open(image, "r+b") as f:
    f.seek(0x24c)
    f.write(b"\xff\xff\xff\x7f")
code, out = run(image)
tap(code == 2, "a bzImage whose payload is said to be longer than the file", out)

# Damaged ELF files: any answer but a crash
wrong = []
with open(linked, "rb") as f:
    elf = f.read()
damaged = os.path.join(scratch, "damaged")
shoff = struct.unpack_from("<Q", elf, 40)[0]
places = list(range(4, 64)) + list(range(shoff, len(elf), 3))
for at in places:
    for value in (0x00, 0x7f, 0xff):
        with open(damaged, "wb") as f:
            f.write(elf[:at] + bytes([value]) + elf[at + 1:])
        code, out = run(damaged)
        if code not in (0, 1, 2):
            wrong.append((at, value, code, out[-200:]))
for length in range(0, len(elf), 97):
    with open(damaged, "wb") as f:
        f.write(elf[:length])
    code, out = run(damaged)
    if code not in (1, 2):
        wrong.append((length, "cut", code, out[-200:]))
tap(not wrong, f"{3 * len(places)} damaged and {len(elf) // 97} cut ELF files end in a verdict", repr(wrong[:3]))

print(f"1..{number}")
print(f"# {number - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
