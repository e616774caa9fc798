"""What people are told, to whom, how often, and what becomes of what can't be told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectTimeoutError

from functions.notify_people.app import Notifier
from leaver.consuming.answers import Answers, ProbeAnswers
from leaver.messages.events import (
    Announcement,
    CaseAnnouncement,
    ConnectionAnnouncement,
    PeopleNotified,
    ReconciliationAnnouncement,
    SourceAnnouncement,
)
from leaver.messages.notices import TOLD
from leaver.messages.publisher import Publisher
from leaver.notifying import Topic
from leaver.version import VERSION
from leaver.webhooks.memory import SeenDeliveries
from tests.doubles.answers import InMemoryAnswers
from tests.doubles.chat_app import shown_in_channel
from tests.doubles.clock import NOW, Clock
from tests.doubles.event_bus import FakeBus
from tests.doubles.front_door import DeliveriesTable
from tests.doubles.lambda_events import batch, event, record, returned
from tests.doubles.sqs import DEAD_LETTERS, FakeSqs
from tests.doubles.topic import TOPIC, FakeSns, refusal

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:leaver-notify-people"
CASE = "c-6f2b1c9e"
GIVE_UP_AFTER = timedelta(days=1)


@dataclass
class People:
    """notify_people, who hears it, and what it could not tell."""

    with_address: bool = False
    has_topic: bool = True
    clock: Clock = field(default_factory=Clock)
    sns: FakeSns = field(default_factory=FakeSns)
    bus: FakeBus = field(default_factory=FakeBus)
    sqs: FakeSqs = field(default_factory=FakeSqs)
    table: DeliveriesTable = field(default_factory=DeliveriesTable)
    logged: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    answers: InMemoryAnswers = field(default_factory=InMemoryAnswers)

    def notifier(self) -> Notifier:
        publisher = Publisher(
            events=self.bus.client, sqs=self.sqs.client, bus="leaver", dead_letter_queue_url=DEAD_LETTERS
        )
        told = SeenDeliveries(self.table.client, table="Deliveries", clock=self.clock)
        return Notifier(
            function="leaver-notify-people",
            with_address=self.with_address,
            tell=Topic(self.sns, TOPIC).tell if self.has_topic else None,
            announce=publisher.announce,
            dead_letter=publisher.dead_letter,
            has_told=told.has,
            remember=told.remember,
            give_up_after=GIVE_UP_AFTER,
            clock=self.clock,
            log=lambda what, about: self.logged.append((what, about)),
            answer=ProbeAnswers("leaver-notify-people", cast("Answers", self.answers), self.clock).answer,
        )

    def hear(self, *bodies: str, first_received_at: datetime = NOW) -> set[str]:
        """Let a batch arrive; returns the places of those messages that come back."""
        records = [
            record(body, queue=QUEUE, message_id=str(place), first_received_at=first_received_at)
            for place, body in enumerate(bodies)
        ]
        return returned(self.notifier().notify(batch(*records)))

    @property
    def mails(self) -> list[str]:
        return [by_protocol["default"] for _, by_protocol in self.sns.sent]

    @property
    def posted(self) -> list[dict[str, Any]]:
        return self.bus.announced

    @property
    def parked(self) -> list[str]:
        return [each["MessageAttributes"]["reason"]["StringValue"] for each in self.sqs.sent]


@pytest.fixture
def people() -> People:
    return People()


def announced(announcement: Any) -> str:
    """An announcement as Leaver's own publisher puts it, and a rule delivers it."""
    bus = FakeBus()
    Publisher(events=bus.client, sqs=FakeSqs().client, bus="leaver", dead_letter_queue_url="").announce(announcement)
    [put] = bus.put
    return event(put["DetailType"], json.loads(put["Detail"]), source=put["Source"])


def of_a_case(name: str, **fields: Any) -> str:
    usual: dict[str, Any] = {
        "announcement_id": f"{CASE}/{name}",
        "case_id": CASE,
        "kind": "departure",
        "state": "open",
        "subject": "zoe@example.com",
        "source": "hr-system",
        "event_id": "hr-1",
        "urgency": "routine",
        "requested_at": NOW,
        "effective_at": NOW,
        "finished_at": None,
        "steps": ["RevokeSsoToken#zoom/acme", "RevokeGrants#venafi/acme"],
        "outstanding": ["RevokeGrants#venafi/acme"],
        "time_to_revoke": None,
        "head": None,
        "evidence": None,
        "residual": [],
        "sweep_of": None,
        "seen": None,
    }
    return announced(CaseAnnouncement(detail_type=name, **usual | fields))


