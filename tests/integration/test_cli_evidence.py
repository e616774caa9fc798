"""`leaver evidence`: the folder that an auditor gets, and its pages."""

import csv
import io
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from typer.testing import CliRunner

from leaver.cases.evidence import bundle_of
from leaver.cases.partitions import of_case
from leaver.cases.record import ENTRY
from leaver.cases.states import State
from leaver.evidence.bundle import committed
from leaver.evidence.canonical_json import canonical
from leaver.storage.tables import timestamp
from leaver_cli.evidence import export
from leaver_cli.evidence.counted import Counted, count
from leaver_cli.evidence.exhibit import time_of
from leaver_cli.evidence.html import page, tag
from leaver_cli.evidence.offline import check_folder
from leaver_cli.evidence.people_csv import people_csv
from leaver_cli.evidence.wanted import Span, Wanted
from leaver_cli.main import app
from tests.doubles.auditor import AskedOffice, came_by_rule, hand_over
from tests.doubles.office import Office

PEOPLE = ("ada@example.com", "grace@example.com", "mary@example.com")
HOSTILE = '<script>alert("x")</script>"><img src=//evil.example onerror=alert(1)>\u202e'


@pytest.fixture(scope="module")
def office() -> Office:
    office = Office()
    days = office.evidence.of_days(office.heard)
    days.keep()
    office.clock.passes(days=1)
    for number, email in enumerate(PEOPLE):
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=True)
        office.deliver(office.hears(email=email))
        for _ in range(9 * number):
            office.clock.passes(minutes=1)
            office.minute()
        office.works()
        came_by_rule(office)
        office.clock.passes(hours=20)
        days.keep()
    office.clock.passes(days=1)
    days.keep()
    return office


def all_of(office: Office) -> Wanted:
    return Wanted((), Span.of(datetime(2026, 11, 1), office.clock()), None)  # noqa: DTZ001 - as typer gives it


@pytest.fixture
def folder(office: Office, tmp_path: Path) -> Path:
    assert hand_over(office, tmp_path / "out", all_of(office)).findings == []
    return tmp_path / "out"


