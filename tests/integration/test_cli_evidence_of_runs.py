"""What an auditor gets of reconciliation: each run of the time, signed; whatever is changed or missing is found."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from leaver.providers.listing import Holding, Person
from leaver.reconcile.sealing import RunEvidence, Summary
from leaver_cli.evidence.offline import check_folder
from leaver_cli.evidence.wanted import Span, Wanted
from tests.doubles.auditor import hand_over
from tests.doubles.evidence import Evidence
from tests.doubles.office import Office
from tests.doubles.reconciling import InMemoryDocuments, Reconciled

GONE = "gone@example.com"
HOSTILE = '<script>"x"@example.com'
NIGHTS = ("run-night-1", "run-night-2", "run-night-3")


@dataclass
class Nights:
    office: Office
    documents: InMemoryDocuments

    def hand_over(self, out: Path, *, is_redacted: bool = False) -> list[str]:
        day = self.office.clock().replace(tzinfo=None)
        wanted = Wanted((), Span.of(day - timedelta(days=9), day), None)
        given = hand_over(self.office, out, wanted, is_redacted=is_redacted, documents=self.documents)
        return list(given.findings)


def told_by(world: Reconciled) -> Summary:
    """What seal_case hears of the last run."""
    return Summary.model_validate_json(json.dumps(world.told_to_seal[-1]))


@pytest.fixture
def nights() -> Nights:
    """Three nights, and a case that is over between the first and the second."""
    office = Office()
    people = [Person("ada@example.com"), Person(GONE, is_gone=True), Person(HOSTILE, is_gone=True)]
    zoom = [
        Holding(kind="account", id="Zgone", email=GONE, what="active"),
        Holding(kind="account", id="Zbad", email=HOSTILE, what="<b>active</b>"),
    ]
    world = Reconciled(people, zoom, clock=office.clock)
    runs = RunEvidence(office.evidence.of_cases.statements)
    office.hire("mary@example.com", "Z-0", "local:{0}", kept=False)
    for number in range(3):
        world.run(f"night-{number + 1}")
        runs.keep(told_by(world))
        if number == 0:
            office.hears_and_works(email="mary@example.com")
        office.clock.passes(hours=20)
    return Nights(office, world.documents)


@pytest.fixture
def folder(nights: Nights, tmp_path: Path) -> Path:
    assert nights.hand_over(tmp_path / "out") == []
    return tmp_path / "out"


def run_folder(folder: Path, number: int) -> Path:
    return folder / "reconciliations" / NIGHTS[number]


def test_each_run_of_the_time_is_handed_over_with_its_result_and_a_page(folder: Path) -> None:
    assert check_folder(folder).looked_at == "1 cases, 3 reconciliations"
    for number in range(3):
        shown = (run_folder(folder, number) / "index.html").read_text()
        for said in (GONE, "gone and alive", "ended and alive again", "who is signed in", "every check"):
            assert said.lower() in shown.lower(), said
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown
    period = (folder / "index.html").read_text()
    assert all(f'href="reconciliations/{each}/index.html"' in period for each in NIGHTS)


def test_verify_py_checks_runs_by_itself(folder: Path) -> None:
    def verify() -> "subprocess.CompletedProcess[str]":
        asked = [sys.executable, "-I", str(folder / "verify.py"), str(folder)]
        return subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - this very Python and the folder's file

    good = verify()
    assert (good.returncode, "1 cases, 3 reconciliations, 0 findings" in good.stdout) == (0, True), good
    result = run_folder(folder, 1) / "result.json"
    result.write_bytes(result.read_bytes().replace(b"gone@", b"here@"))
    bad = verify()
    assert (bad.returncode, f"{NIGHTS[1]}: result: is another than the one that was signed" in bad.stdout) == (1, True)


def test_a_redacted_folder_has_the_counts_and_nobody(nights: Nights, tmp_path: Path) -> None:
    assert nights.hand_over(tmp_path / "out", is_redacted=True) == []
    every = b"".join(each.read_bytes() for each in (tmp_path / "out").rglob("*") if each.is_file())
    assert not [each for each in (GONE, "Zgone", "ada@", "<script>") if each.encode() in every]
    assert not list((tmp_path / "out").rglob("result.json"))
    assert "names are left out" in (run_folder(tmp_path / "out", 0) / "index.html").read_text()


def test_a_result_that_is_gone_after_its_days_is_no_finding_and_the_page_says_so(
    nights: Nights, tmp_path: Path
) -> None:
    del nights.documents.kept["night-1#result"]
    assert nights.hand_over(tmp_path / "out") == []
    assert "the result is gone" in (run_folder(tmp_path / "out", 0) / "index.html").read_text()


def test_a_result_that_was_changed_in_the_table_is_found_and_not_shown(nights: Nights, tmp_path: Path) -> None:
    kept = nights.documents.kept
    kept["night-2#result"] = kept["night-2#result"].replace(GONE, "mallory@example.com")
    assert nights.hand_over(tmp_path / "out") == [f"{NIGHTS[1]}: result: is another than the one that was signed"]
    shown = (run_folder(tmp_path / "out", 1) / "index.html").read_text()
    assert "mallory" not in shown
    assert "is another than the one that was signed" in shown


@pytest.mark.parametrize("name", ["bundle.json", "envelope.json", "envelope.tlog-proof", "result.json"])
def test_whatever_file_of_a_run_is_changed_or_another_s_is_found(folder: Path, name: str) -> None:
    file, other = run_folder(folder, 1) / name, run_folder(folder, 2) / name
    was = file.read_bytes()
    for changed in (other.read_bytes(), b"{}", b"", was.replace(b"1", b"2")):
        file.write_bytes(changed)
        assert [each for each in check_folder(folder).findings if each.startswith((NIGHTS[1], "log: "))], changed[:20]
    file.write_bytes(was)
    assert check_folder(folder).findings == []


def test_a_run_that_is_missing_from_the_folder_is_a_hole_in_the_log(folder: Path) -> None:
    shutil.rmtree(run_folder(folder, 1))
    assert check_folder(folder).findings == ["log: no statement stands at place 2"]


def test_a_run_whose_files_are_gone_from_the_bucket_is_found_and_the_rest_is_handed_over(
    nights: Nights, tmp_path: Path
) -> None:
    objects = nights.office.evidence.bucket.objects
    for each in [each for each in objects if NIGHTS[1] in each]:
        del objects[each]
    assert "log: no statement stands at place 2" in nights.hand_over(tmp_path / "out")
    assert (run_folder(tmp_path / "out", 2) / "result.json").is_file()


def test_a_run_by_another_name_is_found(folder: Path) -> None:
    run_folder(folder, 1).rename(folder / "reconciliations" / "run-night-9")
    assert check_folder(folder).findings == ["run-night-9: statement: is about another run"]


def findings_with_a_run_by(forger: Evidence, nights: Nights, folder: Path) -> Sequence[str]:
    """What is found where whoever has this key and log puts a run of their own into the folder."""
    world = Reconciled([Person("ada@example.com")], [], clock=nights.office.clock)
    world.run("night-2")
    RunEvidence(forger.of_cases.statements).keep(told_by(world))
    for key, content in forger.bucket.objects.items():
        (folder / key).write_bytes(content)
    (run_folder(folder, 1) / "result.json").unlink()
    return check_folder(folder).findings


def test_a_run_that_was_signed_with_another_key_is_found(nights: Nights, folder: Path) -> None:
    forger = Evidence(nights.office.cases, nights.office.clock)
    forger.signer.private = generate_private_key(SECP256R1())
    found = findings_with_a_run_by(forger, nights, folder)
    assert [each for each in found if each.startswith(f"{NIGHTS[1]}: envelope: ")]


def test_a_run_that_the_key_signed_and_the_log_does_not_have_is_found(nights: Nights, folder: Path) -> None:
    aside = Evidence(nights.office.cases, nights.office.clock)
    found = findings_with_a_run_by(aside, nights, folder)
    assert "log: no statement stands at place 2" in found
    assert "log: another statement stands at place 0" in found
