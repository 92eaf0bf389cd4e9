#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# docs/man/check.sh — the man pages as text, in the directory $1; fails if one has a mistake.
set -eu
mkdir -p "$1"
for page in "$(dirname "$0")"/*.[158]; do
	groff -mdoc -Tutf8 -ww -Wrange "$page" >"$1/${page##*/}.txt" 2>"$1/log"
	if [ -s "$1/log" ]; then
		cat "$1/log"
		exit 1
	fi
done
