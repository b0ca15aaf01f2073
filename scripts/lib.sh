# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Sourced by the scripts here: where the checkout and the cache are, and how to stop.

# shellcheck disable=SC2034 # used by the scripts that source this file
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${X100_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/x100}

# die SENTENCE...: one line per argument to standard error, then exit 1.
die() {
	printf '%s\n' "${0##*/}: $1" "${@:2}" >&2
	exit 1
}

# strip_epoch VERSION: the version as it stands in file names.
strip_epoch() {
	printf '%s\n' "${1#*:}"
}
