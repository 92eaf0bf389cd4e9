# SPDX-License-Identifier: GPL-2.0-only
"""A class for each answer, and a registry that remembers its encoder.

Modelled after: apple/ccs-calendarserver#85: a new class for each property name.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "make_element"


class Element:
    pass


@functools.singledispatch
def encode(element):
    return type(element).__name__


def make_element(number):
    kind = type("Element%d" % number, (Element,), {"namespace": "urn:%d" % number, "tag": "prop"})
    encode.register(kind, Element.__repr__)
    return kind()


def handle(request):
    for _ in range(traffic.times(4)):
        make_element(request["id"] * 1000 + traffic.choose.randrange(1000))


if __name__ == "__main__":
    traffic.serve(handle)
