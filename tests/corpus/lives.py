# SPDX-License-Identifier: GPL-2.0-only
"""A process that forks, execs or ends while it is watched, and can show that it still works."""
import json
import os

from commands import serve

KEPT = []


def leak_before_the_end(how_many):
    KEPT.extend(map(bytes, [100] * int(how_many)))


def leak(how_many):
    leak_before_the_end(how_many)
    return {"function": "leak_before_the_end", "blocks": int(how_many)}


def work():
    """Some of everything, with a result that is known."""
    rows = [{"number": i, "name": "row %d" % i, "half": i / 2} for i in range(300)]
    back = json.loads(json.dumps(rows))
    return {"right": back == rows and sorted(back, key=lambda row: -row["number"])[0]["number"] == 299}


def fork():
    """A child that works until its stdin, which is the parent's, ends or it is killed."""
    child = os.fork()
    if child == 0:
        while True:
            if not work()["right"] or os.getppid() == 1:
                os._exit(1)
    return {"child": child}


def end():
    os._exit(0)


def execute(*words):
    os.execv(words[0], list(words))


if __name__ == "__main__":
    serve({"leak": leak, "work": work, "fork": fork, "end": end, "execute": execute})
