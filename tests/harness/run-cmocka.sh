#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run cmocka programs, one line each; show the whole output of one that fails; say how many tests
# passed, failed and were skipped, in the last line.
#	run-cmocka.sh NAME PROGRAM...
name=$1
shift
passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# The N of "[  WORD  ] N test(s)"; since cmocka 1.1.7 the group's name stands before N.
count() {
	sed -n "s/^\[ *$1 *\] \(.*: \)\{0,1\}\([0-9]*\) test(s).*/\2/p" "$out" | head -n 1
}

for program; do
	timeout 120 "$program" >"$out" 2>&1
	status=$?
	p=$(count PASSED) f=$(count FAILED) s=$(count SKIPPED)
	p=${p:-0} f=${f:-0} s=${s:-0}
	# A sanitizer's report, a crash or a time-out ends a program without cmocka's summary.
	[ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
	if [ "$f" -gt 0 ]; then
		cat "$out"
	fi
	sed -n 's/^\[ *SKIPPED *\] \([a-z_0-9]*\)$/  skip   \1/p' "$out" | sort -u
	printf '  %-6s %s: %d passed, %d failed, %d skipped\n' \
		"$([ "$f" -gt 0 ] && echo FAIL || echo ok)" "$(basename "$program")" "$p" "$f" "$s"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$name: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
