"""Which account a command is for: MATRIX_ACCOUNTS names the folder of many, `--account` one."""

# ruff: noqa: PLC0415 - see commands/run.py

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import typer

from supervisor.accounts import VARIABLE, Account, read_accounts
from supervisor.commands.exits import ExitCode
from supervisor.commands.invocation import configure
from supervisor.loading import loading
from supervisor.settings import LocalSettings, SettingsRefused, unreadable
from supervisor.variables import DOTENV, variables

if TYPE_CHECKING:
    from supervisor.app.spread import Spread

_OF_PARENT: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def choose(name: str) -> None:
    """Let this process be about one account, by its name. Raises SettingsRefused."""
    accounts = {account.name: account for account in _configured()}
    if not accounts:
        raise SettingsRefused(f"--account: {VARIABLE} names no folder of accounts: set it")
    if name not in accounts:
        known = ", ".join(accounts)
        raise SettingsRefused(f"--account: {name} is no account of {VARIABLE}: it has {known}")
    _enter(accounts[name])


def in_turn(*, headed: bool = True) -> None:
    """With many accounts, carry out the rest of the command for each, in a process of its own.

    Returns in each of these processes, one after the other, and without many accounts. `headed`:
    print the name of each account first. The exit code is the highest one.
    """
    codes: list[int] = []
    accounts = _configured()
    for account in accounts:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _enter(account)
            if headed:
                typer.echo(f"{account.name}:" if account is accounts[0] else f"\n{account.name}:")
            return
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        codes.append(code if code >= 0 else ExitCode.FAILED)
    if codes:
        raise typer.Exit(max(codes))


def in_parallel(
    load: Callable[[], LocalSettings], modules: Sequence[str], *, leads: bool
) -> "Spread | None":
    """With many accounts, carry out the rest of the command for all, each in a process of its own.

    Returns in each of these processes, and without many accounts. The parent loads `modules`, whose
    memory they share, and starts a process again that has ended. `leads`: the processes take leases
    and hold their store folders. Raises SettingsRefused if `load` does so for any account.
    """
    accounts = _configured()
    if not accounts:
        return None
    loaded = _checked(accounts, load)
    with loading():
        from supervisor.app.children import Child, Ended, Parent
        from supervisor.app.spread import Led, Spread
        from supervisor.notify import ServiceManager

        for module in modules:
            import_module(module)
    configure(loaded[0], level="INFO")
    manager = ServiceManager.from_environment(os.environ)
    for variable in _OF_PARENT:
        os.environ.pop(variable, None)
    led = Led(len(accounts))
    children = [
        Child(account.name, settings.store_path if leads else None)
        for account, settings in zip(accounts, loaded, strict=True)
    ]
    try:
        number = Parent(children, led, manager).serve()
    except Ended as ended:
        raise typer.Exit(ended.code) from None
    _enter(accounts[number])
    return Spread(led, number)


def _configured() -> tuple[Account, ...]:
    """The accounts of MATRIX_ACCOUNTS; empty without it, or once one was chosen."""
    try:
        common = variables()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsRefused(unreadable(DOTENV, error)) from None
    folder = common.get(VARIABLE)
    return read_accounts(Path(folder), common) if folder else ()


def _enter(account: Account) -> None:
    """Let this process be about one account."""
    os.environ.update(account.variables)
    structlog.contextvars.bind_contextvars(account=account.name)


def _checked(accounts: Sequence[Account], load: Callable[[], LocalSettings]) -> list[LocalSettings]:
    """The settings of all accounts. Raises SettingsRefused with the errors of all."""
    loaded: list[LocalSettings] = []
    lines: list[str] = []
    for account in accounts:
        with _as(account):
            try:
                loaded.append(load())
            except SettingsRefused as refused:
                lines += [f"{account.name}: {line}" for line in refused.lines]
    if lines:
        raise SettingsRefused(*lines)
    return loaded


@contextmanager
def _as(account: Account) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(account.variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
