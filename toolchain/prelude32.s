# SPDX-License-Identifier: BSD-3-Clause
#
# Assembler prelude for 16- and 32-bit K1OM code (-m16, -m32): gas macros that stand in for the instructions KNC lacks.
#
# How it works, the symbol X100_KERNEL and the sources of facts are the same as in prelude64.s. Differences: nothing has
# upper halves to clear, so CMOV needs no look at its operands; fixed sequences are written with AT&T suffixes, since
# bytes would mean different things in 16- and 32-bit code (gas refuses them in Intel syntax: "no such instruction");
# and KNC's own VEX-encoded instructions are not offered, as nobody has seen them outside 64-bit mode.

.macro x100_prelude
.ifdef X100_KERNEL
.set .LX100_KERNEL, 1
.endif

# CMOVcc; memory is read only when the move is taken. "inv" is the inverse condition.
.macro x100_cmov_sized sfx, inv, args:vararg
j\inv 78100f
mov\sfx \args
78100:
.endm
.macro x100_def_cmov inv, conditions:vararg
.irp cc, \conditions
.macro cmov\cc args:vararg
x100_cmov_sized , \inv, \args
.endm
.irp sfx, w, l
.macro cmov\cc\sfx args:vararg
x100_cmov_sized \sfx, \inv, \args
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

# MFENCE: XCHG with memory is the full barrier and keeps the flags (reasons in prelude64.s, as for all below).
.macro mfence
pushl %eax
xchgl %eax, (%esp)
popl %eax
.endm

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

# FCOMI and kin: the plain compare (op1, op2 + i), then C3, C2, C0 put into ZF, PF, CF.
.macro x100_fcomi op1, op2, args:vararg
x100_find_st \args
pushfl
pushl %eax
.byte \op1, \op2 + .Lx100_st
fnstsw %ax
movzbl %ah, %eax
andl $0x45, %eax
andl $~0x8d5, 4(%esp)
orl %eax, 4(%esp)
popl %eax
popfl
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

.macro x100_def_refused
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
x100_refuse "KNC has no SYSENTER; use SYSCALL", sysenter sysexit sysexitl
x100_refuse "KNC has no XSAVE; use FXSAVE", xsave xsaveopt xsavec xsaves xrstor xrstors xgetbv xsetbv
x100_refuse "KNC has no MOVBE; use MOV and BSWAP", movbe movbew movbel
x100_refuse "KNC has no MMX", emms femms
x100_refuse "KNC has no FISTTP; use FISTP with the rounding mode set", fisttp fisttps fisttpl fisttpll fisttpq
x100_refuse "KNC has it under a VEX encoding only, which is not known to work outside 64-bit mode", popcnt popcntw popcntl tzcnt tzcntw tzcntl lzcnt lzcntw lzcntl
x100_refuse "KNC lacks this instruction", rdrand rdseed clac stac invpcid rdfsbase rdgsbase wrfsbase wrgsbase rdpkru wrpkru crc32 crc32b crc32w crc32l adcx adcxl adox adoxl andn bextr blsi blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx ptwrite serialize
.endm
.ifndef .LX100_KERNEL
x100_def_refused
.endif
.endm

.ifndef .Lx100_prelude
.set .Lx100_prelude, 32
x100_prelude
.endif
.purgem x100_prelude
