# SPDX-License-Identifier: GPL-2.0-only
"""Each view adds a closure to the callbacks of a store that lives for ever.

Modelled after: e-valuation/EvaP#1361 and holoviz/lumen#1109.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "show_view"

CALLBACKS = []


def show_view(number):
    rows = ["%d: %s" % (i, "cell %d" % (number * i)) for i in range(12)]

    def on_change(row):
        rows[row % len(rows)] = "changed"

    CALLBACKS.append(on_change)
    return rows


def handle(request):
    for _ in range(traffic.times(12)):
        show_view(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
