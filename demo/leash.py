"""A program that never outlives the one that started it, however that one ends."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

# Blocks until its input says "let go" or breaks off. A broken pipe is the one sign of death that
# even SIGKILL gives, on every Unix.
_WATCH: Final = """
read -r word
test "$word" = "let go" && exit
kill -s KILL -- "-$1"
test -n "$2" && rm -rf -- "$2"
"""


class LeashedProgram:
    """A running program in a process group of its own.

    Its output is appended to `log`. When this process dies without ending it, by SIGKILL included,
    the whole group is killed, and the folder `litter` is removed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        litter: Path | None = None,
    ) -> None:
        with log.open("ab") as output:
            self._program = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "leash", str(self.pid), str(litter or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The program's process id, which is its group's id too."""
        return self._program.pid

    def exit_code(self) -> int | None:
        """Answer None while it runs; minus the signal's number when one ended it."""
        return self._program.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; to one that has ended, nothing."""
        if self.exit_code() is None:
            os.killpg(self.pid, number)

    async def wait(self, timeout_s: float) -> int:
        """Wait for its end and answer the exit code. Raises TimeoutError."""
        wait = partial(self._program.wait, timeout_s)
        try:
            code = await to_thread.run_sync(wait, abandon_on_cancel=True)
        except subprocess.TimeoutExpired:
            message = f"process {self.pid} still runs after {timeout_s:g} s"
            raise TimeoutError(message) from None
        self.let_go()
        return code

    async def end(self, grace_s: float = 10) -> int:
        """Ask it to end, insist after `grace_s` seconds, and answer the exit code."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        return await self._see_out(grace_s)

    async def kill(self) -> int:
        """End it with SIGKILL, without a chance to tidy up."""
        self.signal(signal.SIGKILL)
        return await self._see_out(10)

    async def _see_out(self, grace_s: float) -> int:
        code = 0
        with anyio.CancelScope(shield=True):
            try:
                code = await self.wait(grace_s)
            except TimeoutError:
                self.signal(signal.SIGKILL)
                code = await self.wait(10)
        return code

    def let_go(self) -> None:
        """Take the leash off: from now on it may outlive this process."""
        if self._watch.returncode is None:
            self._watch.communicate(b"let go\n")
