"""What an operator is shown: nothing that came from outside commands the terminal, or is taken for markup."""

from rich.text import Text


def printable(text: str) -> Text:
    """Show text as it is, but for control characters (C0, C1, bidirectional ones), which a terminal would obey."""
    return Text("".join(each if each.isprintable() or each == "\n" else " " for each in text))
