#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/unit and scripts/results: counting. Run on a copy, whose results are its own.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

mkdir "$scratch/scripts"
cp "$TOP"/scripts/{unit,results,lib.sh} "$scratch/scripts"
unit=$scratch/scripts/unit results=$scratch/scripts/results

# counts EXPECTED COMMAND...: does unit note "passed failed skipped"?
counts() {
	"$unit" t/x "${@:2}" >/dev/null 2>&1
	says "$1 t/x" "$scratch/build/results/t-x.count"
}

check "no results at all is an error" fails "$results" 2>/dev/null
check "TAP lines are counted" counts "2 1 0" printf 'ok 1\nnot ok 2\nok 3\n'
check "TAP skips are no passes" counts "1 0 1" printf 'ok 1\nok 2 # SKIP no reason\n'
check "a TAP plan that is kept is fine" counts "2 0 0" printf 'ok 1\nok 2\n1..2\n'
check "a TAP plan that is not kept fails" counts "1 1 0" printf 'ok 1\n1..2\n'
check "a silent success is one test" counts "1 0 0" true
check "a silent failure is one failure" counts "0 1 0" false
check "an exit status counts though all lines are ok" counts "1 1 0" sh -c 'echo ok 1; exit 1'
check "a run over its deadline fails" counts "0 1 0" sh -c 'exit 124'
# shellcheck disable=SC2016 # expanded by the inner shell
check "JUnit XML is counted, over several suites" counts "5 2 1" sh -c '
	dir=${CMOCKA_XML_FILE%/*}
	echo "<testsuite name=\"a\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\" >" >"$dir/a.xml"
	echo "<testsuite name=\"b\" errors=\"1\" failures=\"0\" skipped=\"0\" tests=\"4\" time=\"1\">" >"$dir/b.xml"
	exit 1'
# shellcheck disable=SC2016
check "a suite without tests fails" counts "0 1 0" sh -c \
	'echo "<testsuite name=\"a\" tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\">" >"${CMOCKA_XML_FILE%/*}/a.xml"'

rm -rf "$scratch/build"
"$unit" t/a printf 'ok 1\nok 2\n' >/dev/null
"$unit" t/b true >/dev/null
"$results" >"$scratch/out"
check "results succeeds when all passed" [ $? = 0 ]
check "its last line is the sum" [ "$(tail -n 1 "$scratch/out")" = "3 passed, 0 failed" ]
"$unit" t/c false >/dev/null
"$results" >"$scratch/out"
check "results fails when one failed" [ $? = 1 ]
check "the sum says so" [ "$(tail -n 1 "$scratch/out")" = "3 passed, 1 failed" ]
rm "$scratch"/build/results/*.count
"$results" >"$scratch/out"
check "results fails when no test ran" [ $? = 1 ]
