"""The demo as somebody at a shell sees it, and what it says when the story does not hold."""

import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from typing_extensions import override

from demo.bot import RUN, BotProcess
from demo.narrator import Narrator
from demo.person import Person
from demo.stage import SetUp, Stage
from demo.story import RENAMED, tell_story
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, newcomer, unique

pytestmark = pytest.mark.anyio

STORY_LIMIT_S = 180


async def test_it_ends_with_0_and_leaves_nothing(here: Path, temporary: Path) -> None:
    code, told = await demo(here, temporary)
    assert code == 0, told
    assert "✗" not in told
    for fact in (
        "restored_user_meta = 2",
        "restored_room_meta = 7",
        "restored_chat_rows = 5",
        "all 14 rows are as before",
        "the server has 9 rooms, as before",
        "the new chat is C4",
        "login → hydrate",
        "reconcile → live",
    ):
        assert fact in told
    assert not is_listening(port_in(told))
    assert (list(here.iterdir()), list(temporary.iterdir())) == ([], [])


async def test_with_a_model_an_answer_goes_on_in_its_message_after_a_loss(
    here: Path, temporary: Path
) -> None:
    code, told = await demo(here, temporary, "--model")
    assert code == 0, told
    for fact in (
        "the same message goes on to its end",
        "no second message answers the question",
        "the model still knows the word",
    ):
        assert f"✓ {fact}" in told
    assert list(temporary.iterdir()) == []


async def test_kept_it_says_how_to_log_in_and_how_to_end_both(here: Path, temporary: Path) -> None:
    code, told = await demo(here, temporary, "--keep")
    try:
        assert code == 0, told
        await visit(told)
    finally:
        await anyio.run_process(["/bin/sh", "-c", said(r"\n +(kill .*)", told)], check=False)
    with anyio.fail_after(20):
        while is_listening(port_in(told)) or any(temporary.iterdir()):
            await anyio.sleep(0.05)


async def visit(told: str) -> None:
    """Log in as printed, and find the bot answering."""
    url, password = f"http://127.0.0.1:{port_in(told)}", said(r"password +(\S+)", told)
    bot = said(r"the bot +(@\S+)", told)
    assert said(r"homeserver +(\S+)", told) == url
    status = await anyio.run_process(
        [sys.executable, "-m", "supervisor", "status"],
        cwd=said(r"cd (\S+) &&", told),
    )
    assert status.stdout.startswith(b"live for ")
    assert said(r"its page +(\S+)", told).encode() in status.stdout
    async with Person.logged_in(url, "alice", password) as alice:
        assert len(await alice.joined_rooms()) == 6
        door = await alice.create_room(is_direct=True, invite=[bot])
        answer = await alice.wait_for(
            lambda event: event.room_id == door and event.sender == bot and bool(event.body),
            what="the bot that was kept",
        )
        assert "Welcome back" in answer.body


async def test_a_difference_ends_with_1_and_is_told(
    synapse: ThrowawaySynapse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here somebody renames a chat on the server in the moment of the loss."""
    stage = stage_on(synapse, tmp_path, RenamedInTheDark)
    assert await tell_story(keep=False, set_up=stage) == 1
    told = told_by(capsys)
    changed = f"name was '{RENAMED}' and is 'Named in the dark'"
    assert re.search(rf"✗ the database differs from before:\n +chat:@alice\S+:C1: {changed}", told)
    assert re.search(rf"\n +matrix_room:!\S+: display_{changed}", told)
    assert "nothing is missing" not in told


async def test_a_bot_that_does_not_run_ends_with_1_and_its_last_lines(
    synapse: ThrowawaySynapse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no such library')")
    stage = stage_on(synapse, tmp_path, TheatreBot, command=broken)
    assert await tell_story(keep=False, set_up=stage) == 1
    assert re.search(r"✗ The bot ended with 1 before .*\n +no such library", told_by(capsys))


class TheatreBot(BotProcess):
    """A bot that knows who plays in its story."""

    alice: Person


class RenamedInTheDark(TheatreBot):
    @override
    async def kill(self) -> None:
        await super().kill()
        rows = self.kv().items()
        chat = next(row["surface_ref"] for _, row in rows if row.get("name") == RENAMED)
        await self.alice.set_state(chat, "m.room.name", {"name": "Named in the dark"})


def stage_on(
    synapse: ThrowawaySynapse,
    folder: Path,
    kind: type[TheatreBot],
    command: Sequence[str] = RUN,
) -> SetUp:
    """The story's stage on a homeserver that there is already, with a bot of some kind."""

    @asynccontextmanager
    async def set_up(_narrator: Narrator) -> AsyncIterator[Stage]:
        bot = kind(
            homeserver_url=synapse.url,
            user_id=await synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=folder / "bot",
            command=command,
        )
        async with bot, AsyncExitStack() as stack:
            alice, bob = [await newcomer(stack, synapse, name) for name in ("alice", "bob")]
            admin = await newcomer(stack, synapse, "admin", admin=True)
            bot.alice = alice
            yield Stage(synapse, bot, alice, bob, admin, PASSWORD)

    return set_up


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """An empty place for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


async def demo(here: Path, temporary: Path, *options: str) -> tuple[int, str]:
    """Run `surfaces-bot demo`, and answer its exit code and what it told."""
    with anyio.fail_after(STORY_LIMIT_S):
        done = await anyio.run_process(
            [sys.executable, "-m", "supervisor", "demo", *options],
            cwd=here,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def told_by(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def said(pattern: str, told: str) -> str:
    found = re.search(pattern, told)
    assert found, told
    return found[1]


def port_in(told: str) -> int:
    return int(said(r"Synapse answers at http://127\.0\.0\.1:(\d+)", told))


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
