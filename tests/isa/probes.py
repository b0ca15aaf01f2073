# SPDX-License-Identifier: BSD-3-Clause
"""What the processor is asked: small pieces of assembly and what each must do. The instruction that may fault is
marked with "@" (or is the first one); everything else of a probe must run. References: k1om-cpu-and-kernel.md 1-4,
silicon-notes.md CPU."""

from dataclasses import dataclass, field
from typing import Callable, Optional

UD, NM, NP, GP, PF = 6, 7, 11, 13, 14


@dataclass
class Probe:
    name: str
    mode: str  # "16", "32", "64"
    code: str
    vector: Optional[int] = None
    error: Optional[int] = None
    rax: Optional[int] = None
    rdx: Optional[int] = None
    check: Optional[Callable[[int, int], bool]] = None  # of RAX, RDX
    fault: Optional[int] = field(default=None, compare=False)  # address, from the linked image

    @property
    def id(self):
        return f"{self.mode}-{self.name}"


PROBES = []


def probe(name, code, modes="64", vector=None, **expected):
    for mode in modes.split():
        PROBES.append(Probe(name, mode, code, vector, **expected))


ALL = "16 32 64"


def undefined(name, code=None, modes=ALL):
    probe(name, code or name, modes, UD)


# Instructions KNC lacks

for cc in "o no b ae e ne be a s ns p np l ge le g".split():
    undefined(f"cmov{cc} %eax, %ecx")
    undefined(f"cmov{cc} %rax, %rcx", modes="64")
undefined("cmovne %ax, %cx")
undefined("cmove (%bx), %eax", modes="16")
undefined("cmove (%rbx), %eax", modes="64")
for condition in "b e be u nb ne nbe nu".split():
    undefined(f"fcmov{condition} %st(1), %st")
for name in "fcomi fcomip fucomi fucomip".split():
    undefined(f"{name} %st(1), %st")
for name in "fisttps fisttpl fisttpll".split():
    undefined(name, f"{name} 0x6000")
for name in (
    "emms", "movd %eax, %mm0", "movq %mm1, %mm0", "paddb %mm1, %mm0", "pxor %mm0, %mm0", "maskmovq %mm1, %mm0",
    "movups %xmm1, %xmm0", "movaps %xmm1, %xmm0", "movss %xmm1, %xmm0", "xorps %xmm0, %xmm0", "ucomiss %xmm1, %xmm0",
    "shufps $0, %xmm1, %xmm0", "cmpps $0, %xmm1, %xmm0", "movd %eax, %xmm0", "addsd %xmm1, %xmm0",
    "cvtsi2sd %eax, %xmm0", "pxor %xmm0, %xmm0", "movdqu %xmm1, %xmm0", "lddqu 0x6000, %xmm0",
    "haddps %xmm1, %xmm0", "pshufb %xmm1, %xmm0", "roundps $0, %xmm1, %xmm0", "pcmpistri $0, %xmm1, %xmm0",
    "aesenc %xmm1, %xmm0", "sha1rnds4 $0, %xmm1, %xmm0", "femms", "pfadd %mm1, %mm0",
    "lfence", "mfence", "sfence", "pause", "prefetcht0 0x6000", "prefetcht1 0x6000", "prefetcht2 0x6000",
    "prefetchnta 0x6000", "prefetch 0x6000", "prefetchw 0x6000", "clflush 0x6000", "clflushopt 0x6000", "clwb 0x6000",
    "movnti %eax, 0x6000", "monitor", "mwait", "monitorx", "mwaitx", "sysenter", "sysexit", "rdtscp",
    "xsave 0x6000", "xrstor 0x6000", "xsaveopt 0x6000", "xsavec 0x6000", "xgetbv", "xsetbv",
    "movbe 0x6000, %eax", "crc32b %al, %eax", "popcnt %eax, %ecx", "lzcnt %eax, %ecx", "tzcnt %eax, %ecx",
    "popcnt %ax, %cx", "endbr64", "endbr32", "rdrand %eax", "rdseed %eax", "vmcall", "vmlaunch", "vmread %eax, %ecx"
    , "vmrun", "vmmcall", "stgi", "skinit", "xend", "xtest", "xabort $0", "clac", "stac", "invpcid 0x6000, %eax",
    "adcx %eax, %ecx", "ud2", "ud1 %eax, %eax",
):  # fmt: skip
    if name.startswith("vmread"):
        undefined("vmread", ".byte 0x0f, 0x78, 0xc1")
        continue
    if name.startswith("invpcid"):
        undefined("invpcid", ".byte 0x66, 0x0f, 0x38, 0x82, 0x06")
        continue
    undefined(name)
for name in "inb $0x80, %al;inl $0x80, %eax;inb %dx, %al;inw %dx, %ax;inl %dx, %eax;outb %al, $0x80".split(";"):
    undefined(name)
for name in "outl %eax, $0x80;outb %al, %dx;outw %ax, %dx;outl %eax, %dx;insb;insl;outsb;outsl;rep insb".split(";"):
    undefined(name)
for name in (
    "cmpxchg16b (%rbx)", "popcnt %rax, %rcx", "tzcnt %rax, %rcx", "cvtsi2sd %rax, %xmm0", "rdfsbase %rax",
    "wrfsbase %rax", "rdgsbase %eax", "wrgsbase %eax", "movnti %rax, (%rbx)", "rdpid %rax",
    "vaddps %ymm1, %ymm0, %ymm0", "vzeroupper", "andn %eax, %ecx, %edx", "pext %eax, %ecx, %edx", "kortestw %k0, %k1",
    "vmovaps %zmm1, %zmm0",
):  # fmt: skip
    undefined(name, modes="64")
