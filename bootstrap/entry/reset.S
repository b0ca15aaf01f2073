/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the reset vector to C: 16-bit code, protected mode, PAE paging, memory training. There is no
 * memory yet, hence no stack and no C; page tables and GDT are constants in flash with their
 * accessed bits set, so that the CPU never writes to them.
 *
 * 32-bit PAE, not long mode: KNC has no compatibility mode, so there is no way back from 64-bit code
 * to the kernel's 32-bit entry (k1om-cpu-and-kernel.md 3.2).
 */
#include <x100/post.h>
#include <x100/regs.h>
#include <x100/strap.h>
#include <maps.h>

#define CR0_PE	 (1 << 0)
#define CR0_WP	 (1 << 16)
#define CR0_NW	 (1 << 29)
#define CR0_CD	 (1 << 30)
#define CR0_PG	 (1 << 31)
#define CR4_PAE	 (1 << 5)
#define EFER	 0xC0000080
#define EFER_NXE (1 << 11)

#define ETC_SPINS    100000	  /* reads; the counter moves every 64 ns */
#define TRAIN_TICKS  (30 * X100_ETC_HZ) /* silicon took 7.4 s, the old host gives 45 s for all */

/* Page flags */
#define PF_TABLE   0x001 /* present */
#define PF_RAM	   0x0E3 /* 2 MiB, dirty, accessed, writable, present */
#define PF_FLASH   0x0A1 /* 2 MiB, accessed, present: read and execute */
#define PF_DEVICE  0x0FB /* as RAM, uncached */
#define PF_NX_HIGH 0x80000000

#define ENTRY(linear) (((linear) & 0x3FFFFFFF) >> 21)

#define SET_POST(name, a, b, words) .set X100_POST_##name, a + (b << 8);
X100_POST_LIST(SET_POST)

	.macro	post code
	movl	$\code, BS_MMIO_DBOX + X100_DBOX_POST
	.endm

	/* EAX = ETC ticks, low 32 bits (274 s); EDX clobbered. High, low, high (x100-hardware.md 3.4). */
	.macro	etc_ticks
77:	movl	BS_MMIO_SBOX + X100_SBOX_ETC_HI, %edx
	movl	BS_MMIO_SBOX + X100_SBOX_ETC_LO, %eax
	cmpl	BS_MMIO_SBOX + X100_SBOX_ETC_HI, %edx
	jne	77b
	shrdl	$X100_ETC_SHIFT, %edx, %eax
	.endm

	.section .early_tables, "a"
	/*
	 * One page directory serves the first and the last GiB: memory below 2 MiB, the flash, the
	 * registers. The mirror images this makes go away with the tables C builds.
	 */
	.balign	BS_PAGE
early_directory:
	.long	PF_RAM, PF_NX_HIGH
	.org	early_directory + 8 * ENTRY(BS_MMIO)
	.long	(BS_MMIO_PHYS & 0xFFFFFFFF) + PF_DEVICE, (BS_MMIO_PHYS >> 32) + PF_NX_HIGH
	.org	early_directory + 8 * ENTRY(X100_FLASH_BASE)
	.long	X100_FLASH_BASE + PF_FLASH, 0
	.org	early_directory + BS_PAGE
early_tops:
	.long	early_directory + PF_TABLE, 0
	.long	0, 0, 0, 0
	.long	early_directory + PF_TABLE, 0

	.balign	16
	/* Selectors 0x10 and 0x18 as the 32-bit boot protocol wants them; stays valid for the OS. */
	.globl	flash_gdt
flash_gdt:
	.quad	0, 0
	.quad	0x00CF9B000000FFFF
	.quad	0x00CF93000000FFFF
flash_gdt_end:
	.globl	flash_gdt_ptr
flash_gdt_ptr:
	.word	flash_gdt_end - flash_gdt - 1
	.long	flash_gdt
	.balign	4
	.globl	no_idt_ptr
no_idt_ptr:
	.word	0
	.long	0

	.balign	8
early_idt:
	.rept	32
	.word	early_exception, BS_SEL_CODE, 0x8E00, X100_BOOTBLOCK_BASE >> 16
	.endr
