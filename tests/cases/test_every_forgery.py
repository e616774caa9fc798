"""Whatever a forger does who may do everything but sign is found in an auditor's folder: the table of docs/proof.md."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from leaver.cases.heard import Fate, heard
from leaver.cases.log import Head
from leaver.cases.partitions import of_case, of_evidence
from leaver.cases.record import ENTRY
from leaver.cases.states import State
from leaver.evidence.bundle import CASE_IS_OVER, claimed_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import IN_TOTO, Envelope, pre_authentication_encoding
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import Frontier, inclusion_proof, leaf_hash, root_hash
from leaver.evidence.note import Checkpoint, signed_note
from leaver.evidence.statement import Statement
from leaver.evidence.verification import CaseFiles
from leaver.storage.tables import columns
from leaver_cli.evidence.counted import Counted
from leaver_cli.evidence.offline import check_folder
from leaver_cli.evidence.wanted import Span, Wanted
from tests.doubles.auditor import came_by_rule, hand_over
from tests.doubles.evidence import KEY
from tests.doubles.office import Office
from tests.evidence.conftest import Key
from tests.forged import PROPERTY, Forged
from tests.length import length

#: case and message ids are longer
LONGEST_WORD: Final = 30
PEOPLE: Final = ("ada@example.com", "grace@example.com", "mary@example.com")


@dataclass
class World:
    """Three leavers, their evidence, and what a forger does: with the tables before, with the folder after."""

    office: Office
    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "World":
        office = Office()
        office.evidence.of_days(office.heard).keep()
        office.clock.passes(days=1)
        for number, email in enumerate(PEOPLE):
            office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=False)
            office.hears_and_works(email=email)
            office.clock.passes(hours=5)
        came_by_rule(office)
        return cls(office, folder)

    def tells_days(self) -> None:
        self.office.clock.passes(days=2)
        self.office.evidence.of_days(self.office.heard).keep()

    def hands_over(self, matched: int | None = None) -> list[str]:
        """`leaver evidence`; what it finds itself. So many events EventBridge has counted."""
        wanted = Wanted((), Span.of(datetime(2026, 11, 1), self.office.clock()), None)  # noqa: DTZ001 - as typer gives it
        shutil.rmtree(self.folder, ignore_errors=True)
        return list(hand_over(self.office, self.folder, wanted, counted=Counted(matched)).findings)

    def verifies(self, *kept: str) -> list[str]:
        """`verify.py`, with the key that the auditor has from elsewhere, and the checkpoints that were kept."""
        key = self.folder.parent / "key.pem"
        key.write_bytes(self.office.evidence.signer.pem)
        notes = []
        for number, note in enumerate(kept):
            notes.append(self.folder.parent / f"kept-{number}.txt")
            notes[-1].write_text(note)
        return list(check_folder(self.folder, key=key, checkpoints=notes).findings)

    def says(self) -> list[str]:
        """Every line of it, also what is no finding: what this folder alone can't tell."""
        key = self.folder.parent / "key.pem"
        key.write_bytes(self.office.evidence.signer.pem)
        return list(check_folder(self.folder, key=key).lines)

    @property
    def cases(self) -> list[Path]:
        """In the order of the log."""
        return sorted((self.folder / "cases").iterdir(), key=_place)

    def sign(self, text: bytes) -> bytes:
        """By the right key: what must never be."""
        signer = self.office.evidence.signer
        return signer.sign(KeyId=KEY, Message=text, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")["Signature"]


def _place(folder: Path) -> int:
    return LogProof.from_text((folder / "envelope.tlog-proof").read_text()).index


def edit(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / "bundle.json"
    bundle = read_canonical(path.read_bytes())
    change(bundle)
    path.write_bytes(canonical(bundle))
    (folder / "names.json").unlink(missing_ok=True)


def forge(world: World, folder: Path, key: Key, *, place: int | None = None) -> None:
    """Sign a case's bundle anew with the forger's own key, and log it: the folder's lists are the forger's as well."""
    bundle = (folder / "bundle.json").read_bytes()
    predicate = claimed_of(read_canonical(bundle)) | {"signedAt": "2030-01-01T00:00:00Z"}
    payload = Statement.about(bundle, name="bundle.json", predicate_type=CASE_IS_OVER, predicate=predicate).to_json()
    leaves = [bytes.fromhex(each) for each in (world.folder / "leaves.txt").read_text().split()]
    place = len(leaves) if place is None else place
    leaves[place : place + 1] = [leaf_hash(payload)]
    origin = world.office.evidence.of_cases.statements.store.log_origin
    text = Checkpoint(origin, len(leaves), root_hash(leaves)).to_text()
    note = signed_note(text, key.sign(text.encode()), name=origin, public_key=key.public)
    proof = LogProof(place, tuple(inclusion_proof(leaves, place)), note)
    envelope = Envelope(IN_TOTO, payload, key.sign(pre_authentication_encoding(IN_TOTO, payload)), "")
    (folder / "envelope.json").write_bytes(envelope.to_json())
    (folder / "envelope.tlog-proof").write_text(proof.to_text())
    (world.folder / "leaves.txt").write_text("\n".join(each.hex() for each in leaves))


# -- in the folder


def drops_a_step(world: World) -> list[str]:
    def change(bundle: Any) -> None:
        del bundle["case"]["steps"][0], bundle["receipts"][0]

    edit(world.cases[0], change)
    return world.verifies()


def swaps_a_receipt(world: World) -> list[str]:
    theirs = read_canonical((world.cases[1] / "bundle.json").read_bytes())["receipts"][0]
    edit(world.cases[0], lambda bundle: bundle["receipts"].__setitem__(0, theirs))
    return world.verifies()


def signs_with_another_key(world: World) -> list[str]:
    edit(world.cases[0], lambda bundle: bundle["case"].update(overdue=False))
    forge(world, world.cases[0], Key(), place=_place(world.cases[0]))
    return world.verifies()


def gives_the_key_too(world: World) -> list[str]:
    key = Key()
    for each in world.cases:
        forge(world, each, key, place=_place(each))
    (world.folder / "key.pem").write_bytes(key.pem)
    return world.verifies()


def leaves_a_case_out(world: World) -> list[str]:
    shutil.rmtree(world.cases[1])
    return world.verifies()


def leaves_a_case_out_of_the_lists_too(world: World) -> list[str]:
    place = _place(world.cases[1])
    shutil.rmtree(world.cases[1])
    leaves = (world.folder / "leaves.txt").read_text().split()
    (world.folder / "leaves.txt").write_text("\n".join(leaves[:place] + leaves[place + 1 :]))
    return world.verifies()


def leaves_a_day_out(world: World) -> list[str]:
    kept = (world.folder / "checkpoint.txt").read_text()
    last = max((world.folder / "days").iterdir())
    leaves = (world.folder / "leaves.txt").read_text().split()
    (world.folder / "leaves.txt").write_text("\n".join(leaves[:-1]))
    (world.folder / "checkpoint.txt").unlink()
    shutil.rmtree(last)
    return world.verifies(kept)


def cuts_off_the_beginning(world: World) -> list[str]:
    """No gap is left, and every leaf of the log is still listed; the list of people goes with them."""
    (world.folder / "people.csv").unlink()
    for each in [*world.cases, *(world.folder / "days").iterdir()]:
        if _place(each) < len(PEOPLE):
            shutil.rmtree(each)
    assert world.verifies() == []
    return world.says()


def takes_a_name_away(world: World) -> list[str]:
    """And its page may name anybody."""
    (world.cases[0] / "names.json").unlink()
    return world.says()


def changes_a_time_in_the_list(world: World) -> list[str]:
    """What is uploaded to Drata or Vanta, and what an auditor samples from."""
    people = world.folder / "people.csv"
    ended = read_canonical((world.cases[0] / "bundle.json").read_bytes())["case"]["finished_at"].encode()
    people.write_bytes(people.read_bytes().replace(ended, b"2026-11-20T00:00:00Z"))
    return world.verifies()


def makes_a_sample_of_two_logs(world: World) -> list[str]:
    """An auditor who asked for a few cases kept a checkpoint, and is given no list to hold it against."""
    origin = world.office.evidence.of_cases.statements.store.log_origin
    text = Checkpoint(origin, 1, leaf_hash(b"another")).to_text()
    kept = world.folder.parent / "kept.txt"
    public = world.office.evidence.signer.public
    kept.write_text(signed_note(text, world.sign(text.encode()), name=origin, public_key=public))
    (world.folder / "leaves.txt").unlink()
    return list(check_folder(world.folder, checkpoints=[kept], is_sample=True).findings)


def keeps_two_logs(world: World) -> list[str]:
    origin = world.office.evidence.of_cases.statements.store.log_origin
    leaves = [bytes.fromhex(each) for each in (world.folder / "leaves.txt").read_text().split()]
    text = Checkpoint(origin, len(leaves), root_hash(leaves[::-1])).to_text()
    public = world.office.evidence.signer.public
    return world.verifies(signed_note(text, world.sign(text.encode()), name=origin, public_key=public))


def puts_a_case_before_another(world: World) -> list[str]:
    first, second = world.cases[:2]
    names = CaseFiles.NAMES[2]
    one, other = (each / names for each in (first, second))
    places = [str(_place(each)) for each in (first, second)]
    texts = [each.read_text() for each in (one, other)]
    one.write_text(texts[0].replace(f"index {places[0]}\n", f"index {places[1]}\n"))
    other.write_text(texts[1].replace(f"index {places[1]}\n", f"index {places[0]}\n"))
    return world.verifies()


def invents_a_case_in_the_folder(world: World) -> list[str]:
    made = world.folder / "cases" / "c-invented"
    shutil.copytree(world.cases[0], made)
    edit(made, lambda bundle: bundle["case"].update(case_id="c-invented"))
    forge(world, made, Key())
    return world.verifies()


def renames_the_person(world: World) -> list[str]:
    path = world.cases[0] / "names.json"
    path.write_bytes(path.read_bytes().replace(PEOPLE[0].encode(), b"bob@example.com"))
    return world.verifies()


# -- in the tables, before anybody asks for a folder


def alters_a_case_after_its_seal(world: World) -> list[str]:
    world.office.cases.alter(world.office.cases.every[0].case_id, email="bob@example.com")
    return world.hands_over()


def moves_a_case_to_another_time(world: World) -> list[str]:
    world.tells_days()
    last = max(world.office.cases.every, key=lambda case: str(case.finished_at))
    world.office.cases.alter(last.case_id, finished_at=datetime(2031, 1, 1, tzinfo=UTC))
    return world.hands_over()


def invents_a_completed_case(world: World) -> list[str]:
    """All of it is consistent: whoever copies a case and its receipts in the tables has seal_case itself sign it."""
    office, [case, *_] = world.office, world.office.cases.every
    receipts = office.cases.read_receipts(case.case_id)
    invented = case.model_copy(update={"case_id": "c-invented", "evidence": None, "email": "bob@example.com"})
    office.cases.put(invented)
    for each in receipts.values():
        office.receipts.items["c-invented", each.entry] = each.model_copy(update={"case_id": "c-invented"})
    office.evidence.keep(office.cases.require("c-invented"))
    world.tells_days()
    return world.hands_over()


def back_dates_the_request_of_an_invented_case(world: World) -> list[str]:
    """To before the first day that anybody told of: no day can contradict it."""
    office, [case, *_] = world.office, world.office.cases.every
    asked_at = datetime(2020, 1, 1, tzinfo=UTC)
    invented = {"case_id": "c-invented", "evidence": None, "email": "bob@example.com", "requested_at": asked_at}
    office.cases.put(case.model_copy(update=invented))
    for each in office.cases.read_receipts(case.case_id).values():
        office.receipts.items["c-invented", each.entry] = each.model_copy(update={"case_id": "c-invented"})
    office.evidence.keep(office.cases.require("c-invented"))
    world.tells_days()
    world.hands_over()
    return world.says()


def invents_an_event_for_it_too(world: World) -> list[str]:
    kept = world.office.heard.items.kept
    day, entry = (str(each) for each in min(kept))
    for of in ("", "#fate"):
        made = f"{entry}-invented{of}"
        kept[day, made] = {**kept[day, f"{entry}{of}"], "message_id": "m-invented", "entry": made}
    world.tells_days()
    return world.hands_over(matched=len(PEOPLE))


def deletes_an_event_that_nothing_became_of(world: World) -> list[str]:
    world.office.hears_and_works("reinstated", email="nobody@example.com")
    came_by_rule(world.office)
    for place in sorted(world.office.heard.items.kept)[-2:]:
        del world.office.heard.items.kept[place]
    world.tells_days()
    return world.hands_over(matched=len(PEOPLE) + 1)


def makes_a_case_vanish(world: World) -> list[str]:
    """Its event was heard, and nobody ends anything: the case is deleted before it is over."""
    office = world.office
    office.hire("bob@example.com", "Z-9", "local:{9}", kept=False)
    office.deliver(office.hears(email="bob@example.com"))
    [case] = [each for each in office.cases.every if each.email == "bob@example.com"]
    del office.cases.items.kept[of_case(case.case_id), ENTRY]
    came_by_rule(office)
    world.tells_days()
    return world.hands_over(matched=len(PEOPLE) + 1)


def writes_the_log_anew(world: World) -> list[str]:
    """The last case goes, with all that tells of it in the tables, and the next statement is signed in its place."""
    log, heard = world.office.evidence.log, world.office.heard.items.kept
    last = max(log.leaves.kept)
    name = str(log.leaves.kept.pop(last)["case_id"])
    tree = Frontier()
    for each in log.hashes:
        tree = tree.appended(each)
    head = Head(size=tree.size, frontier=tuple(each.hex() for each in tree.hashes))
    log.heads.kept[head.partition, head.entry] = columns(head)
    del log.places.kept[of_evidence(name), "place"]
    for day, fate in [place for place, each in heard.items() if each.get("case_id") == name]:
        del heard[day, fate], heard[day, str(fate).removesuffix("#fate")]
    world.tells_days()
    return world.hands_over(matched=len(PEOPLE) - 1)


def tells_a_leaver_as_a_second_look(world: World) -> list[str]:
    """No event has to have begun such a case, and `people.csv` is not about it."""
    office = world.office
    invented = {"case_id": "c-invented", "evidence": None, "sweep_of": office.cases.every[1].case_id}
    office.cases.put(office.cases.every[0].model_copy(update=invented))
    with pytest.raises(Exception, match="is no second look at that case") as refused:
        office.evidence.keep(office.cases.require("c-invented"))
    return [f"seal_case: {refused.value}"]


def completes_a_case_without_a_step(world: World) -> list[str]:
    """It had some: they are deleted with it all."""
    office = world.office
    case = office.cases.every[0]
    emptied = {"case_id": "c-emptied", "evidence": None, "steps": (), "searched": (), "outstanding": ()}
    office.cases.put(case.model_copy(update=emptied))
    with pytest.raises(Exception, match="nothing was looked for") as refused:
        office.evidence.keep(office.cases.require("c-emptied"))
    return [f"seal_case: {refused.value}"]


def completes_a_case_early(world: World) -> list[str]:
    """seal_case signs what it can prove alone: it refuses, the case is not announced, and CasesNotSealedAlarm rings."""
    office = world.office
    office.hire("bob@example.com", "Z-9", "local:{9}", kept=False)
    office.deliver(office.hears(email="bob@example.com"))
    [case] = [each for each in office.cases.every if each.email == "bob@example.com"]
    office.cases.alter(case.case_id, state=State.COMPLETED, outstanding=(), finished_at=office.clock())
    with pytest.raises(Exception, match="has 0 receipts") as refused:
        office.evidence.keep(office.cases.require(case.case_id))
    return [f"seal_case: {refused.value}"]


def deletes_an_event(world: World) -> list[str]:
    for place in list(world.office.heard.items.kept)[:2]:
        del world.office.heard.items.kept[place]
    world.tells_days()
    return world.hands_over()


def deletes_half_an_event(world: World) -> list[str]:
    del world.office.heard.items.kept[min(world.office.heard.items.kept)]
    world.tells_days()
    return world.hands_over()


def deletes_a_fate(world: World) -> list[str]:
    world.tells_days()
    place = next(each for each in world.office.heard.items.kept if str(each[1]).endswith("#fate"))
    del world.office.heard.items.kept[place]
    return world.hands_over()


def deletes_an_event_of_a_day_that_was_told(world: World) -> list[str]:
    world.tells_days()
    for place in list(world.office.heard.items.kept)[:2]:
        del world.office.heard.items.kept[place]
    return world.hands_over()


def swaps_a_fate_for_another(world: World) -> list[str]:
    late = heard("m-1", world.office.clock(), source="okta", event_id="e-1")
    world.office.heard.put_once(late)
    world.office.heard.put_once(late.closed(Fate("dead_lettered")))
    world.tells_days()
    place = (late.partition, f"{late.entry}#fate")
    world.office.heard.items.kept[place] = {**world.office.heard.items.kept[place], "fate": "refused"}
    return world.hands_over()


def drops_a_leaf_from_the_table(world: World) -> list[str]:
    world.tells_days()
    world.hands_over()
    kept = (world.folder / "checkpoint.txt").read_text()
    leaves = world.office.evidence.log.leaves.kept
    del leaves[max(leaves)]
    world.hands_over()
    return world.verifies(kept)


#: by whom, what, and how it is found
Forgeries = tuple[tuple[Callable[[World], list[str]], str, str], ...]
IN_THE_FOLDER: Final[Forgeries] = (
    (drops_a_step, "A step and its receipt are dropped from a bundle.", "statement: is about another bundle"),
    (swaps_a_receipt, "A receipt is swapped with another person's.", "has 0 receipts"),
    (signs_with_another_key, "A changed case is signed with another key.", "the signature is not of this key"),
    (gives_the_key_too, "All is signed with another key, which is given along.", "the signature is not of this key"),
    (leaves_a_case_out, "A case is left out of the folder.", "log: no statement stands at place"),
    (leaves_a_case_out_of_the_lists_too, "A case is left out of the log as well.", "are not those of a checkpoint"),
    (leaves_a_day_out, "The newest day is cut off the log; the auditor kept a checkpoint.", "and a checkpoint of"),
    (
        cuts_off_the_beginning,
        "The first days and cases are left out of the folder, and their leaves are listed.",
        "places 3 to 6 of a log of 7",
    ),
    (takes_a_name_away, "The names of one case are left out of the folder.", "has no names.json, as others have"),
    (
        changes_a_time_in_the_list,
        "`people.csv` says that access ended earlier.",
        "people.csv: says something else than the cases do",
    ),
    (
        makes_a_sample_of_two_logs,
        "A sample is of another log than a checkpoint that was kept; the list of the log is left out.",
        "nobody can hold a sample against a checkpoint",
    ),
    (keeps_two_logs, "Two people are told of two logs, by the right key.", "are not those of a checkpoint"),
    (puts_a_case_before_another, "A case is back-dated: put before another in the log.", "another statement stands at"),
    (invents_a_case_in_the_folder, "A case is invented in the folder.", "the signature is not of this key"),
    (renames_the_person, "Another person's name is put to a case.", "names: the case or a receipt is another"),
)
IN_THE_TABLES: Final[Forgeries] = (
    (alters_a_case_after_its_seal, "A case is changed in the table after its seal.", "names: the case or a receipt is"),
    (
        moves_a_case_to_another_time,
        "A case is moved out of the auditor's time in the table.",
        "names: the case or a receipt",
    ),
    (completes_a_case_early, "A case is completed in the table before its steps have ended.", "has 0 receipts"),
    (completes_a_case_without_a_step, "A case is completed in the table, and has no step.", "nothing was looked for"),
    (
        tells_a_leaver_as_a_second_look,
        "A leaver's case is told in the table as the second look at another one.",
        "is no second look at that case",
    ),
    (
        invents_a_completed_case,
        "A completed case is invented in the tables, with receipts, and `seal_case` signs it.",
        "c-invented: nothing that was heard began this case",
    ),
    (
        back_dates_the_request_of_an_invented_case,
        "Such a case was asked for years ago, it says, when no day was told of.",
        "was asked for at 2020-01-01T00:00:00Z, and none of these days tells by what",
    ),
    (
        invents_an_event_for_it_too,
        "An event is invented in the ledger, with its fate.",
        "EventBridge counts 3 HR events in these days, and 4 were heard",
    ),
    (
        deletes_an_event_that_nothing_became_of,
        "An event that opened no case is deleted before its day is signed.",
        "EventBridge counts 4 HR events in these days, and 3 were heard",
    ),
    (
        makes_a_case_vanish,
        "A case is deleted from the table before it is over; its event was heard.",
        "was opened, and is neither in the log nor under way",
    ),
    (
        writes_the_log_anew,
        "The last case is taken out of the log's table, and `seal_case` signs the next one in its place.",
        "is signed and stored, and not in the log any more",
    ),
    (deletes_an_event, "An event is deleted from the ledger before its day is signed.", "nothing that was heard began"),
    (deletes_half_an_event, "Its fate is left there.", "has a fate, and was never heard"),
    (deletes_an_event_of_a_day_that_was_told, "An event is deleted after its day was signed.", "is gone"),
    (deletes_a_fate, "A fate is deleted after its day was signed.", "has another fate by now"),
    (swaps_a_fate_for_another, "A fate is swapped for another after its day was signed.", "has another fate by now"),
    (
        drops_a_leaf_from_the_table,
        "The last leaf is deleted from the log's table; the auditor kept a checkpoint.",
        "and a checkpoint of",
    ),
)


@pytest.mark.parametrize(("forger", "what", "found"), IN_THE_FOLDER, ids=[each.__name__ for each, *_ in IN_THE_FOLDER])
def test_what_is_forged_in_a_folder_is_found(
    forger: Callable[[World], list[str]],
    what: str,
    found: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    world = World.made(tmp_path / "folder")
    world.tells_days()
    assert world.hands_over() == []
    assert world.verifies() == []
    assert not [each for each in world.says() if found in each]
    [named, *_] = [each for each in forger(world) if found in each]
    record_property(PROPERTY, list(Forged(IN_THE_FOLDER.index((forger, what, found)), what, _as_cell(named))))


@pytest.mark.parametrize(("forger", "what", "found"), IN_THE_TABLES, ids=[each.__name__ for each, *_ in IN_THE_TABLES])
def test_what_is_forged_in_the_tables_is_found(
    forger: Callable[[World], list[str]],
    what: str,
    found: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    [named, *_] = [each for each in forger(World.made(tmp_path / "folder")) if found in each]
    place = len(IN_THE_FOLDER) + IN_THE_TABLES.index((forger, what, found))
    record_property(PROPERTY, list(Forged(place, what, _as_cell(named))))


def test_every_changed_place_of_every_file_is_found(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    world = World.made(tmp_path / "folder")
    world.tells_days()
    world.hands_over()
    files = [world.cases[0] / name for name in (*CaseFiles.NAMES, "names.json")]
    files += [each for name in CaseFiles.NAMES for each in sorted((world.folder / "days").glob(f"*/{name}"))[-1:]]
    files += [world.folder / "leaves.txt", world.folder / "checkpoint.txt"]
    changed, step = 0, max(1, 400 // length(2))
    for path in files:
        content = path.read_bytes()
        for place in range(3, len(content), step):
            if _says_nothing(path, content, place):
                continue
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            changed += 1
            assert _is_found(world), (path.name, place)
        path.write_bytes(content)
    said = f"each of {changed} changes, by its file's name"
    record_property(PROPERTY, list(Forged(-1, f"A bit is changed at {changed} places of {len(files)} files.", said)))


def _is_found(world: World) -> bool:
    try:
        return bool(world.verifies())
    except ValueError:
        # No list, or no text.
        return True


def _says_nothing(path: Path, content: bytes, place: int) -> bool:
    """The hint that names the key is not signed; white space between two hashes says nothing."""
    if path.name == "envelope.json":
        return b"keyid" in content[place - 80 : place + 20]
    return path.name == "leaves.txt" and content[place : place + 1].isspace()


def _as_cell(finding: str) -> str:
    """Without ids, which are others each time."""
    words = [each for each in finding.split(" ") if len(each) < LONGEST_WORD]
    return f"`{' '.join(words)}`"
