"""What the composition root builds, where building it can go wrong."""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import responses
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from leaver import bootstrap
from leaver.consuming.consumer import TIME_FOR_ONE_MESSAGE
from leaver.errors import InvalidToken, NotRead, Rejected
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.sources import CONNECTABLE
from leaver.providers.time_left import TIME_TO_RECORD, TimeLeft
from leaver.providers.venafi.api import Venafi
from leaver.providers.zoom.api import Zoom
from leaver.settings import InvalidSetting
from tests.doubles.deployed import VENAFI, Deployment, deployment, forget
from tests.doubles.lambda_events import Context
from tests.doubles.wire import Play, serving


@pytest.fixture
def leaver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with deployment(monkeypatch) as deployed:
        yield deployed


@pytest.fixture
def authority() -> str:
    """The PEM of somebody's own certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme Root")])
    now = datetime.now(tz=UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = built.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_venafis_authority_may_lie_in_a_secret_and_stays_off_the_disk(
    leaver: Deployment, authority: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    leaver.secrets.create_secret(Name="leaver/venafi-ca", SecretString=authority)
    assert bootstrap.api(Venafi, VENAFI, "leaver/venafi-ca") is bootstrap.api(Venafi, VENAFI, "leaver/venafi-ca")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("leaver")
def test_venafis_authority_may_lie_in_a_file(authority: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(authority)
    assert bootstrap.api(Venafi, VENAFI, str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    "stored", [" ", "no PEM", "TUlJQg==", '{"pem": ""}', "-----BEGIN CERTIFICATE-----\\nMIIB\\n", "Tanúsítvány"]
)
def test_an_authority_that_is_none_is_refused_before_anything_is_sent_and_believed_once_it_is_mended(
    leaver: Deployment, authority: str, stored: str
) -> None:
    leaver.secrets.create_secret(Name="leaver/venafi-ca", SecretString=stored)
    venafi = bootstrap.api(Venafi, VENAFI, "leaver/venafi-ca")
    for _ in range(2):
        with pytest.raises(Rejected, match=r"^secret leaver/venafi-ca: holds no certificates in PEM$"):
            venafi.verify(SecretStr("access-1"))
    leaver.secrets.put_secret_value(SecretId="leaver/venafi-ca", SecretString=authority)
    with responses.RequestsMock() as provider:
        provider.get(f"{VENAFI}/vedauth/authorize/verify", status=401)
        with pytest.raises(InvalidToken):
            venafi.verify(SecretStr("access-1"))


@pytest.mark.usefixtures("leaver")
def test_an_authority_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(Rejected, match=r"^secret leaver/venafi-ca: is missing$"):
        bootstrap.api(Venafi, VENAFI, "leaver/venafi-ca").verify(SecretStr("access-1"))


# --- calls to AWS that hang ---


def seconds_of(config: Config) -> tuple[float, float]:
    """How long one attempt takes at most, and all attempts with the pauses between them (botocore: 1, 2, 4 … s)."""
    attempt = float(config.connect_timeout + config.read_timeout)  # type: ignore[attr-defined]
    attempts: int = config.retries["total_max_attempts"]  # type: ignore[attr-defined]
    return attempt, attempts * attempt + sum(2**each for each in range(attempts - 1))


@pytest.mark.parametrize("config", [bootstrap._AWS, bootstrap._AT_ONCE, bootstrap._QUICK])
def test_a_call_to_aws_that_hangs_ends_before_the_function_that_began_its_message(config: Config) -> None:
    attempt, call = seconds_of(config)
    assert attempt < TIME_TO_RECORD
    assert call < TIME_FOR_ONE_MESSAGE / 1000 - TIME_TO_RECORD


@pytest.fixture
def own_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in Lambda: bootstrap's own clients, which pause for nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    forget()
    yield
    bootstrap._TIME_LEFT.begins(lambda: math.inf)
    forget()


@pytest.mark.usefixtures("own_clients")
@pytest.mark.parametrize(("left", "attempts"), [(60.0, 4), (5.0, 4), (4.9, 1), (0.0, 1)])
def test_aws_is_asked_once_more_only_where_the_function_outlives_that(
    left: float, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(*[Play(ending="reset")] * 4) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        bootstrap.begin(Context([round(left * 1000)]))
        with pytest.raises(NotRead, match="TooLate" if attempts == 1 else "ConnectionClosedError"):
            bootstrap.secret_store("leaver").text("a-secret")
        assert len(aws.asked) == attempts


@pytest.mark.parametrize("function", ["watch_deadlines", "schedule_refreshes"])
def test_what_the_schedule_starts_goes_by_its_own_end(
    leaver: Deployment, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_TIME_LEFT", TimeLeft())
    leaver.invoke(function, {})
    assert bootstrap._TIME_LEFT.seconds() < math.inf


def test_a_bundle_without_any_text_is_not_taken_for_the_roots_of_the_system() -> None:
    with pytest.raises(Rejected, match=r"^secret empty: holds no certificates in PEM$"):
        CaBundle("secret empty", lambda: "").context()


@pytest.mark.usefixtures("leaver")
@pytest.mark.parametrize("url", ["http://zoom.us", "http://zoom.test/v2", "ftp://127.0.0.1", "https://user:pw@zoom.us"])
def test_a_provider_is_spoken_to_in_private(url: str) -> None:
    with pytest.raises(ValueError, match=r"^a provider's URL (must be https|is a host)"):
        bootstrap.api(Zoom, url)


@pytest.mark.usefixtures("leaver")
def test_plain_http_is_for_the_hosts_that_the_local_world_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAVER_LOCAL_WORLD", "zoom.test")
    assert bootstrap.api(Zoom, "http://zoom.test/v2")
    with pytest.raises(ValueError, match="must be https"):
        bootstrap.api(Zoom, "http://zoom.us/v2")


@pytest.mark.usefixtures("leaver")
@pytest.mark.parametrize("variable", ["ZOOM_OAUTH_URL", "VENAFI_URL", "GUSTO_URL"])
def test_a_provider_whose_host_is_not_given_fails_by_the_variables_name(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(InvalidSetting, match=rf"^the environment variable {variable} is missing$"):
        bootstrap.provider_grants(CONNECTABLE, bootstrap.secret_store("leaver"))


@pytest.mark.parametrize(
    ("function", "unwanted"),
    [
        *product(
            ("revoke_sso_token", "revoke_grants"),
            (
                *("leaver.evidence", "leaver.reconcile", "leaver.webhooks"),
                *("leaver.cases.people", "leaver.cases.finding", "leaver.cases.user_tokens"),
                *("leaver.connections.grants", "leaver.providers.entry"),
            ),
        ),
        ("revoke_grants", "leaver.providers.listing"),
        ("revoke_grants", "leaver.providers.venafi.credentials"),
    ],
)
def test_who_does_without_something_starts_without_it(function: str, unwanted: str) -> None:
    assert [each for each in _loaded(function) if each == unwanted or each.startswith(f"{unwanted}.")] == []


@cache
def _loaded(function: str) -> list[str]:
    """What a process has loaded that has loaded this function."""
    asked = f"import sys, functions.{function}.app; print(*sys.modules)"
    return subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, text=True).stdout.split()  # noqa: S603 - ours


@pytest.mark.parametrize(
    ("function", "built"),
    [
        ("revoke_grants", {"Announcement"}),
        ("refresh_access_token", {"Announcement", "ConnectionAnnouncement"}),
        ("watch_deadlines", {"Announcement", "CaseAnnouncement", "SourceAnnouncement"}),
    ],
)
def test_of_the_announcements_a_function_builds_those_that_it_makes(function: str, built: set[str]) -> None:
    asked = f"""
import functions.{function}.app
from leaver.messages import events
print(*(name for name, it in vars(events).items() if getattr(it, "__pydantic_complete__", False)))
"""
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, text=True)  # noqa: S603 - ours
    assert set(told.stdout.split()) == built | {"Subject", "OffboardingRequested"}


def test_the_commands_of_a_case_are_built_before_several_threads_send_them() -> None:
    asked = """
from leaver import bootstrap
from leaver.cases.finding import StepFinder
from leaver.cases.start import COMMANDS
finder = StepFinder(bootstrap.connections("connections"), {})
bootstrap.case_start("cases", finder, bootstrap.publisher("bus", "dead-letters"), case_deadline=1)
print(*(name for name, command in COMMANDS.items() if not command.__pydantic_complete__))
"""
    environment = os.environ | {"AWS_DEFAULT_REGION": "eu-central-1"}
    told = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, check=True)  # noqa: S603 - ours
    assert told.stdout == b"\n"
