"""`leaver`: the operator's commands, each with its sentence, where its code is, and how it is used."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Any, Final

import click
import typer

from leaver_cli.commands import Commands, Deferred
from leaver_cli.terminal import Terminal

COMMANDS: Final = (
    Deferred(
        "doctor",
        "leaver_cli.doctor.show:doctor",
        "Look at an installation, and say what to do.",
        ["leaver doctor", "leaver doctor --probe", "leaver doctor --json"],
    ),
    Deferred(
        "configure",
        "leaver_cli.configure:configure",
        "Keep which stack, region and profile are meant.",
        ["leaver configure", "leaver configure --stack leaver --region eu-central-1", "leaver configure --show"],
    ),
    Deferred(
        "connect",
        "leaver_cli.connections.forms:connect",
        "Make a connection, or authorize one again.",
        ["leaver connect zoom", "leaver connect venafi --grant-type password --owner ada@example.com"],
    ),
    Deferred(
        "connections",
        "leaver_cli.connections.show:connections",
        "Show every connection, and how it is.",
        ["leaver connections", "leaver connections --json"],
    ),
    Deferred(
        "refresh",
        "leaver_cli.connections.refresh:refresh",
        "Refresh a connection's tokens now.",
        ["leaver refresh zoom"],
    ),
    Deferred(
        "disconnect",
        "leaver_cli.connections.disconnect:disconnect",
        "End a connection at its provider, and destroy its secrets.",
        ["leaver disconnect zoom", "leaver disconnect zoom --give-up-account"],
    ),
    Deferred(
        "door",
        "leaver_cli.door.show:door",
        "Show who may post to the front door; rotate secrets.",
        ["leaver door", "leaver door rotate hibob/main", "leaver door rotate hibob/main --finish"],
    ),
    Deferred(
        "offboard",
        "leaver_cli.offboarding.begin:offboard",
        "End somebody's access, now or at a time, or that of a list.",
        [
            "leaver offboard ada@example.com",
            'leaver offboard ada@example.com --at "2026-12-04 17:00" --tz Europe/Berlin',
            "leaver offboard --from people.csv --cap 25",
        ],
    ),
    Deferred(
        "contain",
        "leaver_cli.offboarding.begin:contain",
        "End somebody's sessions and tokens, who stays.",
        ["leaver contain ada@example.com"],
    ),
    Deferred(
        "cases",
        "leaver_cli.cases.listing:cases",
        "Show who leaves, who is about to, and who left.",
        [
            "leaver cases",
            "leaver cases --overdue",
            "leaver cases --person ada@example.com",
            "leaver cases --done --since 2026-11-23",
            "leaver cases --scheduled --source hibob --json",
        ],
    ),
    Deferred(
        "case",
        "leaver_cli.cases.show:case",
        "Show a case, what to do about it, and its seal.",
        ["leaver case ada@example.com", "leaver case c-4f1 --head 5d41402a"],
    ),
    Deferred(
        "watch",
        "leaver_cli.cases.watch:watch",
        "Show each change of a case, or of all, as it happens.",
        ["leaver watch", "leaver watch ada@example.com"],
    ),
    Deferred(
        "log",
        "leaver_cli.cases.log:log",
        "Show every log line of every function about a case.",
        ["leaver log ada@example.com", "leaver log c-4f1 --follow"],
    ),
    Deferred(
        "heard",
        "leaver_cli.cases.heard:heard",
        "Show which HR events of a day have no fate yet.",
        ["leaver heard", "leaver heard --day 2026-11-28"],
    ),
    Deferred(
        "evidence",
        "leaver_cli.evidence.export:evidence",
        "Write evidence for an auditor, with what checks it.",
        [
            "leaver evidence --since 2026-11-01 --until 2026-11-30 --out november",
            "leaver evidence c-4f1 --out folder --redacted",
            "leaver evidence --person ada@example.com --out folder",
        ],
    ),
    Deferred(
        "verify",
        "leaver_cli.evidence.verify:verify",
        "Check evidence, without AWS and without a network.",
        ["leaver verify november --key key.pem --checkpoint kept.txt"],
    ),
    Deferred(
        "erase",
        "leaver_cli.cases.erase:erase",
        "Erase whom cases are about, for good.",
        ["leaver erase ada@example.com", "leaver erase c-4f1"],
    ),
    Deferred(
        "reconcile",
        "leaver_cli.reconcile.run:reconcile",
        "Find who left and still has something.",
        [
            "leaver reconcile --dry-run",
            "leaver reconcile --roster people.csv",
            "leaver reconcile --last --csv",
        ],
    ),
    Deferred(
        "release",
        "leaver_cli.cases.release:release",
        "Let held cases go on, or throw them away.",
        ["leaver release", "leaver release c-4f1", "leaver release --all", "leaver release c-4f1 --discard"],
    ),
    Deferred(
        "close",
        "leaver_cli.cases.close:close",
        "Close a step that no provider's word will end.",
        ['leaver close c-4f1 RevokeSsoToken#zoom/acme --because "she never had an account"'],
    ),
    Deferred(
        "cancel",
        "leaver_cli.cases.give_back:cancel",
        "Stop a case that has not begun.",
        ["leaver cancel ada@example.com"],
    ),
    Deferred(
        "reinstate",
        "leaver_cli.cases.give_back:reinstate",
        "Say that somebody is back: what is outstanding stops.",
        ["leaver reinstate ada@example.com"],
    ),
    Deferred(
        "parked",
        "leaver_cli.parked.show:parked",
        "Show what waits for a person, and why.",
        ["leaver parked", "leaver parked revoke_sso_token --show-body"],
    ),
    Deferred(
        "dismiss",
        "leaver_cli.parked.dismiss:dismiss",
        "Remove a parked message that never became a case.",
        ['leaver dismiss start_offboarding 3f1c-4b --because "HR sent it anew as 4711"'],
    ),
    Deferred(
        "retry",
        "leaver_cli.parked.retry:retry",
        "Send back all of a case that is parked.",
        ["leaver retry ada@example.com"],
    ),
    Deferred(
        "redrive",
        "leaver_cli.parked.redrive:redrive",
        "Send parked messages back, once the cause is mended.",
        ["leaver redrive revoke_sso_token --dry-run", "leaver redrive revoke_sso_token --error Rejected"],
    ),
    Deferred(
        "schema",
        "leaver_cli.schema:schema",
        "Print what Leaver takes and announces, as JSON Schema.",
        ["leaver schema OffboardingRequested", "leaver schema --page"],
    ),
)


class Leaver(Commands):
    """All commands of `leaver`."""

    def __init__(self, *, commands: Mapping[str, click.Command] | None = None, **attributes: Any) -> None:
        mine = {each.name: each for each in COMMANDS if each.name}
        super().__init__(commands={**mine, **(commands or {})}, **attributes)


app = typer.Typer(
    cls=Leaver,
    help="Work with a deployed Leaver. Exit status: 0 all is well, 1 something needs a person, 2 wrong usage.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # an error is one line that can be searched for
    pretty_exceptions_enable=False,  # it would print what variables hold
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        Terminal().say(f"leaver {version('leaver')}")
        raise typer.Exit


@app.callback()
def leaver(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Work with a deployed Leaver."""


if __name__ == "__main__":
    app()
