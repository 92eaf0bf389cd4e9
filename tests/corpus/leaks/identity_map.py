# SPDX-License-Identifier: GPL-2.0-only
"""One database session for the whole process: its identity map holds every row read.

Modelled after: podly-pure-podcasts/podly_pure_podcasts#199: commit() without expunging.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = "Session.load"


class Row:
    pass


class Session:
    def __init__(self):
        self.identity_map, self.new = {}, []

    def load(self, key):
        if key not in self.identity_map:
            row = self.identity_map[key] = Row()
            row.key, row.title = key, "segment %d of an episode" % key[1]
            row.words = ["word %d" % (key[1] * i) for i in range(4)]
        return self.identity_map[key]

    def commit(self):
        self.new.clear()


SESSION = Session()


def handle(_request):
    for _ in range(traffic.times(15)):
        SESSION.load(("segment", traffic.choose.randrange(10 ** 9)))
    SESSION.commit()


if __name__ == "__main__":
    traffic.serve(handle)
