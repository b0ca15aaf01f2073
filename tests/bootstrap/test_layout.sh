#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Under test: the flash image, and that the linker refuses a wrong map in words. Every case takes
# linker/maps.h with one line changed and links the objects of the real build.
# shellcheck source-path=SCRIPTDIR/../scripts source=../scripts/tap.sh
. "$(dirname "$0")/../scripts/tap.sh"

out=$TOP/build/bootstrap
flash=$out/flash.bin

# links SED-EXPRESSION [FILE]: links with maps.h, or memmap.h, changed so; messages in $scratch/log
links() {
	rm -rf "$scratch/inc"
	mkdir -p "$scratch/inc"
	cp -r "$TOP/include/x100" "$scratch/inc/x100"
	cp "$TOP/linker/maps.h" "$scratch/inc/maps.h"
	cp "$TOP/linker/bootstrap.ld.S" "$scratch/inc/bootstrap.ld.S"
	sed -i "$1" "$scratch/inc/${2:-maps.h}"
	gcc -E -P -undef -x assembler-with-cpp -I"$scratch/inc" "$scratch/inc/bootstrap.ld.S" \
		-o "$scratch/ld" || return
	ld -m elf_i386 -static --gc-sections -T "$scratch/ld" -o "$scratch/elf" \
		"$out"/{lib,hw,board,entry}/*.o "$out/newlib/lib/libc.a" >"$scratch/log" 2>&1
}

# refused SED-EXPRESSION FILE SENTENCE
refused() {
	fails links "$1" "$2" && says "$3" "$scratch/log"
}

size_of() { stat -c %s "$1"; }
bytes() { od -An -tx1 -v -j "$2" -N "$3" "$1" | tr -d ' \n'; }

check "the flash image is 2 MiB" [ "$(size_of "$flash")" = 2097152 ]
check "all but its last 64 KiB is erased flash" \
	[ -z "$(head -c 2031616 "$flash" | tr -d '\377' | head -c 1)" ]
check "the reset vector is a near jump" [ "$(bytes "$flash" 2097136 1)" = e9 ]
check "the unchanged map links" links ''
check "code that does not fit is refused" \
	refused 's/\(X100_BOOTBLOCK_BASE .*\)0xFFFF0000/\10xFFFFA000/' x100/memmap.h \
	"the bootstrap is larger than its 64 KiB of flash"
check "data over its end is refused" \
	refused 's/\(BS_DATA_END.*\)0x20000/\10x10400/' maps.h \
	"data and bss of the bootstrap run over the end of their memory"
check "page tables over data are refused" \
	refused 's/\(BS_TABLES_END.*\)0x0A000/\10x11000/' maps.h "the page tables overlap the data"
check "a stack without a guard is refused" \
	refused 's/\(BS_STACK_GUARD.*\)0x2F000/\10x2E000/' maps.h \
	"the stack guard does not lie right below the stack"
check "a zero page in the system's RAM is refused" \
	refused 's/\(X100_BOOT_PARAMS.*\)0x4F000/\10x50000/' x100/memmap.h \
	"the zero page is not in bootstrap memory"
check "a boot record in the system's RAM is refused" \
	refused 's/\(X100_RECORD_BASE.*\)0xD0000/\10xC0000/' x100/memmap.h \
	"the boot record lies in RAM given to the OS"
check "a register window that is off is refused" \
	refused 's/0xF81D0000/0xF81E0000/' maps.h "the SBOX window is not on the SBOX"
