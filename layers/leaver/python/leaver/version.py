"""The version of the code that runs; the template and the command line have it too, and `leaver doctor` compares."""

from typing import Final

VERSION: Final = "0.1.0"
