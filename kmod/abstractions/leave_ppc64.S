/* SPDX-License-Identifier: GPL-2.0 */
/*
 * leave.c for ELF ABI v2. A compiler does not jump to a function whose table of contents (r2) may be another one,
 * for then it could not restore its own. Here that is not necessary: who calls these functions does so by a pointer,
 * and restores r2 itself.
 */
#include <asm/ppc_asm.h>

	.abiversion 2

/* Calls \work with the arguments as they are, and jumps to \target with what it returns. */
.macro LEAVE name, work, target
	.globl	\name
	.type	\name, @function
\name:
	addis	2, 12, (.TOC. - \name)@ha
	addi	2, 2, (.TOC. - \name)@l
	.localentry \name, . - \name
	.ifnb	\work
	mflr	0
	std	0, 16(1)
	stdu	1, -32(1)
	bl	\work
	nop
	addi	1, 1, 32
	ld	0, 16(1)
	mtlr	0
	.endif
	addis	12, 2, .L\target@toc@ha
	ld	12, .L\target@toc@l(12)
	mtctr	12
	bctr
	.size	\name, . - \name
.endm

	.section .toc, "aw"
.Lcomplete:
	.quad	complete
.Lfput:
	.quad	fput

	.text
	.balign	16
LEAVE	resmem_kiocb_written, resmem_request_written, complete
	.balign	16
LEAVE	resmem_kiocb_read, resmem_request_landed, complete
	.balign	16
LEAVE	resmem_buffer_released, , fput
