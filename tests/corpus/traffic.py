# SPDX-License-Identifier: GPL-2.0-only
"""What the programs of leaks/ and harmless/ share: requests that come and go, and a clock.

usage of each of them: prog.py SEED SCALE [RATE]
SEED decides when requests come and what is in them. SCALE stretches the program's own periods: a
cache that fills in 15 s at SCALE 1 fills in 15 min at SCALE 60, under the same load of requests.
RATE is that load, in requests a second: fewer are cheaper and do as much, each of them more.
The program prints "ready", and runs until stdin is closed or SIGTERM comes.
"""
import asyncio
import collections
import hashlib
import json
import os
import random
import select
import sys
import time

REQUESTS_PER_SECOND = 60
SIGNATURE_ROUNDS = 2200  # some 0.8 ms of CPU, 5 % of a core in all
# Of when requests come; 1 is pure chance. In compressed time what passes for an hour has some dozens
# of them, and is to be as even as a real hour, which has thousands.
EVENNESS = 4
IN_FLIGHT = 30  # requests that are alive at a time
STALL_REQUESTS = 6  # what a process could not do for as long as so many take to come, it leaves

if not 3 <= len(sys.argv) <= 4:
    sys.exit("usage: %s SEED SCALE [RATE]" % sys.argv[0])
try:
    choose, SCALE = random.Random(int(sys.argv[1])), float(sys.argv[2])
    RATE = float(sys.argv[3]) if len(sys.argv) > 3 else REQUESTS_PER_SECOND
except ValueError:
    sys.exit("%s: SEED must be a whole number, SCALE and RATE numbers: %s"
             % (sys.argv[0], sys.argv[1:]))
if not (0.01 <= SCALE <= 10000 and 0.1 <= RATE <= 1000):
    sys.exit("%s: SCALE must be 0.01 to 10000, RATE 0.1 to 1000: %s" % (sys.argv[0], sys.argv[2:]))
STALL_SECONDS = STALL_REQUESTS / RATE

in_flight = collections.deque(maxlen=IN_FLIGHT)
clock = clock_before = 0.0  # the program's own time, at this request and at the one before


def now():
    """Seconds since the start, by the program's own clock, which moves with each request."""
    return clock


def times(per_second):
    """How often something happens in this request, that happens so often a second of now()."""
    return int(per_second * min(clock - clock_before, STALL_SECONDS / SCALE) + choose.random())


def every(seconds):
    """Is it time again? For periodic jobs."""
    return int(clock / seconds) > int(clock_before / seconds)


def parse():
    """A request as it comes in: text that is parsed, most of which dies with the request."""
    number = choose.randrange(10 ** 6)
    text = json.dumps({
        "id": number, "user": "user%d" % (number % 9973), "total": number / 7,
        "items": [{"sku": "sku-%d" % (number + i), "count": i, "tags": ["new", str(i)]}
                  for i in range(4 + number % 10)]})
    return json.loads(text)


def render(request):
    """The answer to it, signed: that is most of the work, and takes no memory."""
    rows = ["<tr><td>%(sku)s</td><td>%(count)d</td></tr>" % item for item in request["items"]]
    rows.sort()
    page = json.dumps({"user": request["user"], "page": "<table>%s</table>" % "".join(rows)})
    return page + hashlib.pbkdf2_hmac("sha256", page.encode(), b"a key", SIGNATURE_ROUNDS).hex()


def answer(handle):
    request = parse()
    in_flight.append(request)
    handle(request)
    return len(render(request))


def arrivals():
    """How long to wait for the next request, again and again."""
    global clock, clock_before
    began = due = time.monotonic()
    while True:
        wait = choose.gammavariate(EVENNESS, 1 / (EVENNESS * RATE))
        due = max(due + wait, time.monotonic() - STALL_SECONDS)
        yield max(0.0, due - time.monotonic())
        clock, clock_before = (time.monotonic() - began) / SCALE, clock


def has_ended(seconds):
    """Waits; true if stdin was closed. What comes on stdin is ignored."""
    ready, _, _ = select.select([0], [], [], seconds)
    return bool(ready) and not os.read(0, 4096)


def say_ready():
    while len(in_flight) < IN_FLIGHT:
        in_flight.append(parse())
    print("ready", flush=True)


def serve(handle):
    """Calls handle(request) for each request. Does not return: threads do not hold up the end."""
    say_ready()
    for seconds in arrivals():
        if has_ended(seconds):
            os._exit(0)
        answer(handle)


async def serve_in_loop(handle):
    """As serve(), in a running event loop."""
    say_ready()
    for seconds in arrivals():
        await asyncio.sleep(seconds)
        if has_ended(0):
            os._exit(0)
        answer(handle)
