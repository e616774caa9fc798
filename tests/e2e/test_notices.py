"""What people are told reaches topic, chat and address once each; what does not arrive waits, counted, for a person."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from leaver.webhooks.places import Places
from leaver_cli.main import app
from local import acme
from local.world import PEOPLE
from tests.doubles.receiver import Receiver
from tests.doubles.secrets_manager import place_of
from tests.e2e.test_offboarding import requested
from tests.e2e.watched_world import WatchedWorld

SECRET = "Bearer of-the-ticket-system"


class Telling(WatchedWorld):
    """A world that tells people, and those who hear it."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self._told_before = 0
        super().__init__(
            NotifyTopicArn=PEOPLE,
            NotifyUrl=f"{receiver.url}/notices",
            NotifyUrlSecret="ticket-system",
            RoutineCasesAnHour="1",
        )
        self.client("secretsmanager").create_secret(Name="ticket-system", SecretString=SECRET)
        self.client("sns").subscribe(TopicArn=PEOPLE, Protocol="https", Endpoint=f"{receiver.url}/chat")

    def forget(self) -> None:
        super().forget()
        self.receiver.forget()
        self._told_before = len(super().told())

    def told(self) -> list[dict[str, str]]:
        return super().told()[self._told_before :]

    def heard(self) -> list[tuple[str, str, str]]:
        """What the mail, the channel and the address said, beside each other."""
        mails = [each["default"].partition("\n")[0] for each in self.told()]
        chat = [each["description"].replace("`", "") for each in self.receiver.shown]
        return list(zip(mails, chat, self.receiver.sentences, strict=True))

    def once_more(self, name: str) -> None:
        """Let the bus deliver an announcement again."""
        for each in self.announced(name):
            self.put_event("leaver", "leaver", name, dict(each.detail))
        self.wait_until_idle()

    def leaver(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self.environment() | {"COLUMNS": "220"})


@pytest.fixture(scope="module")
def shared_world() -> Iterator[Telling]:
    with Receiver(SECRET) as receiver, Telling(receiver) as world:
        acme.set_up(world)
        yield world
        world.forget()


def hold(world: Telling) -> str:
    """Let two leave in an hour in which one may: returns the id of the case that is held."""
    for _ in range(2):
        leaver = world.hire()
        world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, event_id=f"hr-{leaver.email}"))
        world.wait_until_idle()
    [held] = world.announced("OffboardingHeld")
    return str(held.detail["case_id"])


def hold_one(world: Telling) -> None:
    """Let a case be announced as held, of which nobody was told."""
    number = next(world._number)
    told: dict[str, Any] = {"announcement_id": f"c-{number}/OffboardingHeld", "case_id": f"c-{number}"}
    told |= {"steps": [], "outstanding": [], "residual": [], "subject": "zoe@example.com"}
    world.put_event("leaver", "leaver", "OffboardingHeld", told)
    world.wait_until_idle(60)


def of(heard: list[tuple[str, str, str]], what: str) -> list[tuple[str, str, str]]:
    return [each for each in heard if what in each[0]]


def test_a_case_that_begins_and_ends_and_one_that_is_held_are_told_once_to_each(world: Telling) -> None:
    case = hold(world)
    sentence = f"Case {case} is held: nothing ends until a person has looked."
    assert of(world.heard(), "is held") == [(sentence,) * 3]
    assert len(of(world.heard(), "has begun")) == len(of(world.heard(), "is completed after")) == 1
    before = world.heard()
    for name in ("OffboardingHeld", "OffboardingStarted", "OffboardingCompleted"):
        world.once_more(name)
    assert world.heard() == before
    assert not any("example.com" in json.dumps(each) for each in world.receiver.notices)
    assert world.receiver.shown[0]["thread"] in before[0][0]


