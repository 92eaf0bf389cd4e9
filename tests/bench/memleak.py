# SPDX-License-Identifier: GPL-2.0-only
"""bcc's memleak, to compare with: attached to a process, and silent while it is measured."""
import glob
import os
import platform
import shutil
import time

from kit import BOUND, harness

MEMLEAK = shutil.which("memleak-bpfcc", path=os.environ["PATH"] + ":/usr/sbin:/usr/share/bcc/tools")
# bcc looks for the running kernel's headers below /lib/modules. Where the machine has those of another
# kernel only, memleak gets a /lib/modules of its own that leads to them: it reads no kernel structure.
BORROW_HEADERS = """
    mount -t tmpfs none /lib/modules && cd /lib/modules && mkdir "$(uname -r)" && cd "$(uname -r)" &&
    ln -s "$0" build && ln -s "${0%-amd64}-common" source && cd / && exec "$@" """


def memleak_argv(pid):
    argv = BOUND + [MEMLEAK, "-p", str(pid), "3600"]
    others = sorted(glob.glob("/usr/src/linux-headers-*-amd64"))
    if others and not os.path.exists("/lib/modules/%s/build" % platform.release()):
        argv = ["unshare", "--mount", "sh", "-c", BORROW_HEADERS, others[-1]] + argv
    return argv


class Memleak(harness.Process):
    def __init__(self, pid):
        super().__init__(memleak_argv(pid), dict(os.environ, PYTHONUNBUFFERED="1"))
        for line in self.popen.stdout:
            if b"Attaching" in line:
                break
        assert self.popen.poll() is None, "memleak ended: %s" % self.stderr()
        time.sleep(1)  # it says so just before it attaches
        assert self.popen.poll() is None, "memleak ended: %s" % self.stderr()
