"""The demo's last lines: three programs take its evidence, and two of them find what was forged."""

from datetime import datetime
from pathlib import Path

import pytest

from leaver_cli.evidence.wanted import Span, Wanted
from local.demo_evidence import checks, forge
from tests.doubles.auditor import hand_over
from tests.doubles.office import Office


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    office = Office()
    office.hears_and_works()
    wanted = Wanted((), Span.of(datetime(2026, 11, 1), office.clock()), None)  # noqa: DTZ001 - as typer gives it
    hand_over(office, tmp_path / "auditor", wanted)
    (tmp_path / "key.pem").write_bytes(office.evidence.signer.pem)
    return tmp_path


def test_what_was_signed_holds_for_each_program(folder: Path) -> None:
    assert [(each.said, each.holds) for each in checks(folder)] == [
        ("1 cases, 0 findings", True),
        ("1 cases, 0 findings", True),
        ("Verified OK", True),
    ]


def test_a_forged_case_is_found_although_its_signature_is_good(folder: Path) -> None:
    forge(folder)
    found = list(checks(folder))
    assert [each.holds for each in found] == [False, False, True]
    assert {each.said for each in found} == {"1 cases, 4 findings", "Verified OK"}


def test_where_nothing_was_handed_over_nothing_holds(tmp_path: Path) -> None:
    assert list(checks(tmp_path)) == [("leaver evidence", "nothing was signed", False)]
