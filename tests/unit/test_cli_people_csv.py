"""A list of people who leave, line by line, and the file that remembers what became of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from leaver.messages.decisions import Begin
from leaver_cli.offboarding.people_csv import BadList, Defaults, Line, read_people
from leaver_cli.offboarding.results import NoResult, Results, Row

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOTHING = Defaults(None, None, urgent=False, because=None)


def read(folder: Path, text: str, defaults: Defaults = NOTHING, *, known: bool = False) -> list[Line]:
    path = folder / "people.csv"
    path.write_bytes(text.encode())
    return read_people(path, defaults, NOW, is_known=lambda _: known)


def faults(folder: Path, text: str, defaults: Defaults = NOTHING) -> list[str]:
    with pytest.raises(BadList) as bad:
        read(folder, text, defaults)
    return bad.value.faults


def test_each_line_is_a_decision_with_its_number(tmp_path: Path) -> None:
    ada, bob, cyd = read(
        tmp_path,
        "who,at,tz,urgent,because,zoom:id\n"
        "ada@example.com,,,,,\n"
        "\n"
        "bob@example.com,2026-12-04 17:00,Europe/Berlin,yes,moved away,\n"
        '"cyd@example.com",2026-12-04T17:00Z,,no,"the contract\t, ended",KDcuGIm1QgePTO8WbOqwIQ\n'.replace("\t", ""),
    )
    assert [ada.number, bob.number, cyd.number] == [2, 4, 5]
    assert ada.begin == Begin(decision="offboard", who="ada@example.com")
    assert bob.begin.effective_at == datetime(2026, 12, 4, 16, tzinfo=UTC)
    assert (bob.begin.urgency, bob.begin.because) == ("urgent", "moved away")
    assert (cyd.begin.urgency, cyd.begin.because) == ("routine", "the contract, ended")
    assert cyd.begin.identities == {"zoom": {"id": "KDcuGIm1QgePTO8WbOqwIQ"}}


@pytest.mark.parametrize("text", ["\ufeffwho;because\r\nada@example.com;x\r\n", "who,because\nada@example.com,x"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str) -> None:
    [line] = read(tmp_path, text)
    assert (line.begin.who, line.begin.because) == ("ada@example.com", "x")


def test_an_option_holds_for_each_line_that_says_nothing_else(tmp_path: Path) -> None:
    defaults = Defaults("2026-12-04 17:00", "Europe/Berlin", urgent=True, because="closed")
    lines = read(
        tmp_path,
        "who,at,tz,urgent,because\nada@example.com,,,,\nbob@example.com,2026-12-05 17:00,UTC,no,moved\n"
        "cyd@example.com,2026-12-05T17:00Z,,,\n",
        defaults,
    )
    assert [each.begin.effective_at for each in lines] == [
        datetime(2026, 12, 4, 16, tzinfo=UTC),
        datetime(2026, 12, 5, 17, tzinfo=UTC),
        datetime(2026, 12, 5, 17, tzinfo=UTC),
    ]
    assert [each.begin.urgency for each in lines] == ["urgent", "routine", "urgent"]
    assert [each.begin.because for each in lines] == ["closed", "moved", "closed"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ada", "who: expected an e-mail address"),
        (",,,,", "who: expected an e-mail address"),
        ("ada@example.com,2026-12-04 17:00,,,", "on which clocks?"),
        ("ada@example.com,2020-12-04 17:00,UTC,,", "lies in the past"),
        ("ada@example.com,2026-12-04 17:00,berlin,,", "did you mean Europe/Berlin?"),
        ("ada@example.com,2027-03-28 02:30,Europe/Berlin,,", "does not exist in Europe/Berlin"),
        ("ada@example.com,friday,UTC,,", "expected a day and an hour"),
        ("ada@example.com,,UTC,,", "tz: says on which clocks at is"),
        ("ada@example.com,,,perhaps,", "urgent: expected yes, no, or nothing"),
        ("ada@example.com,,,,\x1b[2J", "because: expected up to 256 characters"),
        ("ada@example.com,,,,a,b", "expected as many fields as line 1 has"),
        ("ada@example.com", "expected as many fields as line 1 has"),
        ("Bob@Example.com,,,,", "Bob@Example.com is in line 2 already"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: str, fault: str) -> None:
    commas = "," * (4 - line.count(",")) if "," not in line and "fields" not in fault else ""
    told = faults(tmp_path, f"who,at,tz,urgent,because\nbob@example.com,,,,\n{line}{commas}\n")
    assert len(told) == 1
    assert told[0].startswith("line 3: ")
    assert fault in told[0]


def test_every_bad_line_is_told(tmp_path: Path) -> None:
    told = faults(tmp_path, "who\nada\nbob@example.com\ncyd\n")
    assert [each.partition(":")[0] for each in told] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: expected the names of the columns"),
        ("email\nada@example.com\n", "line 1: expected the names of the columns"),
        ("who,when\nada@example.com,now\n", "line 1: there is no column when: expected who, at, tz, urgent, because"),
        ("who,who\nada@example.com,x\n", "line 1: column who is there twice"),
        ("who\n", "there is nobody in it"),
        ('who\n"ada@example.com\n', "line 1: unexpected end of data"),
    ],
)
def test_a_list_that_is_none_is_told(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(tmp_path, text)[0].startswith(fault)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadList, match="No such file"):
        read_people(tmp_path / "none.csv", NOTHING, NOW, is_known=lambda _: False)
    (tmp_path / "people.csv").write_bytes("who\nadá@example.com".encode("latin-1"))
    with pytest.raises(BadList, match="expected UTF-8"):
        read_people(tmp_path / "people.csv", NOTHING, NOW, is_known=lambda _: False)


def test_a_time_that_is_past_is_right_where_an_earlier_run_had_decided_it(tmp_path: Path) -> None:
    text = "who,at,tz\nada@example.com,2026-11-28 17:00,UTC\n"
    [line] = read(tmp_path, text, known=True)
    assert line.begin.effective_at == datetime(2026, 11, 28, 17, tzinfo=UTC)
    assert "lies in the past" in faults(tmp_path, text)[0]


# --- the result


ADA = Begin(decision="offboard", who="ada@example.com")


def test_what_an_earlier_run_noted_is_known_and_names_the_same_decision(tmp_path: Path) -> None:
    results = Results.open(tmp_path / "result.csv")
    event_id = results.event_id(ADA)
    results.note([Row(ADA.who, event_id)])
    results.note([Row(ADA.who, event_id, "opened", "c-1", "open")])
    again = Results.open(results.path)
    assert again.event_id(ADA) == event_id
    assert again.event_id(ADA.model_copy(update={"because": "said otherwise", "urgency": "urgent"})) == event_id
    assert again.event_id(ADA.model_copy(update={"effective_at": NOW})) != event_id
    assert again.rows[event_id] == Row(ADA.who, event_id, "opened", "c-1", "open")
    again.tidy()
    assert results.path.read_text().splitlines()[1:] == [f"{ADA.who},{event_id},opened,c-1,open,"]
    assert Results.open(results.path).rows == again.rows


def test_the_same_people_in_another_list_are_another_decision(tmp_path: Path) -> None:
    one, other = Results.open(tmp_path / "one.csv"), Results.open(tmp_path / "other.csv")
    assert one.event_id(ADA) != other.event_id(ADA)


def test_a_line_that_was_half_written_is_not_believed(tmp_path: Path) -> None:
    results = Results.open(tmp_path / "result.csv")
    event_id = results.event_id(ADA)
    results.note([Row(ADA.who, event_id)])
    with results.path.open("a") as file:
        file.write(f"{ADA.who},{event_id},open")
    again = Results.open(results.path)
    assert again.rows == {event_id: Row(ADA.who, event_id)}
    again.note([Row(ADA.who, event_id, "opened", "c-1", "open")])
    assert Results.open(results.path).rows[event_id].case == "c-1"


@pytest.mark.parametrize(
    "text", ["who\nada@example.com\n", "\x00", "a,b\n", "who,event_id,fate,case,state,because\na,b,c,d,e,f\n"]
)
def test_another_file_is_not_taken_for_a_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.csv").write_text(text)
    with pytest.raises(NoResult, match="name another"):
        Results.open(tmp_path / "result.csv")


def test_a_result_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    results = Results.open(tmp_path / "none" / "result.csv")
    with pytest.raises(NoResult, match="No such file"):
        results.note([Row(ADA.who, results.event_id(ADA))])
