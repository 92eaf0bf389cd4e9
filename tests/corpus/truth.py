# SPDX-License-Identifier: GPL-2.0-only
"""Which programs are in leaks/ and harmless/, and which function of each is to blame?

Read from the source: nothing is imported, nothing runs. A program states its truth at module level,
LEAK = "function" by its qualified name, or LEAK = None. Run as a program, it prints the table of
docs/CORPUS.md.
"""
import ast
import collections
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("leaks", "harmless")

# kind: of KINDS; leak: qualified name or None; title, model: of the docstring, what it is and after
# which case; functions: [(first line, last line, qualified name)], inner ones after outer ones.
Case = collections.namedtuple("Case", "name kind path leak title model functions")


def cases(pattern=""):
    """Every program whose name matches, leaks first. ValueError if one is not as it should be."""
    found = []
    for kind in KINDS:
        for file in sorted(os.listdir(os.path.join(HERE, kind))):
            if file.endswith(".py") and re.search(pattern, file[:-3]):
                found.append(read(os.path.join(HERE, kind, file), kind))
    return found


def read(path, kind):
    with open(path) as source:
        tree = ast.parse(source.read(), path)
    functions = functions_of(path, tree)
    case = Case(os.path.basename(path)[:-3], kind, path, leak_of(path, tree),
                *docstring_of(path, tree), functions)
    if (case.leak is None) != (kind == "harmless"):
        raise ValueError("%s: LEAK is %r in %s/: move it or mend it" % (path, case.leak, kind))
    if case.leak and case.leak not in [name for _, _, name in functions]:
        raise ValueError("%s: LEAK names %r, which it does not define" % (path, case.leak))
    return case


def leak_of(path, tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "LEAK":
            value = ast.literal_eval(node.value)
            if value is None or isinstance(value, str):
                return value
    raise ValueError('%s: it has no line LEAK = "function" or LEAK = None' % path)


def docstring_of(path, tree):
    title, _, model = (ast.get_docstring(tree) or "").partition("Modelled after:")
    if not title.strip() or not model.strip():
        raise ValueError("%s: its docstring lacks a title or 'Modelled after: …'" % path)
    return " ".join(title.split()), " ".join(model.split())


def functions_of(path, tree=None):
    """[(first line, last line, qualified name)] of a source file."""
    if tree is None:
        with open(path) as source:
            tree = ast.parse(source.read(), path)
    found = []

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = prefix + child.name
                found.append((child.lineno, child.end_lineno, name))
                inner = name + ".<locals>."
            elif isinstance(child, ast.ClassDef):
                inner = prefix + child.name + "."
            visit(child, inner)
    visit(tree, "")
    return found


def function_at(functions, line):
    """The innermost function around a line."""
    around = [name for first, last, name in functions if first <= line <= last]
    return around[-1] if around else "<module>"


def is_blamed(leak, function):
    """Is a function that was found the one of the truth? Until 3.10 code has no qualified name, and
    until 3.11 a comprehension is a function of its own inside of the one that it is written in."""
    outer = function.split(".<locals>.")[0]
    return outer == leak or ("." not in outer and outer == leak.rpartition(".")[2])


def table():
    """What docs/CORPUS.md has of each case, in Markdown."""
    rows = ["| program | what it does | modelled after | to blame |", "|---|---|---|---|"]
    rows += ["| %s/%s | %s | %s | %s |" % (case.kind, case.name, case.title, case.model,
                                          "`%s`" % case.leak if case.leak else "nobody")
             for case in cases()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")
