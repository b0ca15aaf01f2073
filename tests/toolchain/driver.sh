#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# k1om-cc as a compiler driver: every way to call it either gives K1OM-clean code or fails with a sentence. TAP.
#
# usage: driver.sh K1OM_CC K1OM_CHECK SCRATCH_FOLDER
# shellcheck disable=SC2317,SC2015 # functions called by tap
set -u
cc=$(readlink -f "$1") check=$(readlink -f "$2")
rm -rf "$3" && mkdir -p "$3" && cd "$3" || exit 1
number=0 failed=0

# tap NAME COMMAND...: one test; the command's output is shown when it fails
tap() {
	local name=$1 out
	shift
	number=$((number + 1))
	if out=$("$@" 2>&1); then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		printf '%s\n' "$out" | head -n 8 | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}

# builds FILE COMMAND...: the command succeeds without a word and FILE is clean
builds() {
	local file=$1 out
	shift
	out=$("$@" 2>&1) && [ -z "$out" ] || { echo "$out"; return 1; }
	"$check" "$file"
}
# says TEXT COMMAND...: the command fails and says TEXT
says() {
	local text=$1 out
	shift
	! out=$("$@" 2>&1) && grep -qF -- "$text" <<<"$out" || { echo "$out"; return 1; }
}

cat >a.c <<'C'
int least(int a, int b);
int least(int a, int b) { __sync_synchronize(); return a < b ? a : b; }
C
cat >main.c <<'C'
#include <stdio.h>
int least(int a, int b);
int main(int argc, char **argv) { (void)argv; printf("%d\n", least(argc + 4, 7)); return 0; }
C
printf '.globl f\nf: cmovne %%eax, %%ebx\n mfence\n ret\n' >b.s
printf '#define SOURCE %%ecx\n.globl g\ng: cmovbe SOURCE, %%edx // a comment\n pause\n ret\n' >c.S
printf 'double half(double x); double half(double x) { return x > 1 ? x / 2 : -x; }\n' >d.c
printf 'int bad(void); int bad(void) { unsigned int a; __asm__("rdtscp" : "=a"(a) : : "ecx", "edx"); return a; }\n' >bad.c

tap "C" builds a.o "$cc" -O2 -c a.c
tap "the compiler did use what KNC lacks" bash -c "gcc-12 -O2 -c a.c -o plain.o && ! '$check' plain.o"
tap "assembly" builds b.o "$cc" -c b.s
tap "assembly with preprocessor" builds c.o "$cc" -c c.S
tap "-pipe is dropped" builds a.o "$cc" -pipe -O2 -c a.c
tap "-flto is dropped" builds a.o "$cc" -flto -O2 -c a.c
tap "-masm=intel" builds a.o "$cc" -masm=intel -O2 -c a.c
tap "-g -fverbose-asm -save-temps" builds a.o "$cc" -g -fverbose-asm -save-temps=obj -O2 -c a.c
tap "C from standard input" builds s.o bash -c "'$cc' -O2 -x c -c - -o s.o <a.c"
tap "assembly from standard input" builds s.o bash -c "'$cc' -x assembler -c - -o s.o <b.s"
tap "two sources in one command" bash -c "rm -f a.o main.o; '$cc' -O2 -c a.c main.c && '$check' a.o main.o"
tap "compile and link in one command, which runs" bash -c "'$cc' -O2 a.c main.c b.s c.S -o prog && [ \"\$(./prog)\" = 5 ]"
tap "link only" bash -c "'$cc' a.o main.o -o prog && ./prog"
tap "-S, then the assembly" bash -c "'$cc' -O2 -S a.c -o t.s && grep -q cmov t.s && '$cc' -c t.s -o t.o && '$check' t.o"
tap "-E" bash -c "'$cc' -E main.c | grep -q 'int main'"
tap "-m32" builds a.o "$cc" -m32 -O2 -c a.c
tap "-m32 asked for CMOV" builds a.o "$cc" -m32 -march=i686 -O2 -c a.c
tap "-m32 assembly" builds c.o "$cc" -m32 -c c.S
tap "-m16" bash -c "'$cc' -m16 -ffreestanding -O2 -c a.c -o a.o && '$check' --mode=16 a.o"
tap "-m16 asked for CMOV" bash -c "'$cc' -m16 -march=i686 -O2 -c a.c -o a.o && '$check' --mode=16 a.o"
tap "the last mode wins" builds a.o "$cc" -m32 -m64 -O2 -c a.c
tap "floating-point registers asked for are not given" builds a.o "$cc" -msse2 -mmmx -O2 -c a.c
tap "double in a signature is an error of gcc" says "SSE" "$cc" -O2 -c d.c
tap "RDTSCP is an error with a sentence" says "x100: rdtscp: KNC has no RDTSCP" "$cc" -c bad.c
tap "-mx32 is refused" says "no x32" "$cc" -mx32 -c a.c
tap "from another folder, by a link" bash -c "ln -s '$cc' link && mkdir -p sub && cd sub && ../link -O2 -c ../a.c && '$check' a.o"

tap "--user: C" builds a.o "$cc" --user -O2 -c a.c
tap "--user: double in a signature" builds d.o "$cc" --user -O2 -c d.c
tap "--user: a call instead of SSE" bash -c "nm -u d.o | grep -q __divdf3 || nm -u d.o | grep -q __muldf3"
tap "--user: assembly" builds c.o "$cc" --user -c c.S
tap "--user: unoptimised" builds d.o "$cc" --user -c d.c
tap "--user: -pipe -flto" builds a.o "$cc" --user -pipe -flto -O2 -c a.c
tap "--user: -fPIC" builds d.o "$cc" --user -fPIC -O2 -c d.c
tap "--user: RDTSCP" says "x100: rdtscp: KNC has no RDTSCP" "$cc" --user -c bad.c
tap "--user: -m32 is refused" says "64-bit only" "$cc" --user -m32 -c a.c
tap "--user: a configure script's first questions" bash -c "'$cc' --user --version && '$cc' --user -v && '$cc' --user -dumpmachine"
tap "--user: -Werror without unused arguments" builds a.o "$cc" --user -Werror -Wall -O2 -c a.c
tap "--user: va_arg of doubles in unoptimised code" bash -c "printf 'double f(__builtin_va_list a); double f(__builtin_va_list a) { return __builtin_va_arg(a, double); }\\n' >v.c; '$cc' --user -Wall -Wextra -Wpedantic -Werror -c v.c -o v.o && '$check' v.o"

echo "1..$number"
exit $((failed > 0))
