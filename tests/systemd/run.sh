#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tests/systemd/run.sh — the package in a Debian of its own, booted with systemd as PID 1 (root).
#
# usage: run.sh OLD.deb ROOT       (make test-systemd; ROOT is what OLD.deb was packed from)
# Boots a Debian root in systemd-nspawn; steps.py in there does what happens to a package in its life.
# The root is made once by debootstrap and kept below ${XDG_CACHE_HOME:-/var/cache}/pygrowd-test; the
# container writes to memory only, and has no network. A minute or two with a root that is there.
# Knobs: SUITE=bookworm (this host's release, which the package is built for), SECONDS_MAX=300
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck disable=SC1091
suite=${SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")}
cache=${XDG_CACHE_HOME:-/var/cache}/pygrowd-test
seconds_max=${SECONDS_MAX:-300}

finish() {
	echo "systemd: $1 passed, $2 failed, $3 skipped"
	[ "$2" -eq 0 ]
	exit
}

skip() {
	echo "  skip   systemd__all: $*"
	finish 0 0 1
}

fail() {
	echo "  FAIL   systemd__container: $*"
	finish 0 1 0
}

[ $# -eq 2 ] || fail "usage: run.sh OLD.deb ROOT"
[ "$(id -u)" = 0 ] || skip "needs root: try sudo make test-systemd"
for program in debootstrap systemd-nspawn dpkg-deb; do
	command -v $program >/dev/null ||
		skip "$program is not here: apt-get install debootstrap systemd-container dpkg"
done
grep -qw overlay /proc/filesystems || modprobe -q overlay || skip "the kernel has no overlayfs"
deb=$1 package_root=$2

# ── the root ─────────────────────────────────────────────────────────────────────────────────
# What the package depends on is in there, so that apt needs no network in the container. A changed
# list makes a new root, and the old one goes.
depends=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/ //g')
# shellcheck disable=SC2086 # a list of words
packages=$(printf '%s\n' systemd systemd-sysv dbus python3 gunicorn procps $depends | LC_ALL=C sort -u)
root=$cache/$suite-$(echo "$packages" | cksum | cut -d ' ' -f 1)
if ! [ -d "$root" ]; then
	# shellcheck disable=SC2016 # apt's own variables
	mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null | sed -n "s/^$suite main //p" | head -n 1)
	mkdir -p "$cache"
	rm -rf "$cache/partial" "$cache/$suite"-*
	echo "systemd: making a Debian root in $root"
	timeout -k 10 900 debootstrap --variant=minbase \
		--include="$(echo "$packages" | paste -s -d ,)" "$suite" "$cache/partial" \
		"${mirror:-http://deb.debian.org/debian}" >"$cache/debootstrap.log" 2>&1 ||
		skip "debootstrap failed (no network?): $(tail -n 1 "$cache/debootstrap.log"); see $cache/debootstrap.log"
	rm -rf "$cache/partial/var/cache/apt/archives"/*.deb
	mv "$cache/partial" "$root"
fi

# ── the packages ─────────────────────────────────────────────────────────────────────────────
scratch=$(mktemp -d)
container=
clean_up() {
	[ -z "$container" ] || { kill "$container" && wait "$container"; } 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$scratch/packages" "$scratch/results"
cp "$deb" "$scratch/packages/old.deb"
"$top/deploy/debian/build.sh" "$(dpkg-deb -f "$deb" Version)+test1" "$package_root" \
	"$scratch/packages/new.deb" >"$scratch/build.log" 2>&1 || fail "$(tail -n 1 "$scratch/build.log")"

# ── the container ────────────────────────────────────────────────────────────────────────────
# All capabilities and the two system calls that nspawn keeps from its guests: what eBPF takes. In the
# background: a shell that waits for a foreground command hears no signal.
timeout -k 20 "$seconds_max" systemd-nspawn --quiet --boot --register=no --keep-unit \
	--directory="$root" --volatile=overlay --private-network --console=pipe --link-journal=no \
	--capability=all --system-call-filter='bpf perf_event_open' \
	--bind-ro="$here:/mnt/test" --bind-ro="$scratch/packages:/mnt/packages" \
	--bind="$scratch/results:/mnt/results" --bind-ro="$here/units:/usr/local/lib/systemd/system" \
	-- --unit=test.target </dev/null >"$scratch/boot.log" 2>&1 &
container=$!
wait "$container"
status=$?
container=
cat "$scratch/results/steps" 2>/dev/null
if ! tail -n 1 "$scratch/results/steps" 2>/dev/null | grep -q '^systemd: '; then
	cat "$scratch/boot.log" "$scratch/results/errors" 2>/dev/null
	passed=$(grep -c '^  ok ' "$scratch/results/steps" 2>/dev/null)
	echo "  FAIL   systemd__container: it ended before the steps did (status $status; 124: after" \
		"$seconds_max s)"
	finish "${passed:-0}" 1 0
fi
tail -n 1 "$scratch/results/steps" | grep -q ', 0 failed,' || {
	cat "$scratch/results/errors"
	exit 1
}
