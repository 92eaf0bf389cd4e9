# SPDX-License-Identifier: GPL-2.0-only
"""A large upload once; some of its rows stay, and hold on to the arenas.

Modelled after: nt-nerdtechnic/Navide#23 and davidfstr/Crystal-Web-Archiver#34: memory that is
free, and not given back.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

UPLOAD_FROM_SECONDS, UPLOAD_TO_SECONDS, KEPT_ONE_IN = 5, 20, 10
upload, kept = [], []


def handle(request):
    if UPLOAD_FROM_SECONDS < traffic.now() < UPLOAD_TO_SECONDS:
        for _ in range(traffic.times(800)):
            upload.append({"row": "%d" % request["id"], "text": "cell %d" % len(upload)})
    elif upload and traffic.now() > UPLOAD_TO_SECONDS:
        kept.extend(upload[::KEPT_ONE_IN])
        upload.clear()


if __name__ == "__main__":
    traffic.serve(handle)
