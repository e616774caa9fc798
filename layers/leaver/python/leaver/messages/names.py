"""What makes two spellings one person's name: those of an e-mail address are told apart by nobody."""

import unicodedata


def name_of(text: str) -> str:
    """The name under which somebody is remembered: e-mail addresses in NFC and case-folded, ids verbatim."""
    return unicodedata.normalize("NFC", text).casefold() if "@" in text else text
