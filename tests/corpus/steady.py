# SPDX-License-Identifier: GPL-2.0-only
"""Services that leak nothing, each busy in its own way: whoever sees a leak in them is wrong.

usage: steady.py KIND [PROGRESS-FILE]
The command `alive` tells by function what is kept at this moment, by a walk of the heap: what a
report believes to be alive below that function is right as far as it goes. All else that a report
believes in is gone.
"""
import asyncio
import collections
import concurrent.futures
import gc
import io
import json
import random
import re
import sys
import threading
import time

from background import work
from heapwalk import heap, owned
from loops import ORDERS, QUERY, churn_loop, json_loop, service_loop

choose = random.Random(3)
HOLDERS = {}  # function -> what holds the things that it made
watched_since = 0


def holds(function, holder):
    HOLDERS[function] = holder


def begin():
    """What is as old as the process, nobody who comes later can have seen: it does not count."""
    global watched_since
    watched_since = time.time()
    return {}


def alive():
    return {"functions": {function: owned(holder()) for function, holder in HOLDERS.items()},
            "heap": heap()}


# ── nothing is kept ──────────────────────────────────────────────────────────────────────────────
class Item:
    def __init__(self, number):
        self.number, self.name, self.tags = number, "item %d" % number, ["new", str(number)]


def containers():
    """Dicts, lists, sets and instances, built, linked and dropped."""
    items = [Item(i) for i in range(40)]
    by_name = {item.name: {"item": item, "links": [item.number] * (item.number % 20)} for item in items}
    numbers = {item.number for item in items} | set(range(100))
    items[0].ring = items
    return len(by_name) + len(numbers) + bool(churn_loop())


# In a ring, they wait for the collector: not leaked, but alive.
holds("containers", lambda: [thing for thing in gc.get_objects() if isinstance(thing, Item)])


def strings():
    """Text put together in every way."""
    text, stream = "", io.StringIO()
    for i in range(60):
        text += "line %d; " % i
        stream.write("%s: %r\n" % ("key%d" % i, i * 1.5))
    joined = ",".join(part.strip().title() for part in text.split(";"))
    return (joined + stream.getvalue()).encode().decode().replace("line", "row").upper()


# ── something is kept, and replaced ──────────────────────────────────────────────────────────────
last = None


def json_last():
    """Each result replaces the one before."""
    global last
    last = json.loads(json.dumps(ORDERS))


holds("json_last", lambda: [last])
hot, HOT = collections.OrderedDict(), 1000


def make_entry(key):
    hot[key] = {"key": "user:%d" % key,
                "rows": [{"id": key + i, "name": "row %d" % i} for i in range(key % 6)]}


def lru():
    """An LRU cache in steady state: every miss pushes the oldest entry out, some live for good."""
    for _ in range(50):
        key = int(choose.paretovariate(0.3)) % 100000
        if key in hot:
            hot.move_to_end(key)
            continue
        make_entry(key)
        if len(hot) > HOT:
            hot.popitem(last=False)


holds("make_entry", lambda: [hot])
slow, SLOW, SLOW_EVERY = [], 20000, 50
slow_steps = 0


def refresh_entry(key):
    return {"key": "page:%d" % key, "body": "%d " % key * (20 + key % 80), "at": time.time()}


def slow_cache():
    """A cache whose entries live for minutes, amid the churn of a service: alive, and no leak."""
    global slow_steps
    if not slow:
        slow.extend(map(refresh_entry, range(SLOW)))
    slow_steps += 1
    if slow_steps % SLOW_EVERY == 0:
        key = choose.randrange(SLOW)
        slow[key] = refresh_entry(key)
    return service_loop()


holds("refresh_entry", lambda: [entry for entry in slow if entry["at"] > watched_since])
by_timer, TIMER_PER_SECOND = {}, 200
timer_since, timer_made = time.time(), 0


def note_time(number):
    by_timer[number % SLOW] = {"key": "tick:%d" % number, "at": time.time()}


def timer():
    """As slow_cache, but the clock says when an entry is due, however busy the process is."""
    global timer_made
    while timer_made < (time.time() - timer_since) * TIMER_PER_SECOND:
        note_time(timer_made)
        timer_made += 1
    return service_loop()


holds("note_time", lambda: [entry for entry in by_timer.values() if entry["at"] > watched_since])
generation, PERIOD_SECONDS, RECORDS = [], 2.0, 4000
generation_since = time.monotonic()


def make_record(i):
    return {"id": i, "name": "customer %d" % i, "lines": [Item(i)]}


def make_records(how_many):
    return [make_record(i) for i in range(how_many)]


def periodic():
    """Every two seconds the same structure anew, in the place of the last one, amid records alike."""
    global generation, generation_since
    if time.monotonic() - generation_since > PERIOD_SECONDS:
        generation = None
        generation = make_records(RECORDS)
        generation_since = time.monotonic()
    return make_records(50)


holds("make_records", lambda: [generation])
profiles, PROFILES, lines = collections.OrderedDict(), 2000, collections.deque(maxlen=500)


def make_profile(user_id):
    profiles[user_id] = {
        "id": user_id, "name": "User %d" % user_id, "mail": "u%d@example.org" % user_id,
        "address": {"street": "Road %d" % (user_id % 97), "city": "Town"}, "score": user_id * 0.5}


def write_log(user_id):
    lines.append("GET /users/%d 200 %.3f" % (user_id, time.time()))


def handler():
    """Requests: parse, look up in a bounded cache, answer in JSON, write a line to a bounded log."""
    for _ in range(5):
        user_id = choose.randrange(10**6)
        fields = dict(pair.split("=") for pair in (QUERY % user_id).split("&"))
        if user_id not in profiles:
            make_profile(user_id)
            if len(profiles) > PROFILES:
                profiles.popitem(last=False)
        write_log(user_id)
        json.dumps({"profile": profiles[user_id], "filter": re.sub("%20", " ", fields["filter"])})


holds("make_profile", lambda: [profiles])
holds("write_log", lambda: [lines])

# ── threads and tasks ────────────────────────────────────────────────────────────────────────────
pool = None


def threads():
    """Jobs for a pool of four; now and then a thread of its own that comes and goes."""
    global pool
    pool = pool or concurrent.futures.ThreadPoolExecutor(4)
    jobs = [pool.submit(json_loop if i % 2 else churn_loop) for i in range(20)]
    own = threading.Thread(target=service_loop)
    own.start()
    own.join()
    return [len(str(job.result())) for job in jobs]


event_loop = None


async def task(queue, number):
    await queue.put({"number": number, "text": "message %d" % number})
    await asyncio.sleep(0)
    return json.dumps(await queue.get())


async def batch():
    queue = asyncio.Queue()
    return await asyncio.gather(*[asyncio.ensure_future(task(queue, i)) for i in range(100)])


def tasks():
    """asyncio tasks by the hundred, each with a message in a queue."""
    global event_loop
    event_loop = event_loop or asyncio.new_event_loop()
    return event_loop.run_until_complete(batch())


KINDS = {kind.__name__: kind for kind in (containers, strings, json_last, lru, slow_cache, timer,
                                          periodic, handler, threads, tasks)}

if __name__ == "__main__":
    work(KINDS[sys.argv[1]], {"alive": alive, "begin": begin}, sys.argv[2] if len(sys.argv) > 2 else None)
