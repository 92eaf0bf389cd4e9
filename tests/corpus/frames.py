# SPDX-License-Identifier: GPL-2.0-only
"""Allocations from every kind of Python frame, with the stack as CPython itself tells it.

`keep()` allocates and takes the stack on one line, so both have the same frames and lines. Most cases
call it from a frame of the kind in question; where that frame itself shall be the innermost one, it
says KEEP's expression on a line of its own. The truth per frame: the file and line that
traceback.extract_stack() gives, and the qualified name where code objects carry one (3.11 and later).
"""
import asyncio
import functools
import sys
import threading
import traceback
import types

from commands import serve

SIZES = [50] * 64
KEPT = []
TOLD = {}
CASES = {}
sys.setrecursionlimit(5000)


def tell(case):
    """Remember the caller's stack, innermost frame first."""
    frame = sys._getframe(1)
    # What extract_stack() does, without reading source files: some names here are not for open().
    lines = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False)
    told = TOLD.setdefault(case, [])
    frames = []
    for line in lines:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        assert (code.co_filename, frame.f_lineno) == (line.filename, line.lineno)
        frames.append([name, line.filename, line.lineno])
        frame = frame.f_back
    if frames not in told:
        told.append(frames)


def keep(case):
    KEPT.append(list(map(bytes, SIZES))), tell(case)


def case(function):
    CASES[function.__name__] = function
    return function


# ── functions ────────────────────────────────────────────────────────────────────────────────────
@case
def plain_function():
    keep("plain_function")


@case
def innermost_itself():
    KEPT.append(list(map(bytes, SIZES))), tell("innermost_itself")


@case
def long_function():
    """Line tables code long bodies, long gaps and jumps backwards each in its own way."""
    source = ("def long(n):\n"
              + "    if n > 100: n = [n, n, n] + [n]\n" * 400
              + "\n" * 300
              + "    for _ in 'ab':\n        keep('long_function')\n"
              + "    while n: n = (\n" + "\n" * 200 + "      n - 1\n    ) if not keep(\n"
              + "      'long_function') else 0\n"
              + "long(2)\n")
    executing(source + "KEPT.append(long)", "long_function.py", KEPT=KEPT)


@case
def call_over_lines():
    max(
        1,
        2,
        key=lambda number: (
            number,
            keep("call_over_lines"),
        )[0],
    )


@case
def closure():
    captured = "closure"

    def inner():
        keep(captured)
    inner()


def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


@case
def decorator():
    @wrapping
    def decorated():
        keep("decorator")

    @functools.lru_cache(maxsize=None)
    def cached():
        keep("decorator")
    decorated()
    cached()
    functools.partial(wrapping(keep), "decorator")()


@case
def recursion():
    descend("recursion", 200)


def descend(name, depth):
    if depth == 0:
        return keep(name)
    return descend(name, depth - 1)


@case
def recursion_of_two():
    even("recursion_of_two", 60)


def even(name, depth):
    return odd(name, depth - 1) if depth else keep(name)


def odd(name, depth):
    return even(name, depth - 1)


# ── classes ──────────────────────────────────────────────────────────────────────────────────────
class Thing:
    class Inner:
        def method(self):
            keep("method")

    def __init__(self, name=None):
        if name:
            keep(name)

    def method(self):
        keep("method")

    @staticmethod
    def static_method():
        keep("method")

    @classmethod
    def class_method(cls):
        keep("method")

    @property
    def shown(self):
        return keep("property_")

    def __add__(self, other):
        return keep("operator")

    def __getattr__(self, name):
        return keep("operator")

    def __iter__(self):
        keep("operator")
        return iter(())


class Derived(Thing):
    def __init__(self, name):
        super().__init__(name)

    def __del__(self):
        keep("destructor")


class Made(type):
    def __new__(cls, name, bases, members):
        keep("class_body")
        return super().__new__(cls, name, bases, members)


@case
def method():
    Thing().method()
    Thing.static_method()
    Thing.class_method()
    Thing.Inner().method()


@case
def property_():
    return Thing().shown


@case
def operator():
    Thing() + 1
    Thing().absent
    list(Thing())


@case
def constructor():
    Thing("constructor")
    Derived("constructor")


@case
def destructor():
    thing = Derived(None)
    del thing


@case
def class_body():
    class Local(metaclass=Made):
        keep("class_body")
    return Local


