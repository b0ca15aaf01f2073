/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt table of the time with memory, a constant in flash, and its entry points. Exceptions end
 * in exception_report() and halt; a double fault has a task and a stack of its own, because running
 * into the stack guard is one.
 */
#include <x100/irq.h>
#include <x100/memmap.h>
#include <maps.h>

#define GATE_INTERRUPT 0x8E00
#define GATE_TASK      0x8500
#define VEC_DF	       8
#define VEC_SPURIOUS   255
#define LAPIC_EOI      0xB0
#define LAPIC_ISR_LAST 0x170 /* vectors 224-255 */

	.section .rodata, "a"
	.balign	8
	/* All code is in the last 64 KiB, so the upper halves of the addresses are known. */
	.macro	gate target
	.word	\target, BS_SEL_CODE, GATE_INTERRUPT, X100_BOOTBLOCK_BASE >> 16
	.endm

	.globl	flash_idt
flash_idt:
	.set	vector, 0
	.rept	256
	.if	vector == VEC_DF
	.word	0, BS_SEL_FAULT_TSS, GATE_TASK, 0
	.elseif	vector < 32
	.word	exceptions + 16 * vector, BS_SEL_CODE, GATE_INTERRUPT
	.word	X100_BOOTBLOCK_BASE >> 16
	.elseif	vector == X100_BOOT_VECTOR
	gate	doorbell
	.elseif	vector == VEC_SPURIOUS
	gate	spurious
	.else
	gate	stray
	.endif
	.set	vector, vector + 1
	.endr
flash_idt_end:
	.globl	flash_idt_ptr
flash_idt_ptr:
	.word	flash_idt_end - flash_idt - 1
	.long	flash_idt

	.text
	.code32
	/* One stub of 16 bytes per vector; those without an error code push 0 for it. */
	.balign	16
exceptions:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
	pushl	$0
	.endif
	pushl	$vector
	jmp	exception
	.set	vector, vector + 1
	.endr

	/* Builds struct bs_frame (hw.h) on the stack. */
	.balign	16
exception:
	cld
	pushal
	movl	%cr2, %eax
	pushl	%eax
	pushl	%esp
	call	exception_report
	jmp	halt

	/* The double fault task. The state of the code that failed is in the other TSS. */
	.globl	double_fault_task
double_fault_task:
	cld
	movl	%cr2, %eax
	pushl	%eax
	call	double_fault_report
	jmp	halt

	/* The host rang: say so to the code that sleeps in HLT. */
doorbell:
	movl	$1, doorbell_rung
	/* Anybody may send any vector through an ICR; what means nothing is acknowledged. */
stray:
	movl	$0, X100_LAPIC_BASE + LAPIC_EOI
	iret

	/* In service means somebody sent it; unacknowledged it would block all others for ever. */
spurious:
	testl	$(1 << (VEC_SPURIOUS % 32)), X100_LAPIC_BASE + LAPIC_ISR_LAST
	jnz	stray
	iret
