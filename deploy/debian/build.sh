#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# deploy/debian/build.sh — make a .deb of a tree that `make install` has filled. No root, no network.
#
# usage: build.sh VERSION ROOT OUT.deb       (make deb; ROOT was installed with PREFIX=/usr)
# The dependencies are those of the Debian release that it is built on. ROOT is changed: stripped,
# packed, and given what Debian wants of a package. SOURCE_DATE_EPOCH, if set, is its time;
# DEBFULLNAME and DEBEMAIL its maintainer. The same ROOT can be packed again as another version.
set -eu

fail() {
	echo "build.sh: $*" >&2
	exit 1
}

[ $# -eq 3 ] || fail "usage: build.sh VERSION ROOT OUT.deb"
version=$1 root=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
doc=$root/usr/share/doc/pygrowd
for program in dpkg-deb dpkg-shlibdeps strip gzip; do
	command -v $program >/dev/null ||
		fail "make a .deb: $program is not here; apt-get install dpkg-dev binutils"
done
[ -x "$root/usr/sbin/pygrowd" ] || fail "$root: no usr/sbin/pygrowd: run make deb"
case $version in
[0-9]*) ;;
*) fail "version '$version': a Debian version begins with a digit" ;;
esac
maintainer="${DEBFULLNAME:-pygrowd developers} <${DEBEMAIL:-pygrowd@localhost}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$here/../../docs/CHANGELOG.md")}
export SOURCE_DATE_EPOCH

# ── what Debian wants of files ───────────────────────────────────────────────────────────────
strip --strip-unneeded --remove-section=.comment --remove-section=.note \
	"$root/usr/sbin/pygrowd" "$root/usr/bin/pygrowctl"
find "$root/usr/share/man" -type f ! -name '*.gz' -exec gzip -9nf {} +
install -D -m 0644 "$here/copyright" "$doc/copyright"
gzip -9nc "$here/../../docs/CHANGELOG.md" >"$doc/NEWS.md.gz"
printf 'pygrowd (%s) stable; urgency=medium\n\n  * See NEWS.md.gz.\n\n -- %s  %s\n' "$version" \
	"$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9nc >"$doc/changelog.gz"

# ── control ──────────────────────────────────────────────────────────────────────────────────
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
control=$root/DEBIAN
rm -rf "$control"
mkdir -p "$control" "$scratch/debian"
printf 'Source: pygrowd\n\nPackage: pygrowd\nArchitecture: any\n' >"$scratch/debian/control"
programs=$(cd "$root" && pwd)
shlibs=$(cd "$scratch" &&
	dpkg-shlibdeps -O "$programs/usr/sbin/pygrowd" "$programs/usr/bin/pygrowctl" |
	sed -n 's/^shlibs:Depends=//p')
[ -n "$shlibs" ] || fail "$root/usr/sbin/pygrowd: dpkg-shlibdeps names no library: not built for here?"
sed -e "s|@VERSION@|$version|; s|@ARCH@|$(dpkg --print-architecture)|; s|@SHLIBS@|$shlibs|" \
	-e "s|@MAINTAINER@|$maintainer|" \
	-e "s|@INSTALLED_KIB@|$(du -sk --exclude=DEBIAN "$root" | cut -f 1)|" \
	"$here/control.in" >"$control/control"
echo /etc/pygrowd/pygrowd.conf >"$control/conffiles"
for script in postinst prerm postrm; do
	install -m 0755 "$here/$script" "$control/$script"
done
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$control/md5sums"

# ── pack ─────────────────────────────────────────────────────────────────────────────────────
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
echo "$out"
