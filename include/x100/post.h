/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * POST codes: two ASCII characters in the low half of DBOX 0x242C, the first one in the low byte.
 *
 * X100_POST_LIST holds the factory codes (x100-hardware.md Appendix A) and this project's own:
 * the k.., up, Pn, hl, po and rb codes at its end are the card kernel's. Expand it with X(name, first, second, "words") to get constants, tables or tests.
 */
#ifndef X100_POST_H
#define X100_POST_H

#define X100_POST(a, b) ((unsigned int)(a) | (unsigned int)(b) << 8)

#define X100_POST_NONE 0x00000000u /* no value */
#define X100_POST_GONE 0xFFFFFFFFu /* the device is off the bus */

#define X100_POST_LIST(X)                                                                          \
	X(IDT, '0', '1', "loading the interrupt table")                                            \
	X(SBOX, '0', '2', "initialising the SBOX")                                                 \
	X(GDDR_TOP, '0', '3', "setting the top of memory")                                         \
	X(MEMTEST, '0', '4', "testing memory")                                                     \
	X(E820, '0', '5', "writing the memory map")                                                \
	X(DBOX, '0', '6', "initialising the DBOX")                                                 \
	X(CACHE, '0', '9', "enabling the caches")                                                  \
	X(AP_PARAMS, '0', 'b', "passing parameters to the other CPUs")                             \
	X(CODE, '0', 'c', "reset taken, first code running")                                       \
	X(MPTABLE, '0', 'd', "writing the MP table")                                               \
	X(AP_CODE, '0', 'E', "copying the start code of the other CPUs")                           \
	X(AP_WAKE, '0', 'F', "waking the other CPUs")                                              \
	X(AP_WAIT, '1', '0', "waiting for the other CPUs")                                         \
	X(SIGNAL, '1', '1', "signalling the host")                                                 \
	X(READY, '1', '2', "ready, waiting for an image")                                          \
	X(GO, '1', '3', "boot signal received")                                                    \
	X(PLATFORM, '1', '5', "reporting the platform")                                            \
	X(MEM_DONE, '1', '6', "memory usable")                                                     \
	X(PAGES, '1', '7', "building page tables")                                                 \
	X(TRAIN, '3', '0', "memory training: begin")                                               \
	X(TRAIN_QUERY, '3', '1', "memory training: query")                                         \
	X(TRAIN_PARAMS, '3', '2', "memory training: parameters in flash")                          \
	X(TRAIN_MMIO, '3', '3', "memory training: registers")                                      \
	X(TRAIN_RCOMP, '3', '4', "memory training: RCOMP")                                         \
	X(TRAIN_DCC, '3', '5', "memory training: DCC")                                             \
	X(TRAIN_HCK, '3', '6', "memory training: HCK")                                             \
	X(TRAIN_UCODE, '3', '7', "memory training: microcode")                                     \
	X(TRAIN_VENDOR, '3', '8', "memory training: vendor specific")                              \
	X(TRAIN_ADDR, '3', '9', "memory training: addresses")                                      \
	X(TRAIN_ID, '3', 'A', "memory training: module identification")                            \
	X(TRAIN_WCK, '3', 'b', "memory training: WCK")                                             \
	X(TRAIN_READ_CDR, '3', 'C', "memory training: read with CDR")                              \
	X(TRAIN_READ, '3', 'd', "memory training: read without CDR")                               \
	X(TRAIN_WRITE, '3', 'E', "memory training: write")                                         \
	X(TRAIN_END, '3', 'F', "memory training: finalise")                                        \
	X(AUTH, '4', '0', "checking the image")                                                    \
	X(LOAD, '5', '0', "setting up the image")                                                  \
	X(DONE, 'F', 'F', "bootstrap finished, image entered")                                     \
	X(MEMTEST_FAILED, 'E', 'E', "memory test failed")                                          \
	X(NO_GDDR_PARAMS, 'F', '0', "memory parameters not found")                                 \
	X(PLL_FAILED, 'F', '1', "memory clock did not lock")                                       \
	X(TRAIN_FAILED, 'F', '2', "memory training failed")                                        \
	X(QUERY_FAILED, 'F', '3', "memory query failed")                                           \
	X(PRESERVE_FAILED, 'F', '4', "memory preservation failed")                                 \
	X(LOCKDOWN, 'L', 'd', "locking registers down")                                            \
	X(AUTH_FAILED, 'n', 'A', "image refused")                                                  \
	X(HALTED, 'H', '0', "unknown error, halted")                                               \
	X(EXC_DE, 'd', 'E', "exception 0, divide error")                                           \
	X(EXC_DB, 'd', 'b', "exception 1, debug")                                                  \
	X(EXC_NMI, 'n', 'o', "exception 2, NMI")                                                   \
	X(EXC_BP, 'b', 'P', "exception 3, breakpoint")                                             \
	X(EXC_OF, 'o', 'F', "exception 4, overflow")                                               \
	X(EXC_BR, 'b', 'r', "exception 5, bound range")                                            \
	X(EXC_UD, 'u', 'd', "exception 6, invalid instruction")                                    \
	X(EXC_NM, 'n', 'd', "exception 7, no coprocessor")                                         \
	X(EXC_DF, 'd', 'F', "exception 8, double fault")                                           \
	X(EXC_CO, 'c', 'o', "exception 9")                                                         \
	X(EXC_TS, '7', '5', "exception 10, invalid TSS")                                           \
	X(EXC_NP, 'n', 'P', "exception 11, segment not present")                                   \
	X(EXC_SS, 'F', '5', "exception 12, stack fault")                                           \
	X(EXC_GP, '6', 'P', "exception 13, general protection")                                    \
	X(EXC_PF, 'P', 'F', "exception 14, page fault")                                            \
	X(EXC_15, 'r', '5', "exception 15")                                                        \
	X(EXC_MF, '8', '7', "exception 16, x87 error")                                             \
	X(EXC_AC, 'A', 'C', "exception 17, alignment check")                                       \
	X(EXC_MC, 'C', 'C', "exception 18, machine check")                                         \
	X(K_PLATFORM, 'k', '0', "card kernel: platform found")                                     \
	X(K_SMP, 'k', '1', "card kernel: all CPUs running")                                        \
	X(K_UP, 'u', 'p', "card OS running, login available")                                      \
	X(K_PANIC, 'P', 'n', "card kernel panicked")                                               \
	X(K_HALT, 'h', 'l', "card OS halted")                                                      \
	X(K_OFF, 'p', 'o', "card OS powered off")                                                  \
	X(K_RESTART, 'r', 'b', "card OS asks for a reset")

#ifndef __ASSEMBLER__
enum x100_post {
#define X100_POST_ENUM(name, a, b, words) X100_POST_##name = X100_POST(a, b),
	X100_POST_LIST(X100_POST_ENUM)
#undef X100_POST_ENUM
};
#endif

#endif
