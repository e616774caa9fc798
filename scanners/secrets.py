"""`python scanners/secrets.py`: no file here holds a secret; of each string that looks like one it is known why not."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file, scan_line
from detect_secrets.settings import transient_settings

KNOWN = Path(__file__).with_name("known_strings.toml")
#: pip and npm themselves hold what these pin to the hashes in them
PINNED = re.compile(r"(.*/)?(requirements(/\w+)?\.txt|package-lock\.json)")
#: every detector; no filter that asks a service whether a secret is good, or that obeys a comment without a reason
SETTINGS = {
    "plugins_used": [{"name": each.__name__} for each in get_mapping_from_secret_type_to_class().values()],
    "filters_used": [
        {"path": f"detect_secrets.filters.heuristic.{name}"}
        for name in (
            "is_indirect_reference",
            "is_likely_id_string",
            "is_not_alphanumeric_string",
            "is_potential_uuid",
            "is_prefixed_with_dollar_sign",
            "is_sequential_string",
            "is_templated_secret",
        )
    ],
}


def main() -> int:
    """Print what nobody has explained, and explanations of what is not there any more; 1 where there is either."""
    known = {
        like: (re.compile(like), re.compile(each.get("files", ".*")))
        for each in tomllib.loads(KNOWN.read_text())["known"]
        if each["why"]
        for like in each["like"]
    }
    needed: set[str] = set()
    faults: list[str] = []
    with transient_settings(SETTINGS):
        # A scanner that finds nothing looks like a clean repository. The key is the one in AWS's own documents.
        if not list(scan_line("key = AKIA" + "IOSFODNN7EXAMPLE")):
            faults.append("the scanner does not find a planted key")
        for path in tracked():
            for found in scan_file(path):
                text = found.secret_value or ""
                explained = {
                    like for like, (string, files) in known.items() if string.fullmatch(text) and files.fullmatch(path)
                }
                needed |= explained
                if not explained:
                    # Never the string itself: this may be a log that others read.
                    faults.append(f"{path}:{found.line_number}: {found.type}")
    faults += [f"{KNOWN.name}: no file holds {like} any more" for like in known.keys() - needed]
    print("\n".join([*faults, f"detect-secrets: {len(faults)} faults, {len(needed)} kinds of strings explained"]))
    return int(bool(faults))


def tracked() -> Iterator[str]:
    """What git keeps or would keep, but for what says itself which strings are harmless."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, capture_output=True, text=True, check=True)
    for path in listed.stdout.splitlines():
        if not PINNED.fullmatch(path) and Path(path).is_file() and not KNOWN.samefile(path):
            yield path


if __name__ == "__main__":
    sys.exit(main())
