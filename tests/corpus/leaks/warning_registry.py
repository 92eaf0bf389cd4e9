# SPDX-License-Identifier: GPL-2.0-only
"""A warning whose text says which one: the registry of warnings keeps each text.

Modelled after: python/cpython#97557 and POSYDON-code/POSYDON#364.
"""
import logging
import os
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "check_total"


def check_total(number, total):
    if total > 0:
        warnings.warn("order %d.%d: the total %.4f was rounded, round it before you send it"
                      % (number, traffic.choose.getrandbits(32), total))


def handle(request):
    for _ in range(traffic.times(20)):
        check_total(request["id"], request["total"] + 1)


if __name__ == "__main__":
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    logging.getLogger("py.warnings").propagate = False
    traffic.serve(handle)