undefined("mvex vmovaps store", ".byte 0x62, 0xf1, 0x78, 0x08, 0x29, 0x03", "64")
undefined("mvex bytes", ".byte 0x62, 0xf1, 0x78, 0x08, 0x29, 0x03", "32")
undefined("jkzd", ".byte 0xc5, 0xf8, 0x84, 0, 0, 0, 0", "64")
undefined("knot", ".byte 0xc5, 0xf8, 0x44, 0xc1", "64")
undefined("syscall", modes="16 32")
undefined("sysret", ".byte 0x0f, 0x07", "16 32")
undefined("swapgs", ".byte 0x0f, 0x01, 0xf8", "16 32")
undefined("delay outside 64-bit mode", ".byte 0xc5, 0xfa, 0xae, 0xf7", "32")
undefined("hint nop 0f 19", ".byte 0x0f, 0x19, 0xc0")
undefined("0f 1f /1", ".byte 0x0f, 0x1f, 0xc8")
undefined("mov from test register", ".byte 0x0f, 0x24, 0xf0")
probe("after other instructions in the same block", "inc %eax; inc %eax; @pause", ALL, UD, rax=2)
probe("ud leaves rax, rdx", "mov $0x1234, %eax; mov $0x5678, %edx; @lfence", ALL, UD, rax=0x1234, rdx=0x5678)

# Instructions it has

probe("long nop", ".byte 0x0f, 0x1f, 0x44, 0, 0; mov $1, %eax", "32 64", rax=1)
probe("long nop does not access", "mov $0x123456789abcdef0, %rbx; nopl 8(%rbx, %rbx); mov $1, %eax", rax=1)
probe("long nop, all lengths", "; ".join(
    ".byte " + ", ".join(f"0x{b}" for b in nop.split()) for nop in (
        "0f 1f 00", "0f 1f 40 00", "0f 1f 44 00 00", "66 0f 1f 44 00 00", "0f 1f 80 00 00 00 00",
        "0f 1f 84 00 00 00 00 00", "66 0f 1f 84 00 00 00 00 00", "66 2e 0f 1f 84 00 00 00 00 00",
    )) + "; mov $1, %eax", "32 64", rax=1)  # fmt: skip
probe("66 nop", ".byte 0x66, 0x66, 0x66, 0x66, 0x90; mov $1, %eax", ALL, rax=1)
probe("f3 xchg r8 is no pause", "mov $5, %r8d; .byte 0xf3, 0x49, 0x90", rax=5)
probe("plain bsf", "mov $0x50, %ecx; bsf %ecx, %eax", ALL, rax=4)
probe("plain bsr", "mov $0x50, %ecx; bsr %ecx, %eax", ALL, rax=6)
probe("cmpxchg8b", "mov $1, %ebx; cmpxchg8b 0x6000; mov 0x6000, %eax; setz %dl", ALL, rax=1, rdx=1)
probe("lock xadd", "mov $3, %eax; lock xadd %eax, 0x6000; mov 0x6000, %eax", ALL, rax=3)
probe("bswap", "mov $0x12345678, %eax; bswap %eax", ALL, rax=0x78563412)
probe("sahf lahf", "mov $0x4500, %eax; sahf; mov $0, %eax; lahf", ALL, rax=0x4700)
probe("sete movzx", "cmp %eax, %eax; sete %dl; movzx %dl, %eax", ALL, rax=1)
probe("wbinvd", "wbinvd; mov $1, %eax", ALL, rax=1)
probe("invlpg", "invlpg 0x6000; mov $1, %eax", "32 64", rax=1)
probe("x87", "fld1; fld1; faddp; fistpl 0x6000; mov 0x6000, %eax", ALL, rax=2)
probe("fucom fnstsw", "fldz; fld1; fucompp; fnstsw %ax; and $0x4500, %eax", ALL, rax=0)
probe("bound", "movl $0x100000, 0x6000; mov $5, %ax; boundw %ax, 0x6000", "16 32", rax=5)
probe("les", "movl $0, 0x6000; les 0x6000, %ax", "16", rax=0)
probe("lds", "movl $0x00100000, 0x6000; lds 0x6000, %ax; xor %dx, %dx; mov %dx, %ds", "16", rax=0)
probe("rdtsc advances", "rdtsc; mov %eax, %ecx; mov $1000, %edx; 1: dec %edx; jnz 1b; rdtsc; sub %ecx, %eax;"
      " xor %edx, %edx", "32 64", check=lambda a, d: 0 < a < 1 << 30)  # fmt: skip

# DELAY and its neighbours, k1om-cpu-and-kernel.md 2.2
probe("delay edi", "mov $100, %edi; .byte 0xc5, 0xfa, 0xae, 0xf7; mov $1, %eax", rax=1)
probe("delay r9", "mov $100, %r9d; .byte 0xc4, 0xc1, 0x7a, 0xae, 0xf1; mov $1, %eax", rax=1)
probe("delay rax", "xor %eax, %eax; .byte 0xc4, 0xe1, 0xfa, 0xae, 0xf0; inc %eax", rax=1)
probe("delay in a loop keeps registers and flags", "mov $1000, %ecx; stc; 1: .byte 0xc5, 0xfa, 0xae, 0xf2; inc %eax;"
      " lea -1(%rcx), %ecx; jrcxz 2f; jmp 1b; 2: mov %eax, %edx", rax=1000, rdx=1000)  # fmt: skip
