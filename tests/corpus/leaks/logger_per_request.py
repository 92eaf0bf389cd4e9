# SPDX-License-Identifier: GPL-2.0-only
"""A logger of its own for each connection; the logging module keeps them all.

Modelled after: tarasko/picows#72 and DIRACGrid/DIRAC#5280.
"""
import logging
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "open_connection"

connections = 0


def open_connection():
    global connections
    connections += 1
    logger = logging.getLogger("server.connection%d" % connections)
    logger.debug("opened")
    return logger


def handle(request):
    for _ in range(traffic.times(20)):
        open_connection().debug("request %d", request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
