/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two CPUs in real mode: one calls a function for ever, the other changes it and checks that, after two
 * more calls, only the new code runs. Loaded at 0x7000, where the poller of test_running.py calls it.
 */
#define RESULT 0x502 /* 1 = done, 2 = old code ran */
#define CALLS  0x510
#define LAST   0x514
#define ROUND  0x518
#define ROUNDS 200

	.code16
	.globl _start
_start:	xorl	%esi, %esi
round:
	incl	%esi
	movl	%esi, ROUND
	/* After this the other CPU has new code to look at... */
	movw	$0xffff, changed + 1
	movl	%esi, %ecx
	andl	$0xff, %ecx
	shll	$9, %ecx
1:	decl	%ecx
	jns	1b
	/* ...which changes while it does. */
	movw	%si, changed + 1
	movl	CALLS, %eax
	addl	$2, %eax
2:	movl	CALLS, %ecx
	subl	%eax, %ecx
	js	2b
	cmpw	%si, LAST
	jne	stale
	cmpl	$ROUNDS, %esi
	jb	round
	movw	$1, RESULT
	ret
stale:	movw	$2, RESULT
	ret

	.org 0x1000 /* the other CPU starts here */
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x5000, %sp
3:	call	changed
	movw	%ax, LAST
	incl	CALLS
	jmp	3b

	.org 0x2000
changed:
	movw	$0, %ax
	.fill	400, 1, 0x90 /* more to look at */
	ret
