# SPDX-License-Identifier: GPL-2.0-only
"""A target whose memory lies: every pointer that pygrowd follows is bent, while it follows it.

Code objects whose names and line tables point nowhere, at the kernel, at other types, at strings
that claim to be endless; frames whose link or code is wild, or leads in a circle. The lies are told
where the interpreter itself does not look, and taken back before it does.
"""
import ctypes
import functools
import gc
import mmap
import random
import sys
import time
import types

from commands import serve

gc.disable()  # 3.14's collector looks at frames
SIZES = [50] * 64
KEPT = []
BENT = []  # (address, truth) of words to mend

EDGE = mmap.mmap(-1, 2 * mmap.PAGESIZE)
EDGE_END = ctypes.addressof(ctypes.c_char.from_buffer(EDGE)) + len(EDGE)
GARBAGE = ctypes.create_string_buffer(b"A" * 4096, 4096)

WILD = [0, 1, 8, 0x1000, 0x7fffffffefff, 0x800000000000, 0x4141414141414141, 0xffff888000000000,
        0xfffffffffffffff8, 0xffffffffffffffff, EDGE_END - 4, EDGE_END - 8, EDGE_END - 24,
        ctypes.addressof(GARBAGE), id(None), id(12345678901), id(str), id(b"bytes"), id(KEPT)]


def word(address):
    return ctypes.c_uint64.from_address(address)


def bend(address, value):
    BENT.append((address, word(address).value))
    word(address).value = value


def forged(thing, *changes):
    """A copy of an object's memory with some words changed; nobody but pygrowd looks at it."""
    size = sys.getsizeof(thing)
    copy = ctypes.create_string_buffer(ctypes.string_at(id(thing), size), size)
    for offset, value in changes:
        word(ctypes.addressof(copy) + offset).value = value
    KEPT.append(copy)
    return ctypes.addressof(copy)


def leaf():
    KEPT.append(list(map(bytes, SIZES)))


def another_leaf(number, **changes):
    code = leaf.__code__.replace(co_name="leaf_%d" % number, co_filename="file_%d.py" % number,
                                 **changes)
    return types.FunctionType(code, globals())


def field(code, name):
    """Where in a code object the pointer to one of its fields is."""
    target = id(getattr(code, name))
    for address in range(id(code) + 16, id(code) + types.CodeType.__basicsize__, 8):
        if word(address).value == target:
            return address
    return None


LINETABLE = "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab"


def names():
    """Names, files and line tables of code objects."""
    lies = 0
    forged_strings = [forged("some name", (16, length)) for length in
                      (1 << 20, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)]
    forged_strings += [forged("some name", (32, state)) for state in (0, 0xff, (1 << 64) - 1)]
    forged_bytes = [forged(b"0123456789abcdef", (16, length)) for length in
                    (1 << 20, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)]
    for name in ("co_name", "co_filename", "co_qualname", LINETABLE):
        for value in WILD + forged_strings + forged_bytes:
            function = another_leaf(lies)
            if not hasattr(function.__code__, name):
                continue
            address = field(function.__code__, name)
            if address is None:
                continue
            KEPT.append(function)
            bend(address, value)
            function()
            lies += 1
    return {"lies": lies}


def tables():
    """Line tables that are no line tables."""
    chance = random.Random(23)
    contents = [b"", b"\x80", b"\xff" * 1000, b"\x00" * 999, b"\x80" * 3000, b"\x7f" * 2000, b"\xf8",
                b"\xe8" * 500, b"\xf0" + b"\xff" * 5000, b"\x01\x80" * 800]
    contents += [bytes(chance.randrange(256) for _ in range(length)) for length in range(1, 400, 7)]
    for number, content in enumerate(contents):
        function = another_leaf(number, **{LINETABLE: content})
        KEPT.append(function)
        function()
    return {"lies": len(contents)}


def in_one_go(steps):
    """Calls all steps with no bytecode in between: the frame may be bent meanwhile."""
    list(map(functools.partial.__call__, steps))


def raw_frame(frame):
    return id(frame) if sys.version_info < (3, 11) else word(id(frame) + 24).value


def bent_frame(target, values):
    """Bend the word of this frame that holds `target`, allocate, and mend it."""
    raw = raw_frame(sys._getframe())
    lies = 0
    for address in range(raw, raw + 88, 8):
        if word(address).value & ~3 != target:
            continue
        truth = word(address).value
        cell = (ctypes.c_uint64 * 1).from_address(address)
        for value in values + [raw, truth + 8]:
            in_one_go([functools.partial(cell.__setitem__, 0, value),
                       functools.partial(KEPT.extend, map(bytes, SIZES)),
                       functools.partial(cell.__setitem__, 0, truth)])
            lies += 1
        break
    return lies


def frames():
    """Links between frames, and their code."""
    lies = bent_frame(raw_frame(sys._getframe()), WILD)
    lies += bent_frame(id(bent_frame.__code__), WILD)
    return {"lies": lies}


def mend():
    time.sleep(0.5)
    while BENT:
        address, truth = BENT.pop()
        word(address).value = truth
    return {}


def honest():
    """What pygrowd must still get right."""
    honest_leak()
    return {"function": "honest_leak", "blocks": len(SIZES)}


def honest_leak():
    KEPT.extend(map(bytes, SIZES))


if __name__ == "__main__":
    serve({"names": names, "tables": tables, "frames": frames, "mend": mend, "honest": honest})
