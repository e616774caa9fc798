"""`leaver verify`: whether evidence holds, without AWS and without a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from leaver.evidence.verification import CaseFiles, Trust, findings_of_case, findings_of_log
from leaver_cli.terminal import Terminal


def verify(
    folder: Annotated[Path, typer.Argument(help="What `aws s3 sync` made of the evidence's bucket.")],
    key: Annotated[Path, typer.Option(help="The public key (PEM), from elsewhere than the evidence.")],
    origin: Annotated[str, typer.Option(help="The log: the bucket's name, then /cases.")],
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A checkpoint that you kept.")] = None,
    sample: Annotated[bool, typer.Option(help="These are not all cases: look for none that is missing.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Check evidence: signatures, digests, steps, the log. Each finding by name; exit status 1 where there is one."""
    trust = _trust(key, origin)
    cases = {each.name: CaseFiles.read(each) for each in sorted((folder / "cases").glob("*")) if each.is_dir()}
    if not cases:
        raise typer.BadParameter(f"{folder}: there is no case below cases/")
    findings = [
        f"{case_id}: {found}" for case_id, files in cases.items() for found in findings_of_case(case_id, files, trust)
    ]
    if not sample:
        findings += findings_of_log(cases, trust, held=[each.read_text() for each in checkpoint or []])
    console = Terminal()
    for found in findings:
        console.say(found)
    console.say(f"{len(cases)} cases, {len(findings)} findings")
    raise typer.Exit(bool(findings))


def _trust(pem: Path, origin: str) -> Trust:
    try:
        public = load_pem_public_key(pem.read_bytes())
    except ValueError:
        raise typer.BadParameter(f"{pem}: is no public key (PEM)") from None
    if not isinstance(public, EllipticCurvePublicKey):
        raise typer.BadParameter(f"{pem}: is no key of an elliptic curve")
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Trust(der, _check_with(public), origin)


def _check_with(public: EllipticCurvePublicKey) -> Callable[[bytes, bytes], bool]:
    def is_signed(signature: bytes, message: bytes) -> bool:
        try:
            public.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return is_signed
