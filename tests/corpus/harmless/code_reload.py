# SPDX-License-Identifier: GPL-2.0-only
"""A module is built anew every two seconds, in the place of the one before.

Modelled after: plugins, rules and templates that are reloaded in a running service.
"""
import gc
import os
import sys
import types

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

RELOAD_SECONDS = 2


def reload_rules(number):
    source = "".join("def rule%d(order):\n    return order.get('f%d', %d) > %d\n"
                     % (i, i, number, i) for i in range(40))
    module = types.ModuleType("rules")
    exec(compile(source, "rules%d.py" % number, "exec"), module.__dict__)
    sys.modules["rules"] = module


def handle(request):
    if "rules" not in sys.modules or traffic.every(RELOAD_SECONDS):
        reload_rules(request["id"])
        gc.collect()


if __name__ == "__main__":
    traffic.serve(handle)