def of_a_step(**fields: Any) -> str:
    usual: dict[str, Any] = {
        "announcement_id": f"{CASE}/RevokeGrants#venafi/acme/failed",
        "command": "RevokeGrants",
        "system": "venafi",
        "subject": "zoe@example.com",
        "account": "acme",
        "connection": "venafi",
        "case_id": CASE,
        "outcome": "failed",
        "provider_status": 500,
        "provider_code": None,
        "tracking_id": None,
        "reason": "the answer of Zoe's database",
        "requested_at": NOW,
        "first_attempt_at": NOW,
        "finished_at": NOW,
        "attempts": 3,
        "time_to_revoke": None,
        "details": {},
    }
    return announced(Announcement(detail_type="RevocationFailed", **usual | fields))


def of_a_connection(name: str, **fields: Any) -> str:
    usual: dict[str, Any] = {
        "announcement_id": f"zoom/{name}/2026-11-22",
        "connection": "zoom",
        "provider": "zoom",
        "account": "acme",
        "status": "active",
        "reason": None,
        "since": NOW - timedelta(hours=1),
    }
    return announced(ConnectionAnnouncement(detail_type=name, **usual | fields))


def of_a_source(**fields: Any) -> str:
    usual: dict[str, Any] = {"announcement_id": "hibob/main/SourceSilent/x", "source": "hibob/main"}
    usual |= {"silent_since": NOW - timedelta(days=8)}
    return announced(SourceAnnouncement(detail_type="SourceSilent", **usual | fields))


def of_a_run(name: str, **fields: Any) -> str:
    usual: dict[str, Any] = {
        "announcement_id": f"night-1/{name}",
        "run": "night-1",
        "dry_run": False,
        "counts": {"gone_and_alive": 2, "alive_again": 1},
        "connections_of_who_left": ["zoom"],
        "because": [],
        "digest": "0" * 64,
    }
    return announced(ReconciliationAnnouncement(detail_type=name, **usual | fields))


LEFT = [
    {"what": "user tokens that were handed out", "system": "zoom", "until": "2026-11-22T11:30:00Z"},
    {"what": "a step that a person closed", "step": "x", "system": "venafi", "who": "zoe", "because": "zoe's database"},
]
SAID = {
    of_a_case("OffboardingStarted"): f"Case {CASE} has begun: 2 things to end.",
    of_a_case("OffboardingCompleted", time_to_revoke=42): f"Case {CASE} is completed after 42 seconds, "
    "and nothing is left over.",
    of_a_case("OffboardingCompleted", residual=LEFT, announcement_id="2"): f"Case {CASE} is completed; left over: "
    "user tokens of zoom that live until 2026-11-22 11:30 UTC; 1 step that a person closed.",
    of_a_case("OffboardingOverdue"): f"Case {CASE} is overdue: 1 of 2 steps not done in time.",
    of_a_case("OffboardingHeld"): f"Case {CASE} is held: nothing ends until a person has looked.",
    of_a_case("OffboardingCancelled"): f"Case {CASE} is called off: what has not ended by now stays.",
    of_a_case("AccountResurrected"): f"Case {CASE} needs a person: an account that was ended lives again.",
    of_a_step(): f"RevokeGrants at venafi of case {CASE} needs a person: it could not be done.",
    of_a_step(case_id=None, announcement_id="3"): "RevokeGrants at venafi needs a person: it could not be done.",
    of_a_connection("ConnectionNeedsReauthorization"): "The connection zoom to zoom needs a person: "
    "Leaver can't act there until it is connected again.",
    of_a_connection("ConnectionFailing"): "The connection zoom to zoom is failing since 2026-11-22 08:30 UTC: "
    "Leaver goes on trying by itself.",
    of_a_connection("ConnectionRecovered"): "The connection zoom to zoom works again; "
    "it did not since 2026-11-22 08:30 UTC.",
    of_a_run("Reconciled"): "Reconciliation found 3 things of people who left, and 1 service connection of theirs.",
    of_a_run("ReconciliationStopped", because=["the roster is 3 days old"]): "Reconciliation stopped, and held nobody: "
    "the roster is 3 days old.",
    of_a_source(): "Nothing came from the source hibob/main since 2026-11-14 09:30 UTC, "
    "which is longer than it may be.",
}


def test_each_announcement_is_one_sentence(people: People) -> None:
    assert people.hear(*SAID) == set()
    assert [mail.partition("\n")[0] for mail in people.mails] == list(SAID.values())
    assert [each["sentence"] for each in people.posted] == list(SAID.values())
    assert {each["announced"] for each in people.posted} == set(TOLD)
    assert people.parked == []


