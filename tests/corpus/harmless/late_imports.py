# SPDX-License-Identifier: GPL-2.0-only
"""Modules are imported when a request first needs them, over 20 seconds.

Modelled after: imports inside functions.
"""
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import traffic

LEAK = None

MODULES = ["argparse", "calendar", "colorsys", "concurrent.futures", "configparser", "csv",
           "decimal", "difflib", "doctest", "email.message", "fractions", "ftplib", "html.parser",
           "http.client", "ipaddress", "mailbox", "optparse", "pdb", "pickletools", "plistlib",
           "poplib", "smtplib", "socketserver", "statistics", "tarfile", "unittest.mock", "uuid",
           "wave", "xml.dom.minidom", "xmlrpc.client", "zipfile"]
DONE_AFTER_SECONDS = 20
imported = 0


def handle(_request):
    global imported
    due = min(len(MODULES), int(len(MODULES) * traffic.now() / DONE_AFTER_SECONDS))
    while imported < due:
        importlib.import_module(MODULES[imported])
        imported += 1


if __name__ == "__main__":
    traffic.serve(handle)
