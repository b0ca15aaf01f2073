/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Registers of the DBOX and SBOX. Offsets count from the start of their 64 KiB block; all registers
 * are 32 bits wide and only aligned 32-bit accesses are used (x100-hardware.md 0.1).
 *
 * Reset values: unknown on silicon except where a comment gives one (x100-hardware.md 0.2).
 */
#ifndef X100_REGS_H
#define X100_REGS_H

/* BAR4 offsets of the two blocks. */
#define X100_MMIO_DBOX 0x00000
#define X100_MMIO_SBOX 0x10000

/* DBOX (x100-hardware.md 3.11): offset; access, meaning */
#define X100_DBOX_MC2_CTL    0x0340 /* RW  machine-check bank */
#define X100_DBOX_MC2_STATUS 0x0348
#define X100_DBOX_MC2_ADDR   0x0350
#define X100_DBOX_ADAK_CTRL  0x0600             /* R   dummy-read target */
#define X100_DBOX_SWF0X0     0x2410             /* RW  "flash update" word */
#define X100_DBOX_POST       0x242C             /* RW  POST code, two ASCII characters */
#define X100_DBOX_SWF0X8     0x2430             /* RW  scratch */
#define X100_DBOX_SWFLAG     0x2440             /* R   dummy-read target */
#define X100_DBOX_SERIAL(n)  (0x3410 + 4 * (n)) /* R   n = 0..2: serial number, ASCII */
#define X100_DBOX_GMBUS(n)   (0x5100 + 4 * (n)) /* RW  n = 0..4: I2C to the SMC */
#define X100_DBOX_GMBUS5     0x5120
#define X100_DBOX_DPLLA_CTRL 0x6014 /* R   bit 25: lower minimum frequency */

/* SBOX: "overclocking" I2C controller (3.10) */
#define X100_SBOX_I2C_ICR   0x1000
#define X100_SBOX_I2C_ISR   0x1004
#define X100_SBOX_I2C_ISAR  0x1008
#define X100_SBOX_I2C_IDBR  0x100C
#define X100_SBOX_I2C_IBMR  0x1010
#define X100_I2C_ICR_START  (1u << 0)
#define X100_I2C_ICR_STOP   (1u << 1)
#define X100_I2C_ICR_ACKNAK (1u << 2) /* 1: answer NAK to a received byte */
#define X100_I2C_ICR_TB     (1u << 3) /* transfer byte, self-clearing */
#define X100_I2C_ICR_MA     (1u << 4) /* master abort */
#define X100_I2C_ICR_SCLE   (1u << 5)
#define X100_I2C_ICR_IUE    (1u << 6) /* unit enable */
#define X100_I2C_ICR_GCD    (1u << 7)
#define X100_I2C_ICR_UR     (1u << 14) /* unit reset */
#define X100_I2C_ICR_FAST   (1u << 15) /* 400 kHz */
#define X100_I2C_ISR_RWM    (1u << 0)
#define X100_I2C_ISR_ACKNAK (1u << 1)  /* last byte was not acknowledged */
#define X100_I2C_ISR_UB     (1u << 2)  /* unit busy */
#define X100_I2C_ISR_IBB    (1u << 3)  /* bus busy */
#define X100_I2C_ISR_ALD    (1u << 5)  /* arbitration lost, W1C */
#define X100_I2C_ISR_ITE    (1u << 6)  /* IDBR transmit empty, W1C */
#define X100_I2C_ISR_IRF    (1u << 7)  /* IDBR receive full, W1C */
#define X100_I2C_ISR_BED    (1u << 10) /* bus error, W1C */

/* SBOX: thermal and time (3.4, 3.5) */
#define X100_SBOX_THERMAL_STATUS     0x1018
#define X100_SBOX_THERMAL_INT_ENABLE 0x101C
#define X100_SBOX_DIE_TEMP(n)        (0x103C + 4 * (n)) /* R   n = 0..2: three 10-bit values */
#define X100_SBOX_ETC_LO             0x1074             /* R   elapsed time, low 5 bits always 0 */
#define X100_SBOX_ETC_HI             0x1078
#define X100_SBOX_THERMAL_INT_STATUS 0x107C /* RW  bit 31: ETC frozen */
#define X100_ETC_FREEZE              (1u << 31)
#define X100_ETC_SHIFT               5
#define X100_ETC_HZ                  15625000 /* of the value >> 5; 64 ns a tick */
#define X100_ETC_NS                  64

/* SBOX: SMPT (2.4); see smpt.h */
#define X100_SBOX_SMPT(n) (0x3100 + 4 * (n)) /* RW  n = 0..31 */

/* SBOX: reset, clocks (3.3) */
#define X100_SBOX_RGCR         0x4010 /* RW  bit 0: reset the card */
#define X100_RGCR_RESET        (1u << 0)
#define X100_SBOX_CURRENTRATIO 0x402C /* R   11:0 current, 27:16 goal ratio */
#define X100_SBOX_COREFREQ     0x4100
#define X100_SBOX_COREVOLT     0x4104
#define X100_SBOX_MEMORYFREQ   0x4108
#define X100_SBOX_MEMVOLT      0x410C
#define X100_SBOX_SVIDCONTROL  0x4110
#define X100_SBOX_PCUCONTROL   0x4114
#define X100_SBOX_COMPONENT_ID 0x4134

