"""The handler of watch_deadlines among tables and a bus on moto, and what it is told by the index held to the table."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leaver import bootstrap
from leaver.cases.receipts import Receipt, Receipts
from leaver.cases.record import LOOK_AGAIN, Case, Step, new_case
from leaver.cases.states import State
from leaver.cases.table import Cases
from leaver.outcomes import Outcome, Result
from leaver.storage.user_token_secrets import UserTokenPlace
from leaver.webhooks.places import Places
from tests.doubles.clock import NOW
from tests.doubles.deployed import Deployment, deployment
from tests.doubles.metrics import sum_metrics

TICK = json.loads((Path(__file__).parents[2] / "events" / "watch_deadlines.json").read_text())
SSO = Step(
    command="RevokeSsoToken",
    at="zoom/acme",
    identity="ada@example.com",
    found_by="account",
    detail={"user_id": "ada@example.com"},
)


@pytest.fixture
def leaver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with deployment(monkeypatch) as leaver:
        leaver.connect("zoom")
        yield leaver


@pytest.fixture
def cases(leaver: Deployment) -> Cases:
    return Cases(leaver.dynamodb, table="Cases")


def case(case_id: str, at: datetime, **told: Any) -> Case:
    usual: dict[str, Any] = {"email": "ada@example.com", "event_id": "1", "source": "hr", "urgency": "routine"}
    times = {"requested_at": at, "effective_at": at}
    said = {"event_id": "1", "source": "hr", "kind": "immediate", "subject": {"email": "ada@example.com"}}
    request = said | {"occurred_at": at.isoformat(), "effective_at": at.isoformat()}
    names = ["ada@example.com"]
    return new_case(case_id, [SSO], names, request=request, **usual | times | told).with_look_at(at)


def types(leaver: Deployment) -> Counter[str]:
    return Counter(each["detail-type"] for each in leaver.heard())


@pytest.mark.parametrize(("urgency", "queue"), [("routine", "intake"), ("urgent", "intake-urgent")])
def test_a_tick_has_a_case_begun_by_whoever_can_ask_whose_the_address_is_by_now(
    leaver: Deployment, cases: Cases, urgency: str, queue: str
) -> None:
    found = {"identities": {"zoom/acme": "adas-id"}, "urgency": urgency}
    cases.add(case("due", datetime.now(tz=UTC) - timedelta(minutes=1), **found))
    leaver.invoke("watch_deadlines", TICK)
    assert [json.loads(each["Body"]) for each in leaver.drained(queue)] == [{"case": "due", "decision": "begin"}]
    assert cases.require("due").state is State.SCHEDULED


def test_a_quarter_of_an_hour_after_it_was_asked_first_a_tick_begins_it(leaver: Deployment, cases: Cases) -> None:
    at = datetime.now(tz=UTC) - timedelta(minutes=16)
    cases.add(case("due", at, identities={"zoom/acme": "adas-id"}).model_copy(update={"asked_at": at}))
    leaver.invoke("watch_deadlines", TICK)
    assert cases.require("due").state is State.OPEN


def test_a_tick_begins_what_is_due_and_counts_what_there_is(
    leaver: Deployment, cases: Cases, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(tz=UTC)
    cases.add(case("due", now - timedelta(minutes=1)))
    cases.add(case("later", now + timedelta(days=1)))
    cases.add(case("held", now).model_copy(update={"state": State.HELD, "watch": "held"}))
    assert leaver.invoke("watch_deadlines", TICK) is None
    # The case was recorded without the second step: what has come since is found when it begins.
    assert types(leaver) == {"RevokeSsoToken": 1, "PurgeUserTokens": 1, "OffboardingStarted": 1}
    first = sum_metrics(capsys.readouterr().out)
    assert {name: first[name] for name in ("OpenCases", "HeldCases", "OverdueCases")} == {
        "OpenCases": 0,
        "HeldCases": 1,
        "OverdueCases": 0,
    }
    leaver.invoke("watch_deadlines", TICK)
    emitted = capsys.readouterr().out
    assert sum_metrics(emitted)["OpenCases"] == 1
    told = [json.loads(line) for line in emitted.splitlines()]
    units = {
        metric["Name"]: metric["Unit"]
        for each in told
        for metric in each.get("_aws", {}).get("CloudWatchMetrics", [{"Metrics": []}])[0]["Metrics"]
    }
    assert units["OldestOpenCaseSeconds"] == "Seconds"
    assert units["OverdueCases"] == "Count"


def test_sources_that_are_quiet_for_too_long_are_counted(
    leaver: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    now, places = datetime.now(tz=UTC), Places(leaver.dynamodb, table="Deliveries")
    for place, days in (("hibob/main", 8), ("okta/main", 8), ("gusto/main", 1)):
        places.connect(place, now - timedelta(days=days))
    places.note_spoken("okta/main", now - timedelta(days=6))
    leaver.invoke("watch_deadlines", TICK)
    assert sum_metrics(capsys.readouterr().out)["SilentSources"] == 1


def test_an_overdue_case_is_told_and_seal_case_is_asked_to_look_at_what_is_done(
    leaver: Deployment, cases: Cases, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDERS", "zoom")
    began = datetime.now(tz=UTC) - timedelta(minutes=20)
    for case_id in ("late", "done"):
        begun = case(case_id, began).after_start(began, deadline=timedelta(minutes=15))
        cases.add(begun.without_pending("OffboardingStarted"))
    open_receipt = Receipt(
        case_id="done",
        entry=SSO.name,
        command="RevokeSsoToken",
        system="zoom",
        subject="ada@example.com",
        account="acme",
        connection="zoom",
        requested_at=began,
        first_attempt_at=began,
    )
    Receipts(leaver.dynamodb, table="Cases").finish(open_receipt.closed(Result(Outcome.REVOKED), now=began))
    leaver.invoke("watch_deadlines", TICK)
    assert types(leaver) == {"OffboardingOverdue": 1, "RevokeSsoToken": 1}
    emitted = sum_metrics(capsys.readouterr().out)
    assert (emitted["OverdueCases"], emitted["CasesNotLookedAfter"]) == (2, 0)
    # What is done is sealed by seal_case, which the watch has told; first it finds what the case lacks by now.
    assert leaver.poll("seal_case") == set()
    assert types(leaver) == {"PurgeUserTokens": 1}
    purge = {"entry": "PurgeUserTokens#zoom/acme", "command": "PurgeUserTokens"}
    purged = open_receipt.model_copy(update=purge).closed(Result(Outcome.PURGED), now=began)
    Receipts(leaver.dynamodb, table="Cases").finish(purged)
    assert leaver.deliver("seal_case", {"case_id": "done"}) == set()
    assert types(leaver) == {"OffboardingCompleted": 1}
    emitted = sum_metrics(capsys.readouterr().out)
    assert "CasesNotSealed" not in emitted
    assert emitted["CaseTimeToRevoke"] >= 20 * 60


def test_a_user_token_that_is_dead_is_destroyed(leaver: Deployment) -> None:
    past = datetime.now(tz=UTC) - timedelta(hours=1)
    kept = bootstrap.stored_user_tokens("Cases", "leaver")
    kept.reserve(UserTokenPlace("ada", "zoom", "zak"), names=(), expires_at=past)
    assert leaver.stored("leaver/user-tokens/ada/zoom/zak")
    leaver.invoke("watch_deadlines", TICK)
    with pytest.raises(leaver.secrets.exceptions.ResourceNotFoundException):
        leaver.stored("leaver/user-tokens/ada/zoom/zak")


def test_the_index_tells_all_that_a_glance_needs(cases: Cases) -> None:
    begun = case("c-1", NOW).after_start(NOW, deadline=timedelta(minutes=15))
    cases.add(begun)
    cases.add(case("c-2", NOW).model_copy(update={"state": State.HELD, "watch": "held"}))
    (open_one,) = cases.read_summaries(NOW)
    assert (open_one.state, open_one.started_at, open_one.deadline_at) == (
        State.OPEN,
        NOW,
        NOW + timedelta(minutes=15),
    )
    assert open_one.outstanding == (SSO.name,)
    assert cases.count_held() == 1


def test_what_waits_for_its_day_is_not_read_each_minute_and_what_is_under_way_always_is(cases: Cases) -> None:
    for number in range(3):
        cases.add(case(f"planned-{number}", NOW + timedelta(days=1 + number)))
    begun = case("open", NOW).after_start(NOW, deadline=timedelta(minutes=15))
    cases.add(begun)
    # Whoever looked at it last has a clock that is ahead, by as much as a clock may be.
    cases.add(begun.model_copy(update={"case_id": "ahead"}).with_look_at(NOW + 2 * LOOK_AGAIN))
    assert {each.case_id for each in cases.read_summaries(NOW)} == {"open", "ahead"}
