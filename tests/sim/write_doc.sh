#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the simulation, show what it prints, and put its tables into the document, between the two
# lines that say so. If it fails, the document stays as it is.
#	write_doc.sh PROGRAM DOCUMENT
set -e
program=$1 doc=$2
tables=$(mktemp)
trap 'rm -f "$tables" "$tables.doc"' EXIT

"$program" >"$tables" || {
	status=$?
	cat "$tables"
	exit "$status"
}
cat "$tables"
awk -v tables="$tables" '
	/^<!-- end of tables -->$/ { inside = 0; ended = 1 }
	!inside
	/^<!-- tables by make check-detector -->$/ {
		inside = 1
		print ""
		while ((getline line <tables) > 0)
			if (line !~ /^detector: /)
				print line
	}
	END { exit !ended }
' "$doc" >"$tables.doc" || {
	echo "write_doc.sh: $doc has no lines that say where the tables go, left as it is" >&2
	exit 1
}
cat "$tables.doc" >"$doc"
