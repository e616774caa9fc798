"""Imports only point down, and each library has its one place."""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import combinations, groupby
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from leaver.messages import events
from tests.contract.stack import FUNCTIONS, ROOT, snake

LAYER = ROOT / "layers" / "leaver" / "python"

#: What lies in the layer, lowest first: each may import what stands before it, and nothing that stands after it.
ORDER = (
    # the standard library and pydantic only
    *("errors", "outcomes", "tokens", "settings"),
    "version",
    *("storage.tables", "storage.secrets", "storage.user_token_secrets", "storage.encryption"),
    *("evidence.canonical_json", "evidence.dsse", "evidence.statement"),
    *("evidence.merkle", "evidence.note", "evidence.log_proof"),
    *("evidence.bundle", "evidence.population", "evidence.reconciled", "evidence.verification"),
    *("evidence.signing", "evidence.store"),
    *(
        "messages.names",
        "messages.speakers",
        "messages.envelope",
        "messages.commands",
        "messages.events",
        "messages.decisions",
        "messages.previews",
        "messages.look_up",
        "messages.times",
        "messages.notices",
        "messages.publisher",
        "messages.hr",
    ),
    *(
        "webhooks.delivery",
        "webhooks.proofs",
        "webhooks.sources",
        "webhooks.secrets",
        "webhooks.memory",
        "webhooks.places",
        "webhooks.bus",
    ),
    *("providers.ca_bundle", "providers.client_certificate", "providers.authorization", "providers.answer"),
    "providers.granted",
    *("providers.body", "providers.deadline", "providers.connection_pool", "providers.call_failures"),
    *("providers.time_left", "providers.transport", "providers.side_by_side", "providers.listing", "providers.entry"),
    *("providers.zoom.credentials", "providers.zoom.answers", "providers.zoom.api", "providers.zoom.oauth"),
    *("providers.zoom.listing", "providers.zoom.entry"),
    *("providers.venafi.credentials", "providers.venafi.oauth", "providers.venafi.api"),
    *("providers.venafi.identities", "providers.venafi.grantees", "providers.venafi.search"),
    "providers.venafi.listing",
    "providers.venafi.entry",
    "providers.registry",
    *("providers.source", "providers.source_answers", "providers.api_key"),
    *("providers.bamboohr.api", "providers.bamboohr.entry", "providers.hibob.api", "providers.hibob.entry"),
    *("providers.okta.api", "providers.okta.roster", "providers.okta.entry"),
    *("providers.gusto.credentials", "providers.gusto.oauth", "providers.gusto.api", "providers.gusto.entry"),
    "providers.sources",
    *("connections.record", "connections.lease", "connections.access_tokens", "connections.grants"),
    *("connections.token_versions", "connections.refresh_policy", "connections.trouble", "connections.dead_grant"),
    "connections.refresh",
    "cases.identities",
    *(
        "cases.partitions",
        "cases.kinds",
        "cases.heard",
        "cases.states",
        "cases.receipts",
        "cases.seal",
        "cases.people",
        "cases.record",
        "cases.table",
        "cases.late",
        "cases.ceiling",
        "cases.user_token_index",
        "cases.user_tokens",
    ),
    *(
        "cases.announcing",
        "cases.reporting",
        "cases.start",
        "cases.log",
        "cases.statements",
        "cases.days",
        "cases.evidence",
        "cases.erasure",
        "cases.closing",
        "cases.finding",
        "cases.proved",
        "cases.completion",
        "cases.departure",
        "cases.former",
        "cases.returns",
        "cases.intake",
        "cases.accounts",
    ),
    *("reconcile.names", "reconcile.roster", "reconcile.comparison", "reconcile.record", "reconcile.words"),
    "reconcile.sealing",
    *("consuming.invocation", "consuming.buckets", "consuming.rate_limiter", "consuming.metrics"),
    *(
        "consuming.answers",
        "consuming.message",
        "consuming.journal",
        "consuming.previews",
        "consuming.recorder",
        "consuming.failures",
    ),
    "consuming.consumer",
    "bootstrap",
    "front_door",
    "notifying",
)
LOWEST = ORDER[:4]
#: The wings and the files beside them, lowest first; a wing is a folder.
WINGS = tuple(dict.fromkeys(place.partition(".")[0] for place in ORDER))
#: Neighbours that have nothing to say to each other, whatever the order.
STRANGERS = (
    *(set(pair) for pair in combinations(("zoom", "venafi", "bamboohr", "hibob", "okta", "gusto"), 2)),
    {"providers", "storage"},
)
#: Who alone may import a library.
ONLY = {
    "requests": {f"leaver.providers.{name}" for name in ("authorization", "body", "connection_pool", "transport")},
    "urllib3": {f"leaver.providers.{name}" for name in ("body", "call_failures", "connection_pool", "transport")},
    "boto3": {"leaver.bootstrap", "leaver.front_door"},
    "botocore": {"leaver.bootstrap", "leaver.front_door", "leaver.notifying"},
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
            is_package = node.level == 0 and (LAYER / Path(*module.split("."))).is_dir()
            names = [f"{module}.{alias.name}" for alias in node.names] if is_package else [module]
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
    if importer.startswith("leaver.") and _name(importer) in LOWEST and library != "pydantic":
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
    if {_provider(importer), _provider(imported)} in STRANGERS or {_wing(importer), _wing(imported)} in STRANGERS:
        return "is a stranger to"
    if own == to == ORDER.index("messages.hr"):
        # The package gathers its sources; they do not know each other.
        return None if importer == "leaver.messages.hr" else "is a stranger to"
    return None if to < own else "is below"


def _place(module: str) -> int | None:
    name = _name(module)
    return ORDER.index(name) if name in ORDER else None


def _name(module: str) -> str:
    """`leaver.messages.hr.okta` as ORDER has it: `messages.hr`."""
    name = module.removeprefix("leaver.")
    return "messages.hr" if name.startswith("messages.hr.") else name


def _wing(module: str) -> str:
    return _name(module).partition(".")[0]


def _provider(module: str) -> str:
    return module.removeprefix("leaver.providers.").partition(".")[0]


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


#: a wing's own file is its sentence; that of messages.hr gathers what lies beside it
LAYER_FILES = sorted(
    path for path in (LAYER / "leaver").rglob("*.py") if path.name != "__init__.py" or path.parent.name == "hr"
)
PACKAGE_FILES = sorted(set((LAYER / "leaver").rglob("__init__.py")) - set(LAYER_FILES))
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


#: not built with the module of all facts: see there
BUILT_WHERE_MADE = {
    name
    for name, it in vars(events).items()
    if isinstance(it, type) and issubclass(it, BaseModel) and it.model_config.get("defer_build")
}


def unbuilt(source: str) -> set[str]:
    """The models that a module makes, of those that nobody has built, without building them first."""
    tree = ast.parse(source)
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = {call.removesuffix(".model_validate") for call in calls} & BUILT_WHERE_MADE
    own = [node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return made - {ast.unparse(call.func).removesuffix(".model_rebuild") for call in own}


@pytest.mark.parametrize("path", [*LAYER_FILES, *FUNCTION_FILES], ids=lambda path: str(path.relative_to(ROOT)))
def test_whoever_makes_a_fact_builds_its_model_before_there_are_threads(path: Path) -> None:
    assert unbuilt(path.read_text()) == set()


def test_a_model_that_several_threads_would_build_is_noticed() -> None:
    made = "def announce():\n    return CaseAnnouncement(case_id='c')"
    assert "CaseAnnouncement" in BUILT_WHERE_MADE
    assert unbuilt(made) == {"CaseAnnouncement"}
    assert unbuilt(f"CaseAnnouncement.model_rebuild()\n{made}") == set()
    assert unbuilt(f"{made}\ndef later():\n    CaseAnnouncement.model_rebuild()") == {"CaseAnnouncement"}
    assert unbuilt("read = AccountEvent.model_validate({})") == {"AccountEvent"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_folder_holds_one_python_file(function: str) -> None:
    assert [path.name for path in (ROOT / "functions" / snake(function)).rglob("*.py")] == ["app.py"]


def test_every_module_has_its_place_and_every_place_its_module() -> None:
    assert {_name(_module(path, LAYER)) for path in LAYER_FILES} == set(ORDER)


def test_no_wing_is_entered_twice_on_the_way_up() -> None:
    entered = [place.partition(".")[0] for place in ORDER]
    assert [wing for wing, _ in groupby(entered)] == list(WINGS)


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: str(path.parent.relative_to(LAYER)))
def test_a_package_is_a_sentence_and_imports_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert (len(tree.body), bool(ast.get_docstring(tree))) == (1, True)


@pytest.mark.parametrize(
    ("importer", "source", "fault"),
    [
        (
            "leaver.providers.zoom.api",
            "from leaver.storage.secrets import Vault",
            "leaver.providers.zoom.api:1: is a stranger to leaver.storage.secrets",
        ),
        (
            "leaver.providers.zoom.api",
            "from leaver.storage import secrets",
            "leaver.providers.zoom.api:1: is a stranger to leaver.storage.secrets",
        ),
        (
            "leaver.providers.zoom.api",
            "def f():\n    import leaver.storage.secrets",
            "leaver.providers.zoom.api:2: is a stranger to leaver.storage.secrets",
        ),
        (
            "leaver.providers.venafi.api",
            "from leaver.providers.zoom.api import Zoom",
            "leaver.providers.venafi.api:1: is a stranger to leaver.providers.zoom.api",
        ),
        (
            "leaver.providers.venafi.oauth",
            "from leaver.providers.zoom.answers import Table",
            "leaver.providers.venafi.oauth:1: is a stranger to leaver.providers.zoom.answers",
        ),
        (
            "leaver.storage.secrets",
            "from leaver.storage.secrets import Vault",
            "leaver.storage.secrets:1: is below leaver.storage.secrets",
        ),
        (
            "leaver.storage.secrets",
            "from .errors import LeaverError",
            "leaver.storage.secrets:1: names in part .errors",
        ),
        (
            "leaver.storage.secrets",
            "from leaver.utils import x",
            "leaver.storage.secrets:1: knows no place for leaver.utils",
        ),
        (
            "leaver.utils",
            "from leaver.errors import x",
            "leaver.utils:1: has no place of its own to import leaver.errors",
        ),
        (
            "leaver.messages.hr.okta",
            "from leaver.messages.hr import canonical",
            "leaver.messages.hr.okta:1: is a stranger to leaver.messages.hr.canonical",
        ),
        (
            "leaver.storage.secrets",
            "if TYPE_CHECKING:\n    from leaver.messages.publisher import Publisher",
            "leaver.storage.secrets:2: is below leaver.messages.publisher",
        ),
        ("leaver.providers.zoom.api", "import requests", "leaver.providers.zoom.api:1: is not the one for requests"),
        (
            "leaver.providers.zoom.api",
            "from urllib3.util import Retry",
            "leaver.providers.zoom.api:1: is not the one for urllib3.util",
        ),
        ("leaver.storage.secrets", "import boto3", "leaver.storage.secrets:1: is not the one for boto3"),
        (
            "leaver.storage.secrets",
            "from botocore.config import Config",
            "leaver.storage.secrets:1: is not the one for botocore.config",
        ),
        ("leaver.storage.secrets", "import mypy_boto3_sqs", "leaver.storage.secrets:1: ships no mypy_boto3_sqs"),
        ("leaver.storage.secrets", "import httpx", "leaver.storage.secrets:1: ships no httpx"),
        (
            "leaver.storage.secrets",
            "import functions.revoke_grants.app",
            "leaver.storage.secrets:1: ships no functions.revoke_grants.app",
        ),
        ("leaver.storage.secrets", "from local.aws import x", "leaver.storage.secrets:1: ships no local.aws"),
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
        ("leaver.storage.secrets", "from leaver.errors import Rejected"),
        ("leaver.storage.secrets", "from botocore.exceptions import ClientError"),
        ("leaver.storage.secrets", "if TYPE_CHECKING:\n    from mypy_boto3_sqs import SQSClient"),
        ("leaver.errors", "from pydantic import BaseModel"),
        ("leaver.messages.hr", "from leaver.messages.hr import canonical, okta"),
        ("leaver.providers.zoom.oauth", "from leaver.providers.zoom.answers import Table"),
        ("leaver.providers.transport", "import requests\nfrom urllib3 import Retry"),
        ("leaver.bootstrap", "import boto3\nfrom botocore.config import Config"),
        ("functions.revoke_grants.app", "from leaver import bootstrap\nfrom pydantic import SecretStr"),
    ],
)
def test_an_arrow_that_points_down_is_left_alone(importer: str, source: str) -> None:
    assert arrow_faults(importer, source) == []


@pytest.mark.parametrize("source", ["import functions.revoke_grants.app", "from functions.revoke_grants import app"])
def test_a_function_imported_from_outside_is_noticed(source: str) -> None:
    assert outside_faults("local.world", source)
