"""Mutation check of a page: which printed checks does no change turn red? `make mutate PAGE=12`

    python tools/mutate_page.py [--runs 60] PAGE…     numbers of pages

One recorded run tells which statements of the page, and which lines of the library under them,
each check depends on. Only those are changed, one operator or number at a time (as in mutate.py),
and the page goes on from there with every check written down and none stopping it. Checks that no
change turned red are printed, with the number of changes tried on what they depend on: such a check
proves nothing, or is not reached by changes of this kind. The argument of a check is left alone,
and so is a difference whose magnitude is taken: to change those tells nothing of what is computed.
"""

import argparse
import ast
import collections
import contextlib
import gc
import io
import multiprocessing
import os
import pathlib
import pickle
import random
import re
import signal
import sys
import traceback
import types
import warnings

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"
import coverage
from lint.book import cells, paths
from mutate import changes

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 120  # seconds of computing for the rest of a page
OUTSIDE = {"_arrays", "_data", "_words", "claims", "figures", "images", "__init__"}
DRAWN = ("show", "strip", "curves", "explore")  # what only draws
SIZES = {"abs", "norm", "fabs", "absolute", "max", "amax"}  # what takes the size of a difference


class Page:
    """The statements of a page, what each defines and uses, and where they can be changed."""

    def __init__(self, path):
        self.statements = []  # (cell, statement), in the order of execution
        for place, cell in enumerate(cells(path, "code")):
            source = re.sub(r"^[%!].*$", "", cell["source"], flags=re.MULTILINE)
            self.statements += [(place, node) for node in ast.parse(source).body]
        modules = {
            (alias.asname or alias.name).split(".")[0]
            for _, tree in self.statements
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }  # np.exp(…) changes no np
        self.names = [(defined(node, modules), used(node)) for _, node in self.statements]
        self.sites = [
            [(node, *change) for node in walk(tree) for change in changes(node)]
            for _, tree in self.statements
        ]
        self.checks = [
            place
            for place, (_, tree) in enumerate(self.statements)
            if any(is_check(node) for node in ast.walk(tree))
        ]

    def under(self, place):
        """The statements that statement `place` depends on, itself included."""
        found, needed = {place}, set(self.names[place][1])
        for before in range(place - 1, -1, -1):
            (fresh, changed), uses = self.names[before]
            if (fresh | changed) & needed:
                found.add(before)
                needed = (needed - fresh) | uses
        return found


def is_check(node):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "check"


def walk(node):
    """All nodes that may be changed: not the arguments of checks, not a difference to be sized."""
    if is_check(node):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        name = getattr(node, "func", None)
        name = getattr(name, "attr", getattr(name, "id", ""))
        if isinstance(node, ast.Call) and name in SIZES and isinstance(child, ast.BinOp):
            parts = [child.left, child.right]
        elif isinstance(node, ast.Attribute) and node.attr in SIZES and is_difference(child):
            parts = [child.left, child.right]
        else:
            parts = [child]
        for part in parts:
            yield from walk(part)


def is_difference(node):
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


def defined(tree, modules):
    """Names that a statement binds afresh, and names whose values it changes."""
    fresh, changed = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            fresh.add(node.name)
        elif isinstance(node, ast.alias):
            fresh.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            fresh.add(node.id)
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            changed |= {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value  # x.append(…), x.add_(…)
            if isinstance(owner, ast.Name) and owner.id not in modules:
                changed.add(owner.id)
    if isinstance(tree, ast.For | ast.While | ast.If | ast.With | ast.AugAssign):
        return set(), fresh | changed
    return fresh, changed - fresh


def used(tree):
    """Names that a statement reads, in the bodies of its functions as well."""
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)
    }


def key(code):
    """What tells a function from the others of its module, two on one line included."""
    return code.co_qualname, code.co_firstlineno, code.co_freevars, code.co_varnames


class Library:
    """The modules of dpss, and where the bodies of their functions can be changed."""

    def __init__(self):
        self.trees, self.sites = {}, []  # path -> tree; (path, line, node, attribute, value)
        for path in sorted((ROOT / "dpss").glob("*.py")):
            if path.stem in OUTSIDE:
                continue
            tree = self.trees[str(path)] = ast.parse(path.read_text(encoding="utf-8"))
            bodies = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
            inner = {id(node): node for f in bodies for s in f.body for node in ast.walk(s)}
            for node in inner.values():
                self.sites += [(str(path), node.lineno, node, *c) for c in changes(node)]

    def change(self, site):
        """Change the code of every live function of the module, closures included."""
        path, _, node, attribute, value = site
        setattr(node, attribute, value)
        codes = {}
        waiting = [compile(self.trees[path], path, "exec")]
        while waiting:
            code = waiting.pop()
            codes[key(code)] = code
            waiting += [part for part in code.co_consts if isinstance(part, types.CodeType)]
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType) and thing.__code__.co_filename == path:
                thing.__code__ = codes.get(key(thing.__code__), thing.__code__)


class Run:
    """A run of a page, statement by statement; checks are written down and stop nothing."""

    def __init__(self, page):
        self.page, self.space, self.seen = page, {"__name__": "__main__"}, {}
        self.place, self.count = 0, collections.Counter()

    def check(self, claim, what, value, *, below=None, above=None):
        from dpss import claims

        try:
            size = claims._largest(value)
            holds = size < below if below is not None else size > above
        except (TypeError, ValueError):
            holds = False
        self.count[self.place] += 1
        self.seen[self.place, self.count[self.place]] = (claim, what, bool(holds))

    def do(self, place):
        self.place = place
        tree = ast.Module([self.page.statements[place][1]], [])
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(tree, f"<statement {place}>", "exec"), self.space)

    def rest(self, place):
        """Go on to the end, over the ruins; what each check says."""
        for later in range(place, len(self.page.statements)):
            with contextlib.suppress(Exception):
                self.do(later)
        return self.seen