class Elements(HTMLParser):
    """What a browser would make of a page: elements, and whatever could lead elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.leads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.leads |= {
            f"{name}={value}" for name, value in attrs if name in {"href", "src", "style"} or name.startswith("on")
        }


def pages(folder: Path) -> list[Path]:
    return [folder / "index.html", *sorted((folder / "cases").glob("*/index.html"))]


def page_of(folder: Path, who: str) -> str:
    return next(text for each in pages(folder)[1:] if f"<h1>{who}" in (text := each.read_text()))


def test_each_case_has_a_page_with_who_when_and_the_provider_s_own_word(folder: Path) -> None:
    shown = page_of(folder, "grace@example.com")
    for said in ("hr-system", "RevokeSsoToken", "zoom/acme", "Z-1", "revoked", "204", "v=2.0", "9 min", "kept"):
        assert said in shown
    assert "user tokens that were handed out, until 2026-11-2" in shown
    assert "PS-4" in shown
    assert len(re.findall(r"<code>[0-9a-f]{64}</code>", shown)) == 2


def test_the_period_s_page_counts_what_its_plots_show(folder: Path) -> None:
    shown = (folder / "index.html").read_text()
    assert shown.count("<circle") == 3
    assert re.search(r">revoked</text><rect [^>]*></rect><text [^>]*>6</text>", shown)
    assert re.search(r">in time</text><rect [^>]*></rect><text [^>]*>2</text>", shown)
    assert re.search(r">overdue</text><rect [^>]*></rect><text [^>]*>1</text>", shown)
    assert re.search(r">opened</text><rect [^>]*></rect><text [^>]*>3</text>", shown)
    assert all(who in shown for who in PEOPLE)
    assert "What was heard" in shown


def test_no_page_runs_anything_or_leads_anywhere_else(folder: Path) -> None:
    for each in pages(folder):
        found = Elements(each.read_text())
        assert not found.names & {"script", "link", "img", "iframe", "object", "form", "base", "video"}
        assert all(
            re.fullmatch(r"href=(\.\./\.\./index\.html|cases/c-[0-9a-f-]+/index\.html)", lead) for lead in found.leads
        )
        assert "default-src &#x27;none&#x27;" in each.read_text()
        assert not re.search(r"https?:|url\(|@import", each.read_text())


def test_what_comes_from_outside_is_text_wherever_it_stands(tmp_path: Path) -> None:
    office = Office()
    office.hire(PEOPLE[0], "Z-0", "local:{0}", kept=False)
    office.hears_and_works(email=PEOPLE[0])
    [case] = office.cases.every
    # Also what could not come this way: the pages are no place to find out.
    office.cases.alter(case.case_id, email=HOSTILE, event_id=HOSTILE, because=HOSTILE, source=HOSTILE)
    signed = committed(bundle_of(office.cases.read_stored(case.case_id)), office.evidence.keys.of(case.case_id))
    office.evidence.bucket.objects[f"cases/{case.case_id}/bundle.json"] = canonical(signed)
    hand_over(office, tmp_path / "out", all_of(office))
    for each in pages(tmp_path / "out"):
        found = Elements(each.read_text())
        assert not found.names & {"script", "img"}
        assert "onerror=" not in "".join(found.leads)
        assert "\u202e" not in each.read_text()
        assert "&lt;script&gt;" in each.read_text()
    assert "statement: is about another bundle" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    "forged", [{"email": "mallory@example.com"}, {"finished_at": "x"}, {"steps": [{}]}, {"steps": "x"}]
)
def test_a_page_shows_what_was_signed_whatever_stands_in_the_tables(tmp_path: Path, forged: dict[str, Any]) -> None:
    office = Office()
    office.hire(PEOPLE[0], "Z-0", "local:{0}", kept=False)
    office.hears_and_works(email=PEOPLE[0])
    [case] = office.cases.every
    place = (of_case(case.case_id), ENTRY)
    office.cases.items.kept[place] = {**office.cases.items.kept[place], **forged}
    told = hand_over(office, tmp_path / "out", Wanted((case.case_id,), None, None)).findings
    assert [each for each in told if "names: the case or a receipt is another" in each] == told != []
    for each in pages(tmp_path / "out"):
        assert "mallory" not in each.read_text()
        assert "completed" in each.read_text()


def test_an_attribute_is_escaped_and_a_title_is() -> None:
    assert tag("a", "&", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">&amp;</a>'
    assert "<title>&lt;x&gt;</title>" in page("<x>")


def test_a_redacted_folder_names_nobody_and_verifies(office: Office, tmp_path: Path) -> None:
    assert hand_over(office, tmp_path / "out", all_of(office), is_redacted=True).findings == []
    every = b"".join(each.read_bytes() for each in (tmp_path / "out").rglob("*") if each.is_file())
    for name in (*PEOPLE, "ada@", "Z-0", "Z-1", "Z-2", "local:{"):
        assert name.encode() not in every, name
    assert "<h1>#" in pages(tmp_path / "out")[1].read_text()


def test_names_are_checked_against_what_was_signed(folder: Path) -> None:
    names = next((folder / "cases").glob("*/names.json"))
    names.write_bytes(names.read_bytes().replace(b"example.com", b"example.org"))
    found = check_folder(folder).findings
    assert found == [
        f"{names.parent.name}: names: the case or a receipt is another than the one that was signed",
        "people.csv: says something else than the cases do",
    ]


def test_people_csv_has_a_row_for_each_leaver_and_no_formula(folder: Path, office: Office) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "people.csv").read_text())))
    assert [each["person"] for each in rows] == list(PEOPLE)
    assert rows[2]["deadline kept"] == "no"
    assert all(each["access revoked"] and each["systems"] == "venafi/acme; zoom/acme" for each in rows)
    exhibit = AskedOffice(office).evidence.exhibit(rows[0]["case"], is_redacted=False)
    assert exhibit.plain is not None
    # A moment late: nobody had looked yet, and so nothing was announced.
    assert (exhibit.is_late, exhibit.case.get("overdue")) == (False, None)
    a_second_before = {"deadline_at": timestamp(time_of(exhibit.case["finished_at"]) - timedelta(seconds=1))}
    late = {**exhibit.plain, "case": exhibit.plain["case"] | a_second_before}
    files = replace(exhibit.files, bundle=canonical(committed(late, exhibit.key or b"")))
    assert replace(exhibit, files=files, plain=late).is_late
    assert exhibit.key is not None
    plain = {**exhibit.plain, "case": exhibit.plain["case"] | {"email": "=HYPERLINK(1)"}}
    files = replace(exhibit.files, bundle=canonical(committed(plain, exhibit.key)))
    changed = replace(exhibit, files=files, plain=plain)
    assert "'=HYPERLINK(1)" in people_csv([changed])


def test_a_time_holds_what_was_logged_between_its_first_and_its_last_case(office: Office, tmp_path: Path) -> None:
    first = min(case.finished_at for case in office.cases.every if case.finished_at)
    day = first.replace(tzinfo=None)
    assert hand_over(office, tmp_path / "day", Wanted((), Span.of(day, day), None)).looked_at.startswith("1 cases")
    two = Wanted((), Span.of(day, day + timedelta(days=1)), None)
    assert hand_over(office, tmp_path / "two", two).looked_at.startswith("2 cases")


def test_a_person_and_cases_by_name_are_samples(office: Office, tmp_path: Path) -> None:
    assert hand_over(office, tmp_path / "who", Wanted((), None, "GRACE@example.com")).looked_at == "1 cases"
    ids = tuple(case.case_id for case in office.cases.every)
    assert hand_over(office, tmp_path / "two", Wanted((ids[0], ids[2]), None, None)).findings == []
    narrowed = hand_over(office, tmp_path / "one", Wanted(ids, None, PEOPLE[0]))
    assert (narrowed.looked_at, narrowed.findings) == ("1 cases", [])


def test_whose_key_was_deleted_is_shown_by_pseudonyms(office: Office, tmp_path: Path) -> None:
    case = office.cases.every[0]
    deleted = office.evidence.keys.items.kept.pop((f"evidence#{case.case_id}", "key"))
    hand_over(office, tmp_path / "out", Wanted((case.case_id,), None, None))
    office.evidence.keys.items.kept[f"evidence#{case.case_id}", "key"] = deleted
    assert "<h1>#" in pages(tmp_path / "out")[1].read_text()
    assert not list((tmp_path / "out").rglob("names.json"))


def test_a_refused_step_and_a_case_under_way_are_shown(tmp_path: Path) -> None:
    office = Office()
    for number, email in enumerate(PEOPLE[:2]):
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=False)
    office.hears_and_works(email=PEOPLE[0])
    office.hears(email=PEOPLE[1], effective_at=(office.clock() + timedelta(days=1)).isoformat(), kind="scheduled")
    office.works()
    hand_over(office, tmp_path / "out", all_of(office))
    shown = (tmp_path / "out" / "index.html").read_text()
    assert "Cases that are not over" in shown
    assert f"<span>{PEOPLE[1]}</span>" in shown


@pytest.mark.parametrize(
    ("gone", "is_whole"), [("bundle.json", True), ("envelope.json", False), ("envelope.tlog-proof", True)]
)
def test_a_file_that_is_gone_is_a_finding_and_stops_nothing(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, *, is_whole: bool
) -> None:
    cases = [each.case_id for each in office.cases.every]
    monkeypatch.delitem(office.evidence.bucket.objects, f"cases/{cases[1]}/{gone}")
    wanted = all_of(office) if is_whole else Wanted(tuple(cases), None, None)
    told = hand_over(office, tmp_path / "out", wanted).findings
    assert any(each.startswith(f"{cases[1]}: ") for each in told)
    assert not any(each.startswith((cases[0], cases[2])) for each in told)
    assert cases[1] in (tmp_path / "out" / "index.html").read_text()
    assert len(pages(tmp_path / "out")) == len(cases)


@pytest.mark.parametrize("gone", [0, -1])
def test_a_time_is_found_also_where_its_first_or_its_last_day_is_gone(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    objects = office.evidence.bucket.objects
    day = sorted(each.split("/")[1] for each in objects if each.startswith("days/"))[gone]
    for name in [each for each in objects if each.startswith(f"days/{day}/")]:
        monkeypatch.delitem(objects, name)
    told = hand_over(office, tmp_path / "out", all_of(office)).findings
    assert f"{day}: envelope: is not an envelope with one signature" in told
    assert len(pages(tmp_path / "out")) == 1 + len(PEOPLE)


def test_what_expired_before_a_time_is_none_of_its(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, leaves = office.evidence.bucket.objects, list(AskedOffice(office).evidence.leaves)
    for name in [each for each in objects if each.split("/")[1] in leaves[:4]]:
        monkeypatch.delitem(objects, name)
    last = Wanted((), Span.of(office.clock() - timedelta(days=1), office.clock()), None)
    assert hand_over(office, tmp_path / "out", last).findings == []


@pytest.mark.parametrize("name", ["../../out-there", "/nowhere/out-there", "..", "", "a/b"])
def test_a_case_whose_name_leads_out_of_the_folder_is_a_finding(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    leaves = office.evidence.log.leaves.kept
    place = next(key for key, each in sorted(leaves.items()) if str(each["case_id"]).startswith("c-"))
    monkeypatch.setitem(leaves, place, {**leaves[place], "case_id": name})
    told = hand_over(office, tmp_path / "in" / "out", all_of(office)).findings
    assert f"log: {name} is the name of no case, day or run" in told
    assert [*tmp_path.iterdir()] == [tmp_path / "in"]
    assert [*(tmp_path / "in").iterdir()] == [tmp_path / "in" / "out"]
    with pytest.raises(click.ClickException, match="is the name of no case"):
        hand_over(office, tmp_path / "named", Wanted((name,), None, None))


def test_what_is_gone_from_the_ledger_since_is_found(office: Office, tmp_path: Path) -> None:
    kept = office.heard.items.kept
    before = dict(kept)
    heard = [place for place in kept if not str(place[1]).endswith("#fate")]
    for place in (heard[0], (heard[0][0], f"{heard[0][1]}#fate")):
        del kept[place]
    fate = (heard[1][0], f"{heard[1][1]}#fate")
    kept[fate] = {**kept[fate], "fate": "refused"}
    found = hand_over(office, tmp_path / "out", all_of(office)).findings
    kept.clear()
    kept.update(before)
    assert [each.split(", ")[-1] for each in found] == ["is gone", "has another fate by now"]
    assert "is gone" in (tmp_path / "out" / "index.html").read_text()


@dataclass
class Rules:
    """EventBridge and CloudWatch, as far as they are asked."""

    by_bus: dict[str, list[str]]
    sums: dict[str, list[float]]
    asked: list[Any] = field(default_factory=list)

    def list_rule_names_by_target(self, *, TargetArn: str, EventBusName: str) -> Any:  # noqa: N803 - AWS's names
        return {"RuleNames": self.by_bus[EventBusName] if TargetArn.endswith("start-offboarding") else []}

    def get_metric_statistics(self, **asked: Any) -> Any:
        self.asked.append(asked)
        whose = {each["Name"]: each["Value"] for each in asked["Dimensions"]}
        found = self.sums.get(whose.get("RuleName", asked["MetricName"]), [])
        return {"Datapoints": [{"Sum": each} for each in found]}

    def deployment(self) -> Any:
        sqs = SimpleNamespace(
            get_queue_attributes=lambda **asked: {"Attributes": {"QueueArn": f"arn:{asked['QueueUrl']}"}}
        )
        stack = SimpleNamespace(name="leaver", bus="leaver", sqs=sqs, events=self, queue_url=lambda name: name)
        return SimpleNamespace(stack=stack, parameters={"OktaEventBusName": "okta"}, cloudwatch=self)


def test_aws_s_own_counts_are_those_of_all_rules_on_these_days() -> None:
    sums = {"one": [2.0, 1.0], "three": [4.0], "WebhooksTaken": [3.0]}
    rules = Rules({"leaver": ["one", "two"], "okta": ["three"]}, sums)
    assert count(rules.deployment(), ["2026-11-23", "2026-11-21", "2026-11-22"]) == Counted(7, 3)
    asked = rules.asked[0]
    assert (asked["StartTime"].isoformat(), asked["EndTime"].isoformat()) == (
        "2026-11-21T00:00:00+00:00",
        "2026-11-24T00:00:00+00:00",
    )
    assert asked["Dimensions"] == [{"Name": "EventBusName", "Value": "leaver"}, {"Name": "RuleName", "Value": "one"}]
    rules.sums.clear()
    assert count(rules.deployment(), ["2026-11-23"]) == Counted(None, None)
    assert count(rules.deployment(), []) == Counted()


def test_a_count_of_aws_s_that_is_another_is_a_finding(office: Office, tmp_path: Path) -> None:
    same = hand_over(office, tmp_path / "same", all_of(office), counted=Counted(3, 2))
    assert same.findings == []
    shown = (tmp_path / "same" / "index.html").read_text()
    assert "<dt>the front door&#x27;s deliveries</dt><dd>2</dd>" in shown
    more = hand_over(office, tmp_path / "more", all_of(office), counted=Counted(4))
    assert more.findings == ["population: EventBridge counts 4 HR events in these days, and 3 were heard of it"]


def run(office: Office, monkeypatch: pytest.MonkeyPatch, *asked: str) -> Any:
    monkeypatch.setattr(export, "describe", lambda *_: AskedOffice(office))
    monkeypatch.setattr(export, "count", lambda *_: Counted())
    return CliRunner().invoke(app, ["evidence", *asked])


def test_the_command_says_what_the_check_found_and_how_an_auditor_checks(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ("--since", "2026-11-01", "--until", "2026-11-30")
    (tmp_path / "out").mkdir(mode=0o755)
    ran = run(office, monkeypatch, *days, "--out", str(tmp_path / "out"))
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert (ran.exit_code, "3 cases, 5 days, 0 findings" in ran.output, "verify.py" in ran.output) == (0, True, True)
    assert "is not empty" in run(office, monkeypatch, "--since", "2026-11-01", "--out", str(tmp_path / "out")).output
    none = run(office, monkeypatch, "--since", "2031-01-01", "--out", str(tmp_path / "none"))
    assert (none.exit_code, "no case that is over" in none.output) == (1, True)
    assert run(office, monkeypatch, "--out", str(tmp_path / "none")).exit_code == 2
    gone = run(office, monkeypatch, "c-none", "--out", str(tmp_path / "none"))
    assert (gone.exit_code, "a case has evidence once it is over" in gone.output) == (1, True)
    ran = run(office, monkeypatch, "--person", PEOPLE[0], "--out", str(tmp_path / "who"))
    assert "--sample" in ran.output


def test_some_cases_are_handed_over_without_a_name(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [each.case_id for each in office.cases.every if each.state is State.COMPLETED][:2]
    ran = run(office, monkeypatch, *some, "--out", str(tmp_path / "out"), "--redacted")
    assert (ran.exit_code, "2 cases, 0 findings" in ran.output) == (0, True), ran.output
    assert not any(each in file.read_text() for each in PEOPLE for file in (tmp_path / "out").rglob("*.html"))


def test_a_case_that_was_called_off_and_one_of_somebody_who_stays_have_pages(tmp_path: Path) -> None:
    office = Office()
    for number, email in enumerate(PEOPLE[:2]):
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=True)
    later = (office.clock() + timedelta(days=9)).isoformat()
    office.hears_and_works("scheduled", email=PEOPLE[0], effective_at=later)
    office.hears_and_works("contain", email=PEOPLE[1])
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", email=PEOPLE[0])
    for _ in range(3):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()
    assert hand_over(office, tmp_path / "out", all_of(office)).findings == []
    called_off = page_of(tmp_path / "out", PEOPLE[0])
    assert ">cancelled</span>" in called_off
    assert "never" in called_off
    assert "PurgeUserTokens" in page_of(tmp_path / "out", PEOPLE[1])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "people.csv").read_text())))
    assert [(each["person"], each["state"], each["access revoked"]) for each in rows] == [(PEOPLE[0], "cancelled", "")]
