# SPDX-License-Identifier: GPL-2.0-only
"""__del__ gives the connection back to the pool, from which none is ever taken.

Modelled after: pools that take objects back in __del__; python/cpython#140958 has the mechanism.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "connect"

POOL = []


class Connection:
    def __del__(self):
        if not self.broken:
            POOL.append(self)


def connect(number):
    connection = Connection()
    connection.name, connection.broken = "host%d:5432" % number, False
    connection.buffer = bytearray(1500)
    return connection


def handle(request):
    for _ in range(traffic.times(8)):
        connect(request["id"]).buffer[0] = 1


if __name__ == "__main__":
    traffic.serve(handle)
