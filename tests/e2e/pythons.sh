#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tests/e2e/pythons.sh — which interpreters can be tested here?
#
# /usr/bin/python3 always; python3.8 to python3.14 from PATH; pyenv's versions; and Debian's other
# releases, unpacked below build/pythons by mmdebstrap (no packages of this machine are touched)
# and run by chroot: the stripped PGO+LTO builds that people run. Each release also lends its
# libpython3.x.so, run inside build/pythons/embed. What is missing is said, and is no failure.
#
# usage: pythons.sh [--no-fetch]     one line each, fields apart by tabs:
#   python  NAME  VERSION  ROOT  COMMAND    supported; ROOT is a directory to chroot into, or -
#   foreign NAME  VERSION  ROOT  COMMAND    a Python that pygrowd must refuse
#   skip    NAME  REASON
set -u

here=$(cd "$(dirname "$0")" && pwd)
build=${PYGROWD_BUILD:-$here/../../build}
pythons=$build/pythons
fetch=1
test "${1:-}" = --no-fetch && fetch=0
mkdir -p "$pythons"
pythons=$(cd "$pythons" && pwd)
seen=$pythons/.seen.$$
trap 'rm -f "$seen"' EXIT
: >"$seen"

tab=$(printf '\t')

# What an interpreter says of itself: "VERSION gil|nogil EXECUTABLE"; works from 2.7 to 3.15.
ask='import sys, os
nogil = not getattr(sys, "_is_gil_enabled", lambda: True)() or "free-threading" in sys.version
print("%d.%d.%d %s %s" % (tuple(sys.version_info[:3]) + ("nogil" if nogil else "gil",
      os.path.realpath(sys.executable or "-"))))'

# name root command...: one line about this interpreter, if it runs and was not seen before.
offer() {
	name=$1 root=$2
	shift 2
	if [ "$root" = - ]; then
		said=$("$@" -I -c "$ask" 2>/dev/null) || said=$("$@" -c "$ask" 2>/dev/null) || return 1
	else
		said=$(chroot "$root" "$@" -I -c "$ask" 2>/dev/null) || return 1
	fi
	version=${said%% *}
	rest=${said#* }
	gil=${rest%% *}
	path=${rest#* }
	case $* in
	*embed*) path=$* ;; # has no executable of its own
	esac
	grep -qxFe "$root $path" "$seen" && return 0
	echo "$root $path" >>"$seen"
	kind=python
	case $version in
	3.8.* | 3.9.* | 3.1[0-4].*) ;;
	*) kind=foreign ;;
	esac
	test "$gil" = gil || kind=foreign
	echo "minor ${version%.*}" >>"$seen"
	echo "$kind$tab$name$tab$version$tab$root$tab$path"
}

# One Debian release below $pythons, made once; about 5 s and 130 MB.
unpack() {
	suite=$1
	dir=$pythons/$suite
	test -e "$dir/.complete" && return 0
	test "$fetch" = 1 || { why="not unpacked yet"; return 1; }
	test "$(id -u)" = 0 || { why="needs root"; return 1; }
	command -v mmdebstrap >/dev/null || { why="no mmdebstrap"; return 1; }
	rm -rf "$dir"
	# Since trixie /lib and its like are links in the base-files package, which comes too late.
	merge='mkdir -p "$1"/usr/lib "$1"/usr/lib64 "$1"/usr/bin "$1"/usr/sbin
	       for d in lib lib64 bin sbin; do ln -s usr/$d "$1"/$d; done'
	case $suite in bullseye | bookworm) merge=true ;; esac
	# shellcheck disable=SC2016 # the patterns are apt's
	if ! timeout 180 mmdebstrap --quiet --variant=extract --setup-hook="$merge" \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		'--include=python3,python3-minimal,?name("^libpython3\.[0-9]+$")' \
		"$suite" "$dir" >"$pythons/$suite.log" 2>&1; then
		rm -rf "$dir"
		why="mmdebstrap failed: $(tail -n 1 "$pythons/$suite.log")"
		return 1
	fi
	touch "$dir/.complete"
}

# root library: a libpython is run by a program of ours.
embed() {
	root=$1 library=$2 name=$3
	test -x "$pythons/embed" || return 0
	if [ "$root" = - ]; then
		offer "$name" - "$pythons/embed" "$library" && return 0
	else
		cmp -s "$pythons/embed" "$root/usr/bin/pygrowd-embed" ||
			cp "$pythons/embed" "$root/usr/bin/pygrowd-embed"
		offer "$name" "$root" /usr/bin/pygrowd-embed "$library" && return 0
	fi
	echo "skip$tab$name$tab$library does not run in a program built here"
}

if [ -z "$(find "$pythons/embed" -newer "$here/embed.c" 2>/dev/null)" ]; then
	${CC:-cc} -O2 -o "$pythons/embed" "$here/embed.c" -ldl 2>/dev/null ||
		echo "skip${tab}embed${tab}no C compiler"
fi

offer system - /usr/bin/python3 || echo "skip${tab}system$tab/usr/bin/python3 does not run"

for minor in 8 9 10 11 12 13 14; do
	offer "path-3.$minor" - "python3.$minor"
done
for free in python3.13t python3.14t python3.13-nogil python3.14-nogil; do
	offer "path-${free#python}" - $free
done

home=${SUDO_USER:+$(getent passwd "$SUDO_USER" | cut -d: -f6)}
for versions in "${PYENV_ROOT:-}/versions" "$HOME/.pyenv/versions" "${home:-}/.pyenv/versions"; do
	test -d "$versions" || continue
	for bin in "$versions"/*/bin; do
		for python in "$bin"/python3.[0-9] "$bin"/python3.[0-9][0-9] "$bin"/python3.*t "$bin"/python2.7; do
			test -x "$python" && offer "pyenv-$(basename "$(dirname "$bin")")" - "$python"
		done
	done
done

for library in /usr/lib/x86_64-linux-gnu/libpython3.*.so.1.0; do
	test -e "$library" && embed - "$library" "embed-$(basename "$library" .so.1.0)"
done

codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
for suite in bullseye bookworm trixie sid; do
	test "$suite" = "$codename" && continue
	why=
	if ! unpack "$suite"; then
		echo "skip$tab$suite$tab$why"
		continue
	fi
	offer "$suite" "$pythons/$suite" /usr/bin/python3 ||
		echo "skip$tab$suite${tab}its python3 does not run"
	for library in "$pythons/$suite"/usr/lib/x86_64-linux-gnu/libpython3.*.so.1.0; do
		test -e "$library" || continue
		embed "$pythons/$suite" "${library#"$pythons/$suite"}" \
			"$suite-$(basename "$library" .so.1.0)"
	done
done

for minor in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do
	grep -qx "minor $minor" "$seen" || echo "skip${tab}python$minor${tab}no such interpreter here"
done
exit 0
