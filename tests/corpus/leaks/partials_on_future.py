# SPDX-License-Identifier: GPL-2.0-only
"""Every request waits for the same shutdown future, by a partial in its callbacks.

Modelled after: ros2/rclpy#1702: done callbacks pile up on a future that is not done.
"""
import concurrent.futures
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "watch_shutdown"

SHUTDOWN = concurrent.futures.Future()


def abort(message, _future):
    print(message)


def watch_shutdown(number):
    message = {"id": number, "text": "request %d was cut off by the shutdown" % number}
    SHUTDOWN.add_done_callback(functools.partial(abort, message))


def handle(request):
    for _ in range(traffic.times(30)):
        watch_shutdown(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