def test_of_a_comparison_that_finds_nobody_or_is_a_trial_nobody_is_told(people: People) -> None:
    nobody = {"counts": {"gone_and_clean": 9}, "connections_of_who_left": []}
    trials = [of_a_run(each, dry_run=True) for each in ("Reconciled", "ReconciliationStopped")]
    people.hear(of_a_run("Reconciled", **nobody), *trials)
    assert people.mails == []


def test_chat_mail_and_address_say_the_same_and_what_to_type_next(people: People) -> None:
    people.hear(of_a_case("OffboardingHeld"))
    [(subject, by_protocol)] = people.sns.sent
    sentence = f"Case {CASE} is held: nothing ends until a person has looked."
    assert subject == "Leaver: a case is held"
    assert by_protocol["default"] == f"{sentence}\n\nNext: leaver release\n"
    seen = shown_in_channel(by_protocol["https"])
    assert (seen["title"], seen["description"].replace("`", ""), seen["thread"]) == (subject, sentence, CASE)
    assert seen["nextSteps"] == ["`leaver release`"]
    [posted] = people.posted
    assert posted == {
        "detail_type": "PeopleNotified",
        "announcement_id": f"{CASE}/OffboardingHeld/people",
        "announced": "OffboardingHeld",
        "title": subject,
        "sentence": sentence,
        "case_id": CASE,
        "next_step": "leaver release",
    }


def everything_said(people: People) -> str:
    return json.dumps([people.sns.sent, people.bus.put, people.logged, [each[0] for each in people.logged]])


def test_of_a_person_nothing_is_said_but_the_cases_id(people: People) -> None:
    people.hear(*SAID)
    said = everything_said(people)
    assert CASE in said
    assert "zoe" not in said.lower()


def test_where_the_deployment_wants_the_address_it_is_said_and_nothing_more() -> None:
    people = People(with_address=True)
    people.hear(*SAID)
    of_people = [mail for mail in people.mails if CASE in mail]
    assert all("(zoe@example.com)" in mail for mail in of_people)
    assert "database" not in everything_said(people)
    assert "hr-1" not in everything_said(people)


@pytest.mark.parametrize(
    "hostile",
    [
        "<!channel>",
        "<https://evil.example|log in>",
        "*x* _y_ ~z~",
        "`` `",
        "[a](https://evil.example)",
        "a\n\nb",
        "\x1b]8",
    ],
)
def test_what_somebody_calls_themselves_is_no_markup_no_link_and_no_mention(hostile: str) -> None:
    people = People(with_address=True)
    people.hear(of_a_case("OffboardingHeld", subject=hostile))
    [(_, by_protocol)] = people.sns.sent
    seen = shown_in_channel(by_protocol["https"])["description"]
    case, name, rest = f"Case `{CASE}` (`", seen.split("`")[3], " is held: nothing ends until a person has looked."
    assert seen == f"{case}{name}`){rest}"
    assert not set(name) & set("<>|*~[]()!:\n\x1b`")


@pytest.mark.parametrize("fields", [{"sweep_of": "c-0"}])
@pytest.mark.parametrize("name", ["OffboardingStarted", "OffboardingCompleted"])
def test_a_second_look_that_goes_well_is_no_news(people: People, name: str, fields: dict[str, Any]) -> None:
    assert people.hear(of_a_case(name, **fields)) == set()
    assert (people.mails, people.posted, people.parked) == ([], [], [])


def test_a_step_that_its_case_says_more_about_is_no_news(people: People) -> None:
    assert people.hear(of_a_step(outcome="provider_down")) == set()
    assert people.mails == []


# -- once


def test_a_repeat_is_told_to_nobody(people: People) -> None:
    people.hear(*SAID, *SAID)
    people.hear(*SAID)
    assert len(people.mails) == len(people.posted) == len(SAID)


def test_a_topic_that_fails_is_tried_again_and_the_address_hears_it_once(people: People) -> None:
    people.sns.refuses = [refusal("InternalError", 500), refusal("Throttled", 429), refusal("ThrottlingException")]
    for _ in range(3):
        assert people.hear(of_a_case("OffboardingHeld")) == {"0"}
    assert people.hear(of_a_case("OffboardingHeld")) == set()
    assert (len(people.mails), len(people.posted), people.parked) == (1, 1, [])


def test_a_bus_that_fails_is_tried_again_and_the_topic_hears_it_once(people: People) -> None:
    people.bus.refuses = 1
    assert people.hear(of_a_case("OffboardingHeld")) == {"0"}
    assert people.hear(of_a_case("OffboardingHeld")) == set()
    assert (len(people.mails), len(people.posted)) == (1, 1)


