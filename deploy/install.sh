#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# deploy/install.sh — install or uninstall DESTDIR PREFIX MODE:FILE:PLACE…, places below the prefix.
#
# The configuration is the administrator's: it is not overwritten, nor removed once it was changed.
set -eu
what=$1 destdir=$2 prefix=$3
shift 3
top=$destdir$prefix
conf=$destdir/etc/pygrowd

install_file() {
	install -D -m "$1" "$2" "$top/$3"
}

remove_file() {
	rm -f "$top/$3"
}

each() {
	step=$1
	shift
	for file; do
		IFS=: read -r mode from place <<-EOF
			$file
		EOF
		"$step" "$mode" "$from" "$place"
	done
}

case $what in
install)
	each install_file "$@"
	sed -i "s|^ExecStart=/usr/|ExecStart=$prefix/|" "$top/lib/systemd/system/pygrowd.service"
	install -d "$conf/pygrowd.conf.d"
	[ -e "$conf/pygrowd.conf" ] || install -m 0644 deploy/pygrowd.conf "$conf/pygrowd.conf"
	[ -n "$destdir" ] ||
		echo "next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now pygrowd"
	;;
uninstall)
	each remove_file "$@"
	if cmp -s deploy/pygrowd.conf "$conf/pygrowd.conf"; then
		rm "$conf/pygrowd.conf"
	fi
	for dir in "$conf/pygrowd.conf.d" "$conf"; do
		[ ! -d "$dir" ] || rmdir --ignore-fail-on-non-empty "$dir"
	done
	;;
*)
	echo "install.sh: '$what' is neither install nor uninstall" >&2
	exit 2
	;;
esac
