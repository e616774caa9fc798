"""Which stack is meant where nobody says so: an option, then the environment, then what `leaver configure` keeps.

No secret is in that file: a profile is only a name in AWS's own configuration.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from leaver_cli.commands import InASentence

#: what is kept, and the variables that come before it
VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "stack": ("LEAVER_STACK",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "profile": ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
}
#: whoever gives AWS's credentials themselves has said who they are
_SAYS_WHO: Final = "AWS_ACCESS_KEY_ID"


class Unreadable(InASentence):
    """The file can't be read, or says what nobody asks it."""


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the file is (XDG base directories)."""
    configured = environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".config"
    return base / "leaver" / "config.toml"


def kept() -> dict[str, str]:
    """Read what is kept; raises Unreadable."""
    place = path()
    try:
        found = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Unreadable(f"{place} can't be read ({error}): mend it, or remove it and run `leaver configure`") from None
    if found.keys() - VARIABLES.keys() or not all(isinstance(each, str) for each in found.values()):
        raise Unreadable(f'{place}: expected nothing but {", ".join(VARIABLES)}, each as in: stack = "leaver"')
    return {name: found[name] for name in VARIABLES if found.get(name)}


def keep(settings: Mapping[str, str]) -> None:
    """Write what is kept from now on; an empty one is forgotten."""
    place = path()
    place.parent.mkdir(parents=True, exist_ok=True)
    # A JSON text of printable characters is a TOML one too.
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items() if value]
    place.write_text("".join(lines), encoding="utf-8")


def fallback(name: str, default: str | None) -> str | None:
    """Say what holds where no option and no variable does."""
    if name == "profile" and os.environ.get(_SAYS_WHO):
        return default
    return kept().get(name, default)


def source(name: str) -> tuple[str | None, str]:
    """Say what holds, and who says so."""
    for variable in VARIABLES[name]:
        if value := os.environ.get(variable):
            return value, f"environment ({variable})"
    if name == "profile" and os.environ.get(_SAYS_WHO):
        return None, f"environment ({_SAYS_WHO})"
    if value := kept().get(name):
        return value, str(path())
    return ("leaver", "default") if name == "stack" else (None, "as the AWS CLI finds it")