def quiet():
    """No drawing, no output, pages' folder as the working folder."""
    import dpss
    from dpss import figures

    os.chdir(ROOT / "chapters")
    warnings.simplefilter("ignore")
    for name in DRAWN:
        setattr(figures, name, lambda *_, **__: types.SimpleNamespace())  # takes an .alt
    return dpss


def recorded(page):
    """Statement -> lines of the library that it executes; and what the checks say unchanged."""

    def record(pipe):
        cover = coverage.Coverage(data_file=None, include=[str(ROOT / "dpss" / "*.py")])
        dpss, run = quiet(), Run(page)
        dpss.check = run.check
        cover.start()
        for place in range(len(page.statements)):
            cover.switch_context(str(place))
            run.do(place)
        cover.stop()
        data, lines = cover.get_data(), collections.defaultdict(set)
        for path in data.measured_files():
            for line, contexts in data.contexts_by_lineno(path).items():
                for context in contexts:
                    if context:
                        lines[int(context)].add((path, line))
        pipe.send((dict(lines), run.seen))

    return in_child(record)


def in_child(work):
    """What `work(pipe)` sends from a forked process; None if it died or ran out of time."""
    here, there = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, 10 * LIMIT)
        try:
            work(there)
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    there.close()
    try:
        result = here.recv()
    except EOFError:
        result = None
    os.waitpid(child, 0)
    return result


def serve(pipe, run, library, place):
    """Before statement `place`: for each order, go on from here in a fork with one change."""
    while (order := pipe.recv()) is not None:
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            kind, number = order
            if kind == "library":
                library.change(library.sites[number])
            else:
                node, attribute, value = run.page.sites[kind][number]
                setattr(node, attribute, value)
            pipe.send(pickle.dumps(run.rest(place)))
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            pipe.send(None)
    os._exit(0)


def candidates(page, library, lines):
    """Check statement -> changes of what it depends on: (kind, number, statement to start from).

    Of the page, the nearest statements come first; of the library, the lines that fewest execute.
    """
    first = {}  # line of the library -> first statement that executes it
    for place in sorted(lines):
        for line in lines[place]:
            first.setdefault(line, place)
    at = collections.defaultdict(list)
    for number, (path, line, *_) in enumerate(library.sites):
        at[path, line].append(number)
    often = collections.Counter(line for place in lines for line in lines[place])
    found, chance = {}, random.Random(1)
    for place in page.checks:
        under = page.under(place)
        mine = [
            ((whole(page.sites[p][n]), -p, chance.random()), (p, n, p))
            for p in sorted(under)
            for n in range(len(page.sites[p]))
        ]
        below = {line for p in under for line in lines.get(p, ())}
        theirs = [
            ((whole(library.sites[n]), often[line], chance.random()), ("library", n, first[line]))
            for line in sorted(below)
            for n in at.get(line, ())
        ]
        found[place] = [change for _, change in sorted(mine)], [c for _, c in sorted(theirs)]
    return found


def whole(site):
    """Whether a change only raises an integer, often a position or a size: these come last."""
    return type(site[-1]) is int


def tried(path, runs):
    """Try changes of a page; prints the checks that nothing turned red. How many there were."""
    page, library = Page(path), Library()
    result = recorded(page)
    if result is None:
        sys.exit(f"{path.stem}: does not run to its end without any change")
    lines, seen = result
    wrong = [f"{claim}  {what}" for claim, what, holds in seen.values() if not holds]
    if wrong:
        sys.exit(f"{path.stem}: fails without any change: {wrong}")
    dpss, run = quiet(), Run(page)
    dpss.check = run.check
    pipes = {}
    for place in range(len(page.statements)):
        here, there = multiprocessing.Pipe()
        if os.fork() == 0:
            serve(there, run, library, place)
        there.close()
        pipes[place] = here
        run.do(place)
    choices = candidates(page, library, lines)
    red, done = set(), set()
    tries, aimed = collections.Counter(), collections.Counter()
    for turn in range(runs):
        open_ = [check for check in seen if check not in red]
        open_ = [c for c in open_ if any(x not in done for part in choices[c[0]] for x in part)]
        if not open_:
            break
        check = min(open_, key=lambda c: aimed[c])
        aimed[check] += 1
        fresh = [[x for x in part if x not in done] for part in choices[check[0]]]
        change = (fresh[turn % 2] or fresh[1 - turn % 2])[0]
        done.add(change)
        kind, number, start = change
        pipes[start].send((kind, number))
        answer = pipes[start].recv()
        said = pickle.loads(answer) if answer else {}
        red |= {c for c in seen if not said.get(c, (0, 0, True))[2]}
        reached = [c for c in seen if change in choices[c[0]][0] or change in choices[c[0]][1]]
        tries.update(reached)
    for pipe in pipes.values():
        pipe.send(None)
    for check, (claim, what, _) in seen.items():
        if check not in red:
            print(f"never red ({tries[check]} changes)  {claim}  {what}")
    print(f"{path.stem}: {len(seen)} checks, {len(done)} changes, {len(seen) - len(red)} never red")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="+", metavar="PAGE")
    parser.add_argument("--runs", type=int, default=60, help="changes of a page, at most")
    options = parser.parse_args()
    for path in paths(ROOT):
        if path.stem[:2] in [page.zfill(2) for page in options.pages]:
            tried(path, options.runs)


if __name__ == "__main__":
    main()