/* SBOX: configuration space shadow (1.6): config offset + 0x5800 */
#define X100_SBOX_PCI_CONFIG 0x5800

/* SBOX: interrupts to the host (3.6, 3.7); bits in irq.h */
#define X100_SBOX_SICR0     0x9004             /* R/W1C  cause */
#define X100_SBOX_SICS0     0x9008             /* W1S    set a cause by software */
#define X100_SBOX_SICE0     0x900C             /* R/W1S  enable */
#define X100_SBOX_SICC0     0x9010             /* W1C    of the enables */
#define X100_SBOX_SIAC0     0x9014             /* RW     auto-clear with MSI-X */
#define X100_SBOX_MXAR(v)   (0x9044 + 4 * (v)) /* RW     v = 0..15: causes of vector v */
#define X100_SBOX_MSIXPBACR 0x9084             /* W      A0 stepping only */
#define X100_SBOX_SDBIC(n)  (0xCC90 + 4 * (n)) /* RW     n = 0..3: doorbell to the host */
#define X100_SDBIC_REQUEST  (1u << 31)

/* SBOX: DMA engine (5) */
#define X100_SBOX_DMA(ch) (0xA000 + 0x40 * (ch)) /* channel block */
#define X100_SBOX_DCR     0xA280

/* SBOX: I/O APIC, directly mapped, and ICRs (3.8, 4.2, 4.3) */
#define X100_SBOX_APICIDR        0xA800 /* R   31:23 id */
#define X100_SBOX_APICVER        0xA804
#define X100_SBOX_APICRT_LO(pin) (0xA840 + 8 * (pin)) /* RW  redirection entry, low dword */
#define X100_SBOX_APICRT_HI(pin) (0xA844 + 8 * (pin))
#define X100_SBOX_APICICR_LO(n)  (0xA9D0 + 8 * (n)) /* RW  n = 0..7; bit 13 sends */
#define X100_SBOX_APICICR_HI(n)  (0xA9D4 + 8 * (n)) /* RW  destination APIC id */
#define X100_SBOX_RDMASR(n)      (0xB180 + 4 * (n)) /* W   n = 0..7: I/O APIC pin 17 + n */

/* SBOX: scratch (3.2) */
#define X100_SBOX_SCRATCH(n)    (0xAB20 + 4 * (n)) /* RW  n = 0..15 */
#define X100_SBOX_C6_SCRATCH(n) (0xC000 + 4 * (n)) /* RW  n = 0..21 */

/* SBOX: fuse words (3.9) */
#define X100_SBOX_EMON_CNT(n) (0xCC28 + 4 * (n)) /* R   n = 0..3 */
#define X100_SBOX_RSC0        0xCC54             /* name only; see strap.h */
#define X100_SBOX_RSC1        0xCC58             /* name only; see strap.h */

/*
 * SC16IS740 UART behind the I2C controller (3.10): 7-bit bus address, register number << 3 as the
 * sub-address, 8250 register numbers, 64-byte FIFOs, 1.8432 MHz.
 */
#define X100_UART_I2C_ADDR     0x48
#define X100_UART_CLOCK_HZ     1843200
#define X100_UART_FIFO         64
#define X100_UART_SUBADDR(reg) ((reg) << 3)
#define X100_UART_RHR          0x0
#define X100_UART_THR          0x0
#define X100_UART_IER          0x1
#define X100_UART_FCR          0x2
#define X100_UART_LCR          0x3
#define X100_UART_MCR          0x4
#define X100_UART_LSR          0x5
#define X100_UART_MSR          0x6
#define X100_UART_SPR          0x7
#define X100_UART_TXLVL        0x8 /* free bytes in the transmit FIFO */
#define X100_UART_RXLVL        0x9 /* bytes waiting in the receive FIFO */
#define X100_UART_DLL          0x0 /* with LCR bit 7 */
#define X100_UART_DLH          0x1

/*
 * Core clock from SCRATCH4 and CURRENTRATIO (x100-hardware.md 3.3).
 *
 * @scratch4: SCRATCH4, divider of 4000 MHz in 29:25 (0 stands for the nominal 20)
 * @ratio: CURRENTRATIO; feedback 8:1, feed-forward code 10:9
 *
 * Returns kHz, or 0 if the ratio makes no clock.
 */
#ifndef __ASSEMBLER__
static inline unsigned int x100_core_khz(unsigned int scratch4, unsigned int ratio)
{
	unsigned int div = (scratch4 >> 25) & 0x1F;
	unsigned int fb = (ratio >> 1) & 0xFF;
	unsigned int ff = (ratio >> 9) & 3;

	if (!div)
		div = 20;
	return 4000000 / div * fb / (ff == 3 ? 1 : ff == 2 ? 2 : 4);
}
#endif

#endif
