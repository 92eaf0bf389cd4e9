# SPDX-License-Identifier: GPL-2.0-only
"""A WSGI app that keeps something of every request, in the line marked LEAK; each worker its own."""
import os

kept = []


def remember(request_id):
    kept.append(["%s of request %d" % (name, request_id) for name in range(400)])  # LEAK


def app(environ, start_response):
    remember(int(environ["QUERY_STRING"] or 0))
    temporary = ["%d" % number for number in range(500)]
    body = b"%d %d\n" % (os.getpid(), len(temporary))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
