"""What makes two spellings one person's: addresses in NFC and case-folded, ids verbatim but for a GUID's spelling."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from leaver.messages.names import name_of
from leaver.providers.listing import Holding, Person

#: braces, dashes and case of a GUID behind a directory's name vary between a provider's own answers
_GUID: Final = re.compile(r"\{?[0-9a-f-]{32,36}\}?")


class Key(NamedTuple):
    """One way to know somebody; an employee's number is nobody's address, and no provider's id."""

    kind: str
    text: str


def keys_of_person(person: Person) -> frozenset[Key]:
    """All by which somebody on a roster is known."""
    return frozenset(_keys((person.email, *person.aliases), person.ids, person.employee_id))


def keys_of_holding(holding: Holding) -> frozenset[Key]:
    """All by which whoever has it is known. An account's name counts with its directory alone."""
    names = tuple(each for each in (holding.email, *holding.names) if each)
    return frozenset(_keys(names, (holding.id,) if holding.id else (), holding.employee_id))


def _keys(names: Iterable[str], ids: Iterable[str], employee_id: str | None) -> Iterator[Key]:
    for each in names:
        yield Key("name" if "@" in each else "id", _fold(each))
    for each in ids:
        yield Key("id", _fold(each))
    if employee_id:
        yield Key("employee", unicodedata.normalize("NFC", employee_id).casefold())


def _fold(text: str) -> str:
    text = unicodedata.normalize("NFC", text.strip())
    if "@" in text:
        return name_of(text)
    directory, colon, own = text.partition(":")
    if not colon:
        # Of such an id each letter's case may tell two people apart.
        return text
    own = own.casefold()
    return f"{directory.casefold()}:{re.sub('[{}-]', '', own) if _GUID.fullmatch(own) else own}"
