"""What `make proof` runs: the explorations, and how far is the whole way."""

from dataclasses import dataclass
from typing import Final

from tests.cases.attempts.every import EVERY
from tests.cases.test_machine import PLANTED
from tests.contract.stack import FUNCTIONS
from tests.e2e.played import BLOCK, ROOT
from tests.e2e.test_demo import FAULTS
from tests.e2e.test_killed_revocations import EXPECTED as REVOCATION
from tests.e2e.test_no_secret_leaks import FAULTS as LEAKS
from tests.integration.test_cli_hostile_text import REFUSED
from tests.refresh.test_crash_matrix import TWICE
from tests.refresh.test_interleavings import HOLDERS
from tests.unit.test_no_secret_shows import GOES_WRONG
from tests.unit.test_planted_leaks import PLANTS


@dataclass(frozen=True)
class Part:
    """Tests that read `tests.length`, as pytest is told them; `full` of `unit` took `seconds` on two quiet cores.

    With less than `fewest`, chance does not come upon what the tests say must come.
    """

    name: str
    tests: str
    unit: str
    full: int
    seconds: float
    fewest: int = 1

    @property
    def least(self) -> float:
        """How many seconds its fewest cases take."""
        return self.seconds * self.fewest / self.full

    def length_in(self, seconds: float) -> int:
        """Return how far it comes in so many seconds: at least the fewest cases, at most the whole way."""
        return max(self.fewest, min(self.full, int(self.full * seconds / self.seconds)))


#: whose faults no part below injects: each as often as its test says
ONE_BY_ONE: Final = (
    "tests/cases/test_steps.py",
    "tests/contract/test_template_evidence.py",
    "tests/contract/test_template_permissions.py",
    "tests/contract/test_template_queue_policies.py",
    "tests/contract/test_template_speakers.py",
    "tests/faults/test_new_versions.py",
    "tests/faults/test_storms.py",
    "tests/integration/test_own_provider.py",
    "tests/refresh/test_late_versions.py",
    "tests/unit/test_bad_input.py",
    "tests/unit/test_consumer_again.py",
    "tests/unit/test_consumer_failures.py",
    "tests/unit/test_damaged_answers.py",
    "tests/unit/test_dead_grants.py",
    "tests/unit/test_partial_answers.py",
    "tests/unit/test_refresh_races.py",
    "tests/unit/test_transport.py",
)

#: in which some tests are marked `at_length`, and of which no other part runs these
AT_LENGTH: Final = (
    "tests/cases/test_accounts_at_zoom.py",
    "tests/cases/test_once_more.py",
    "tests/e2e/test_operators_seat.py",
    "tests/integration/test_local_up.py",
    "tests/refresh/test_interleavings.py",
)

