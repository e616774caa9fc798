"""Leaks planted on purpose, one for each way out of a function: the search finds each."""

from collections.abc import Callable, Iterator
from traceback import format_exception
from typing import Any

import pytest

from leaver.connections.grants import ProviderGrants
from leaver.consuming.consumer import Consumer
from leaver.errors import Rejected
from tests.doubles.deployed import deployment
from tests.doubles.planted_leaks import LEAKS, secret_of, take_files_away
from tests.doubles.watch import Watch, own_streams
from tests.length import some
from tests.unit.test_no_secret_shows import Scene


class Bug(BaseException):
    """What nobody catches, so that Lambda's runtime prints it."""


#: what stops the refresh → where the search has to find the secret in it
RAISED: dict[str, tuple[set[str], type[BaseException]]] = {
    "reason of an error": ({"standard output", "AWS SendMessage", "AWS PutEvents"}, Rejected),
    "exception that nobody catches": ({"exception"}, Bug),
}
ANSWER = "answer to Lambda"


@pytest.fixture(scope="module")
def planted() -> Iterator[Watch]:
    """Refreshes that leak by every way, at the place where they have the tokens in hand."""
    refresh, consume = ProviderGrants.refresh, Consumer.consume

    def leak(*arguments: Any) -> Any:
        for plant, (_, let_out) in LEAKS.items():
            let_out(secret_of(plant))
        return refresh(*arguments)

    def answer(*arguments: Any) -> Any:
        return {**consume(*arguments), "planted": secret_of(ANSWER)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_LOG_LEVEL", "DEBUG")
        with deployment(patch) as deployed:
            scene = Scene(deployed)
            with Watch() as watch, own_streams(watch):
                patch.setattr(ProviderGrants, "refresh", leak)
                patch.setattr(Consumer, "consume", watch.hearing(ANSWER, answer))
                scene.run("refresh_access_token")
                for plant, (_, kind) in RAISED.items():
                    patch.setattr(ProviderGrants, "refresh", raising(kind(secret_of(plant))))
                    try:
                        scene.run("refresh_access_token")
                    except Bug as bug:
                        watch.hands_on("exception", "".join(format_exception(bug)))
            take_files_away()
            yield watch


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


PLANTS = {plant: {place} for plant, (place, _) in LEAKS.items()}
PLANTS |= {plant: places for plant, (places, _) in RAISED.items()} | {ANSWER: {ANSWER}}


@pytest.mark.parametrize("plant", some(PLANTS))
def test_a_planted_leak_is_found(planted: Watch, plant: str, record_property: Callable[[str, object], None]) -> None:
    found = planted.found([secret_of(plant)])
    assert {each.partition(": ")[0] for each in found} >= PLANTS[plant]
    record_property("planted", [plant, ", ".join(sorted(PLANTS[plant])), 1])
