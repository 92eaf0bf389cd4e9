# SPDX-License-Identifier: GPL-2.0-only
"""Pages listen to a signal; a page that is gone is never taken off the list.

Modelled after: pallets-eco/blinker#12 and JurgenR/aioslsk#314.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "open_page"

LISTENERS = {"price changed": []}


class Page:
    def on_price(self, sku):
        self.dirty = sku in self.shown


def open_page(number):
    page = Page()
    page.shown = ["sku-%d" % (number + i) for i in range(6)]
    page.dirty = False
    LISTENERS["price changed"].append(page.on_price)
    return page


def handle(request):
    for _ in range(traffic.times(15)):
        open_page(request["id"])


if __name__ == "__main__":
    traffic.serve(handle)
