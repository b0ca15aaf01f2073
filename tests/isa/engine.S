/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the probes of probes.py on the model's processor, in real mode, in protected mode without paging
 * and in 64-bit mode, and notes for each which exception it raised. Loaded at ENGINE; probes are appended as
 * tables of addresses (table16, table32, table64). A probe returns with RET or faults.
 *
 * A result is 32 bytes: A5h, vector (FFh = none), 2 unused, error code, then RAX, RDX, RIP of the fault.
 */
#define ENGINE	0x8000
#define CONTROL 0x7000 /* +0 go, +4 number of the fall-through probe, +8 done, +12 results so far */
#define DONE	(CONTROL + 8)
#define COUNT	(CONTROL + 12)
#define IRQS	0x7080 /* interrupts taken by the handler of vector 40h */
#define AP_SEEN 0x7200 /* a byte per APIC id: the AP ran its trampoline */
#define AP_NMI	0x7300 /* a byte per APIC id: NMIs it took */
#define TSS	0x7400
#define AP_MTRR	0x7500 /* 4 bytes per APIC id: MTRRdefType when it started */
#define SCRATCH 0x6000 /* a page for the probe, in rBX, rSI, rDI */
#define STACK16 0x5000
#define STACK	0x28000
#define RESULTS 0x40000
#define IDT32	0x21000
#define IDT64	0x20000
#define PML4	0x30000
#define AP_PAGE 0x1000
#define AP_IVT	0x2000

#define SEL_CODE32 0x08
#define SEL_DATA   0x10
#define SEL_CODE64 0x28
#define SEL_TSS	   0x50

	.text
	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$STACK16, %sp
	movw	%ax, %di /* vectors 0..31 */
	movw	$stubs16, %ax
1:	movw	%ax, (%di)
	movw	$0, 2(%di)
	addw	$5, %ax
	addw	$4, %di
	cmpw	$128, %di
	jne	1b
	cmpl	$0, CONTROL + 4
	jne	enter32
	movw	$table16, next16

run16:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$STACK16, %sp
	movw	next16, %si
	movw	(%si), %ax
	testw	%ax, %ax
	jz	enter32
	addw	$2, next16
	movw	%ax, probe16
	movw	$SCRATCH, %di
	xorl	%eax, %eax
	movw	$1024, %cx
	cld
	rep stosl
	fninit
	ldmxcsr	default_mxcsr
	movl	$SCRATCH, %ebx
	movl	%ebx, %esi
	movl	%ebx, %edi
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%ebp, %ebp
	pushw	$2
	popfw
	call	*probe16
	pushw	$0
	pushw	$0
	pushw	$0xff
	/* stack: vector, IP */
common16:
	pushl	%eax
	movw	$0, %ax
	movw	%ax, %ds
	movl	COUNT, %eax
	shll	$5, %eax
	movw	%ax, %di
	movw	$RESULTS >> 4, %ax
	movw	%ax, %fs
	popl	%eax
	movl	%eax, %fs:8(%di)
	movl	$0, %fs:12(%di)
	movl	%edx, %fs:16(%di)
	movl	$0, %fs:20(%di)
	popw	%ax
	movb	%al, %fs:1(%di)
	popw	%ax
	movzwl	%ax, %eax
	movl	%eax, %fs:24(%di)
	movl	$0, %fs:28(%di)
	movl	$0, %fs:4(%di)
	movb	$0xa5, %fs:(%di)
	incl	COUNT
	jmp	run16

stubs16:
	.set	vector, 0
	.rept	32
	.byte	0x6a, vector, 0xe9
	.word	common16 - . - 2
	.set	vector, vector + 1
	.endr

enter32:
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	andl	$~0x60000000, %eax
	orl	$0x21, %eax /* PE, NE */
	movl	%eax, %cr0
	ljmpl	$SEL_CODE32, $protected

next16:	.word	0
probe16: .word	0

	.code32
protected:
	movw	$SEL_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp
	/* interrupt gates 0..31 */
	movl	$IDT32, %edi
	movl	$stubs32, %eax
	movl	$32, %ecx
1:	movl	%eax, %edx
	movw	%dx, (%edi)
	movw	$SEL_CODE32, 2(%edi)
	movw	$0x8e00, 4(%edi)
	shrl	$16, %edx
	movw	%dx, 6(%edi)
	addl	$16, %eax
	addl	$8, %edi
	loop	1b
	lidtl	idt32_pointer
	movl	$table32, next32
	cmpl	$0, CONTROL + 4
	jne	enter64

run32:
	movw	$SEL_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp
	xorl	%eax, %eax
	movl	%eax, %cr4
	movl	$0x31, %eax
	movl	%eax, %cr0
	movl	next32, %esi
	movl	(%esi), %eax
	testl	%eax, %eax
	jz	enter64
	addl	$4, next32
	movl	%eax, probe32
	movl	$SCRATCH, %edi
	xorl	%eax, %eax
	movl	$1024, %ecx
	cld
	rep stosl
	fninit
	ldmxcsr	default_mxcsr
	movl	$SCRATCH, %ebx
	movl	%ebx, %esi
	movl	%ebx, %edi
	xorl	%edx, %edx
	xorl	%ebp, %ebp
	pushl	$2
	popfl
	call	*probe32
	pushl	$0 /* EIP */
	pushl	$0 /* error code */
	pushl	$0xff
