# SPDX-License-Identifier: GPL-2.0-only
"""Are stacks what traceback.extract_stack() says, frame for frame, from every kind of frame?

corpus/frames.py tells its stacks; each of them must be in the report, and the report may have none
besides them that ends where they end.
"""
import unicodedata

from harness import each_python

FRAMES_MAX = 128
NAME_MAX = 300  # characters of a name that may reach a report; 10,000 may not
GONE = "<gone>"  # a code object that was gone before its name could be read


@each_python
def every_kind(t):
    target = t.target("frames.py")
    pygrowd = t.pygrowd(target).wait_watching()
    told = {case: target.ask("run", case)["stacks"] for case in target.ask("cases")}
    report = pygrowd.report()
    seen = {}
    for stack in report["stacks"]:
        if stack["pid"] == target.pid:
            frames = tuple((f["function"], f["file"], f["line"]) for f in stack["frames"])
            seen[frames] = stack
    hostile, fleeting = told.pop("hostile_names"), told.pop("code_at_one_address")
    for case, stacks in told.items():
        t.result("frames__" + case, compare(stacks, seen))
    t.result("frames__code_at_one_address", compare_fleeting(fleeting, seen))
    t.result("frames__nothing_besides", strangers(told, hostile + fleeting, seen))
    t.result("frames__hostile_names", compare_hostile(hostile, seen))
    text = pygrowd.ctl("report", "-n", "1000").stdout
    bad = [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n"]
    t.result("frames__text_has_no_control_characters", "found %r" % bad[:5] if bad else None)


def compare(stacks, seen):
    """The first told stack that was not seen, and what comes nearest to it."""
    for stack in stacks:
        want = tuple(tuple(frame) for frame in stack[:FRAMES_MAX])
        if want not in seen:
            return "want %s; nearest is %s" % difference(want, seen)
        truncated = len(stack) > FRAMES_MAX
        if bool(seen[want].get("truncated")) != truncated:
            return "%d frames, but truncated is %s" % (len(stack), seen[want].get("truncated"))
    return None


def difference(want, seen):
    def alike(frames):
        return sum(1 for a, b in zip(want, frames) if a == b)
    nearest = max(seen, key=alike, default=())
    for place, (a, b) in enumerate(zip(want, nearest)):
        if a != b:
            return "frame %d: %s" % (place, a), b
    return "%d frames" % len(want), "%d frames" % len(nearest)


def compare_fleeting(stacks, seen):
    """Names may be missing, and say so; they may never be those of another code object."""
    for frames in seen:
        if ("code_at_one_address" in [frame[0] for frame in frames] and frames[0][0] == "keep"
                and not any(fits(frames, stack) for stack in stacks)):
            return "the report has a stack that never was: %s" % (frames[:3],)
    if not any(fits(frames, stack) for stack in stacks for frames in seen):
        return "none of %d stacks is there, not even without names" % len(stacks)
    return None


def fits(frames, stack):
    return len(frames) == len(stack) and all(
        have[0] == GONE or have == tuple(want) or have == (want[0], want[1], None)
        for have, want in zip(frames, stack))


def strangers(told, others, seen):
    """Stacks in the report that end at a line where only told stacks end, but for special cases."""
    wanted = {tuple(tuple(f) for f in stack[:FRAMES_MAX]) for case in told.values() for stack in case}
    ends = {want[0] for want in wanted}
    callers = {tuple(stack[-4]) for stack in others if len(stack) > 4}
    for frames in seen:
        if frames and frames[0] in ends and frames not in wanted:
            if not callers & set(frames):
                return "the report has a stack that never was: %s" % (frames[:6],)
    return None


def compare_hostile(stacks, seen):
    """Names from hell: lines right, other frames right, names cut and without control characters."""
    for stack in stacks:
        (name, path, line), others = stack[1], [tuple(f) for i, f in enumerate(stack) if i != 1]
        found = [frames for frames in seen if len(frames) == len(stack)
                 and [f for i, f in enumerate(frames) if i != 1] == others and frames[1][2] == line
                 and is_shown_as(name, frames[1][0]) and is_shown_as(path, frames[1][1])]
        if not found:
            near = [frames[1] for frames in seen if len(frames) == len(stack)
                    and [f for i, f in enumerate(frames) if i != 1] == others]
            return "no stack for the name %.40r; there are %s" % (name, [(n[0][:30], n[1][:30], n[2])
                                                                         for n in near])
    return None


def is_shown_as(name, shown):
    """Plain characters at its start are kept, or, of a long path, those at its end; nothing that
    could do harm is; and it is not too long."""
    plain = ""
    for char in name[:20]:
        if unicodedata.category(char)[0] == "C" or char in "\\\"'":
            break
        plain += char
    harmful = [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs")]
    tail = len(name) > NAME_MAX and shown.startswith("…") and shown[1:] == name[1 - len(shown):]
    return (shown.startswith(plain) or tail) and not harmful and len(shown) <= NAME_MAX
