#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Every test there is, then one line with the sum. A part that fails does not stop the others.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed_parts=

part() {
	echo "── $1"
	if ! make --no-print-directory "$1" >"$log.part" 2>&1; then
		failed_parts="$failed_parts $1"
	fi
	cat "$log.part"
	cat "$log.part" >>"$log"
	rm -f "$log.part"
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
