# SPDX-License-Identifier: GPL-2.0-only
"""The source of generated code goes to linecache, under a new name each time.

Modelled after: reagento/adaptix#461 and sympy/sympy#27223.
"""
import itertools
import linecache
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "compile_loader"

NUMBERS = itertools.count()


def compile_loader(fields):
    name = "<generated %d>" % next(NUMBERS)
    lines = ["def load(row):\n", "    return {\n"]
    lines += ["        'field%d': row.get('field%d'),\n" % (i, i) for i in range(fields)]
    source = "".join(lines + ["    }\n"])
    namespace = {}
    exec(compile(source, name, "exec"), namespace)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    return namespace["load"]


def handle(request):
    for _ in range(traffic.times(3)):
        compile_loader(5 + request["id"] % 10)({})


if __name__ == "__main__":
    traffic.serve(handle)