probe("delay keeps carry", "stc; .byte 0xc5, 0xfa, 0xae, 0xf2; setc %al", rax=1)
# RAX = TSC clocks of the loop; the upper bounds only tell a wait from a hang.
probe("1000 delays of 1000 clocks", "rdtsc; shl $32, %rdx; or %rax, %rdx; mov %rdx, %r9; mov $1000, %ecx; mov %ecx, %edi;"
      " 1: .byte 0xc5, 0xfa, 0xae, 0xf7; loop 1b; rdtsc; shl $32, %rdx; or %rdx, %rax; sub %r9, %rax",
      check=lambda a, d: 1_000_000 <= a < 1_000_000_000)  # fmt: skip
probe("delay takes 1023 clocks at most", "rdtsc; shl $32, %rdx; or %rax, %rdx; mov %rdx, %r9; mov $-1, %rdi;"
      " .byte 0xc4, 0xe1, 0xfa, 0xae, 0xf7; rdtsc; shl $32, %rdx; or %rdx, %rax; sub %r9, %rax",
      check=lambda a, d: 1023 <= a < 1_000_000_000)  # fmt: skip
probe("spflt", ".byte 0xc5, 0xfb, 0xae, 0xf0; mov $1, %eax", rax=1)
probe("clevict0", ".byte 0xc5, 0xfb, 0xae, 0x3b; mov $1, %eax", rax=1)
probe("clevict1, disp32 and SIB", ".byte 0xc5, 0xfa, 0xae, 0xbc, 0xd8, 1, 2, 3, 4; mov $1, %eax", rax=1)
for number, kind in enumerate("nta 0 1 2 enta e0 e1 e2".split()):
    probe(f"vprefetch{kind} of nothing", f"mov $0x800000000000, %rbx; .byte 0xc5, 0xf8, 0x18, {0x43 | number << 3}, 8;"
          " mov $1, %eax", rax=1)  # fmt: skip
probe("vprefetch0 rip-relative", ".byte 0xc5, 0xf8, 0x18, 0x0d, 1, 2, 3, 4; mov $1, %eax", rax=1)
undefined("vprefetch0 on a register", ".byte 0xc5, 0xf8, 0x18, 0xc8", "64")
undefined("clevict0 on a register", ".byte 0xc5, 0xfb, 0xae, 0xf8", "64")
undefined("delay on memory", ".byte 0xc5, 0xfa, 0xae, 0x33", "64")
undefined("vex popcnt on memory", ".byte 0xc5, 0xfa, 0xb8, 0x03", "64")

CF, ZF = 1, 0x40


def count(name, opcode, source, result, flags, wide=False, prefix=0xFA, start=0):
    if wide:
        insn = f".byte 0xc4, 0xe1, {prefix | 0x80:#x}, {opcode:#x}, 0xc1"
    else:
        insn = f".byte 0xc5, {prefix:#x}, {opcode:#x}, 0xc1"
    probe(name, f"mov ${source:#x}, %rcx; mov ${start}, %rax; {insn}; pushfq; pop %rdx; and $0x8d5, %edx", rax=result,
          rdx=flags)  # fmt: skip


count("vex popcnt", 0xB8, 0xF0F0F0F0F0F0F0F0, 16, 0)
count("vex popcnt of 0", 0xB8, 0, 0, ZF)
count("vex popcnt r64", 0xB8, 0xF0F0F0F0F0F0F0F0, 32, 0, True)
count("vex lzcnt", 0xBD, 0x100, 23, 0)
count("vex lzcnt of 0", 0xBD, 0xFFFFFFFF00000000, 32, CF)
count("vex lzcnt of the top bit", 0xBD, 0x80000000, 0, ZF)
count("vex lzcnt r64", 0xBD, 0x100, 55, 0, True)
count("vex tzcnt", 0xBC, 0x100, 8, 0)
count("vex tzcnt of 0", 0xBC, 0, 32, CF)
count("vex tzcnt r64", 0xBC, 1 << 40, 40, 0, True)
count("vex tzcnt r64 of 0", 0xBC, 0, 64, CF, True)
count("vex tzcnti from -1", 0xBC, 0x101, 0, ZF, prefix=0xFB, start=-1)
count("vex tzcnti from 0", 0xBC, 0x101, 8, 0, prefix=0xFB)
count("vex tzcnti past the end", 0xBC, 0x101, 32, CF, prefix=0xFB, start=8)
probe("kmov", "mov $0xdeadbeef, %ecx; .byte 0xc5, 0xf8, 0x92, 0xd1; .byte 0xc5, 0xf8, 0x90, 0xea;"
      " .byte 0xc5, 0xf8, 0x93, 0xc5", rax=0xBEEF)  # fmt: skip

# SYSCALL, SYSRET, far transfers, 3.2

STAR = "mov $0xc0000081, %ecx; mov $0x00380028, %edx; wrmsr; "
probe("syscall and sysretq", STAR + "mov $0xc0000082, %ecx; lea 2f(%rip), %rax; xor %edx, %edx; wrmsr;"
      " mov $0xc0000084, %ecx; xor %eax, %eax; wrmsr; movl $0x7, 0x30000; movl $7, 0x31000; orl $4, 0x32000;"
      " orl $4, 0x31000; mov %cr3, %rax; mov %rax, %cr3; lea 1f(%rip), %rcx; mov $2, %r11d; mov %rsp, %r14; sysretq;"
      " 1: mov $0x77, %eax; syscall; 2: mov %r14, %rsp; mov %cs, %edx", rax=0x77, rdx=0x28)  # fmt: skip
# The user page bits set above stay: harmless for the supervisor.
PROBES[-1].code = PROBES[-1].code.replace("movl $0x7, 0x30000; movl $7, 0x31000; orl $4, 0x32000; orl $4, 0x31000",
                                          "orl $4, 0x30000; orl $4, 0x31000; orl $4, 0x32000")  # fmt: skip
