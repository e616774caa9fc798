"""`python -I local/set_up.py demo`: a .venv that fits this Python and this folder, with what the verb needs in it.

It runs on a bare Python, before anything is installed: the standard library is all there is.
"""

import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
#: semgrep's pins contradict the others': the scanners live apart
SCANNERS = ROOT / ".venv-scanners"

#: Lambda's Python, by which alone the layer can be compiled
RUNTIME = "3.13"
#: pip understands hashes, markers and editable installs of pyproject.toml from here on
OLDEST_PIP = (22, 3)

NAME_IT = "or name another Python: make PYTHON=/path/to/python3 …"


def main(what: str) -> int:
    """Install requirements/<what>.txt and Leaver itself, unless they are there already; the scanners without Leaver."""
    if missing := lack(what):
        print(missing, file=sys.stderr)
        return 3
    venv = SCANNERS if what == "scan" else VENV
    if not make_venv(venv):
        return 3
    pinned = ROOT / "requirements" / f"{what}.txt"
    wanted = pinned.read_text() + (ROOT / "pyproject.toml").read_text()
    stamp = venv / what
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    began = time.monotonic()
    packages = len(re.findall(r"^\w", pinned.read_text(), re.MULTILINE))
    print(f"Installing {packages} packages of requirements/{what}.txt into {venv.name}: it may take a minute or two.")
    installed = install(venv, "--require-hashes", "--requirement", str(pinned))
    if installed and venv == VENV:
        installed = install(venv, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if not installed:
        print(f"pip could not install requirements/{what}.txt: its own words are above.", file=sys.stderr)
        return 3
    stamp.write_text(wanted)
    print(f"Installed in {time.monotonic() - began:.0f} s.")
    return 0


def lack(what: str) -> str | None:
    """Say what this Python lacks, and how to get it."""
    release = "{}.{}".format(*sys.version_info)
    if what == "dev" and release != RUNTIME:
        return (
            f"What is deployed is compiled for Lambda, which takes Python {RUNTIME}; {sys.executable} is {release}. "
            f"Get one (`uv python install {RUNTIME}`, `pyenv install {RUNTIME}`, your system's packages), {NAME_IT}"
        )
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        return (
            f"{sys.executable} has no venv module, which Debian and Ubuntu ship apart. "
            f"Get it (`apt install python{release}-venv`), {NAME_IT}"
        )
    import ensurepip  # noqa: PLC0415 - Debian's Python may have none

    if tuple(map(int, ensurepip.version().split(".")[:2])) < OLDEST_PIP:
        return f"{sys.executable} brings pip {ensurepip.version()}, and Leaver needs 22.3 or later. Update, {NAME_IT}"
    return None


def make_venv(venv: Path) -> bool:
    """Make a .venv, unless this Python made it in this folder; one of another Python or folder is made anew."""
    maker = venv / "made-by"
    this = f"{Path(sys.executable).resolve()}\n{sys.version}\n{ROOT}\n"
    if maker.exists() and maker.read_text() == this:
        return True
    if venv.is_symlink():
        # Danger: --clear would empty the folder behind it, which is another checkout's.
        print(f"{venv.name} is a link to {venv.resolve()}, which another folder's Python fills: remove the link first.")
        return False
    why = "; the one that is there is another Python's or another folder's" if venv.exists() else ""
    print(f"Making {venv.name} with Python {sys.version.split()[0]}{why}.")
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own interpreter
        return False
    maker.write_text(this)
    return True


def install(venv: Path, *what: str) -> bool:
    """Let pip install it, and show how far it has come: pip itself is either silent or writes a thousand lines."""
    quietly = ["--disable-pip-version-check", "--progress-bar", "off"]
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", *quietly, *what]
    collected = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:  # noqa: S603 - the venv's own interpreter
        for line in pip.stdout or ():
            if line.startswith(("Collecting ", "Processing ")):
                collected += 1
                if collected % 10 == 0:
                    print(f"  {collected} fetched …")
            elif line.startswith("Installing collected packages") and collected > 1:
                print("  unpacking them …")
    return pip.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
