#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Every test there is, then one line with the sum. A part that fails does not stop the others.
log=$(mktemp)
trap 'rm -f "$log" "$log.status"' EXIT
failed_parts=

# Shown as it goes: who is ended for taking too long has said what it was at.
part() {
	echo "── $1"
	{ make --no-print-directory "$1" 2>&1; echo $? >"$log.status"; } | tee -a "$log"
	[ "$(cat "$log.status")" -eq 0 ] || failed_parts="$failed_parts $1"
}

part lint
part test
part test-bpf
part fuzz
part test-e2e
part test-systemd

# Each part's last line is "[NAME: ]N passed, N failed[, N skipped]".
sum() {
	grep -E '^([a-z0-9]+: )?[0-9]+ passed, ' "$log" | grep -oE "[0-9]+ $1" |
		awk '{ n += $1 } END { print n + 0 }'
}
passed=$(sum passed) failed=$(sum failed) skipped=$(sum skipped)
[ -z "$failed_parts" ] || echo "failed:$failed_parts"
[ -z "$failed_parts" ] || [ "$failed" -gt 0 ] || failed=1
echo "check: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
