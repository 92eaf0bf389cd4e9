# SPDX-License-Identifier: GPL-2.0-only
"""Every pointer read from a target may be wild: does pygrowd survive, and stay right elsewhere?"""
from harness import Skip, each_python, function_row


@each_python
def memory(t):
    has_ctypes = t.process(*t.python.argv("-c", "import ctypes")).finish()[0] == 0
    if not has_ctypes:
        raise Skip("this interpreter has no ctypes")
    target = t.target("hostile.py")
    pygrowd = t.pygrowd(target).wait_watching()
    for kind in ("names", "tables", "frames"):
        assert target.ask(kind)["lies"] > 20, "%s: too few lies were possible" % kind
        pygrowd.report()
    target.ask("mend")
    truth = target.ask("honest")
    row = function_row(pygrowd.report(), truth["function"], target.pid)
    assert row["live_blocks"] >= truth["blocks"], "after the lies, %d blocks of %d are seen" % (
        row["live_blocks"], truth["blocks"])
    status = pygrowd.ctl("status")
    assert status.returncode == 0, status.stderr
    code, _ = pygrowd.stop()
    assert code == 0, "exit status %d: %s" % (code, pygrowd.stderr())
    assert target.ask("honest"), "the target is gone"
