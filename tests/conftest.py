"""How the tests are shared out among processes, and the tables that the exploration of the protocol leaves behind.

One by one, but those that share a local world, or the layer that was built for them, stay together.
"""

import contextlib
import gc
import importlib
import os
from collections.abc import Generator, Iterator, Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from local.aws.partitions import Reach
from tests import invoked, used
from tests.contract.test_documented_commands import Shape
from tests.field import PROPERTY, Field, added_up, lines
from tests.length import at_length
from tests.remembered import remember
from tests.used import USED, Grant, full_stack, grants, table

# Eight thousand tests and what they import live until the end: to search them for garbage again and again takes a tenth
# of the time.
gc.set_threshold(100_000, 50, 1_000)

remember()
invoked.record()

# What a developer keeps for their own stack is none of a test's business.
os.environ["XDG_CONFIG_HOME"] = "/nobodys"

TABLES = (
    (
        "a refresh dies: what becomes of the refresh token",
        "crash",
        ("provider", "the process dies", "strict", "grace", "reuse-detecting"),
    ),
    (
        "the refresher's process is killed (SIGKILL): what becomes of the refresh token",
        "killed",
        ("provider", "the process dies", "strict", "grace", "reuse-detecting"),
    ),
    (
        "two holders of one connection, in every order",
        "orders",
        ("provider", "holders", "orders", "died with the only copy", "lost, or false alarm"),
    ),
    (
        "leavers' cases, whatever happens in any order",
        "cases",
        ("runs", "steps", "cases", "provider faults", "duplicates", "crashes", "violations"),
    ),
    (
        "leaks planted on purpose, one for each way out: where the search finds each",
        "planted",
        ("planted as", "found in", "planted leaks found"),
    ),
    ("whatever happens to many connections, in any order", "many", ()),
    ("the evidence of many cases", "evidence", ()),
    ("whatever comes in is done, parked or comes back", "fuzzed", ("what", "inputs", "done", "parked", "returned")),
)

#: whose tests share one world, or what npm installed, for each file; the demo's each start their own
WORLDS = (
    "tests/e2e/",
    "tests/evidence/test_foreign_verifiers.py",
    "tests/integration/test_npm_sender.py",
    "tests/integration/test_two_stacks.py",
    "tests/unit/test_sam_local.py",
)
OWN_WORLD = "tests/e2e/test_demo.py"
#: whose tests share one layer
SHIPPED = "tests/shipped"


class Collected(list[str]):
    """The tests of a worker; each is asked for its place, and a list would look through thousands for it."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(ids)
        self._places = {each: place for place, each in enumerate(ids)}

    def index(self, value: str, *_: object) -> int:
        return self._places[value]


class ByWorld(LoadScopeScheduling):
    """What `--dist loadgroup` is for; but that one (pytest-xdist 3.8) finds no group under pytest 9.2."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        self.registered_collections[node] = Collected(collection)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(SHIPPED):
            return SHIPPED
        return path if path.startswith(WORLDS) and path != OWN_WORLD else nodeid

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget what is done, which would otherwise be counted again after each of eight thousand tests."""
        super().mark_test_complete(node, item_index, duration)
        work = self.assigned_work[node]
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(work[scope].values()):
            del work[scope]


@pytest.fixture
def field(request: pytest.FixtureRequest) -> Iterator[Field]:
    """The way into the table of what the field throws at Leaver; who asks for it and throws nothing fails."""
    field = Field(request.node.nodeid, request.node.user_properties)
    yield field
    assert field.thrown, "nothing was injected"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a local world waits for half of its time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a worker what only the process knows that people started."""
    node.workerinput["whole"] = _is_whole(node.config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each worker import other tests first: what nobody has compiled yet would be compiled by all of them."""
    if hasattr(session.config, "workerinput") and _is_whole(session.config):
        root, worker = session.config.rootpath, session.config.workerinput
        paths = sorted((root / "tests").rglob("test_*.py"))
        first = len(paths) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        for path in paths[first:] + paths[:first]:
            # What cannot be imported is told of when it is collected.
            with contextlib.suppress(Exception):
                importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to `make proof` what takes too long, unless somebody asks for certain tests: then they get these."""
    if _is_whole(config):
        left = [each for each in items if each.get_closest_marker(at_length.name)]
        items[:] = [each for each in items if not each.get_closest_marker(at_length.name)]
        config.hook.pytest_deselected(items=left)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByWorld:
    return ByWorld(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Let what is skipped fail where nothing may be skipped, as in CI; an expected failure is not skipped."""
    if report.skipped and "LEAVER_SKIP_NOTHING" in os.environ and not hasattr(report, "wasxfail"):
        report.outcome = "failed"


@pytest.hookimpl(tryfirst=True)
def pytest_report_to_serializable(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Send of what passed no output and no keywords: nobody reads either, and two processes would read them anew."""
    if isinstance(report, pytest.TestReport) and report.passed:
        report.sections, report.keywords = [], {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what the explorations found: people would rather see that than believe it."""
    found: dict[str, list[list[object]]] = {name: [] for _, name, _ in TABLES}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, row in report.user_properties:
            if name in found and report.when == "call":
                found[name].append(row)
    for title, name, columns in TABLES:
        rows = sorted(found[name], key=str) if name == "orders" else found[name]
        if rows:
            terminalreporter.write_sep("-", title)
            terminalreporter.write_line(_row(columns))
            for row in rows:
                terminalreporter.write_line(_row(row))
    # A fixture may record too, when its test is over.
    ended = [*terminalreporter.getreports(""), *terminalreporter.getreports("error")]
    properties = (each for report in ended if report.when == "teardown" for each in report.user_properties)
    if thrown := added_up(row for name, row in properties if name == PROPERTY):
        terminalreporter.write_sep("-", "what the field throws at it")
        for line in lines(thrown):
            terminalreporter.write_line(line)
    if _is_whole(config):
        _show(terminalreporter, "what the roles grant, and what the functions used of it", *table(_granted(), USED))
        counted = invoked.counts(invoked.documented(), invoked.INVOKED)
        _show(terminalreporter, "the commands of `leaver` that the pages show", counted, *_faults())


def _show(terminalreporter: pytest.TerminalReporter, title: str, *told: str) -> None:
    terminalreporter.write_sep("-", title)
    for line in told:
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold roles and pages against what was used and run, once every test has passed; a worker hands on what it saw."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["used"] = [tuple(each) for each in USED]
        session.config.workeroutput["invoked"] = [tuple(each) for each in invoked.INVOKED]
    elif _is_whole(session.config) and session.exitstatus == pytest.ExitCode.OK and _faults():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    told = getattr(node, "workeroutput", {})
    USED.update(Reach(*each) for each in told.get("used", ()))
    invoked.INVOKED.update(Shape(*each) for each in told.get("invoked", ()))


def _faults() -> list[str]:
    ran = invoked.INVOKED | invoked.played()
    return [*used.faults(_granted(), USED), *invoked.faults(invoked.documented(), ran)]


def _granted() -> set[Grant]:
    return set(grants(full_stack()))


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test is run, and not those alone that somebody asked for."""
    if hasattr(config, "workerinput"):
        return bool(config.workerinput["whole"])
    chosen = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "collectonly")
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return whole and not any(config.getoption(each, None) for each in chosen)


def _row(cells: Sequence[object]) -> str:
    return "  ".join(f"{cell!s:<34}" if place == 1 else f"{cell!s:<24}" for place, cell in enumerate(cells)).rstrip()
