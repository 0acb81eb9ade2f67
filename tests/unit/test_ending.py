"""The end of the process: it comes, whatever is left behind in it."""

import os
import signal
import subprocess
import sys
import textwrap

import anyio
import pytest

from supervisor.app.ending import StopSignals
from supervisor.notify import ServiceManager

LEFT_BEHIND = {
    "a task that swallows its cancellation": """
        async def deaf():
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass

        async def main():
            task = asyncio.create_task(deaf())
            await asyncio.sleep(0)
            end_process_within(0.1, 7)

        asyncio.run(main())
        """,
    "a thread of the event loop": """
        async def main():
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)
            end_process_within(0.1, 7)

        asyncio.run(main())
        """,
    "any other thread": """
        threading.Thread(target=time.sleep, args=(1000,), name="stays").start()
        end_process_within(0.1, 7)
        """,
    "signals": """
        end_process_within(0.1, 7)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1000)
        """,
}
IMPORTS = """
import asyncio, os, signal, threading, time
from supervisor.app.ending import end_process_within
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_what_is_left_behind_does_not_keep_the_process(left: str) -> None:
    program = IMPORTS + textwrap.dedent(LEFT_BEHIND[left])
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 7, ended.stderr
    assert "ended_by_force" in ended.stdout


def test_a_process_with_nothing_left_behind_ends_by_itself() -> None:
    program = f"{IMPORTS}\nend_process_within(1000, 7)\n"
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert ended.returncode == 0


@pytest.mark.anyio
async def test_a_signal_ends_a_pause() -> None:
    signals = StopSignals(ServiceManager())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(signals.receive)
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)
        with anyio.fail_after(5):
            await signals.pause(1000)
            await signals.pause(1000)  # as does one that has come before
        tasks.cancel_scope.cancel()