#: what is soon over comes first: the minutes that it leaves of a short proof are for the others
PARTS: Final = (
    Part(
        "what was tried, to have a case completed while access lives",
        "tests/cases/test_completed_means_ended.py -k whatever_was_tried",
        "attempts",
        full=len(EVERY),
        seconds=15,
    ),
    Part(
        "a refresh whose process dies, and the next one's as well",
        "tests/refresh/test_crash_matrix.py",
        "pairs of deaths, at each kind of provider",
        full=len(TWICE),
        seconds=20,
    ),
    Part(
        "leaks planted on purpose, one for each way out",
        "tests/unit/test_planted_leaks.py -k planted_leak_is_found",
        "leaks",
        full=len(PLANTS),
        seconds=20,
    ),
    Part(
        "hostile text where a record may not hold it, shown by the command line",
        "tests/integration/test_cli_hostile_text.py -k may_not_hold",
        "places in records",
        full=REFUSED,
        seconds=20,
    ),
    Part(
        "what the field throws, one by one",
        " ".join(ONE_BY_ONE),
        "time, each test",
        full=1,
        seconds=25,
    ),
    Part(
        "the evidence of many cases, checked as an auditor does",
        "tests/cases/test_evidence_of_many.py",
        "cases",
        full=10_000,
        seconds=30,
    ),
    Part(
        "a token's retrieval and its user's leaving, in every order",
        "tests/refresh/test_leavers.py -k whatever_the_order",
        "beginnings",
        full=2,
        seconds=30,
    ),
    Part(
        "a function's start, beside a bare client's",
        "tests/shipped/test_init.py",
        "functions",
        full=len(FUNCTIONS),
        seconds=40,
    ),
    Part(
        "two holders of one connection, in every order",
        "tests/refresh/test_interleavings.py -k whatever_the_order",
        "pairs of holders, each at a kind of provider",
        full=len(HOLDERS),
        seconds=40,
    ),
    Part(
        "anything posted at the front door",
        "tests/fuzz/test_front_door.py",
        "requests of each kind",
        full=1000,
        seconds=45,
    ),
    Part(
        "a provider that echoes every secret, at each request",
        "tests/unit/test_no_secret_shows.py -k goes_wrong",
        "faults, each at a request of a function",
        full=len(GOES_WRONG),
        seconds=50,
    ),
    Part(
        "what takes longer than it may in `make test`",
        f"{' '.join(AT_LENGTH)} -m at_length",
        "time, each test",
        full=1,
        seconds=50,
    ),
    Part(
        "a provider that echoes every secret, in a world searched everywhere",
        "tests/e2e/test_no_secret_leaks.py",
        "faults at each request",
        full=len(LEAKS),
        seconds=70,
    ),
    Part(
        "evidence that is forged by whoever may do everything but sign",
        "tests/cases/test_every_forgery.py",
        "places in four hundred of every file, and each forgery",
        full=100,
        seconds=70,
    ),
    Part(
        "any JSON instead of an HR event",
        "tests/fuzz/test_hr_events.py",
        "examples for each source",
        full=2000,
        seconds=75,
    ),
    Part(
        "the pages that show commands with their output, played",
        "tests/e2e/test_played_pages.py",
        "first blocks of a page",
        full=len(BLOCK.findall((ROOT / "docs" / "a-day.md").read_text())),
        seconds=150,
    ),
    Part(
        "processes killed at every effect",
        "tests/e2e/test_killed_refreshes.py tests/e2e/test_killed_revocations.py",
        "effects, before and after each",
        full=len(REVOCATION),
        seconds=150,
    ),
    Part(
        "the demo's planted faults",
        "tests/e2e/test_demo.py",
        "faults",
        full=len(FAULTS),
        seconds=150,
    ),
    Part(
        "bodies, HR events, answers, records and secrets, whatever is in them",
        "tests/fuzz --ignore=tests/fuzz/test_hr_events.py --ignore=tests/fuzz/test_front_door.py",
        "inputs of each kind",
        full=1000,
        seconds=155,
    ),
    Part(
        "leavers' cases, whatever happens in any order",
        "tests/cases/test_machine.py -k whatever_happens",
        "runs",
        full=1000,
        seconds=160,
        fewest=40,
    ),
    Part(
        "faults planted in cases, which the machine must come upon",
        "tests/cases/test_machine.py -k sees_it_where",
        "faults",
        full=len(PLANTED),
        seconds=175,
    ),
    Part(
        "leavers from every source, one call in five fails",
        "tests/e2e/test_many_leavers.py",
        "leavers",
        full=200,
        seconds=200,
    ),
    Part(
        "the functions as they are packed, in Lambda's own emulator",
        "tests/shipped/in_the_emulator.py",
        "functions: cold, warm, out of time, out of memory",
        full=len(FUNCTIONS),
        seconds=220,
    ),
    Part(
        "many connections, whatever happens in any order",
        "tests/refresh/test_many_connections.py -k whatever_happens",
        "nights",
        full=4000,
        seconds=260,
        fewest=25,
    ),
)