common32:
	pushl	%eax
	movl	$SEL_DATA, %eax
	movw	%ax, %ds
	movl	COUNT, %edi
	shll	$5, %edi
	addl	$RESULTS, %edi
	popl	%eax
	movl	%eax, 8(%edi)
	movl	%edx, 16(%edi)
	popl	%eax
	movb	%al, 1(%edi)
	popl	4(%edi)
	popl	24(%edi)
	movb	$0xa5, (%edi)
	incl	COUNT
	jmp	run32

	.balign	16
stubs32:
	.set	vector, 0
	.rept	32
	.if	vector != 8 && (vector < 10 || vector > 14) && vector != 17
	pushl	$0
	.endif
	pushl	$vector
	jmp	common32
	.balign	16
	.set	vector, vector + 1
	.endr

/* Identity map of the first 4 GiB and of the chip's registers; more for the paging probes. */
enter64:
	movl	$PML4, %edi
	xorl	%eax, %eax
	movl	$0x8000 / 4, %ecx
	rep stosl
	movl	$PML4 + 0x1003, PML4
	movl	$PML4 + 0x2003, PML4 + 0x1000
	movl	$PML4 + 0x3003, PML4 + 0x1008
	movl	$PML4 + 0x4003, PML4 + 0x1010
	movl	$PML4 + 0x5003, PML4 + 0x1018
	movl	$PML4 + 0x6003, PML4 + 0x1000 + 8 * 4 /* 4 GiB: probes */
	movl	$0x83, PML4 + 0x1000 + 8 * 5 /* 5 GiB: a 1 GiB page */
	movl	$PML4 + 0x8003, PML4 + 0x1000 + 8 * 32 /* 32 GiB: registers */
	movl	$PML4 + 0x2000, %edi
	movl	$0x83, %eax
	movl	$2048, %ecx
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	1b
	movl	$PML4 + 0x8000, %edi
	xorl	%eax, %eax
	movl	$1024, %ecx
	rep stosl
	movl	$0x00600083, PML4 + 0x8000 + 8 * 3
	movl	$8, PML4 + 0x8000 + 8 * 3 + 4
	/* 4 GiB: +0 plain, +1000 a reserved address bit, +2000 no-execute, +3000 global, +10000 64 KiB page */
	movl	$PML4 + 0x7003, PML4 + 0x6000
	movl	$PML4 + 0x7000, %edi
	movl	$SCRATCH + 3, (%edi)
	movl	$SCRATCH + 3, 8(%edi)
	movl	$1 << 13, 12(%edi)
	movl	$ENGINE + 3, 16(%edi)
	movl	$1 << 31, 20(%edi)
	movl	$SCRATCH + 0x103, 24(%edi)
	movl	$0x50003, %eax
	leal	128(%edi), %edi
	movl	$16, %ecx
1:	movl	%eax, (%edi)
	movl	$1 << 19, 4(%edi)
	addl	$0x1000, %eax
	addl	$8, %edi
	loop	1b

	movl	$IDT64, %edi
	movl	$stubs64, %eax
	movl	$32, %ecx
1:	movw	%ax, (%edi)
	movw	$SEL_CODE64, 2(%edi)
	movw	$0x8e00, 4(%edi)
	movl	%eax, %edx
	shrl	$16, %edx
	movw	%dx, 6(%edi)
	movl	$0, 8(%edi)
	movl	$0, 12(%edi)
	addl	$16, %eax
	addl	$16, %edi
	loop	1b
	movl	$IDT64 + 0x400, %edi /* vector 40h */
	movl	$interrupt64, %eax
	movw	%ax, (%edi)
	movw	$SEL_CODE64, 2(%edi)
	movw	$0x8e00, 4(%edi)
	shrl	$16, %eax
	movw	%ax, 6(%edi)
	movl	$0, 8(%edi)

	movl	$ap_start, %esi
	movl	$AP_PAGE, %edi
	movl	$ap_end - ap_start, %ecx
	rep movsb

	movl	$STACK, TSS + 4 /* RSP0 */
	movl	$0, TSS + 8
	lidtl	idt64_pointer
	movl	$PML4, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	movl	$0x901, %eax /* SCE, LME, NXE */
	xorl	%edx, %edx
	wrmsr
	movl	CONTROL + 4, %ebx
	movl	$table64, next64
	movl	$0x80010031, %eax
	movl	%eax, %cr0
	/* From here to the far jump 32-bit code runs although EFER.LMA is set. */
	testl	%ebx, %ebx
	jz	1f
	movl	$empty, next64
	movl	fall_table - 4(, %ebx, 4), %eax
	jmp	*%eax
	.globl	enter_long
enter_long:
1:	ljmpl	$SEL_CODE64, $run64

/* A fall-through probe that was let into 32-bit code lands here. */
	.globl	survived
