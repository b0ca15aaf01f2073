/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A CPU in 64-bit mode that does what test_direct.py asks of it, anywhere in the card's physical memory. It is
 * the flash: the last 4 KiB before 4 GiB. The host puts page tables at PML4 and then GO into MAILBOX.
 */
#define BASE	0xfffff000
#define MAILBOX 0x500
#define GO	0x1234
#define COMMAND (MAILBOX + 8) /* done again and again until it changes */
#define ADDRESS (MAILBOX + 16)
#define VALUE	(MAILBOX + 24)
#define ROUNDS	(MAILBOX + 32) /* times the command was done; 0 while idle */
#define THEN	(MAILBOX + 40)
#define RESULT	(MAILBOX + 48)
#define PML4	0x10000

	.code16
	.org 0
start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
1:	cmpl	$GO, MAILBOX
	jne	1b
	lgdtl	%cs:(0xf000 + gdtr - start)
	movl	$0x20, %eax /* PAE */
	movl	%eax, %cr4
	movl	$PML4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax /* EFER.LME */
	wrmsr
	movl	$0x80000001, %eax /* paging, protection */
	movl	%eax, %cr0
	ljmpl	$8, $(BASE + long_mode - start)

	.code64
long_mode:
	xorl	%ebx, %ebx
	movw	%bx, %ss
	movl	$0x8000, %esp
next:	movq	COMMAND, %rax
	movq	ADDRESS, %rdi
	cmpq	$1, %rax
	je	read
	cmpq	$2, %rax
	je	write
	cmpq	$3, %rax
	je	call
	cmpq	$4, %rax
	je	increment
	cmpq	$5, %rax
	je	write_then_read
	cmpq	$6, %rax
	je	compare
	cmpq	$7, %rax
	je	flip
	movq	$0, ROUNDS
	jmp	next
read:	movq	(%rdi), %rdx
	movq	%rdx, RESULT
	jmp	done
write:	movq	VALUE, %rdx
	movq	%rdx, (%rdi)
	jmp	done
call:	call	*%rdi
	movl	%eax, %eax
	movq	%rax, RESULT
	jmp	done
increment:
	lock incq (%rdi)
	jmp	done
write_then_read: /* 32 bits at ADDRESS, then 64 from THEN */
	movq	THEN, %rsi
	movl	VALUE, %edx
	movl	%edx, (%rdi)
	movq	(%rsi), %rdx
	movq	%rdx, RESULT
	jmp	done
compare: /* 32 bits at ADDRESS with VALUE; RESULT counts what differs */
	movl	(%rdi), %edx
	cmpl	VALUE, %edx
	je	done
	incq	RESULT
	jmp	done
flip:	/* 32 bits at ADDRESS: VALUE, next time THEN, and so on */
	movq	VALUE, %rdx
	movl	%edx, (%rdi)
	xchgq	%rdx, THEN
	movq	%rdx, VALUE
done:	incq	ROUNDS
	jmp	next

	.balign 8
gdt:	.quad	0, 0x00209a0000000000
gdtr:	.word	15
	.long	BASE + gdt - start

	.org 0xff0 /* reset vector; CS base 0xffff0000 */
	.code16
	jmp	start
	.org 0x1000
