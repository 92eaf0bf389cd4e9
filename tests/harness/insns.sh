#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Per BPF program: its instructions, and how many the verifier walked through to believe it.
#	insns.sh OBJECT
set -e
object=$1
log=$(mktemp)
pins=$(mktemp -d)
pin=$pins/pygrowd
trap 'umount "$pins"; rmdir "$pins"; rm -f "$log"' EXIT
mount -t bpf bpf "$pins"
bpftool -d prog loadall "$object" "$pin" >/dev/null 2>"$log" || {
	tail -n 30 "$log"
	exit 1
}
printf '%-14s %12s %10s\n' program instructions verified
# In the order of their sections, which is that of the list below.
sed -n "s/^processed \([0-9]*\) insns.*/\1/p" "$log" >"$log.verified"
for program in on_alloc on_free on_count on_gc_start on_gc_done on_fork on_exec on_exit; do
	n=$(bpftool prog dump xlated pinned "$pin/$program" | grep -c '^ *[0-9]*:')
	verified=$(head -n 1 "$log.verified")
	sed -i 1d "$log.verified"
	printf '%-14s %12s %10s\n' "$program" "$n" "${verified:-?}"
done
rm -f "$log.verified"
