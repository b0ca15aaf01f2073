# SPDX-License-Identifier: BSD-3-Clause
#
# Assembler prelude for 64-bit K1OM code: gas macros that stand in for the instructions KNC lacks.
#
# Handed to stock gas in front of the real source (`gcc ... -Wa,prelude64.s`). gas looks up macros before opcodes and
# without regard to case, so compiler output, inline assembly and .S files are all covered; a prefix in the same
# statement ("lock cmpxchg16b", "rep nop") hides an instruction from it, which k1om-check then finds.
# Which instructions KNC lacks: k1om-cpu-and-kernel.md 2.1, silicon-notes.md "CPU". 16- and 32-bit code: prelude32.s.
#
# With the symbol X100_KERNEL or .LX100_KERNEL defined (`-Wa,--defsym,.LX100_KERNEL=1`) what has no replacement is left
# as it is instead of refused: for the Linux kernel, whose alternatives hold such instructions without running them.
# May be read twice. Some replacements push on the stack: compile with -mno-red-zone.

# The whole prelude is the body of one macro, run the first time only: gas would parse the conditions in a part it skips
# and complain. Labels are local numbers that nobody else uses; \@ would be taken by this outer macro.
.macro x100_prelude
.ifdef X100_KERNEL
.set .LX100_KERNEL, 1
.endif

# Register names by width, as symbols: a quoted symbol may hold any text, so ".ifdef" is a set lookup.
.macro x100_regs width, names:vararg
.irp name, \names
.set ".Lx100_att_%\name", \width
.set ".Lx100_intel_\name", \width
.endr
.endm
x100_regs 16 ax bx cx dx si di bp sp r8w r9w r10w r11w r12w r13w r14w r15w
x100_regs 16 AX BX CX DX SI DI BP SP R8W R9W R10W R11W R12W R13W R14W R15W
x100_regs 32 eax ebx ecx edx esi edi ebp esp r8d r9d r10d r11d r12d r13d r14d r15d
x100_regs 32 EAX EBX ECX EDX ESI EDI EBP ESP R8D R9D R10D R11D R12D R13D R14D R15D
x100_regs 64 rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15
x100_regs 64 RAX RBX RCX RDX RSI RDI RBP RSP R8 R9 R10 R11 R12 R13 R14 R15

# x100_width OPERANDS: set .Lx100_w to the width of the last operand if that is an AT&T register, else to 0. Macro
# arguments split at commas and blanks, also inside a memory operand; the last piece is the register all the same.
# (For the same reason every macro here hands the operands on as one text, taken with "vararg".)
.macro x100_width first, rest:vararg
.ifb \rest
.ifdef ".Lx100_att_\first"
.set .Lx100_w, ".Lx100_att_\first"
.else
.set .Lx100_w, 0
.endif
.else
x100_width \rest
.endif
.endm

# x100_first OPERANDS: .Lx100_f = width of the first operand as an AT&T register, .Lx100_i = as an Intel one.
.macro x100_first first, rest:vararg
.set .Lx100_f, 0
.set .Lx100_i, 0
.ifdef ".Lx100_att_\first"
.set .Lx100_f, ".Lx100_att_\first"
.endif
.ifdef ".Lx100_intel_\first"
.set .Lx100_i, ".Lx100_intel_\first"
.endif
.endm

# Clear bits 63:32 of a 32-bit register operand, the last (AT&T) or first (Intel) one.
.macro x100_zext_last first, rest:vararg
.ifb \rest
movl \first, \first
.else
x100_zext_last \rest
.endif
.endm
.macro x100_zext_first first, rest:vararg
mov \first, \first
.endm

# CMOVcc. "inv" is the inverse condition. A 32-bit CMOV clears bits 63:32 of its destination also when it does not move,
# so the path around the MOV must do that too. From a register it can be done first, which saves a jump; a memory
# operand may be addressed by the destination itself, so there it has to come after. Flags are kept (MOV sets none).
# One difference to the original remains: memory is read only when the move is taken.
.macro x100_cmov32 inv, args:vararg
x100_first \args
.if .Lx100_f
x100_zext_last \args
j\inv 78100f
movl \args
78100:
.else
j\inv 78100f
movl \args
jmp 78101f
78100:
x100_zext_last \args
78101:
.endif
.endm