def test_a_memory_that_does_not_answer_costs_a_repeat_and_no_notice(people: People) -> None:
    people.table.broken = True
    for _ in range(2):
        assert people.hear(of_a_case("OffboardingHeld")) == set()
    assert len(people.mails) == 2


def test_one_that_fails_keeps_nobody_waiting(people: People) -> None:
    people.sns.refuses = [ConnectTimeoutError(endpoint_url="https://sns")]
    assert people.hear(of_a_case("OffboardingHeld"), of_a_case("OffboardingStarted")) == {"0"}
    assert len(people.mails) == 1


def test_without_a_topic_the_bus_alone_is_told() -> None:
    people = People(has_topic=False)
    assert people.hear(of_a_case("OffboardingHeld")) == set()
    assert (people.sns.calls, len(people.posted)) == (0, 1)


# -- what can't be told


def test_what_a_topic_refuses_for_good_is_parked_at_once_with_its_reason(people: People) -> None:
    people.sns.topics.clear()
    assert people.hear(of_a_case("OffboardingHeld")) == set()
    assert people.parked == ["AWS answered NotFound to Publish"]
    [letter] = people.sqs.sent
    assert json.loads(letter["MessageBody"])["detail-type"] == "OffboardingHeld"


def test_what_could_not_be_told_for_a_day_is_parked(people: People) -> None:
    people.sns.refuses = [refusal("InternalError", 500), refusal("InternalError", 500)]
    people.clock.passes(seconds=GIVE_UP_AFTER.total_seconds() - 1)
    assert people.hear(of_a_case("OffboardingHeld")) == {"0"}
    people.clock.passes(seconds=1)
    assert people.hear(of_a_case("OffboardingHeld")) == set()
    assert people.parked == ["AWS answered InternalError to Publish"]


def test_what_can_not_be_parked_comes_back(people: People) -> None:
    people.sns.topics.clear()
    people.sqs.broken = {"SendMessage"}
    assert people.hear(of_a_case("OffboardingHeld")) == {"0"}


def test_what_was_parked_and_is_put_back_is_told_to_whom_it_did_not_reach(people: People) -> None:
    people.sns.topics.clear()
    people.hear(of_a_case("OffboardingHeld"))
    people.sns.topics.add(TOPIC)
    [letter] = people.sqs.sent
    assert people.hear(letter["MessageBody"]) == set()
    assert (len(people.mails), len(people.posted)) == (1, 1)


def test_a_notice_that_did_not_reach_its_address_and_is_put_back_goes_there_again(people: People) -> None:
    notice = PeopleNotified(
        detail_type="PeopleNotified",
        announcement_id=f"{CASE}/OffboardingHeld/people",
        announced="OffboardingHeld",
        title="Leaver: a case is held",
        sentence="Case x is held.",
        case_id=CASE,
        next_step="leaver release",
    )
    assert people.hear(announced(notice)) == set()
    assert (people.posted, people.mails) == ([notice.model_dump(mode="json")], [])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "body: expected JSON"),
        ('{"case_id": "x"}', "source: expected leaver, of an event as the bus delivers it"),
        (
            event("OffboardingHeld", {}, source="leaver.hr"),
            "source: expected leaver, of an event as the bus delivers it",
        ),
        (event("SsoTokenRevoked", {}, source="leaver"), f"detail-type: expected one of {', '.join(TOLD)}"),
    ],
)
def test_what_is_no_announcement_for_people_is_parked_with_the_reason(people: People, body: str, reason: str) -> None:
    assert people.hear(body) == set()
    assert people.parked == [reason]
    assert people.mails == []


def test_an_announcement_that_can_not_be_read_is_parked_by_the_names_of_its_fields_alone(people: People) -> None:
    people.hear(event("OffboardingHeld", {"case_id": "zoe@example.com and more", "steps": "x"}, source="leaver"))
    [reason] = people.parked
    assert "case_id" in reason
    assert "zoe" not in reason + everything_said(people)


PROBE = "0e0b1a52-6d37-4d0b-9c27-9f3d8c1c2f11"


def test_a_probe_is_answered_and_nobody_is_told() -> None:
    people = People()
    assert people.hear(json.dumps({"probe": PROBE})) == set()
    assert people.answers.only.found == {"function": "leaver-notify-people", "version": VERSION}
    assert (people.mails, people.bus.put, people.sqs.sent) == ([], [], [])


def test_a_probe_that_could_not_be_answered_comes_back_and_is_no_dead_letter() -> None:
    people = People(answers=InMemoryAnswers(fails=True))
    late = NOW - GIVE_UP_AFTER - timedelta(days=1)
    assert people.hear(json.dumps({"probe": PROBE}), first_received_at=late) == {"0"}
    assert people.sqs.sent == []
