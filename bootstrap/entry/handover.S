/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * void handover(uint32_t entry, uint32_t params): leaves the bootstrap by the kernel's 32-bit entry.
 * Paging off, flat segments 0x10 and 0x18 out of flash, ESI = zero page, the rest as the boot
 * protocol asks (x100-abi.md 1.13). This code is mapped at its physical address.
 */
#include <maps.h>

#define CR0_KEPT 0x00000011 /* PE, ET */
#define EFER	 0xC0000080

	.text
	.code32
	.globl	handover
handover:
	cli
	cld
	movl	4(%esp), %ebx
	movl	8(%esp), %esi
	lgdt	flash_gdt_ptr
	ljmp	$BS_SEL_CODE, $1f
1:	movl	$BS_SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$CR0_KEPT, %eax
	movl	%eax, %cr0
	jmp	1f
1:	xorl	%eax, %eax
	movl	%eax, %cr3
	movl	%eax, %cr4
	xorl	%edx, %edx
	movl	$EFER, %ecx
	wrmsr
	lidt	no_idt_ptr
	movl	%ebx, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	jmp	*%eax
