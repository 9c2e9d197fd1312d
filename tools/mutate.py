"""Mutation check: break one operator at a time and see whether a test notices. `make mutate`

    python tools/mutate.py [--limit N] [MODULE…]    modules of dpss, by default DEFAULT

Every mutant is a copy of the tree with one change in one module: + and -, * and /, < and >
exchanged, a minus sign dropped, a float doubled, an integer raised by one. The tests of the module
run until the first failure. Prints the survivors: each is a missing test, an equivalent program, or
a tolerance that may well be another.
"""

import argparse
import ast
import random
import sys

from broken import ROOT, outcomes

DEFAULT = ["processes", "_coefficients", "priors", "osmosis", "measures"]
ALSO = {  # module: names of further test files that are to notice
    "_coefficients": ["families"],
    "_cosines": ["modes"],
    "claims": ["package"],
    "laws": ["processes", "families"],
    "measures": ["features"],
    "network": ["weights"],
    "priors": ["denoisers", "colour"],
    "processes": ["families", "modes"],
}
EXCHANGED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.Gt,
    ast.GtE: ast.Lt,
}


def changes(node):
    """(attribute, new value) for each way to break this node."""
    if isinstance(node, ast.BinOp) and type(node.op) in EXCHANGED:
        yield "op", EXCHANGED[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in EXCHANGED:
        yield "ops", [EXCHANGED[type(node.ops[0])](), *node.ops[1:]]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "op", ast.UAdd()
    elif isinstance(node, ast.Constant) and type(node.value) is float and node.value:
        yield "value", 2 * node.value
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "value", node.value + 1


def mutants(source):
    """(line, before, after, whole new text), one for each change."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for attribute, value in changes(node):
            before, old = ast.unparse(node), getattr(node, attribute)
            setattr(node, attribute, value)
            yield node.lineno, before, ast.unparse(node), ast.unparse(tree)
            setattr(node, attribute, old)


def imported(module):
    """The modules of dpss that a module imports, and what it imports from them."""
    tree = ast.parse((ROOT / "dpss" / f"{module}.py").read_text("utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    return {node.module for node in nodes} | {a.name for node in nodes for a in node.names}


def users(module):
    """The public modules that import a private one, or import one that does."""
    found = set()
    for name in {path.stem for path in (ROOT / "dpss").glob("*.py")} - {"__init__"}:
        if module in imported(name):
            found |= users(name) if name.startswith("_") else {name}
    return found


def tests_of(module):
    """The test files that are to notice a change of the module, its own first."""
    names = [module.removeprefix("_"), *ALSO.get(module, [])]
    if module.startswith("_"):
        names += sorted(users(module) - {"training"})  # minutes, and its numbers come from others
    names += ["api", "bad_input"]
    files = [f"tests/library/test_{name}.py" for name in dict.fromkeys(names)]
    return [file for file in files if (ROOT / file).exists()]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", default=DEFAULT, metavar="MODULE")
    parser.add_argument(
        "--limit", type=int, help="try so many mutants of each module, drawn at random"
    )
    options = parser.parse_args()
    for module in options.modules:
        file, tests = f"dpss/{module}.py", tests_of(module)
        source = (ROOT / file).read_text()
        every = list(mutants(source))
        chosen = random.Random(1).sample(every, min(options.limit or len(every), len(every)))
        texts = [ast.unparse(ast.parse(source)), *(text for _, _, _, text in chosen)]
        unchanged, *ends = outcomes((file, text, tests) for text in texts)
        if unchanged != "passed":
            sys.exit(f"{module}: its tests fail without any change")
        alive = [end == "passed" for end in ends]
        for (line, before, after, _), lives in sorted(
            zip(chosen, alive), key=lambda pair: pair[0][0]
        ):
            if lives:
                print(f"survived  {module}.py:{line}  {before}  ->  {after}")
        print(
            f"{module}: {len(chosen)} of {len(every)} mutants tried, {sum(alive)} survived",
            flush=True,
        )


if __name__ == "__main__":
    main()