probe("sysretl", STAR + "lea 1f(%rip), %rcx; mov $2, %r11d; @sysretl; 1: nop", vector=GP, error=0)
probe("far jump to 32-bit code", "movl $1f, (%rbx); movw $0x18, 4(%rbx); @ljmpl *(%rbx); 1: nop", vector=GP, error=0x18)
probe("far jump to 16-bit code", "movl $1f, (%rbx); movw $0x20, 4(%rbx); @ljmpl *(%rbx); 1: nop", vector=GP, error=0x20)
probe("far call to 32-bit code", "movl $1f, (%rbx); movw $0x08, 4(%rbx); @lcalll *(%rbx); 1: nop", vector=GP, error=8)
probe("far return to 32-bit code", "pushq $0x18; pushq $1f; @lretq; 1: nop", vector=GP, error=0x18)
probe("far return to 32-bit user code", "pushq $0x43; pushq $0x8000; pushq $0x3b; pushq $1f; @lretq; 1: nop", vector=GP,
      error=0x38)  # fmt: skip
probe("iret to 32-bit code", "mov %rsp, %rcx; pushq $0x10; push %rcx; pushq $2; pushq $0x18; pushq $1f; @iretq; 1: nop",
      vector=GP, error=0x18)  # fmt: skip
probe("iret to 32-bit user code", "pushq $0x43; pushq $0x8000; pushq $2; pushq $0x3b; pushq $1f; @iretq; 1: nop",
      vector=GP, error=0x38)  # fmt: skip
probe("interrupt gate to 32-bit code", "movl $0x00188000, 0x203f0; movl $0x8e00, 0x203f4; @int $0x3f", vector=GP,
      error=0x18)  # fmt: skip
probe("far jump to 64-bit code", "movl $1f, (%rbx); movw $0x28, 4(%rbx); ljmpl *(%rbx); 1: mov $1, %eax", rax=1)
probe("iret to 64-bit code", "mov %rsp, %rcx; pushq $0x10; push %rcx; pushq $2; pushq $0x28; pushq $1f; iretq;"
      " 1: mov $1, %eax", rax=1)  # fmt: skip

# CPUID, 1.1-1.3


def cpuid(name, leaf, register, subleaf=0, **expected):
    code = f"mov ${leaf:#x}, %eax; mov ${subleaf}, %ecx; cpuid"
    if register != "eax":
        code += f"; mov %{register}, %eax"
    probe(f"cpuid {name}", code + "; xor %edx, %edx", **expected)


cpuid("highest leaf", 0, "eax", rax=4)
cpuid("vendor Genu", 0, "ebx", rax=int.from_bytes(b"Genu", "little"))
cpuid("vendor ineI", 0, "edx", rax=int.from_bytes(b"ineI", "little"))
cpuid("vendor ntel", 0, "ecx", rax=int.from_bytes(b"ntel", "little"))
cpuid("family 11 model 1 stepping 2 or 3", 1, "eax", check=lambda a, d: a in (0xB12, 0xB13))
cpuid("248 threads, line of 64, BSP id 4", 1, "ebx", rax=4 << 24 | 248 << 16 | 8 << 8)
cpuid("no extended features", 1, "ecx", rax=0)
cpuid("features", 1, "edx", rax=sum(1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 8, 9, 12, 16, 24, 28)))
cpuid("L1d 32 KiB", 4, "ecx", check=lambda a, d: (a + 1) * 8 * 64 == 32768)
cpuid("L1d type and sharing", 4, "eax", rax=1 | 1 << 5 | 1 << 8 | 3 << 14 | 61 << 26)
cpuid("L2 is a data cache", 4, "eax", 2, rax=1 | 2 << 5 | 1 << 8 | 3 << 14 | 61 << 26)
cpuid("L2 512 KiB", 4, "ecx", 2, check=lambda a, d: (a + 1) * 8 * 64 == 524288)
cpuid("no L3", 4, "eax", 3, rax=0)
cpuid("no leaf 5", 5, "eax", rax=0)
cpuid("no leaf 7", 7, "ebx", rax=0)
cpuid("no topology leaf", 0xB, "ebx", rax=0)
cpuid("no hypervisor", 0x40000000, "eax", rax=0)
cpuid("no hypervisor signature", 0x40000000, "ebx", rax=0)
cpuid("highest extended leaf", 0x80000000, "eax", rax=0x80000008)
cpuid("SYSCALL NX LM", 0x80000001, "edx", rax=1 << 11 | 1 << 20 | 1 << 29)
cpuid("LAHF", 0x80000001, "ecx", rax=1)
cpuid("no brand string", 0x80000002, "eax", rax=0)
cpuid("40 and 48 bits", 0x80000008, "eax", rax=40 | 48 << 8)
cpuid("no invariant TSC", 0x80000007, "edx", rax=0)

# Control registers, 3.2

for bit, name in enumerate("VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT".split()):
    set_bit = f"mov $0x20, %eax; or ${1 << bit:#x}, %eax; @mov %rax, %cr4; mov %cr4, %rax"
    if name in ("PGE", "OSFXSR", "OSXMMEXCPT"):
        probe(f"CR4.{name}", set_bit, vector=GP, error=0)
        probe(f"CR4.{name}", f"mov ${1 << bit:#x}, %eax; @mov %eax, %cr4", "32", GP, error=0)
    else:
        probe(f"CR4.{name}", set_bit.replace("@", ""), rax=0x20 | 1 << bit)
