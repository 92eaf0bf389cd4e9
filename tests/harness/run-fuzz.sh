#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run libFuzzer programs side by side for so many seconds each, on the corpus that build/ keeps.
#	run-fuzz.sh SECONDS PROGRAM...
seconds=$1
shift
passed=0 failed=0

for program; do
	corpus=$program.corpus
	mkdir -p "$corpus"
	"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$program." "$corpus" >"$program.log" 2>&1 &
	eval "pid_$(basename "$program")=$!"
done
for program; do
	eval "wait \$pid_$(basename "$program")"
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$program.log")
	if [ "$status" -eq 0 ]; then
		passed=$((passed + 1))
		echo "  ok     $(basename "$program"): ${runs:-?} inputs in $seconds s"
	else
		failed=$((failed + 1))
		tail -n 40 "$program.log"
		echo "  FAIL   $(basename "$program")"
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