.macro x100_cmov_sized sfx, inv, args:vararg
j\inv 78100f
mov\sfx \args
78100:
.endm

# Intel syntax: destination first. "short" is refused in AT&T syntax, so ".att_syntax noprefix", where the order of two
# registers could not be told, ends in an error and not in wrong code.
.macro x100_cmov_intel inv, args:vararg
j\inv short 78100f
mov \args
.if .Lx100_i == 32
jmp short 78101f
78100:
x100_zext_first \args
78101:
.else
78100:
.endif
.endm

.macro x100_cmov inv, args:vararg
x100_first \args
x100_width \args
.if .Lx100_i
x100_cmov_intel \inv, \args
.elseif .Lx100_w == 32
x100_cmov32 \inv, \args
.elseif .Lx100_w
x100_cmov_sized , \inv, \args
.else
.error "x100: CMOV with a destination that the K1OM prelude does not know: \args"
.endif
.endm

.macro x100_def_cmov inv, conditions:vararg
.irp cc, \conditions
.macro cmov\cc args:vararg
x100_cmov \inv, \args
.endm
.irp sfx, w, q
.macro cmov\cc\sfx args:vararg
x100_cmov_sized \sfx, \inv, \args
.endm
.endr
.irp sfx, l
.macro cmov\cc\sfx args:vararg
x100_cmov32 \inv, \args
.endm
.endr
.endr
.endm
x100_def_cmov no, o
x100_def_cmov o, no
x100_def_cmov ae, b c nae
x100_def_cmov b, nb nc ae
x100_def_cmov ne, e z
x100_def_cmov e, ne nz
x100_def_cmov a, be na
x100_def_cmov be, nbe a
x100_def_cmov ns, s
x100_def_cmov s, ns
x100_def_cmov np, p pe
x100_def_cmov p, np po
x100_def_cmov ge, l nge
x100_def_cmov l, nl ge
x100_def_cmov g, le ng
x100_def_cmov le, nle g

# Fences. KNC executes in order; stores and loads to write-back memory stay in order too, so only MFENCE has work to do:
# push %rax; xchg %rax, (%rsp); pop %rax. XCHG with memory is the full barrier and, unlike a locked ADD, keeps the flags,
# as MFENCE does and compilers rely on. (Bytes are used where a fixed sequence must serve both assembler syntaxes.)
.macro mfence
.byte 0x50, 0x48, 0x87, 0x04, 0x24, 0x58
.endm

# What is a hint, or orders nothing that is out of order here, becomes a one-byte NOP, not nothing: prefix bytes written
# in front of it (".byte 0x3e; clflush ...") and the kernel's alternatives need an instruction to stand there.
# CLFLUSH and kin: the card's caches are coherent with the host's and DMA accesses (silicon-notes.md "PCIe and DMA").
.irp insn, lfence, sfence, pause, prefetch, prefetchw, prefetchwt1, prefetcht0, prefetcht1, prefetcht2, prefetchnta, clflush, clflushopt, clwb, cldemote, endbr64, endbr32
.macro \insn args:vararg
nop
.endm
.endr

.macro movnti args:vararg
mov \args
.endm
.macro movntil args:vararg
movl \args
.endm
.macro movntiq args:vararg
movq \args
.endm

# x100_find_st OPERANDS: .Lx100_st = number of the x87 register named beside the stack top; without operands it is 1.
.macro x100_find_st args:vararg
.set .Lx100_st, 1
.ifnb \args
.set .Lx100_st, 0
x100_add_st \args
.endif
.endm
.macro x100_add_st args:vararg
.irp name, \args
.ifdef ".Lx100_num_\name"
.set .Lx100_st, .Lx100_st + ".Lx100_num_\name"
.else
.error "x100: operand that the K1OM prelude does not know: \args"
.endif
.endr
.endm
.irp num, 0, 1, 2, 3, 4, 5, 6, 7
.set ".Lx100_num_%st(\num)", \num
.set ".Lx100_num_st(\num)", \num
.endr
.set ".Lx100_num_%st", 0
.set ".Lx100_num_st", 0

