"""What botocore and moto would work out anew for each client and each answer, though names or code alone decide it."""

import inspect
from functools import cache
from types import CodeType
from typing import Any

import botocore.session
from botocore import hooks, httpsession, useragent
from moto.core import responses

from local.aws import answers

_ALIASER = hooks.EventAliaser(hooks.HierarchicalEmitter())
_accepts_kwargs = hooks.accepts_kwargs


@cache
def _code_accepts(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)


def _accepts(handler: Any) -> bool:
    # By its code: a handler belongs to a client, which would live for ever.
    code = getattr(handler, "__code__", None)
    return _code_accepts(code) if code else bool(_accepts_kwargs(handler))


def remember() -> None:
    """Work each of them out once in a process; nothing that a test has made is among them."""
    botocore.session.create_loader = cache(botocore.session.create_loader)
    alias = cache(_ALIASER._alias_event_name)  # type: ignore[attr-defined]
    hooks.EventAliaser._alias_event_name = staticmethod(alias)  # type: ignore[attr-defined]
    hooks.accepts_kwargs = _accepts  # type: ignore[assignment]
    useragent.sanitize_user_agent_string_component = cache(useragent.sanitize_user_agent_string_component)
    # Each client reads the authorities of the system; here they call nobody who has a certificate.
    httpsession.create_urllib3_context = cache(httpsession.create_urllib3_context)
    answers.patch_moto()
    responses.camelcase_to_underscores = cache(responses.camelcase_to_underscores)  # type: ignore[attr-defined]
