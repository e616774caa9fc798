"""What `make proof` runs: the explorations, and how far is the whole way."""

from dataclasses import dataclass
from typing import Final

from tests.e2e.test_demo import FAULTS
from tests.e2e.test_killed_refreshes import PLAYED
from tests.rotation.test_interleavings import HOLDERS


@dataclass(frozen=True)
class Part:
    """Tests that read `tests.length`; `full` of `unit` took `seconds` on two quiet cores."""

    name: str
    tests: tuple[str, ...]
    unit: str
    full: int
    seconds: float

    def length_in(self, seconds: float) -> int:
        """Return how far it comes in so many seconds: at least one case, at most the whole way."""
        return max(1, min(self.full, int(self.full * seconds / self.seconds)))


#: those that are soon over first: what they leave of a short proof's minutes is for the others
PARTS: Final = tuple(
    sorted(
        (
            Part(
                "two holders of one connection, in every order",
                (
                    "tests/rotation/test_interleavings.py::test_whatever_the_order_nothing_is_lost_and_nobody_is_alarmed",
                ),
                "pairs of holders, each at a kind of provider",
                len(HOLDERS),
                120,
            ),
            Part(
                "a token's retrieval and its user's leaving, in every order",
                (
                    "tests/rotation/test_leavers.py::test_whatever_the_order_and_whoever_is_killed_no_token_is_left_and_none_handed_out_is_kept_silent",
                ),
                "beginnings",
                2,
                30,
            ),
            Part(
                "many connections, whatever happens",
                (
                    "tests/rotation/test_many_connections.py::test_whatever_happens_to_many_connections_nothing_is_lost_but_to_the_two_faults",
                ),
                "nights",
                4000,
                600,
            ),
            Part("leavers' cases, whatever happens", ("tests/cases/test_machine.py",), "runs", 2500, 300),
            Part("any JSON instead of an HR event", ("tests/unit/test_hr_any_json.py",), "examples a test", 2000, 300),
            Part(
                "processes killed at every effect",
                ("tests/e2e/test_killed_refreshes.py", "tests/e2e/test_killed_revocations.py"),
                "providers",
                len(PLAYED),
                120,
            ),
            Part("the demo's planted faults", ("tests/e2e/test_demo.py",), "faults", len(FAULTS), 150),
            Part(
                "leavers from every source, one call in five fails",
                ("tests/e2e/test_many_leavers.py",),
                "leavers",
                200,
                240,
            ),
        ),
        key=lambda part: part.seconds,
    )
)
