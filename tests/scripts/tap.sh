# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Sourced by the tests of the scripts: TAP output, a scratch folder, the checkout's place.

set -uo pipefail
# shellcheck disable=SC2034 # used by the tests
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; echo "1..$tap_count"' EXIT
tap_count=0

# check DESCRIPTION COMMAND...: one test; passes when COMMAND succeeds.
check() {
	tap_count=$((tap_count + 1))
	if "${@:2}"; then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
	fi
}

# fails COMMAND...: succeeds when COMMAND does not.
fails() {
	! "$@"
}

# says TEXT FILE: does the file hold a line with this text?
says() {
	grep -qF -- "$1" "$2" || {
		sed 's/^/# /' "$2" && echo
		return 1
	}
}
