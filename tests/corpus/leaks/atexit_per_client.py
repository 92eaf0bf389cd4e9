# SPDX-License-Identifier: GPL-2.0-only
"""Each client registers its own clean-up at exit, and so is kept until then.

Modelled after: DataDog/dd-trace-py#2409, ponty/EasyProcess#1 and ARM-software/devlib#676.
"""
import atexit
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "make_client"


class Client:
    def close(self):
        self.headers.clear()


def make_client(number):
    client = Client()
    client.headers = {"User-Agent": "client/%d" % number, "X-Request": "%d" % (number + 1)}
    client.buffer = bytearray(600)
    atexit.register(client.close)
    return client


def handle(request):
    for _ in range(traffic.times(12)):
        make_client(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
