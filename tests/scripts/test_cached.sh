#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/cached: what is built again and what is not, failures, two builders at once. Nothing is faked.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

export X100_CACHE=$scratch/cache
cached=$TOP/scripts/cached
input=$scratch/input
mkdir "$input"
echo one >"$input/file"

# Every run of the builder leaves a line in $scratch/runs.
# shellcheck disable=SC2016 # expanded by the builder's shell
build='echo run >>"$1/runs"; cat "$1/input/file" >"$OUT/result"; touch "$WORK/junk"'
builds() {
	"$cached" thing "$@" --input "$input" -- sh -c "$build" builder "$scratch"
}
runs_are() {
	[ "$(wc -l <"$scratch/runs")" = "$1" ]
}

first=$(builds)
check "the first call builds" runs_are 1
check "it prints the directory of the result" says one "$first/result"
second=$(builds)
check "the second call does not build" runs_are 1
check "the second call prints the same directory" [ "$first" = "$second" ]

echo two >"$input/file"
third=$(builds)
check "a changed input builds" runs_are 2
check "the changed input has a result of its own" says two "$third/result"
echo one >"$input/file"
check "the old content finds the old result" [ "$(builds)" = "$first" ]
builds --key v2 >/dev/null
check "a changed key word builds" runs_are 3
mv "$input/file" "$input/other" && ln -s other "$input/file"
builds >/dev/null
check "a renamed input builds" runs_are 4

"$cached" bad -- sh -c 'echo the reason; exit 3' >"$scratch/out" 2>"$scratch/err"
check "a failed build fails" [ $? = 1 ]
check "a failed build prints no directory" [ ! -s "$scratch/out" ]
check "a failed build shows the end of its log" says "the reason" "$scratch/err"
check "a failed build leaves no result" fails compgen -G "$X100_CACHE/built/bad-????????????????"
check "the same call builds again after a failure" \
	fails "$cached" bad -- sh -c 'echo the reason; exit 3' 2>/dev/null

check "a missing input is refused" fails "$cached" none --input "$scratch/nowhere" -- true 2>/dev/null
check "a missing command is refused" fails "$cached" none 2>/dev/null

# shellcheck disable=SC2016
makeflags=$(MAKEFLAGS=-r "$cached" flags -- sh -c 'echo "[${MAKEFLAGS-}]" >"$OUT/flags"')
check "the caller's make flags do not reach the build" says "[]" "$makeflags/flags"

# The builder holds until the second caller waits for its lock, so both are there at once.
rm "$scratch/runs"
# shellcheck disable=SC2016
slow='echo run >>"$1/runs"; mkfifo "$1/go.tmp"; mv "$1/go.tmp" "$1/go"; read -r _ <"$1/go"; echo x >"$OUT/x"'
"$cached" slow -- sh -c "$slow" builder "$scratch" >"$scratch/a" &
a=$!
end=$((SECONDS + 20))
until [ -p "$scratch/go" ] || [ $SECONDS -gt $end ]; do sleep 0.01; done
"$cached" slow -- sh -c "$slow" builder "$scratch" >"$scratch/b" &
b=$!
echo go >"$scratch/go"
wait $a $b
check "two callers at once build once" runs_are 1
check "both get the result" cmp "$scratch/a" "$scratch/b"
