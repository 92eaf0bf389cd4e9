#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Formatting, cppcheck, and the include rule: data flows one way, so may includes.
failed=0 skipped=0

files=$(git ls-files '*.c' '*.h' 2>/dev/null)
[ -n "$files" ] || files=$(find bpf include user tests -name '*.[ch]')

# Another version of clang-format has other ideas: the project is formatted with 14 (Debian 12).
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
	mkdir -p build
	# shellcheck disable=SC2086
	if ! clang-format --dry-run --Werror $files 2>build/lint-format.log; then
		grep -E 'error|warning' build/lint-format.log | head -n 20
		echo "lint: run make format"
		failed=1
	fi
else
	echo "  skip   clang-format 14 is not here"
	skipped=1
fi

# rule DIR ALLOWED-PREFIX...: which of our headers may files in user/DIR include?
rule() {
	dir=$1
	shift
	allowed=$(printf '|%s' "$dir/" "$@" | cut -c2-)
	bad=$(grep -nE '^#include "' user/"$dir"/*.[ch] | grep -vE "#include \"($allowed)")
	if [ -n "$bad" ]; then
		echo "$bad"
		echo "lint: user/$dir may only include $*"
		failed=1
	fi
}
rule lib pgd_proto.h
rule growth lib/ pgd_
rule target lib/ pgd_ growth/ pywalk.bpf.h bpf/pywalk.bpf.h pygrowd.skel.h
rule sample lib/ pgd_ growth/ target/ pywalk.bpf.h bpf/pywalk.bpf.h
rule report lib/ pgd_ growth/
rule cli lib/ pgd_proto.h
if grep -nE '^#include "' include/*.h | grep -v '"pgd_'; then
	echo "lint: include/ may only include include/"
	failed=1
fi

# memleak: cppcheck does not know __attribute__((cleanup)); the sanitizers do.
cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
	--enable=warning,performance,portability --suppress=missingIncludeSystem \
	--suppress=unknownMacro --suppress=memleak --suppress=normalCheckLevelMaxBranches \
	-D_GNU_SOURCE '-DPYGROWD_VERSION="0"' -Iinclude -Iuser -Ibpf -j 2 user || failed=1

echo "lint: $((1 - failed)) passed, $failed failed, $skipped skipped"
exit "$failed"
