# SPDX-License-Identifier: GPL-2.0-only
"""Failures are kept for a report; each holds its frames, their callers', and what was in them.

Modelled after: python/mypy#4807 and quora/asynq#168: exceptions that are cached keep their
tracebacks.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "convert"

FAILURES = []


def convert(number):
    """The copy of the upload is alive for as long as the frame is."""
    upload = ("row %d;" % number).encode() * 1200
    fields = upload.split(b";", 20)
    raise ValueError("field %d is not a number: %r" % (number % 20, fields[number % 20]))


def import_upload(number):
    try:
        convert(number)
    except ValueError as error:
        FAILURES.append(error)


def handle(request):
    for _ in range(traffic.times(3)):
        import_upload(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