# ── comprehensions, generators, coroutines ───────────────────────────────────────────────────────
@case
def comprehension():
    [keep("comprehension") for _ in "a"]
    {keep("comprehension") for _ in "a"}
    {_: keep("comprehension") for _ in "a"}
    [[keep("comprehension") for _ in "a"] for _ in "a"]
    list(keep("comprehension") for _ in "a")
    [KEPT.append(list(map(bytes, SIZES))) or tell("comprehension") for _ in "a"]


def counting(name):
    keep(name)
    yield 1
    KEPT.append(list(map(bytes, SIZES))), tell(name)
    yield 2


def delegating(name):
    yield from counting(name)


@case
def generator():
    for _ in counting("generator"):
        pass
    list(delegating("generator"))
    sum(delegating("generator"))


async def awaited(name):
    keep(name)
    await asyncio.sleep(0)
    KEPT.append(list(map(bytes, SIZES))), tell(name)


async def awaiting(name):
    await awaited(name)
    async for _ in asynchronous(name):
        keep(name)


async def asynchronous(name):
    keep(name)
    yield 1


@case
def coroutine():
    chain = awaiting("coroutine")
    try:
        while True:
            chain.send(None)
    except StopIteration:
        pass


@case
def event_loop():
    async def main():
        await asyncio.gather(awaiting("event_loop"), awaiting("event_loop"))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


# ── called from C ────────────────────────────────────────────────────────────────────────────────
@case
def called_from_c():
    list(map(keep, ["called_from_c"]))
    sorted([2, 1], key=lambda _: keep("called_from_c") or _)
    functools.reduce(lambda _, name: keep(name), ["called_from_c"] * 2)


@case
def thread():
    threads = [threading.Thread(target=Thing, args=("thread",)),
               threading.Thread(target=descend, args=("thread", 150))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


@case
def threads_at_once():
    gate = threading.Barrier(4)

    def run(depth):
        gate.wait()
        for _ in range(20):
            descend("threads_at_once", depth)
    threads = [threading.Thread(target=run, args=(10 * depth,)) for depth in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


# ── code and names from elsewhere ────────────────────────────────────────────────────────────────
def executing(source, filename, **namespace):
    """Run code that stays: its name can be read at any later time."""
    code = compile(source, filename, "exec")
    KEPT.append(code)
    exec(code, dict(namespace, keep=keep))


def kept_code(expression):
    KEPT.append(compile(expression, "<expression>", "eval"))
    return KEPT[-1]


@case
def executed():
    executing("\n\nkeep('executed')\n", "<string>")
    executing("def f():\n  keep('executed')\n\nf()\nKEPT.append(f)", "made up.py", KEPT=KEPT)
    executing("\n" * 70000 + "keep('executed')", "long.py")
    executing("eval(code)", "<template>", code=kept_code("keep('executed')"))


@case
def code_at_one_address():
    """Code that is gone before anybody can ask for its name; the next often gets its address."""
    for number in range(50):
        source = "%sdef f%d(): keep('code_at_one_address')\nf%d()" % ("\n" * number, number, number)
        exec(compile(source, "file%d.py" % number, "exec"), {"keep": keep})
    exec("keep('code_at_one_address')", {"keep": keep})


@case
def not_ascii():
    source = "def größe_函数_имя():\n    keep('not_ascii')\ngröße_函数_имя()\n"
    executing(source + "KEPT.append(größe_函数_имя)", "größe/файл_𝒳_中文.py", KEPT=KEPT)
    executing("def naïve(): keep('not_ascii')\nnaïve()\nKEPT.append(naïve)", "é.py", KEPT=KEPT)


def renamed(function, name, filename):
    changes = {"co_name": name, "co_filename": filename}
    if hasattr(function.__code__, "co_qualname"):
        changes["co_qualname"] = name
    return types.FunctionType(function.__code__.replace(**changes), {"keep": keep})


HOSTILE = {
    "newline": "two\nlines",
    "escape": "red\x1b[31m\x07",
    "nul": "a\x00b",
    "long": "n" * 10000,
    "long_not_ascii": "名" * 10000,
    "surrogate": "half \udc80 pair",
    "quotes": "\"quoted\\' {}%s%n",
    "right_to_left": "\u202efdp.exe",
    "empty": "",
}


@case
def hostile_names():
    def innocent(name):
        keep(name)
    for kind, name in HOSTILE.items():
        KEPT.append(renamed(innocent, name, name + ".py"))
        KEPT[-1]("hostile_names")


def run(name):
    CASES[name]()
    return {"stacks": TOLD.pop(name)}


def cases():
    return list(CASES)


if __name__ == "__main__":
    serve({"run": run, "cases": cases})