for bit in (11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 31, 63):
    probe(f"CR4 bit {bit}", f"mov ${1 << bit | 0x20:#x}, %rax; @mov %rax, %cr4", vector=GP, error=0)
probe("CR4.PGE in real mode", "mov $0x80, %eax; @mov %eax, %cr4", "16", GP)
probe("CR4.PAE may not go in long mode", "xor %eax, %eax; @mov %rax, %cr4", vector=GP, error=0)
probe("CR0.PG may not go in 64-bit mode", "mov $0x11, %eax; @mov %rax, %cr0", vector=GP, error=0)
probe("CR0.PG without PE", "mov $0x80000010, %eax; @mov %eax, %cr0", "16", GP)
probe("CR0.NW without CD", "mov $0xa0010031, %eax; @mov %rax, %cr0", vector=GP, error=0)
probe("CR0 upper half", "mov $0x180010031, %rax; @mov %rax, %cr0", vector=GP, error=0)
probe("CR3 beyond 40 bits", "mov $0x10000030000, %rax; @mov %rax, %cr3", vector=GP, error=0)
probe("CR8", "mov $5, %eax; mov %rax, %cr8; xor %eax, %eax; mov %cr8, %rax; xor %ecx, %ecx; mov %rcx, %cr8", rax=5)
probe("CR8 upper bits", "mov $0x10, %eax; @mov %rax, %cr8", vector=GP, error=0)

# FXSAVE and MXCSR, 2.3

probe("mxcsr at start", "stmxcsr 0x6000; mov 0x6000, %eax", ALL, rax=0x200000)
probe("ldmxcsr", "movl $0x30e07f, 0x6000; ldmxcsr 0x6000; stmxcsr 0x6004; mov 0x6004, %eax", ALL, rax=0x30E07F)
probe("ldmxcsr without bit 21", "movl $0x1f80, 0x6000; @ldmxcsr 0x6000", ALL, GP)
probe("ldmxcsr reserved bit", "movl $0x201f80, 0x6000; @ldmxcsr 0x6000", ALL, GP)
probe("ldmxcsr with an index and a high base", "mov $0x5000, %r9d; mov $0x400, %ecx; movl $0x20003f, 0x6000;"
      " ldmxcsr (%r9, %rcx, 4); stmxcsr 0x6010; mov 0x6010, %eax", rax=0x20003F)  # fmt: skip
probe("ldmxcsr through GS", "mov $0xc0000101, %ecx; mov $0x5800, %eax; xor %edx, %edx; wrmsr; movl $0x200001, 0x6000;"
      " ldmxcsr %gs:0x800; stmxcsr 0x6010; mov 0x6010, %eax", rax=0x200001)  # fmt: skip
probe("ldmxcsr with CR0.TS", "movl $0x200000, 0x6000; mov $0x80010039, %eax; mov %rax, %cr0; @ldmxcsr 0x6000", vector=NM)
probe("ldmxcsr with CR0.EM", "movl $0x200000, 0x6000; mov $0x80010035, %eax; mov %rax, %cr0; @ldmxcsr 0x6000", vector=UD)
probe("fxsave mxcsr and mask", "fxsave 0x6000; mov 0x6018, %eax; mov 0x601c, %edx", ALL, rax=0x200000, rdx=0x30E07F)
probe("fxsave leaves the xmm area", "movl $0x55, 0x60a0; movl $0x66, 0x619c; fxsave64 0x6000; mov 0x60a0, %eax;"
      " mov 0x619c, %edx", rax=0x55, rdx=0x66)  # fmt: skip
probe("fxsave fxrstor round trip", "fldpi; fxsave 0x6000; fninit; fxrstor 0x6000; fistpl 0x6200; mov 0x6200, %eax", ALL,
      rax=3)  # fmt: skip
probe("fxrstor loads mxcsr", "fxsave 0x6000; movl $0x20003f, 0x6018; fxrstor 0x6000; stmxcsr 0x6200; mov 0x6200, %eax",
      ALL, rax=0x20003F)  # fmt: skip
probe("fxrstor without bit 21", "fxsave 0x6000; movl $0x1f80, 0x6018; @fxrstor 0x6000", ALL, GP)
probe("fxrstor of zeros", "@fxrstor 0x6000", ALL, GP)
probe("fxrstor reserved mxcsr bit", "fxsave 0x6000; movl $0x201000, 0x6018; @fxrstor 0x6000", ALL, GP)
probe("fxrstor64", "fxsave64 0x6000; fxrstor64 0x6000; mov $1, %eax", rax=1)
probe("fxsave unaligned", "@fxsave 0x6008", ALL, GP)
undefined("fxsave with 66", ".byte 0x66, 0x0f, 0xae, 0x03", "64")

# MSRs, 3.1


def rdmsr(name, msr, **expected):
    probe(f"rdmsr {name}", f"mov ${msr:#x}, %ecx; @rdmsr" if "vector" in expected else f"mov ${msr:#x}, %ecx; rdmsr",
          **expected)  # fmt: skip


def stores(name, msr, value, back=None):
    probe(f"msr {name} stores", f"mov ${msr:#x}, %ecx; mov ${value & 0xFFFFFFFF:#x}, %eax; mov ${value >> 32:#x}, %edx;"
          " wrmsr; xor %eax, %eax; xor %edx, %edx; rdmsr", rax=(back if back is not None else value) & 0xFFFFFFFF,
          rdx=(back if back is not None else value) >> 32)  # fmt: skip


def no_wrmsr(name, msr, value=0):
    probe(f"wrmsr {name}", f"mov ${msr:#x}, %ecx; mov ${value & 0xFFFFFFFF:#x}, %eax; mov ${value >> 32:#x}, %edx; @wrmsr",
          vector=GP, error=0)  # fmt: skip


