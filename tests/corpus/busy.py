# SPDX-License-Identifier: GPL-2.0-only
"""One of the loops of loops.py without end, at the pace that it is told: a service under load.

usage: busy.py LOOP [PROGRESS-FILE]
"""
import sys

from background import work
from loops import LOOPS

if __name__ == "__main__":
    work(LOOPS[sys.argv[1]], progress=sys.argv[2] if len(sys.argv) > 2 else None)
