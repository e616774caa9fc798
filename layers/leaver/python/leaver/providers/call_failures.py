"""What it means that a call did not end: nothing was sent, its answer is lost, or a certificate is wrong."""

import re
import ssl
from typing import Final

from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

from leaver.errors import AnswerLost, NotSent, Rejected

# how a server says, under TLS 1.3 only after the handshake, that it does not like the client's certificate
_CERTIFICATE_REFUSED: Final = re.compile(r"ALERT_.*(?:CERTIFICATE|UNKNOWN_CA)")
# X509_V_ERR_…: 80 to 93 are what OpenSSL minds in its strict mode, which is Python's since 3.13; two are wrong names
_STRICT: Final = frozenset(range(80, 94))
_HOST_MISMATCH: Final = frozenset({62, 64})
_NEEDED: Final = (
    "a CA needs basic constraints that are critical, key usage and a subject key identifier; "
    "a server needs an authority key identifier and a subjectAltName with its name"
)


def name_failure(host: str, error: Exception) -> NotSent | AnswerLost | Rejected:
    """Name what went wrong by the error and its causes; what they say themselves may show URL, headers or body."""
    causes = _causes(error)
    if any(isinstance(each, ssl.SSLError) and _CERTIFICATE_REFUSED.search(each.reason or "") for each in causes):
        return Rejected(f"{host} does not accept our client certificate, or wants one")
    if any(isinstance(cause, ConnectTimeoutError) for cause in causes):
        untrusted = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
        if untrusted is not None:
            return Rejected(f"the certificate of {host} is not accepted: {_fault(untrusted)}")
        return NotSent(f"{host} can't be reached (name, connection or TLS)")
    if any(isinstance(cause, ReadTimeoutError | TimeoutError) for cause in causes):
        return AnswerLost(f"{host} took the request and did not answer in time")
    return AnswerLost(f"{host} took the request and its answer broke off")


def _fault(untrusted: ssl.SSLCertVerificationError) -> str:
    incomplete = untrusted.verify_code in _STRICT | _HOST_MISMATCH
    return f"{untrusted.verify_message}; {_NEEDED}" if incomplete else untrusted.verify_message


def _causes(error: BaseException) -> list[BaseException]:
    """List the error and what it came from: requests and urllib3 wrap by argument, `reason` and cause."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and not any(cause is known for known in found):
            found.append(cause)
            waiting += [cause.__cause__, getattr(cause, "reason", None), *cause.args]
    return found