early_idt_end:
early_idt_ptr:
	.word	early_idt_end - early_idt - 1
	.long	early_idt

	.section .reset, "ax"
	.code16
	.globl	reset_vector
reset_vector:
	jmp	entry16
	.org	reset_vector + 16, 0x90

	.section .text.entry, "ax"
	.code16
entry16:
	cli
	cld
	lgdtl	%cs:flash_gdt_ptr
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmpl	$BS_SEL_CODE, $entry32

	.code32
entry32:
	movl	$BS_SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	lidt	early_idt_ptr
	movl	$BS_STACK_TOP, %esp /* writes go nowhere before training, but do not fault */

	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$EFER, %ecx
	rdmsr
	orl	$EFER_NXE, %eax
	wrmsr
	movl	$early_tops, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG | CR0_WP, %eax
	movl	%eax, %cr0
	jmp	1f
1:
	post	X100_POST_CODE

	/* The time base of every deadline: thaw it and see it move. EBP = ticks at reset. */
	movl	$0, BS_MMIO_SBOX + X100_SBOX_THERMAL_INT_STATUS
	etc_ticks
	movl	%eax, %ebp
	movl	%edx, %ebx
	movl	$ETC_SPINS, %ecx
1:	etc_ticks
	cmpl	%ebp, %eax
	jne	1f
	decl	%ecx
	jnz	1b
	post	X100_POST_HALTED
	jmp	halt
1:
	/*
	 * Train GDDR. The start register is the model's stand-in and trains in one go
	 * (x100/strap.h); the codes are those seen on a 3120A, in that order (silicon-notes.md).
	 */
	post	X100_POST_TRAIN
	post	X100_POST_TRAIN_ADDR
	post	X100_POST_TRAIN_RCOMP
	post	X100_POST_TRAIN_UCODE
	movl	$X100_TRAIN_START, BS_MMIO_GBOX0 + X100_GBOX_UCODE_START
	etc_ticks
	movl	%eax, %esi
2:	testl	$X100_TRAIN_BUSY, BS_MMIO_GBOX0 + X100_GBOX_UCODE_START
	jz	3f
	etc_ticks
	subl	%esi, %eax
	cmpl	$TRAIN_TICKS, %eax
	jb	2b
	jmp	training_failed
3:	movl	BS_MMIO_GBOX0 + X100_GBOX_UCODE_CMD, %eax
	testl	$X100_TRAIN_FAILED, %eax
	jnz	training_failed
	testl	$X100_TRAIN_DONE, %eax
	jz	training_failed
	post	X100_POST_TRAIN_ADDR
	post	X100_POST_TRAIN_READ_CDR
	post	X100_POST_TRAIN_READ
	post	X100_POST_TRAIN_WRITE
	post	X100_POST_TRAIN_END

	/* The stack must hold what is pushed before C may run. */
	pushl	$0x5AA5C33C
	pushl	$0xA55A3CC3
	popl	%eax
	popl	%edx
	cmpl	$0xA55A3CC3, %eax
	jne	memory_failed
	cmpl	$0x5AA5C33C, %edx
	jne	memory_failed
	post	X100_POST_MEM_DONE

	post	X100_POST_CACHE
	invd
	movl	%cr0, %eax
	andl	$~(CR0_CD | CR0_NW), %eax
	movl	%eax, %cr0

	movl	$__data_load, %esi
	movl	$__data_start, %edi
	movl	$__data_end, %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	rep; movsl
	movl	$__bss_start, %edi
	movl	$__bss_end, %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep; stosl

	/* bootstrap_main(ticks at reset): EBX:EBP >> 5 with EBP already shifted. */
	shrl	$X100_ETC_SHIFT, %ebx
	pushl	$0
	pushl	%ebx
	pushl	%ebp
	pushl	$0
	xorl	%ebp, %ebp
	jmp	bootstrap_main

training_failed:
	post	X100_POST_TRAIN_FAILED
	jmp	halt
memory_failed:
	post	X100_POST_MEMTEST_FAILED
	jmp	halt
early_exception:
	post	X100_POST_HALTED
	.globl	halt
halt:
	cli
1:	hlt
	jmp	1b