for name, msr in {
    "03": 0x03, "0f": 0x0F, "PLATFORM_ID": 0x17, "FEATURE_CONTROL": 0x3A, "TSC_ADJUST": 0x3B, "SPEC_CTRL": 0x48,
    "UCODE_WRITE": 0x79, "UCODE_REV": 0x8B, "P6 PERFCTR0": 0xC1, "APERF": 0xE8, "ARCH_CAPABILITIES": 0x10A,
    "SYSENTER_CS": 0x174, "SYSENTER_ESP": 0x175, "SYSENTER_EIP": 0x176, "P6 EVNTSEL0": 0x186, "PERF_STATUS": 0x198,
    "MISC_ENABLE": 0x1A0, "DEBUGCTL": 0x1D9, "MTRRfix64K": 0x250, "MTRRfix16K": 0x258, "MTRRfix4K": 0x268,
    "MTRR pair 8": 0x210, "MC3_CTL": 0x40C, "VMX_BASIC": 0x480, "TSC_DEADLINE": 0x6E0, "x2APIC ID": 0x802,
    "KVM clock": 0x4B564D00, "Hyper-V": 0x40000000, "CSTAR": 0xC0000083, "TSC_AUX": 0xC0000103,
    "SYSCFG": 0xC0010010,
}.items():  # fmt: skip
    rdmsr(name, msr, vector=GP, error=0)
    no_wrmsr(name, msr)
for name, msr in {"P5_MC_ADDR": 0, "P5_MC_TYPE": 1, "TR1": 2, "TR5": 7, "TR12": 0xE, "SPU base": 0x1C,
                  "SPU address": 0x17E, "SPU bind": 0x17F, "EVNTSEL0": 0x28, "EVNTSEL1": 0x29, "FILTER": 0x2C,
                  "PMU control": 0x2F, "C6 status": 0x342, "MC2_MISC": 0x40B, "STAR": 0xC0000081}.items():  # fmt: skip
    stores(name, msr, 0x1234567890ABCDEF)
stores("PERFCTR0 is 40 bits", 0x20, 0x1234567890ABCDEF, 0x7890ABCDEF)
stores("PERFCTR1", 0x21, 0x1234567890)
stores("LSTAR", 0xC0000082, 0xFFFFFFFF81000000)
stores("SFMASK", 0xC0000084, 0x47700)
stores("FS base", 0xC0000100, 0x7FFF12345678)
stores("GS base", 0xC0000101, 0xFFFF888012345678)
stores("KERNEL_GS base", 0xC0000102, 0xFFFF888012345678)
stores("PAT", 0x277, 0x0007010600070106)
stores("MTRR base 7", 0x20E, 0x12345000 | 6)
stores("MTRR mask 7", 0x20F, 0xFFF0000800)
stores("MTRR default", 0x2FF, 0x806)
stores("MCG_STATUS", 0x17A, 0)
stores("MC0_CTL", 0x400, 0xFFFFFFFFFFFFFFFF)
rdmsr("MCG_CAP", 0x179, rax=0x103, rdx=0)
rdmsr("MCG_CTL", 0x17B, rax=0xFFFFFFFF, rdx=0xFFFFFFFF)
rdmsr("MTRRcap: 8 variable, no fixed", 0xFE, rax=8, rdx=0)
rdmsr("APIC_BASE of the BSP", 0x1B, rax=0xFEE00900, rdx=0)
rdmsr("EFER", 0xC0000080, rax=0xD01, rdx=0)
rdmsr("PMU status", 0x2D, rax=0, rdx=0)
no_wrmsr("MCG_CAP", 0x179, 0x103)
no_wrmsr("MTRRcap", 0xFE, 8)
no_wrmsr("PMU status", 0x2D, 1)
no_wrmsr("LSTAR not canonical", 0xC0000082, 0x800000000000)
no_wrmsr("GS base not canonical", 0xC0000101, 0x800000000000)
no_wrmsr("PAT reserved type", 0x277, 2)
no_wrmsr("MTRR base beyond 40 bits", 0x200, 1 << 40)
no_wrmsr("MTRR base reserved type", 0x200, 7)
no_wrmsr("APIC_BASE x2APIC", 0x1B, 0xFEE00D00)
for bit in (1, 9, 12, 13, 14, 15, 32):
    no_wrmsr(f"EFER bit {bit}", 0xC0000080, 0xD01 | 1 << bit)
no_wrmsr("EFER.LME with paging on", 0xC0000080, 0xC01)
probe("rdmsr 0x8b outside long mode", "mov $0x8b, %ecx; @rdmsr", "16 32", GP)
probe("wrmsr tsc", "mov $0x10, %ecx; xor %eax, %eax; mov $0x100, %edx; wrmsr; rdtsc; mov %edx, %eax; xor %edx, %edx",
      rax=0x100)  # fmt: skip
probe("rdpmc", "mov $0x21, %ecx; mov $0x1234, %eax; mov $0x56, %edx; wrmsr; mov $1, %ecx; rdpmc", rax=0x1234, rdx=0x56)
probe("rdpmc 2", "mov $2, %ecx; @rdpmc", vector=GP, error=0)

# Paging: engine.S lays these pages out from 4 GiB

