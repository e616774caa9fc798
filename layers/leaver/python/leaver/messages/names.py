"""What makes two spellings one person's name: those of an e-mail address are told apart by nobody."""

import unicodedata
from typing import Literal

#: by which word an identity stands in a step: the account's own, HR's for this provider, or only the address
FoundBy = Literal["account", "hr", "address"]


def name_of(text: str) -> str:
    """The name under which somebody is remembered: e-mail addresses in NFC and case-folded, ids verbatim."""
    return unicodedata.normalize("NFC", text).casefold() if "@" in text else text