survived:
	movl	COUNT, %edi
	shll	$5, %edi
	addl	$RESULTS, %edi
	movb	$0xfe, 1(%edi)
	movb	$0xa5, (%edi)
	incl	COUNT
	jmp	enter_long

next32:	.long	0
probe32: .long	0

	.code64
run64:
	movl	$SEL_DATA, %eax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp
	movl	$0x80010031, %eax
	movq	%rax, %cr0
	movl	$0x20, %eax
	movq	%rax, %cr4
	movl	$PML4, %eax
	movq	%rax, %cr3
	movl	$0xc0000080, %ecx
	movl	$0x901, %eax
	xorl	%edx, %edx
	wrmsr
	lidt	idt64_pointer
	movb	$0x89, gdt + SEL_TSS + 5
	movl	$SEL_TSS, %eax
	ltr	%ax
	movl	next64, %esi
	movl	(%rsi), %eax
	testl	%eax, %eax
	jz	finished
	addl	$4, next64
	movl	%eax, %r15d
	movl	$SCRATCH, %edi
	xorl	%eax, %eax
	movl	$512, %ecx
	cld
	rep stosq
	fninit
	ldmxcsr	default_mxcsr
	movl	$SCRATCH, %ebx
	movl	%ebx, %esi
	movl	%ebx, %edi
	xorl	%edx, %edx
	xorl	%ebp, %ebp
	pushq	$2
	popfq
	call	*%r15
	cli
	pushq	$0 /* RIP */
	pushq	$0 /* error code */
	pushq	$0xff
common64:
	movl	COUNT, %edi
	shll	$5, %edi
	addl	$RESULTS, %edi
	movq	%rax, 8(%rdi)
	movq	%rdx, 16(%rdi)
	popq	%rax
	movb	%al, 1(%rdi)
	popq	%rax
	movl	%eax, 4(%rdi)
	popq	%rax
	movq	%rax, 24(%rdi)
	movb	$0xa5, (%rdi)
	incl	COUNT
	jmp	run64

finished:
	movl	$1, DONE
	cli
1:	hlt
	jmp	1b

	.balign	16
stubs64:
	.set	vector, 0
	.rept	32
	.if	vector != 8 && (vector < 10 || vector > 14) && vector != 17
	pushq	$0
	.endif
	pushq	$vector
	jmp	common64
	.balign	16
	.set	vector, vector + 1
	.endr

interrupt64:
	pushq	%rax
	incl	IRQS
	movl	$0xfee000b0, %eax
	movl	$0, (%rax)
	popq	%rax
	iretq

/* Where an AP starts, copied to AP_PAGE: it says its id and then counts NMIs. */
	.code16
ap_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	movw	%bx, %sp /* 16 bytes of stack for each: no frame is larger */
	shlw	$4, %sp
	addw	$0x3000 + 16, %sp
	movw	$AP_PAGE + ap_nmi - ap_start, AP_IVT + 8
	movw	$0, AP_IVT + 10
	lidtl	AP_PAGE + ap_idt_pointer - ap_start
	movl	$0x2ff, %ecx /* the memory type default it finds, and another for the next time */
	rdmsr
	movw	%bx, %di
	shlw	$2, %di
	movl	%eax, AP_MTRR(%di)
	movl	$0x806, %eax
	wrmsr
	movb	$1, AP_SEEN(%bx)
1:	hlt
	jmp	1b
ap_nmi:
	incb	AP_NMI(%bx)
	iretw
ap_idt_pointer:
	.word	0x3ff
	.long	AP_IVT
ap_end:

	.balign	16
gdt:	.quad	0
	.quad	0x00cf9a000000ffff /* 08 code, 32-bit */
	.quad	0x00cf92000000ffff /* 10 data */
	.quad	0x00cf9a000000ffff /* 18 another 32-bit code segment */
	.quad	0x00009a000000ffff /* 20 code, 16-bit */
	.quad	0x00af9a000000ffff /* 28 code, 64-bit */
	.quad	0x00cf92000000ffff /* 30 data, for SYSCALL */
	.quad	0x00cffa000000ffff /* 38 user code, 32-bit */
	.quad	0x00cff2000000ffff /* 40 user data */
	.quad	0x00affa000000ffff /* 48 user code, 64-bit */
	.quad	0x0000890074000067 /* 50 TSS */
	.quad	0
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt, 0
idt32_pointer:
	.word	255
	.long	IDT32, 0
idt64_pointer:
	.word	0x40 * 16 + 15
	.quad	IDT64
next64:	.long	0
empty:	.long	0
default_mxcsr: .long 0x200000

/*
 * For probes that compare clocks: R11D = the register at \offset(R8), R10 = TSC at that time. Taken
 * again when the host stopped the model between the two.
 */
	.code64
	.macro	sample offset
	7: rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, %r10
	mov	\offset(%r8), %r11d
	rdtsc; shl $32, %rdx; or %rdx, %rax; sub %r10, %rax; cmp $100000, %rax; ja 7b
	.endm

#include "probes.inc"