def test_a_connection_that_fails_and_works_again_is_told_once(world: Telling) -> None:
    connection = world.connect_zoom()
    secrets, name = world.client("secretsmanager"), f"leaver/credentials/{place_of(connection)}"
    for secret in ("of-another-app", "of-another-app", acme.zoom_secret(connection)):
        kept = json.dumps({"client_id": connection, "client_secret": secret})
        secrets.put_secret_value(SecretId=name, SecretString=kept)
        world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
        world.wait_until_idle()
    failing, recovered = world.heard()
    assert failing[0].startswith(f"The connection {connection} to zoom is failing since ")
    assert recovered[0].startswith(f"The connection {connection} to zoom works again")
    world.once_more("ConnectionFailing")
    assert len(world.heard()) == 2


def test_a_source_that_is_silent_is_told_once_and_when_it_is_silent_again(world: Telling) -> None:
    places = Places(world.client("dynamodb"), table=world.resource("Deliveries").ref)
    now = datetime.now(UTC)
    places.connect("hibob/quiet", now - timedelta(days=20))
    for spoke_days_ago in (None, 10):
        if spoke_days_ago:
            places.note_spoken("hibob/quiet", now - timedelta(days=spoke_days_ago))
        for _ in range(2):
            world.fire_schedule("watch_deadlines")
            world.wait_until_idle()
    heard = world.heard()
    assert [each[2].partition(" since ")[0] for each in heard] == ["Nothing came from the source hibob/quiet"] * 2
    for days, sentences in zip((20, 10), heard, strict=True):
        assert f" since {now - timedelta(days=days):%Y-%m-%d %H:%M} UTC" in sentences[2]
    world.once_more("SourceSilent")
    assert len(world.heard()) == 2


def test_an_address_that_is_down_for_a_while_hears_it_once_in_the_end(world: Telling) -> None:
    world.receiver.answers = [503, 429, 500, 409]
    hold_one(world)
    assert (world.receiver.posts, len(world.receiver.notices)) == (5, 1)
    assert world.parked("notify_people") == []


def test_what_a_dead_address_did_not_take_is_counted_and_goes_there_when_a_person_says_so(world: Telling) -> None:
    world.receiver.answers = [503] * 186
    hold_one(world)
    assert (world.receiver.posts, world.receiver.notices) == (186, [])
    [lost] = world.parked("notify_people")
    assert lost.attributes["ERROR_MESSAGE"] == "HTTP 503"
    counted = [line.split("\t")[:2] for line in world.leaver("parked").output.splitlines()]
    assert ["notify_people", "1"] in counted
    assert len(world.told()) == len(world.receiver.shown) == 1

    back = world.leaver("redrive", "notify_people", "--yes")
    assert back.exit_code == 0, back.output
    world.wait_until_idle()
    assert len(world.heard()) == 1
    assert world.parked("notify_people") == []


def test_an_address_that_knows_no_such_secret_is_not_tried_again(world: Telling) -> None:
    world.client("secretsmanager").put_secret_value(SecretId="ticket-system", SecretString="of-nobody")
    hold_one(world)
    world.client("secretsmanager").put_secret_value(SecretId="ticket-system", SecretString=SECRET)
    assert (world.receiver.posts, world.receiver.notices) == (1, [])
    [lost] = world.parked("notify_people")
    assert lost.attributes["ERROR_MESSAGE"] == "HTTP 401"
    assert "of-nobody" not in json.dumps([lost.body, dict(lost.attributes), world.logs("notify_people")])


def test_a_topic_that_is_gone_parks_what_the_address_has_and_back_it_goes_to_the_topic_alone(world: Telling) -> None:
    world.client("sns").delete_topic(TopicArn=PEOPLE)
    hold_one(world)
    [lost] = world.parked("notify_people")
    assert (lost.error, lost.reason) == ("NotFoundException", "AWS answered NotFound to Publish")
    world.client("sns").create_topic(Name=PEOPLE.rpartition(":")[2])
    world.client("sns").subscribe(TopicArn=PEOPLE, Protocol="https", Endpoint=f"{world.receiver.url}/chat")
    world._told_before = 0
    assert world.leaver("redrive", "notify_people", "--yes").exit_code == 0
    world.wait_until_idle()
    assert len(world.heard()) == 1
