"""Imports only point down, and each library has its one place."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contract.stack import FUNCTIONS, ROOT, snake

LAYER = ROOT / "layers" / "leaver" / "python"

#: The layer's modules, lowest first: each may import those before it, and none after it.
ORDER = (
    # the standard library and pydantic only
    *("errors", "outcomes", "tokens", "settings", "attributes"),
    *("envelope", "commands", "events", "items"),
    "hr_sources",
    *("client_certificate", "transport"),
    *("zoom_answers", "zoom", "zoom_oauth"),
    *("venafi_auth", "venafi"),
    "vault",
    *("connections", "access_tokens"),
    *("receipts", "people", "cases", "kept_tokens"),
    *("grants", "sealing"),
    "outbox",
    *("pacing", "metering"),
    "refresh_policy",
    *("rotation", "starting", "casework"),
    "consumer",
    "bootstrap",
)
LOWEST = ORDER[:5]
#: Neighbours that have nothing to say to each other, whatever the order.
STRANGERS = {"zoom", "venafi"}
#: Who alone may import a library.
ONLY = {
    "requests": {"leaver.transport"},
    "urllib3": {"leaver.transport"},
    "boto3": {"leaver.bootstrap"},
    "botocore": {"leaver.bootstrap"},
}


class Import(NamedTuple):
    """One imported module; `for_types` tells that it is there for the type checker alone."""

    module: str
    for_types: bool
    line: int


def imports(source: str) -> Iterator[Import]:
    """Every module that a source imports, wherever the import stands; `from leaver import zoom` is leaver.zoom."""
    tree = ast.parse(source)
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            packages = module in {"leaver", "leaver.hr_sources"}
            names = [f"{module}.{alias.name}" for alias in node.names] if packages else [module]
        else:
            continue
        for name in names:
            yield Import(name, id(node) in typing_only, node.lineno)


def distributions() -> set[str]:
    """The import names of what the layer ships."""
    text = (LAYER.parent / "requirements.txt").read_text()
    return {name.replace("-", "_") for name in re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)}


def arrow_faults(importer: str, source: str) -> list[str]:
    """What a module of the layer (`leaver.zoom`) or a function (`functions.revoke_grants.app`) imports wrongly."""
    return [
        f"{importer}:{found.line}: {wrong} {found.module}"
        for found in imports(source)
        if (wrong := _wrong(importer, found))
    ]


def _wrong(importer: str, found: Import) -> str | None:
    library = found.module.partition(".")[0]
    if library == "":
        return "names in part"
    if library == "leaver":
        return _wrong_way(importer, found.module)
    if library in sys.stdlib_module_names or (found.for_types and library.startswith("mypy_boto3_")):
        return None
    return _wrong_library(importer, library, found.module)


def _wrong_library(importer: str, library: str, module: str) -> str | None:
    if library not in distributions():
        return "ships no"
    if importer.startswith("leaver.") and importer.split(".")[1] in LOWEST and library != "pydantic":
        return "is too low for"
    # What AWS refuses may be caught where it arises.
    if library in ONLY and importer not in ONLY[library] and module != "botocore.exceptions":
        return "is not the one for"
    return None


def _wrong_way(importer: str, imported: str) -> str | None:
    to = _place(imported)
    if to is None:
        return "knows no place for"
    if importer.startswith("functions."):
        return None
    own = _place(importer)
    if own is None:
        return "has no place of its own to import"
    if {_provider(importer), _provider(imported)} == STRANGERS:
        return "is a stranger to"
    if own == to == ORDER.index("hr_sources"):
        # The package gathers its sources; they do not know each other.
        return None if importer == "leaver.hr_sources" else "is a stranger to"
    return None if to < own else "is below"


def _place(module: str) -> int | None:
    name = module.split(".")[1]
    return ORDER.index(name) if name in ORDER else None


def _provider(module: str) -> str:
    return module.split(".")[1].partition("_")[0]


def outside_faults(importer: str, source: str) -> list[str]:
    """What the command line and the local world import wrongly: they run functions, they do not import them."""
    return [
        f"{importer}:{found.line}: imports {found.module}"
        for found in imports(source)
        if found.module.partition(".")[0] == "functions"
    ]


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


LAYER_FILES = sorted(path for path in (LAYER / "leaver").rglob("*.py") if path != LAYER / "leaver" / "__init__.py")
FUNCTION_FILES = sorted((ROOT / "functions").rglob("*.py"))
OUTSIDE_FILES = sorted([*(ROOT / "cli").rglob("*.py"), *(ROOT / "local").rglob("*.py")])


@pytest.mark.parametrize("path", LAYER_FILES, ids=lambda path: str(path.relative_to(LAYER)))
def test_a_module_of_the_layer_imports_only_what_lies_below_it(path: Path) -> None:
    assert arrow_faults(_module(path, LAYER), path.read_text()) == []


@pytest.mark.parametrize("path", FUNCTION_FILES, ids=lambda path: path.parent.name)
def test_a_function_imports_the_layer_and_nothing_that_the_layer_does_not_ship(path: Path) -> None:
    assert arrow_faults(_module(path, ROOT), path.read_text()) == []


@pytest.mark.parametrize("path", OUTSIDE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_line_and_the_local_world_never_import_a_function(path: Path) -> None:
    assert outside_faults(_module(path, ROOT), path.read_text()) == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_folder_holds_one_python_file(function: str) -> None:
    assert [path.name for path in (ROOT / "functions" / snake(function)).rglob("*.py")] == ["app.py"]


def test_every_module_has_its_place_and_every_place_its_module() -> None:
    modules = {_module(path, LAYER).split(".")[1] for path in LAYER_FILES}
    assert modules == set(ORDER)


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports((LAYER / "leaver" / "__init__.py").read_text())) == []


@pytest.mark.parametrize(
    ("importer", "source", "fault"),
    [
        ("leaver.zoom", "from leaver.vault import Vault", "leaver.zoom:1: is below leaver.vault"),
        ("leaver.zoom", "from leaver import vault", "leaver.zoom:1: is below leaver.vault"),
        ("leaver.zoom", "def f():\n    import leaver.vault", "leaver.zoom:2: is below leaver.vault"),
        ("leaver.venafi", "from leaver.zoom import Zoom", "leaver.venafi:1: is a stranger to leaver.zoom"),
        (
            "leaver.venafi_auth",
            "from leaver.zoom_answers import Table",
            "leaver.venafi_auth:1: is a stranger to leaver.zoom_answers",
        ),
        ("leaver.vault", "from leaver.vault import Vault", "leaver.vault:1: is below leaver.vault"),
        ("leaver.vault", "from .errors import LeaverError", "leaver.vault:1: names in part .errors"),
        ("leaver.vault", "from leaver.utils import x", "leaver.vault:1: knows no place for leaver.utils"),
        (
            "leaver.utils",
            "from leaver.errors import x",
            "leaver.utils:1: has no place of its own to import leaver.errors",
        ),
        (
            "leaver.hr_sources.okta",
            "from leaver.hr_sources import canonical",
            "leaver.hr_sources.okta:1: is a stranger to leaver.hr_sources.canonical",
        ),
        (
            "leaver.vault",
            "if TYPE_CHECKING:\n    from leaver.outbox import Outbox",
            "leaver.vault:2: is below leaver.outbox",
        ),
        ("leaver.zoom", "import requests", "leaver.zoom:1: is not the one for requests"),
        ("leaver.zoom", "from urllib3.util import Retry", "leaver.zoom:1: is not the one for urllib3.util"),
        ("leaver.vault", "import boto3", "leaver.vault:1: is not the one for boto3"),
        ("leaver.vault", "from botocore.config import Config", "leaver.vault:1: is not the one for botocore.config"),
        ("leaver.vault", "import mypy_boto3_sqs", "leaver.vault:1: ships no mypy_boto3_sqs"),
        ("leaver.vault", "import httpx", "leaver.vault:1: ships no httpx"),
        ("leaver.vault", "import functions.revoke_grants.app", "leaver.vault:1: ships no functions.revoke_grants.app"),
        ("leaver.vault", "from local.aws import x", "leaver.vault:1: ships no local.aws"),
        (
            "leaver.errors",
            "from botocore.exceptions import ClientError",
            "leaver.errors:1: is too low for botocore.exceptions",
        ),
        ("functions.revoke_grants.app", "import boto3", "functions.revoke_grants.app:1: is not the one for boto3"),
        ("functions.revoke_grants.app", "from . import proof", "functions.revoke_grants.app:1: names in part ."),
        ("functions.revoke_grants.app", "import proof", "functions.revoke_grants.app:1: ships no proof"),
    ],
)
def test_an_arrow_that_points_up_is_noticed(importer: str, source: str, fault: str) -> None:
    assert arrow_faults(importer, source) == [fault]


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("leaver.vault", "from leaver.errors import Rejected"),
        ("leaver.vault", "from botocore.exceptions import ClientError"),
        ("leaver.vault", "if TYPE_CHECKING:\n    from mypy_boto3_sqs import SQSClient"),
        ("leaver.errors", "from pydantic import BaseModel"),
        ("leaver.hr_sources", "from leaver.hr_sources import canonical, okta"),
        ("leaver.zoom_oauth", "from leaver.zoom_answers import Table"),
        ("leaver.transport", "import requests\nfrom urllib3 import Retry"),
        ("leaver.bootstrap", "import boto3\nfrom botocore.config import Config"),
        ("functions.revoke_grants.app", "from leaver import bootstrap\nfrom pydantic import SecretStr"),
    ],
)
def test_an_arrow_that_points_down_is_left_alone(importer: str, source: str) -> None:
    assert arrow_faults(importer, source) == []


@pytest.mark.parametrize("source", ["import functions.revoke_grants.app", "from functions.revoke_grants import app"])
def test_a_function_imported_from_outside_is_noticed(source: str) -> None:
    assert outside_faults("local.world", source)