# FCOMI and kin: the plain compare (op1, op2 + i), then the status word's C3, C2, C0 put into ZF, PF, CF by way of POPF.
# SAHF would be shorter, but whether silicon has it in 64-bit mode is open (k1om-cpu-and-kernel.md 8 no. 5). OF, SF, AF
# become 0 and all other flags, IF among them, stay. The bytes:
#	pushfq; push %rax; (compare); fnstsw %ax; movzbl %ah, %eax; and $0x45, %eax; andq $~0x8d5, 8(%rsp);
#	or %rax, 8(%rsp); pop %rax; popfq
.macro x100_fcomi op1, op2, args:vararg
x100_find_st \args
.byte 0x9c, 0x50, \op1, \op2 + .Lx100_st, 0xdf, 0xe0, 0x0f, 0xb6, 0xc4, 0x83, 0xe0, 0x45
.byte 0x48, 0x81, 0x64, 0x24, 0x08, 0x2a, 0xf7, 0xff, 0xff, 0x48, 0x09, 0x44, 0x24, 0x08, 0x58, 0x9d
.endm
.macro fcomi args:vararg
x100_fcomi 0xd8, 0xd0, \args
.endm
.macro fucomi args:vararg
x100_fcomi 0xdd, 0xe0, \args
.endm
.irp name, fcomip, fcompi
.macro \name args:vararg
x100_fcomi 0xd8, 0xd8, \args
.endm
.endr
.irp name, fucomip, fucompi
.macro \name args:vararg
x100_fcomi 0xdd, 0xe8, \args
.endm
.endr

# FCMOVcc ST(i): fstp %st(0); fld %st(i-1), jumped over on the inverse condition.
.macro x100_fcmov inv, args:vararg
x100_find_st \args
.if .Lx100_st
j\inv 78100f
.byte 0xdd, 0xd8, 0xd9, 0xc0 + .Lx100_st - 1
78100:
.endif
.endm
.macro x100_def_fcmov inv, conditions:vararg
.irp cc, \conditions
.macro fcmov\cc args:vararg
x100_fcmov \inv, \args
.endm
.endr
.endm
x100_def_fcmov ae, b nae
x100_def_fcmov b, nb ae
x100_def_fcmov ne, e
x100_def_fcmov e, ne
x100_def_fcmov a, be na
x100_def_fcmov be, nbe a
x100_def_fcmov np, u
x100_def_fcmov p, nu

# KNC's own scalar instructions are VEX-encoded, and gas 2.40 does not know them (k1om-cpu-and-kernel.md 2.2).
.macro x100_nums num, names:vararg
.irp name, \names
.set ".Lx100_num_%\name", \num
.endr
.endm
x100_nums 0 eax rax
x100_nums 1 ecx rcx
x100_nums 2 edx rdx
x100_nums 3 ebx rbx
x100_nums 4 esp rsp
x100_nums 5 ebp rbp
x100_nums 6 esi rsi
x100_nums 7 edi rdi
x100_nums 8 r8d r8
x100_nums 9 r9d r9
x100_nums 10 r10d r10
x100_nums 11 r11d r11
x100_nums 12 r12d r12
x100_nums 13 r13d r13
x100_nums 14 r14d r14
x100_nums 15 r15d r15