G4 = 1 << 32
probe("plain page", f"movl $0x42, 0x6000; mov ${G4:#x}, %r8; mov (%r8), %eax", rax=0x42)
probe("page beyond 40 bits", f"mov ${G4 + 0x1000:#x}, %r8; @mov (%r8), %eax", vector=PF, error=9)
probe("no-execute page", f"mov ${G4 + 0x2000:#x}, %r8; mov (%r8), %eax; call *%r8", vector=PF, error=0x11)
probe("1 GiB page", f"mov ${5 << 30:#x}, %r8; @mov (%r8), %eax", vector=PF, error=9)
probe("64 KiB page bit", f"movl $0x77, 0x50004; movl $0x78, 0x5f004; mov ${G4 + 0x10004:#x}, %r8; mov (%r8), %eax;"
      f" mov ${G4 + 0x1F004:#x}, %r8; mov (%r8), %edx", rax=0x77, rdx=0x78)  # fmt: skip
probe("global bit is ignored", f"movl $0x11, 0x6000; mov ${G4 + 0x3000:#x}, %r8; mov (%r8), %eax;"
      " movl $0x50103, 0x37018; movl $0x22, 0x50000; mov %cr3, %rcx; mov %rcx, %cr3; mov (%r8), %edx;"
      " movl $0x6103, 0x37018; mov %rcx, %cr3", rax=0x11, rdx=0x22)  # fmt: skip
probe("not canonical", "mov $0x800000000000, %r8; @mov (%r8), %eax", vector=GP, error=0)

# Local APIC, 4.1; cores=2, threads=2: the BSP is id 4, the others 0, 1 and 5

LAPIC = "mov $0xfee00000, %r8d; "
ON = LAPIC + "movl $0x1ff, 0xf0(%r8); movl $0, 0x7080; sti; "
WAIT = (
    "rdtsc; shl $32, %rdx; or %rax, %rdx; mov %rdx, %r9; add $2000000000, %r9;"
    " 1: {condition}; {jump} 2f; rdtsc; shl $32, %rdx; or %rdx, %rax; cmp %r9, %rax; jb 1b; 2: cli; "
)


def wait(condition, jump="je"):
    return WAIT.format(condition=condition, jump=jump)


RESULT = "xor %edx, %edx; mov 0x7080, %eax"
probe("lapic id in 31:23", LAPIC + "mov 0x20(%r8), %eax", rax=4 << 23)
probe("lapic id is fixed", LAPIC + "movl $0, 0x20(%r8); mov 0x20(%r8), %eax", rax=4 << 23)
probe("lapic version", LAPIC + "mov 0x30(%r8), %eax", check=lambda a, d: 0x10 <= a & 0xFF < 0x20 and a >> 16 & 0xFF >= 5)
probe("ldr in 31:16", LAPIC + "movl $0xffffffff, 0xd0(%r8); mov 0xd0(%r8), %eax; movl $0, 0xd0(%r8)", rax=0xFFFF0000)
probe("icr2 in 31:16", LAPIC + "movl $0x12345678, 0x310(%r8); mov 0x310(%r8), %eax", rax=0x12340000)
probe("lvt0 takes what spiv got", LAPIC + "movl $0x1ff, 0x350(%r8); mov 0x350(%r8), %eax; movl $0x10000, 0x350(%r8)",
      rax=0x1FF)  # fmt: skip
probe("apic page is 4 KiB", LAPIC + "mov 0x1020(%r8), %eax", check=lambda a, d: a != 4 << 23)
probe("self shorthand", ON + "movl $0x44040, 0x300(%r8); " + wait("cmpl $1, 0x7080") + RESULT, rax=1)
probe("ipi to the own id in 31:16", ON + "movl $4 << 16, 0x310(%r8); movl $0x4040, 0x300(%r8); "
      + wait("cmpl $1, 0x7080") + RESULT, rax=1)  # fmt: skip
probe("ipi to the own id in 31:24 goes elsewhere", ON + "movl $4 << 24, 0x310(%r8); movl $0x4040, 0x300(%r8); "
      "mov $100000, %ecx; 1: loop 1b; cli; " + RESULT, rax=0)  # fmt: skip
probe("all including self", ON + "movl $0x84040, 0x300(%r8); " + wait("cmpl $1, 0x7080") + RESULT, rax=1)
probe("interrupt wakes hlt", ON + "cli; movl $0x44040, 0x300(%r8); sti; hlt; cli; " + RESULT, rax=1)
probe("masked timer is silent", ON + "movl $0xb, 0x3e0(%r8); movl $0x10040, 0x320(%r8); movl $1000, 0x380(%r8);"
      " mov $1000000, %ecx; 1: loop 1b; cli; " + RESULT, rax=0)  # fmt: skip
# However late the emulator is, a count that reaches 0 interrupts once.
probe("one-shot timer with the shortest count", ON + "movl $0xb, 0x3e0(%r8); movl $0x40, 0x320(%r8); movl $1, 0x380(%r8); "
      + wait("cmpl $1, 0x7080") + RESULT, rax=1)  # fmt: skip
probe("one-shot timer survives a write of its lvt when due", ON + "movl $0xb, 0x3e0(%r8); movl $0x40, 0x320(%r8); "
      "movl $1, 0x380(%r8); movl $0x40, 0x320(%r8); " + wait("cmpl $1, 0x7080") + RESULT, rax=1)  # fmt: skip
probe("one-shot timer interrupts once, whatever is written later", ON + "movl $0xb, 0x3e0(%r8); movl $0x40, 0x320(%r8); "
      "movl $1, 0x380(%r8); " + wait("cmpl $1, 0x7080") + "sti; movl $0x40, 0x320(%r8); movl $0x3, 0x3e0(%r8); "
      "mov $1000000, %ecx; 1: loop 1b; cli; " + RESULT, rax=1)  # fmt: skip
