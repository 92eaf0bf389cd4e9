# SPDX-License-Identifier: GPL-2.0-only
"""A weak dictionary of what is in use: entries go when the last user goes.

Modelled after: h5py/h5py#2783, done right.
"""
import collections
import os
import sys
import weakref

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

DOCUMENTS = weakref.WeakValueDictionary()
users = collections.deque(maxlen=600)


class Document:
    def __init__(self, key):
        self.key, self.text = key, "text of %d " % key * 20


def handle(_request):
    for _ in range(traffic.times(60)):
        key = traffic.choose.randrange(2000)
        document = DOCUMENTS.get(key)
        if document is None:
            document = DOCUMENTS[key] = Document(key)
        users.append(document)


if __name__ == "__main__":
    traffic.serve(handle)
