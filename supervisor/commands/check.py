"""`check`: reports problems with settings, files, homeserver, login and platform."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

from typing import TYPE_CHECKING, Final

import anyio
import typer

from supervisor.commands.accounts import in_turn
from supervisor.commands.exits import ExitCode
from supervisor.commands.invocation import configure
from supervisor.commands.status import newest_row
from supervisor.lifecycle import MACHINE, State
from supervisor.lock import running_since
from supervisor.text.console import console, print_marked
from supervisor.text.plain import harmless

if TYPE_CHECKING:
    from supervisor.app.findings import Finding
    from supervisor.settings import Settings


TOLD_EVERY_S: Final = 10
"""The progress of a slow platform is told this often where there is no terminal."""


def check() -> None:
    """Check settings, files, homeserver, login and platform before the bot runs.

    The command prints one line for each check: `ok`, `note` or `WRONG`, and what to do about it.
    It changes nothing and does not disturb a running bot: it uses the stored session, or logs in
    as a separate device and logs out again. It asks the platform, which may take a minute while a
    model is loading. The exit code is 0 when no check is wrong, 78 when settings or credentials
    have to be changed, and 1 for everything else.

    \b
    Example:
      surfaces-bot check
    """
    from supervisor.app.platforms import load_settings_and_platform

    in_turn()
    settings = load_settings_and_platform()
    from supervisor.app.check import check as look
    from supervisor.app.findings import Finding
    from supervisor.logging import Redactor

    configure(settings)
    findings: list[Finding] = []
    out, hide = console(), Redactor(settings.secrets).text

    def tell(finding: "Finding") -> None:
        findings.append(finding)
        mark = "note" if finding.note else "ok" if finding.ok else "WRONG"
        what, advice = hide(finding.what), hide(finding.advice)
        print_marked(out, mark, f"{what}: {advice}" if advice else what)

    with out.status(f"asking {harmless(settings.homeserver)}") as line:  # on a terminal only

        def progress(seconds: int) -> None:
            text = f"asking the platform {settings.platform}, {seconds} s so far"
            line.update(harmless(text))
            if not out.is_terminal and seconds % TOLD_EVERY_S == 0:
                typer.echo(f"surfaces-bot: {harmless(text)}", err=True)

        anyio.run(look, settings, tell, progress)
    if all(finding.ok for finding in findings):
        for reason in _troubles_of_running_bot(settings):
            tell(Finding(ok=False, what=f"the running bot is degraded: {reason}"))
    if any(finding.refused for finding in findings):
        raise typer.Exit(ExitCode.REFUSED)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def _troubles_of_running_bot(settings: "Settings") -> list[str]:
    """Why a running bot is degraded, by its journal: it may know what cannot be seen from here."""
    from actors.port_errors import PortError
    from adapter.sql.journal_rows import JournalMissing
    from supervisor.app.databases import read_journal

    if running_since(settings.store_path) is None:
        return []
    try:
        rows = read_journal(settings.journal_path, machine=MACHINE)
        newest = newest_row(rows, settings.db_path)
    except (JournalMissing, PortError):
        return []
    if newest is None or newest.transition.dst != State.DEGRADED:
        return []
    return [newest.transition.reason]
