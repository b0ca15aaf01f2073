/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the other CPUs run after the bootstrap's INIT and SIPI: take over the boot CPU's memory
 * types, say "here", sleep until the OS sends its own. Copied to BS_AP_PAGE, which no OS is given;
 * runs in real mode there.
 */
#include <maps.h>

	.section .rodata, "a"
	.balign	16
	.code16
	.globl	ap_code
ap_code:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	movw	$ap_msrs - ap_code, %si
1:	movl	(%si), %ecx
	jecxz	2f
	movl	4(%si), %eax
	movl	8(%si), %edx
	wrmsr
	addw	$12, %si
	jmp	1b
2:	movl	$1, %eax
	cpuid
	shrl	$24, %ebx /* initial APIC id */
	lock; btsl %ebx, ap_present - ap_code
1:	hlt
	jmp	1b
	.balign	16, 0x90
ap_present:
	.fill	8, 4, 0
	/* struct bs_msr, filled in by the boot CPU; number 0 ends it */
ap_msrs:
	.fill	3 * BS_AP_MSRS, 4, 0
	.globl	ap_code_end
ap_code_end:
	.globl	ap_present_offset
	.set	ap_present_offset, ap_present - ap_code
	.globl	ap_msrs_offset
	.set	ap_msrs_offset, ap_msrs - ap_code
