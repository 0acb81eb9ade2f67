"""The Python entry points in a program that knows nothing of our logging."""

import subprocess
import sys
from textwrap import dedent

PROGRAM = """
    import logging
    from random import Random

    import anyio

    from actors.chats import ChatManager
    from actors.model import UserId
    from adapter.matrix.reconcile import reconcile_matrix_state, reconcile_single_room
    from adapter.sqlite.inline import InlineStore
    from tests.simulation.homeserver import SimulatedHomeserver
    from tests.simulation.people import Person
    from tests.simulation.server import SimulatedServer

    BOT = UserId("@bot:sim.test")


    async def main():
        server, store = SimulatedServer(Random(1)), InlineStore()
        space = Person(server, BOT).create_room("Chats", is_space=True)  # and nobody to own it
        client = SimulatedHomeserver(server, BOT)
        await client.log_in()
        chats = ChatManager(store)
        report = await reconcile_matrix_state(client, store, chats)
        await reconcile_single_room(client, store, chats, space, BOT)
        assert report["conflicts"], report
"""


def run(setting_up: str) -> subprocess.CompletedProcess[str]:
    program = dedent(PROGRAM) + f"\n\n{setting_up}\nanyio.run(main)\n"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )


def test_stdout_is_the_callers_and_what_is_wrong_goes_to_their_logging() -> None:
    done = run("logging.basicConfig(format='%(levelname)s %(message)s')")
    assert done.stdout == ""
    assert "WARNING event='room_conflict'" in done.stderr
    assert "reason='owner_ambiguous'" in done.stderr
    assert "room_transition" not in done.stderr


def test_a_structlog_that_the_caller_has_set_up_is_left_alone() -> None:
    done = run(
        "import structlog, sys\n"
        "structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr),\n"
        "    processors=[lambda _logger, _method, event: 'mine ' + event['event']])"
    )
    assert "mine room_conflict" in done.stderr
