"""No code decides by a provider's name: what is true of a provider stands in its entry."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from leaver.providers.registry import PROVIDERS
from leaver.providers.sources import CONNECTABLE, SOURCES
from leaver_cli.connections.forms import FORMS, MISSING_SCOPES
from local.aws.template import Template
from tests.contract.stack import ROOT, SMALLEST
from tests.contract.test_arrows import LAYER, imports

NAMES = frozenset(CONNECTABLE)
FILES = {
    **{".".join(path.relative_to(LAYER).with_suffix("").parts): path for path in (LAYER / "leaver").rglob("*.py")},
    **{
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for folder in ("functions", "cli")
        for path in (ROOT / folder).rglob("*.py")
    },
}


def name_faults(module: str, source: str) -> list[str]:
    """Where a module compares with a provider's name, lists names as a type, or imports what is one provider's."""
    tree = ast.parse(source)
    named = _constants(tree)
    faults = [found for node in ast.walk(tree) for found in _decisions(node, named)]
    faults += [(line, f"imports {name}'s") for line, name in _strangers(module, source)]
    return [f"{module}:{line}: {wrong}" for line, wrong in sorted(faults)]


def _constants(tree: ast.Module) -> frozenset[str]:
    """What a module calls a provider's name by."""
    return frozenset(
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_name(node.value, frozenset())
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    )


def _decisions(node: ast.AST, named: frozenset[str]) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Compare():
            sides = [each for side in (node.left, *node.comparators) for each in _members(side)]
            line, wrong = node.lineno, "compares with a provider's name"
        case ast.MatchValue():
            line, sides, wrong = node.lineno, [node.value], "matches a provider's name"
        case ast.Subscript() if ast.unparse(node.value) in {"Literal", "typing.Literal"}:
            line, sides, wrong = node.lineno, _members(node.slice), "is a Literal of a provider's name"
        case _:
            return
    if any(_is_name(side, named) for side in sides):
        yield line, wrong


def _members(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]


