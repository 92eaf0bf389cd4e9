# SPDX-License-Identifier: GPL-2.0-only
"""Leaks in functions and files whose names are a trap for whoever writes them into a text format."""
import itertools
import types

from commands import serve

BLOCKS, BLOCK_BYTES = 50, 400
KEPT = [None] * 1000  # so that no growing list is in the sums
FREE = itertools.count()
NAMES = [
    ("plain", "/srv/plain.py"),
    ("quote\"and\\backslash", "/srv/we\"ird\\dir/a.py"),
    ("value\"} 1\npygrowd_forged{x=\"y", "/srv/line\nfeed\r.py"),
    ("günther_日本_🐍", "/srv/größe/日本/🐍.py"),
    ("{{ template }} ${HOME} `id` $(id) %s %n", "/srv/{a,b}/*?[c]=~!#,;.py"),
    ("control\x00\x1b[2J\x7f", "/srv/\x1b]0;title\x07.py"),
    ("turned\u202earound\u200b", "/srv/\udcff\udc80.py"),
    (" ", " "),
    ("f" * 3000, "/srv/" + "d/" * 2000 + "deep.py"),
]


def leak():
    for _ in range(BLOCKS):
        KEPT[next(FREE)] = bytes(BLOCK_BYTES - 33)


def named(function, file):
    changes = {"co_name": function, "co_filename": file}
    if hasattr(leak.__code__, "co_qualname"):
        changes["co_qualname"] = function
    return types.FunctionType(leak.__code__.replace(**changes), globals())


LEAKS = [named(*names) for names in NAMES]


def leak_all():
    for each in LEAKS:
        each()
    return {"names": NAMES, "line": leak.__code__.co_firstlineno + 2, "bytes": BLOCKS * BLOCK_BYTES}


if __name__ == "__main__":
    serve({"leak_all": leak_all})
