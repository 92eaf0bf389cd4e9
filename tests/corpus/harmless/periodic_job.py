# SPDX-License-Identifier: GPL-2.0-only
"""A report is made every ten seconds, looked at for three, and dropped.

Modelled after: cron-like jobs inside of services.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

PERIOD_SECONDS, LOOKED_AT_SECONDS = 10, 3
report = None


def make_report():
    return [{"row": i, "text": "customer %d" % i, "sums": [i, i * i]} for i in range(1500)]


def handle(_request):
    global report
    if traffic.every(PERIOD_SECONDS):
        report = make_report()
    if traffic.now() % PERIOD_SECONDS > LOOKED_AT_SECONDS:
        report = None


if __name__ == "__main__":
    traffic.serve(handle)
