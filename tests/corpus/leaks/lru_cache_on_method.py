# SPDX-License-Identifier: GPL-2.0-only
"""lru_cache(None) on a method keeps every result, and with it every self.

Modelled after: getsentry/seer#2512 and PyCQA/flake8#1573.
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "Basket.summary"


class Basket:
    def __init__(self, number):
        self.number = number

    @functools.lru_cache(None)
    def summary(self, currency):
        return {"title": "basket %d" % self.number,
                "lines": ["%s %.2f" % (currency, self.number / i) for i in range(1, 8)]}


def handle(request):
    for _ in range(traffic.times(12)):
        basket = Basket(request["id"])
        basket.summary("EUR")
        basket.summary("EUR")


if __name__ == "__main__":
    traffic.serve(handle)
