"""verify.py, the one file that an auditor needs: what `leaver verify` runs, and each module that it imports, joined."""

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterable
from types import ModuleType
from typing import Final

from leaver.evidence import (
    bundle,
    canonical_json,
    dsse,
    log_proof,
    merkle,
    note,
    population,
    reconciled,
    statement,
    verification,
)
from leaver_cli.evidence import exhibit, offline, people_csv

#: what is joined, each after whatever it imports
MODULES: Final = (
    *(canonical_json, dsse, merkle, log_proof, note, statement, bundle, population, reconciled, verification),
    *(exhibit, people_csv, offline),
)
_OURS: Final = ("leaver", "leaver_cli")
_END: Final = 'if __name__ == "__main__":\n    raise SystemExit(main())\n'


def verify_py() -> str:
    """The file; raises ValueError where two modules give a name to two things."""
    parts = [_Part(each) for each in MODULES]
    named = [name for part in parts for name in part.names]
    if twice := {name for name in named if named.count(name) > 1}:
        raise ValueError(f"two modules define {', '.join(sorted(twice))}")
    head = f'"""{inspect.getdoc(offline)}\n"""'
    return "\n\n".join(
        [head, _joined(each for part in parts for each in part.imports), *(part.code for part in parts), _END]
    )


class _Part:
    """A module as it is joined to the others: its own lines, without what it imports."""

    def __init__(self, module: ModuleType) -> None:
        source = inspect.getsource(module)
        lines = source.splitlines()
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.names: list[str] = []
        (docstring, *statements) = ast.parse(source).body
        gone = {*range(1, (docstring.end_lineno or 0) + 1)}
        for each in statements:
            match each:
                case ast.Import() | ast.ImportFrom():
                    gone |= {*range(each.lineno, (each.end_lineno or 0) + 1)}
                    if not _is_ours(each):
                        self.imports.append(each)
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    self.names.append(name)
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    self.names.append(name)
        kept = "\n".join(line for number, line in enumerate(lines, start=1) if number not in gone)
        title = (inspect.getdoc(module) or "").partition("\n")[0]
        self.code = f"# --- {module.__name__}: {title}\n\n{kept.strip()}\n"


def _joined(imports: Iterable[ast.Import | ast.ImportFrom]) -> str:
    """What all of them import, one line for each module."""
    modules: set[str] = set()
    names: defaultdict[str, set[str]] = defaultdict(set)
    for each in imports:
        wanted = {ast.unparse(alias) for alias in each.names}
        if isinstance(each, ast.ImportFrom):
            names[each.module or ""] |= wanted
        else:
            modules |= wanted
    froms = [f"from {module} import {', '.join(sorted(wanted))}" for module, wanted in sorted(names.items())]
    return "\n".join([*(f"import {each}" for each in sorted(modules)), *froms]) + "\n"


def _is_ours(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _OURS
