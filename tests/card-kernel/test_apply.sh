#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# card-kernel-patches/apply on a tree of three files: what fits, what does not and how it says so. Nothing is faked.
# shellcheck source-path=SCRIPTDIR source=../scripts/tap.sh
. "$(dirname "$0")/../scripts/tap.sh"

apply=$TOP/card-kernel-patches/apply
series=$scratch/series
mkdir "$series"

# A tree whose files have second names outside, as in the cache.
fresh() {
	rm -rf "$scratch/tree" "$scratch/pristine"
	mkdir -p "$scratch/tree/arch/x86"
	printf 'VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 777\n' >"$scratch/tree/Makefile"
	seq 1 40 >"$scratch/tree/file"
	echo config >"$scratch/tree/arch/x86/Kconfig"
	cp -al "$scratch/tree" "$scratch/pristine"
}

# patch_line NAME OLD NEW: a patch that turns line OLD of "file" into NEW, lines around it as in the fresh tree
patch_line() {
	{
		printf -- '--- a/file\n+++ b/file\n@@ -%s,7 +%s,7 @@\n' $(($2 - 3)) $(($2 - 3))
		seq -f ' %g' $(($2 - 3)) $(($2 - 1))
		printf -- '-%s\n+%s\n' "$2" "$3"
		seq -f ' %g' $(($2 + 1)) $(($2 + 3))
	} >"$series/$1"
}

applies() {
	"$apply" "$scratch/tree" "$series" >"$scratch/out" 2>&1
}
refuses() {
	! applies
}
output_has() {
	grep -qF -- "$1" "$scratch/out"
}

patch_line 0001-ten.patch 10 ten
patch_line 0002-thirty.patch 30 thirty
printf '# for Linux 6.1.192\n\n0001-ten.patch\n0002-thirty.patch\n' >"$series/series"

fresh
check "a series that fits is applied" applies
check "both changes are there" [ "$(sed -n '10p;30p' "$scratch/tree/file" | xargs)" = "ten thirty" ]
check "the shared headers are there" cmp "$TOP/include/x100/regs.h" "$scratch/tree/include/x100/regs.h"
check "the assembler prelude is there" cmp "$TOP/toolchain/prelude64.s" "$scratch/tree/arch/x86/platform/x100/prelude64.s"
check "it counts the patches and names the version" output_has "2 patches on Linux 6.1.777"
check "the linked tree is as before" [ "$(sed -n '10p;30p' "$scratch/pristine/file" | xargs)" = "10 30" ]

fresh
sed -i '1i inserted' "$scratch/tree/file"
check "lines that moved are found" applies

fresh
sed -i 's/^29$/twenty-nine/' "$scratch/tree/file"
check "a patch that no longer fits stops everything" refuses
check "it is named" output_has "0002-thirty.patch does not fit Linux 6.1.777"
check "with the version the series was made for" output_has "made for 6.1.192"
check "and the place" output_has "FAILED"
check "a patch before it stays" [ "$(sed -n 10p "$scratch/tree/file")" = ten ]

check "applying twice is refused" refuses
check "and names the first patch" output_has "0001-ten.patch"

fresh
echo 0003-missing.patch >>"$series/series"
check "a patch that is not there is named" refuses
check "by its name" output_has "0003-missing.patch, which does not exist"

mkdir "$scratch/empty"
refuses_empty() {
	! "$apply" "$scratch/empty" "$series" 2>"$scratch/out"
}
check "a folder that is no kernel is refused" refuses_empty
check "in words" output_has "not a Linux source tree"
check "no argument is refused" fails "$apply"

# Every file that stands in the series exists and every patch stands in it.
check "the real series lists all patches in order" diff \
	<(grep -v -e '^#' -e '^$' "$TOP/card-kernel-patches/series") <(cd "$TOP/card-kernel-patches" && printf '%s\n' *.patch)
