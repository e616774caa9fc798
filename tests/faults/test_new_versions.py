"""Secrets Manager is eventually consistent: the version that the record names is not found for a moment."""

from tests.doubles.connections_table import connection
from tests.doubles.office import ADA_ID, LASTING, Office
from tests.doubles.secrets_manager import PARENT
from tests.faults.one_connection import OneConnection
from tests.field import Field


def test_a_message_comes_back_until_the_version_of_a_refresh_is_visible(field: Field) -> None:
    acme = OneConnection(ada="ada@example.com")
    acme.refresh(force=True)
    acme.stage.secrets.unseen.add(acme.stage.record.version)
    late, too_early = len(acme.stage.secrets.unseen), acme.deliver("ada")
    acme.stage.secrets.unseen.clear()
    assert acme.deliver("ada", receives=2)
    lost = "ada" in acme.zoom.sessions
    field("a late version", "Secrets Manager does not find what was just written", late, lost=lost, false=too_early)


def test_a_case_does_not_begin_without_zooms_id_because_a_version_is_not_visible_yet() -> None:
    office = Office()
    office.table.put(connection("zoom", expires_at=LASTING, refreshed_at=office.clock()))
    office.secrets.unseen.add(PARENT)
    message = office.hears()
    assert not office.deliver(message)
    office.secrets.unseen.clear()
    office.works()
    assert ADA_ID in office.people.under_tombstones
