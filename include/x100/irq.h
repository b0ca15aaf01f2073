/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Interrupt numbers and causes in both directions (x100-hardware.md 3.6-3.8 and 4,
 * x100-abi.md section 7).
 */
#ifndef X100_IRQ_H
#define X100_IRQ_H

/* Causes to the host: same bit in SICR0, SICS0, SICE0, SICC0, SIAC0 and MXARn. */
#define X100_SRC_DOORBELL(n) (1u << (n))        /* n = 0..3, from SDBICn */
#define X100_SRC_DMA(ch)     (1u << (8 + (ch))) /* ch = 0..7 */
#define X100_SRC_ERROR       (1u << 30)
#define X100_SRC_SPI         (1u << 31)
#define X100_SRC_USED        0x0000FF0Fu /* what every driver enables */
#define X100_HOST_DOORBELLS  4

/* APICICRn low dword. */
#define X100_ICR_VECTOR_MASK 0x000000FFu
#define X100_ICR_MODE_SHIFT  8
#define X100_ICR_SEND        (1u << 13) /* reads back 0 */
#define X100_ICR_MASKED      (1u << 16) /* as the old card kernel uses it */
#define X100_ICRS            8

/* Boot interrupt: ICR7, to the APIC id of SPAD2. */
#define X100_BOOT_ICR    7
#define X100_BOOT_VECTOR 229

/* I/O APIC redirection entry: low dword; the destination is in bits 15:0 of the high dword. */
#define X100_RTE_MODE_SHIFT 8
#define X100_RTE_LOGICAL    (1u << 11)
#define X100_RTE_LEVEL      (1u << 15)
#define X100_RTE_MASKED     (1u << 16)
#define X100_RTE_TEST       (1u << 17) /* trigger the pin by software */

/* I/O APIC pins. */
#define X100_PIN_DMA(ch)   (ch)
#define X100_PIN_PMU       12
#define X100_PIN_THERMAL   13
#define X100_PIN_SPI       14
#define X100_PIN_ERROR     15
#define X100_PIN_MCA       16
#define X100_PIN_RDMASR(n) (17 + (n))
#define X100_PINS          26

/* Linux IRQ numbers on the card: pins are 0..25, APICICRn is 26 + n. Old drivers hard-code these. */
#define X100_IRQ_PIN(pin) (pin)
#define X100_IRQ_ICR(n)   (26 + (n))
#define X100_IRQS         34

/*
 * Shutdown word in SDBIC1: bit 31 (X100_SDBIC_REQUEST) rings the host, the low bits say why. The
 * numbers are enum system_state of the 2.6.38 card kernel, not of today's Linux.
 */
#define X100_SHUTDOWN_DOORBELL  1
#define X100_SHUTDOWN_HALT      2
#define X100_SHUTDOWN_POWER_OFF 3
#define X100_SHUTDOWN_RESTART   4
#define X100_SHUTDOWN_CRASH     0xDEAD

#endif