# x100_vex PP OPCODE REG RM: VEX.128.pp.0F.W opcode, reg field and register operand RM (pp: 2 is F3, 3 is F2).
.macro x100_vex pp, opcode, reg, rm
.set .Lx100_reg, \reg
.set .Lx100_rm, ".Lx100_num_\rm"
.set .Lx100_wide, ".Lx100_att_\rm" & 64
.if (.Lx100_wide | .Lx100_rm & 8) == 0
.byte 0xc5, (0xf8 - (.Lx100_reg & 8) * 16) | \pp
.else
.byte 0xc4, 0xe1 - (.Lx100_reg & 8) * 16 - (.Lx100_rm & 8) * 4, .Lx100_wide * 2 | 0x78 | \pp
.endif
.byte \opcode, 0xc0 | (.Lx100_reg & 7) << 3 | (.Lx100_rm & 7)
.endm

.macro x100_vex1 name, pp, ext, reg, rest:vararg
.ifndef ".Lx100_num_\reg"
.error "x100: \name wants one 32- or 64-bit register, not \reg \rest"
.else
x100_vex \pp, 0xae, \ext, \reg
.endif
.endm
.macro delay args:vararg
x100_vex1 DELAY, 2, 6, \args
.endm
.macro spflt args:vararg
x100_vex1 SPFLT, 3, 6, \args
.endm

.macro x100_def_refused
# POPCNT, TZCNT, LZCNT: KNC has them on registers only, under its own encoding. Only the result is promised, not the
# flags, which no source at hand describes.
.macro x100_count name, opcode, src, dst, rest:vararg
.ifndef ".Lx100_num_\src"
.error "x100: \name: KNC has it from register to register only, of 32 or 64 bits (AT&T syntax): \src \dst \rest"
.elseif ".Lx100_att_\src" != ".Lx100_att_\dst"
.error "x100: \name: KNC has it from register to register only, of 32 or 64 bits (AT&T syntax): \src \dst \rest"
.else
.set .Lx100_dst, ".Lx100_num_\dst"
x100_vex 2, \opcode, .Lx100_dst, \src
.endif
.endm
.macro x100_def_count opcode, names:vararg
.irp name, \names
.macro \name args:vararg
x100_count \name, \opcode, \args
.endm
.endr
.endm
x100_def_count 0xb8, popcnt popcntw popcntl popcntq
x100_def_count 0xbc, tzcnt tzcntw tzcntl tzcntq
x100_def_count 0xbd, lzcnt lzcntw lzcntl lzcntq

# No replacement is right for these; say so here, where the source line is known.
.macro x100_refuse why, names:vararg
.irp name, \names
.macro \name args:vararg
.error "x100: \name: \why"
.endm
.endr
.endm
x100_refuse "KNC has no I/O space and no port instructions", in inb inw inl out outb outw outl ins insb insw insl outs outsb outsw outsl
x100_refuse "KNC has no 16-byte compare and exchange; use CMPXCHG or a lock", cmpxchg16b
x100_refuse "KNC has no RDTSCP; use RDTSC", rdtscp rdpid
x100_refuse "KNC has no MONITOR/MWAIT; use HLT or DELAY", monitor mwait monitorx mwaitx umonitor umwait tpause
x100_refuse "KNC has no SYSENTER; use SYSCALL", sysenter sysexit sysexitl sysexitq
x100_refuse "KNC has no XSAVE; use FXSAVE", xsave xsave64 xsaveopt xsaveopt64 xsavec xsavec64 xsaves xsaves64 xrstor xrstor64 xrstors xrstors64 xgetbv xsetbv
x100_refuse "KNC has no MOVBE; use MOV and BSWAP", movbe movbew movbel movbeq
x100_refuse "KNC has no MMX", emms femms
x100_refuse "KNC has no FISTTP; use FISTP with the rounding mode set", fisttp fisttps fisttpl fisttpll fisttpq
x100_refuse "KNC lacks this instruction", rdrand rdseed clac stac invpcid rdfsbase rdgsbase wrfsbase wrgsbase rdpkru wrpkru crc32 crc32b crc32w crc32l crc32q adcx adcxl adcxq adox adoxl adoxq andn bextr blsi blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx ptwrite serialize
.endm
.ifndef .LX100_KERNEL
x100_def_refused
.endif
.endm

.ifndef .Lx100_prelude
.set .Lx100_prelude, 64
x100_prelude
.endif
.purgem x100_prelude