def _is_name(node: ast.expr | None, named: frozenset[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in named
    return isinstance(node, ast.Constant) and node.value in NAMES


def _strangers(module: str, source: str) -> Iterator[tuple[int, str]]:
    found = [(each.line, name) for each in imports(source) if (name := _provider(each.module))]
    own = _own(module)
    if module in {"leaver.providers.registry", "leaver.providers.sources"}:
        return
    for line, name in found:
        if module.startswith("functions."):
            # A function that calls one provider alone.
            if {other for _, other in found} != {name}:
                yield line, name
        elif name != own:
            yield line, name


def _provider(module: str) -> str | None:
    package, _, rest = module.partition("leaver.providers.")
    name = rest.partition(".")[0]
    return name if not package and name in NAMES else None


def _own(module: str) -> str:
    """The provider whose folder or form this is."""
    return _provider(module) or module.removeprefix("cli.leaver_cli.connections.connect_")


@pytest.mark.parametrize("module", sorted(FILES))
def test_nothing_is_decided_by_a_providers_name(module: str) -> None:
    assert name_faults(module, FILES[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("leaver.cases.start", 'if record.provider == "zoom": ...', "compares with a provider's name"),
        ("leaver.cases.start", 'if "venafi" != record.provider: ...', "compares with a provider's name"),
        ("leaver.cases.start", 'if name in {"zoom", "acme"}: ...', "compares with a provider's name"),
        ("functions.revoke_grants.app", 'known = name not in ("venafi",)', "compares with a provider's name"),
        ("cli.leaver_cli.deployment", 'x = 1 if new.provider is "zoom" else 2', "compares with a provider's name"),
        ("leaver.cases.start", 'match name:\n    case "zoom": ...', "matches a provider's name"),
        ("leaver.connections.record", 'provider: Literal["zoom", "venafi"]', "is a Literal of a provider's name"),
        ("leaver.connections.record", 'x: typing.Literal["venafi"]', "is a Literal of a provider's name"),
        ("leaver.cases.start", "from leaver.providers.zoom.api import Zoom", "imports zoom's"),
        ("leaver.bootstrap", "from leaver.providers.venafi import oauth", "imports venafi's"),
        ("leaver.connections.grants", "def f():\n    import leaver.providers.zoom.oauth", "imports zoom's"),
        ("cli.leaver_cli.deployment", "from leaver.providers.zoom.oauth import ZoomOAuth", "imports zoom's"),
        ("cli.leaver_cli.connections.connect_zoom", "import leaver.providers.venafi.api", "imports venafi's"),
        ("leaver.providers.zoom.api", "import leaver.providers.venafi.api", "imports venafi's"),
    ],
)
def test_a_decision_by_name_is_noticed(module: str, source: str, fault: str) -> None:
    (found,) = name_faults(module, source)
    assert found.startswith(f"{module}:")
    assert found.endswith(fault)


def test_a_name_behind_a_constant_is_noticed() -> None:
    source = 'ZOOM: Final = "zoom"\nif record.provider == ZOOM: ...'
    assert name_faults("leaver.cases.start", source) == ["leaver.cases.start:2: compares with a provider's name"]


def test_a_function_that_imports_two_providers_is_noticed() -> None:
    source = "import leaver.providers.zoom.api\nimport leaver.providers.venafi.api"
    assert name_faults("functions.revoke_grants.app", source) == [
        "functions.revoke_grants.app:1: imports zoom's",
        "functions.revoke_grants.app:2: imports venafi's",
    ]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("leaver.messages.commands", 'connection: ConnectionName = "zoom"\nsystem = "venafi"'),
        ("leaver.providers.registry", "import leaver.providers.zoom.entry\nimport leaver.providers.venafi.entry"),
        ("leaver.providers.zoom.oauth", "from leaver.providers.zoom.answers import Table"),
        ("functions.revoke_sso_token.app", "from leaver.providers.zoom.api import Zoom"),
        ("cli.leaver_cli.connections.connect_venafi", "from leaver.providers.venafi.api import Venafi"),
        ("leaver.cases.start", "from leaver.providers.entry import Provider"),
        ("leaver.cases.start", 'if record.status == "revoked": ...'),
    ],
)
def test_what_decides_nothing_by_name_is_left_alone(module: str, source: str) -> None:
    assert name_faults(module, source) == []


def test_every_provider_has_its_form() -> None:
    assert set(FORMS) == NAMES


def test_what_a_token_lacks_is_known_of_every_provider() -> None:
    """`leaver doctor` would end in a traceback at any other."""
    assert set(MISSING_SCOPES) == set(PROVIDERS)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_template_asks_where_a_provider_is(name: str) -> None:
    host = CONNECTABLE[name].host
    asked = {parameter.upper() for parameter in Template(ROOT / "template.yaml", SMALLEST).parameters}
    assert {variable.replace("_", "") for variable in (host.url, host.ca_bundle) if variable} <= asked


@pytest.mark.parametrize(("function", "other"), [("revoke_sso_token", "venafi"), ("revoke_grants", "zoom")])
def test_a_function_that_calls_one_provider_does_not_start_with_another(function: str, other: str) -> None:
    assert f"leaver.providers.{other}" not in _loaded_by(function)


@pytest.mark.parametrize("function", ["start_offboarding", "seal_case", "watch_deadlines", "revoke_sso_token"])
def test_whoever_works_on_cases_starts_without_the_systems_that_are_asked_about_people(function: str) -> None:
    assert _loaded_by(function) & {f"leaver.providers.{name}" for name in (*SOURCES, "sources", "source")} == set()


@pytest.mark.parametrize("function", ["refresh_access_token", "revoke_access_token"])
def test_whoever_renews_and_ends_connections_starts_without_their_clients(function: str) -> None:
    clients = {f"leaver.providers.{name}.{module}" for name in SOURCES for module in ("api", "oauth")}
    assert _loaded_by(function) & clients == set()


def _loaded_by(function: str) -> set[str]:
    program = f"import sys, functions.{function}.app; print(*sys.modules)"
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(LAYER)])}
    loaded = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    return set(loaded.stdout.split())
