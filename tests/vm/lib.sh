# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Sourced by the scripts of this directory: places, messages, locks.
# shellcheck disable=SC2034

vm_dir=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
top=$(CDPATH='' cd -- "$vm_dir/../.." && pwd -P)
cache=$(realpath -m -- "${STARLING_CACHE:-$HOME/.cache/starling}")
root=$cache/trixie
logs=$cache/log

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# Exit status 77 means "cannot be done here", which a test run counts as a skip.
cannot() { say "$*"; exit 77; }

# with_log NAME WHAT CMD...: quiet while it works, the log's end when it fails.
# All that is run so needs the mirror: a failure is most often a network's.
with_log() {
	log=$logs/$1.log what=$2
	shift 2
	say "$what"
	"$@" >"$log" 2>&1 || {
		tail -n 15 "$log" >&2
		cannot "no guests here: failed at '$what' (log: $log)"
	}
}

# One writer of the cache at a time; readers look at finished things only.
lock_cache() {
	mkdir -p "$cache" "$logs"
	exec 9>"$cache/lock"
	flock -n 9 || { say "waiting for another run to finish"; flock 9; }
}

# The mirror apt already uses, else nothing: debootstrap then takes its own.
mirror() {
	[ -n "${STARLING_MIRROR:-}" ] && { echo "$STARLING_MIRROR"; return; }
	apt-get indextargets --format "\$(REPO_URI)" 2>/dev/null |
		sed -n 's|/*$||; /\/debian$/p' | sort -u | head -n 1
}
