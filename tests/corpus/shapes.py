# SPDX-License-Identifier: GPL-2.0-only
"""Objects of every common shape, each made many times by a function of its own name.

The truth is sys.getallocatedblocks(): blocks that pymalloc handed out, and blocks over 512 bytes
that its callers got from malloc. The holder is made before the first count, so the difference is the
shape's own blocks; the loop's index and iterator are gone again at the second count. Blocks that wait
in free lists count as handed out, and would keep the stack of their first use: full collections empty
the lists, and no other collection may run in between.
"""
import gc
import sys

from commands import serve

KEYS = ["key %d" % i for i in range(1000)]
ITEMS = [None] * 1000
KEPT = {}


class Plain:
    def __init__(self, i):
        self.number = i


class Slotted:
    __slots__ = ("number",)

    def __init__(self, i):
        self.number = i


def enclose(i):
    def inner():
        return i
    return inner


def count(i):
    yield i


def make_object(kept):
    for i in range(len(kept)):
        kept[i] = object()


def make_instance(kept):
    for i in range(len(kept)):
        kept[i] = Plain(i)


def make_slots(kept):
    for i in range(len(kept)):
        kept[i] = Slotted(i)


def make_dict(kept):
    for i in range(len(kept)):
        kept[i] = {"number": i}


def make_list(kept):
    for i in range(len(kept)):
        kept[i] = [i]


def make_list_growth(kept):
    for i in range(len(kept)):
        kept[i] = grown = []
        for item in "twenty little items!":
            grown.append(item)


def make_tuple(kept):
    for i in range(len(kept)):
        kept[i] = (i, i)


def make_int(kept):
    for i in range(len(kept)):
        kept[i] = i + 1000000000


def make_float(kept):
    for i in range(len(kept)):
        kept[i] = float(i)


def make_str(kept):
    for i in range(len(kept)):
        kept[i] = "user %d" % i


def make_bytes(kept):
    for i in range(len(kept)):
        kept[i] = bytes(40)


def make_bytearray(kept):
    for i in range(len(kept)):
        kept[i] = bytearray(40)


def make_set(kept):
    for i in range(len(kept)):
        kept[i] = {i}


def make_closure(kept):
    for i in range(len(kept)):
        kept[i] = enclose(i)


def make_exception(kept):
    for i in range(len(kept)):
        kept[i] = ValueError(i)


def make_generator(kept):
    for i in range(len(kept)):
        kept[i] = count(i)


def make_large_bytes(kept):
    for i in range(len(kept)):
        kept[i] = bytes(2000)


def make_large_str(kept):
    for i in range(len(kept)):
        kept[i] = "x" * 5000


def make_large_list(kept):
    for i in range(len(kept)):
        kept[i] = ITEMS[:]


def make_large_dict(kept):
    for i in range(len(kept)):
        kept[i] = dict.fromkeys(KEYS)


def make_large_bytearray(kept):
    for i in range(len(kept)):
        kept[i] = grown = bytearray()
        for _ in ITEMS:
            grown.append(i & 255)


MAKERS = {name[5:]: maker for name, maker in list(globals().items()) if name.startswith("make_")}


def make(shape, how_many):
    kept = KEPT[shape] = [None] * int(how_many)
    gc.collect()
    before = sys.getallocatedblocks()
    MAKERS[shape](kept)
    return {"blocks": sys.getallocatedblocks() - before, "function": "make_" + shape}


def drop(shape):
    """The objects of a shape go, and the free lists that took some of them are emptied."""
    kept = KEPT.pop(shape)
    gc.collect()
    before = sys.getallocatedblocks()
    kept[:] = ITEMS[:1]
    gc.collect()
    return {"blocks": before - sys.getallocatedblocks()}


def shapes():
    return list(MAKERS)


if __name__ == "__main__":
    gc.disable()
    serve({"shapes": shapes, "make": make, "drop": drop})
