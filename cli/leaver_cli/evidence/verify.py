"""`leaver verify`: whether evidence holds, without AWS and without a network."""

from pathlib import Path
from typing import Annotated

import typer

from leaver_cli.evidence.offline import NothingToCheck, check_folder
from leaver_cli.terminal import Terminal


def verify(
    folder: Annotated[Path, typer.Argument(help="What `leaver evidence` wrote, or `aws s3 sync` of the bucket.")],
    key: Annotated[Path | None, typer.Option(help="The public key (PEM), from elsewhere than the evidence.")] = None,
    origin: Annotated[str | None, typer.Option(help="The log: the bucket's name, then /cases.")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A checkpoint that you kept.")] = None,
    sample: Annotated[bool, typer.Option(help="These are not all cases: look for none that is missing.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Check evidence: signatures, digests, steps, the log. Each finding by name; exit status 1 where there is one."""
    try:
        verdict = check_folder(folder, key=key, origin=origin, checkpoints=checkpoint or (), is_sample=sample)
    except (NothingToCheck, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    console = Terminal()
    for line in verdict.lines:
        console.say(line)
    raise typer.Exit(bool(verdict.findings))
