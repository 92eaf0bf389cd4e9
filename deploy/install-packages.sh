#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# deploy/install-packages.sh — install what is missing of the named lists, and nothing else.
#
# usage: install-packages.sh LIST...     a LIST is deploy/debian-packages/LIST.txt
# Says what it installs. Where all is there already it needs no root, no network and no time.
# Elsewhere than on Debian it does nothing: the compiler will say what is missing.
set -eu

command -v dpkg-query >/dev/null || exit 0

lists=$(cd "$(dirname "$0")/debian-packages" && pwd)
missing=
for list; do
	for package in $(sed 's/#.*//' "$lists/$list.txt"); do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		test "$state" = installed || missing="$missing $package"
	done
done
test -n "$missing" || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "install-packages: Debian packages are missing:$missing; run as root, or install them" \
		"(DEPS=0: they are here in another way)" >&2
	exit 1
fi
echo "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# The lists of a fresh machine may be empty or old: only then are they fetched. A machine that has
# just started may be upgrading itself: wait for it.
# shellcheck disable=SC2086 # a list of words
install() {
	apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends $missing
}
if ! install >/dev/null 2>&1; then
	apt-get update -q
	install
fi
