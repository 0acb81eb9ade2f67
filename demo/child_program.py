"""A child process that does not outlive its parent, however the parent ends."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

# The watcher blocks until it reads "detach" or its pipe closes. On every Unix, the pipe closes when
# the parent ends, even by SIGKILL.
_WATCHER: Final = """
read -r word
test "$word" = "detach" && exit
kill -s KILL -- "-$1"
test -n "$2" && rm -rf -- "$2"
"""


class ChildProgram:
    """A running program in a process group of its own.

    The program's output is appended to `log`. If this process ends without ending the program,
    even by SIGKILL, a watcher kills the whole group and removes the folder `remove_folder`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        remove_folder: Path | None = None,
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
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHER, "watcher", str(self.pid), str(remove_folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id of the program, which is also its group id."""
        return self._program.pid

    def exit_code(self) -> int | None:
        """Return the exit code: None while the program runs, minus the signal that ended it."""
        return self._program.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless the program has ended."""
        if self.exit_code() is None:
            os.killpg(self.pid, number)

    async def wait(self, timeout_s: float) -> int:
        """Wait until the program ends and return its exit code. Raises TimeoutError."""
        wait = partial(self._program.wait, timeout_s)
        try:
            code = await to_thread.run_sync(wait, abandon_on_cancel=True)
        except subprocess.TimeoutExpired:
            message = f"process {self.pid} is still running after {timeout_s:g} s"
            raise TimeoutError(message) from None
        self.detach()
        return code

    async def end(self, grace_s: float = 10) -> int:
        """Send SIGTERM, after `grace_s` seconds SIGKILL, and return the exit code."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        return await self._wait_or_kill(grace_s)

    async def kill(self) -> int:
        """End the program with SIGKILL and return the exit code."""
        self.signal(signal.SIGKILL)
        return await self._wait_or_kill(10)

    async def _wait_or_kill(self, grace_s: float) -> int:
        code = 0
        with anyio.CancelScope(shield=True):
            try:
                code = await self.wait(grace_s)
            except TimeoutError:
                self.signal(signal.SIGKILL)
                code = await self.wait(10)
        return code

    def detach(self) -> None:
        """End the watcher: from now on the program may outlive this process."""
        if self._watcher.returncode is None:
            self._watcher.communicate(b"detach\n")