probe("one-shot timer", ON + "movl $0xb, 0x3e0(%r8); movl $0x40, 0x320(%r8); movl $100000, 0x380(%r8); "
      + wait("cmpl $1, 0x7080") + RESULT + "; mov 0x390(%r8), %edx", rax=1, rdx=0)  # fmt: skip
probe("periodic timer", ON + "movl $0xb, 0x3e0(%r8); movl $0x20040, 0x320(%r8); movl $1000000, 0x380(%r8); "
      + wait("cmpl $10, 0x7080", "jae") + "movl $0, 0x380(%r8); movl $0x10000, 0x320(%r8); mov 0x7080, %eax;"
      " xor %edx, %edx", check=lambda a, d: a >= 10)  # fmt: skip
# RAX = TSC clocks, RDX = timer counts in core clocks, over at least 20 ms.
for shift, divide in ((0, 0xB), (4, 0x3), (7, 0xA)):
    probe(f"timer divided by {1 << shift} counts core clocks", LAPIC + f"movl ${divide}, 0x3e0(%r8); movl $0x10040,"
          " 0x320(%r8); movl $0x7fffffff, 0x380(%r8); sample 0x390; mov %r10, %r12; mov %r11, %r13;"
          " 1: sample 0x390; mov %r10, %rax; sub %r12, %rax; cmp $20000000, %rax; jb 1b;"
          f" sub %r11d, %r13d; mov %r13d, %edx; shl ${shift}, %rdx; movl $0, 0x380(%r8)",
          check=lambda a, d: abs(a - d) < a * 0.03)  # fmt: skip
# RAX = TSC clocks, RDX = ticks of ETC (15.625 MHz, 3.4 of x100-hardware.md), over at least 20 ms.
probe("tsc runs at the core clock", "mov $0x8007d0000, %r8; movl $0, 0x107c(%r8); sample 0x1074; mov %r10, %r12;"
      " mov %r11, %r13; 1: sample 0x1074; mov %r10, %rax; sub %r12, %rax; cmp $20000000, %rax; jb 1b;"
      " sub %r13d, %r11d; mov %r11d, %edx; shr $5, %edx", check=lambda a, d: 0.97 < a / d * 15.625 / 1052.63 < 1.03)

INIT_ONE = "movl ${id} << 16, 0x310(%r8); movl $0x4500, 0x300(%r8); "
SIPI = "movl $0x4601, 0x300(%r8); "
probe("an AP sleeps until told", "mov 0x7200, %rax", rax=0)
probe("startup without init is enough after reset, and reaches one", LAPIC + "movl $1 << 16, 0x310(%r8); " + SIPI
      + wait("cmpb $1, 0x7201") + "mov 0x7200, %rax; xor %edx, %edx", rax=1 << 8)  # fmt: skip
probe("mtrr default of an AP after reset", "mov 0x7504, %eax", rax=0)
probe("init and startup of another", LAPIC + INIT_ONE.format(id=5) + SIPI + wait("cmpb $1, 0x7205")
      + "mov 0x7200, %rax; xor %edx, %edx", rax=1 << 8 | 1 << 40)  # fmt: skip
probe("init to all but self, startup to each", LAPIC + "movq $0, 0x7200; movl $0xc4500, 0x300(%r8); movl $0, 0x310(%r8);"
      + SIPI + wait("cmpb $1, 0x7200") + "movl $1 << 16, 0x310(%r8); " + SIPI + wait("cmpb $1, 0x7201")
      + "movl $5 << 16, 0x310(%r8); " + SIPI + wait("cmpb $1, 0x7205") + "mov 0x7200, %rax; xor %edx, %edx",
      rax=0x010000000101)  # fmt: skip
probe("init leaves the mtrr default", "mov 0x7504, %eax", rax=0x806)
probe("nmi to one", LAPIC + "movl $5 << 16, 0x310(%r8); movl $0x4400, 0x300(%r8); " + wait("cmpb $1, 0x7305")
      + "mov 0x7300, %rax; xor %edx, %edx", rax=1 << 40)  # fmt: skip
probe("nmi to all but self", LAPIC + "movl $0xc4400, 0x300(%r8); "
      + wait("mov 0x7300, %rax; mov $0x020000000101, %rcx; cmp %rcx, %rax") + "mov 0x7300, %rax; xor %edx, %edx",
      rax=0x020000000101)  # fmt: skip
probe("ipi to nobody is lost", ON + "movl $0x77 << 16, 0x310(%r8); movl $0x4040, 0x300(%r8); mov $100000, %ecx;"
      " 1: loop 1b; cli; " + RESULT, rax=0)  # fmt: skip

# 32-bit code between CR0.PG and the far jump: one per run, since there is no way back (3.2)

FALL = {
    "code runs on until the far jump": ("mov $5, %eax; add $6, %eax; mov %eax, 0x7040; jmp enter_long", None, None),
    "far jump to 32-bit code": ("@ljmpl $0x18, $survived", GP, 0x18),
    "far jump to the same segment": ("@ljmpl $0x08, $survived", GP, 0x08),
    "far call to 32-bit code": ("@lcalll $0x18, $survived", GP, 0x18),
    "far return to 32-bit code": ("pushl $0x18; pushl $survived; @lretl", GP, 0x18),
    "iret to 32-bit code": ("pushl $2; pushl $0x18; pushl $survived; @iretl", GP, 0x18),
    "iret to virtual 8086 mode": ("pushl $0x20002; pushl $0; pushl $0; @iretl", GP, 0),
    "missing instruction": ("@pause", UD, 0),
    "syscall": ("@syscall", UD, 0),
    "CR4.PGE": ("mov $0xa0, %eax; @mov %eax, %cr4", GP, 0),
}
