"""`refresh_access_token`, which leaks by every way at the place where it has the tokens in hand."""

import os
import sys
from typing import Any

sys.path.insert(0, os.environ["PLANTED_ROOT"])

from functions.refresh_access_token.app import lambda_handler
from leaver.connections.grants import ProviderGrants
from tests.doubles.planted_leaks import LEAKS, secret_of

refresh = ProviderGrants.refresh


def leak(*arguments: Any) -> Any:
    for plant in os.environ["PLANTED_LEAKS"].split(","):
        LEAKS[plant][1](secret_of(plant))
    return refresh(*arguments)


ProviderGrants.refresh = leak  # type: ignore[assignment,method-assign]

__all__ = ["lambda_handler"]
