# SPDX-License-Identifier: GPL-2.0-only
"""What is alive in this process, by its own account: the truth that a report is held against.

Walks by gc.get_objects() and gc.get_referents(), and counts blocks as the allocators hand them out:
rounded up to 16 bytes, with the collector's header; over 512 bytes as glibc's chunks.
"""
import collections
import gc
import sys
import types

PYMALLOC_MAX = 512
# Reached from an object, but not made with it.
NOT_OWNED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType,
             types.FrameType, types.MethodDescriptorType, types.GetSetDescriptorType)


def block_bytes(asked):
    """What a request of so many bytes takes."""
    if asked <= PYMALLOC_MAX:
        return (asked + 15) // 16 * 16
    return (asked + 8 + 15) // 16 * 16 - 8


def object_bytes(thing):
    """Object and buffers taken for one block: of a list or a dict, up to 24 bytes too few or many."""
    return block_bytes(sys.getsizeof(thing))


def reachable(roots):
    """Every object below the roots, and the roots, each once."""
    seen, waiting = set(), list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, NOT_OWNED):
            continue
        seen.add(id(thing))
        yield thing
        waiting.extend(gc.get_referents(thing))


def owned(roots):
    """Bytes and objects below the roots."""
    sizes = [object_bytes(thing) for thing in reachable(roots)]
    return {"bytes": sum(sizes), "objects": len(sizes)}


def heap(top=8):
    """All that the collector knows or that is reached from there, by type."""
    tracked, sizes = gc.get_objects(), collections.Counter()
    ours = {id(tracked), id(sizes)}
    seen, objects = set(), 0
    for thing in tracked:
        for each in [thing] + gc.get_referents(thing):
            if id(each) not in seen and id(each) not in ours:
                seen.add(id(each))
                objects += 1
                sizes[type(each).__name__] += object_bytes(each)
    return {"allocated_blocks": sys.getallocatedblocks(), "objects": objects,
            "bytes": sum(sizes.values()), "types": dict(sizes.most_common(top))}
