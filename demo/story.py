"""The story: people get their chats, the bot loses all its files, and people see no difference.

With a model, the bot holds a conversation, and the model still knows it after the loss. Then the
bot loses its files while an answer grows, and the answer is finished in its own message.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio

from demo.bot import BotFailed, BotProcess
from demo.client import Refused
from demo.comparison import count, differences
from demo.growing import ask_and_watch, end_of, messages_of
from demo.model_server import ModelServerFailed, ModelsMissing
from demo.narrator import Narrator, plain_console
from demo.person import Invite, NothingHappened, Person
from demo.stage import SetUp, Stage
from demo.stage import set_up as stage_of
from demo.synapse import SynapseFailed, SynapseMissing

Kv: TypeAlias = dict[str, dict[str, Any]]

STORY_LIMIT_S: Final = 120
ANSWER_LIMIT_S: Final = 60
"""A small model on a busy machine takes its time."""
WORD: Final = "pineapple"
RENAMED: Final = "Weekly report"
LONG_QUESTION: Final = "Tell me a long story of a fox."
_END_CHARS: Final = 150
_REPORTED: Final = {
    "restored_user_meta": "matrix_user",
    "restored_room_meta": "matrix_room",
    "restored_chat_rows": "chat",
}


class StoryBroken(Exception):
    """A check of the story failed. The text says which."""


_FAILURES: Final = (
    BotFailed,
    ModelServerFailed,
    ModelsMissing,
    NothingHappened,
    Refused,
    StoryBroken,
    SynapseFailed,
    SynapseMissing,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class Memory:
    """The database and the number of rooms just before the loss."""

    kv: Kv
    rooms_on_server: int


async def tell_story(*, keep: bool, with_model: bool = False, set_up: SetUp | None = None) -> int:
    """Play the whole story on a temporary homeserver; return the exit code, 0 or 1.

    `with_model`, the bot asks a real model on this machine; otherwise it repeats what people say.

    With `keep`, the homeserver and the bot keep running afterwards. Otherwise the story leaves no
    process and no file. `set_up` makes the homeserver, the bot and the people.
    """
    narrator = Narrator(plain_console())
    try:
        await _tell(narrator, set_up or partial(stage_of, with_model=with_model), keep=keep)
    except _FAILURES as error:
        narrator.failed(str(error) or f"the story took more than {STORY_LIMIT_S} s")
        return 1
    return 0


async def _tell(narrator: Narrator, set_up: SetUp, *, keep: bool) -> None:
    narrator.chapter("A homeserver, two people and the bot")
    async with set_up(narrator) as stage:
        narrator.tell(f"Synapse answers at {stage.synapse.url}")
        if stage.model is not None:
            narrator.tell(f"llama.cpp answers at {stage.model.base_url} ({stage.model.model})")
        try:
            with anyio.fail_after(STORY_LIMIT_S):
                await _act(stage, narrator)
        except BotFailed:
            raise
        except _FAILURES:
            narrator.note(f"The last lines of the bot's log:{stage.bot.last_lines()}")
            raise
        if keep:
            narrator.note(_directions(stage))
            stage.keep()
    ending = " The model remembers what it was told." if stage.model is not None else ""
    narrator.ended(f"All files were lost, and nothing is missing.{ending}")


async def _act(stage: Stage, narrator: Narrator) -> None:
    await _start(stage.bot, narrator)
    chat, second = await _onboarding(stage, narrator)
    await _a_conversation(stage, chat, narrator)
    memory = await _the_loss(stage, narrator)
    await _the_recovery(stage, memory, narrator)
    if stage.model is not None:
        await _a_long_answer(stage, second, narrator)
    await _new_chat_afterwards(stage, chat, memory, narrator)


async def _start(bot: BotProcess, narrator: Narrator) -> None:
    with narrator.waiting("the bot is starting"):
        await bot.start_and_go_live()
    narrator.tell(f"{bot.user_id} is live (process {bot.pid}):")
    narrator.lifecycle(bot.transitions())


async def _onboarding(stage: Stage, narrator: Narrator) -> tuple[str, str]:
    """Both people invite the bot and order more chats; return alice's first two chat rooms."""
    narrator.chapter("Invites: each person gets a Space and a first chat")
    chats = {}
    for person in (stage.alice, stage.bob):
        chats[person.user_id] = await _onboard(person, stage.bot, narrator)
    narrator.chapter("!new: more chats")
    orders = ((stage.alice, "Holiday plans"), (stage.alice, ""), (stage.bob, "Thesis"))
    new = [
        await _new_chat(person, chats[person.user_id], stage.bot, name, narrator)
        for person, name in orders
    ]
    return chats[stage.alice.user_id], new[0]


async def _onboard(person: Person, bot: BotProcess, narrator: Narrator) -> str:
    direct_chat = await person.create_room(is_direct=True, invite=[bot.user_id])
    narrator.tell(f"{person.user_id} invites {bot.user_id} to a direct chat")
    space = await _accept(person, bot, lambda invite: invite.is_space, "a Space")
    chat = await _accept(person, bot, lambda invite: not invite.is_space, "a first chat")
    narrator.tell(f"   and gets the Space “{space.name}” with the chat “{chat.name}”")
    directions = await person.wait_for(
        lambda event: (
            event.room_id == direct_chat and event.sender == bot.user_id and bool(event.body)
        ),
        what="a message from the bot in the direct chat",
    )
    narrator.tell(f"   the bot in the direct chat: {directions.body}")
    return chat.room_id


async def _new_chat(
    person: Person, room: str, bot: BotProcess, name: str, narrator: Narrator
) -> str:
    """Order a chat with `!new`, and return its room once the bot has answered and invited."""
    command = f"!new {name}".strip()
    answer = await person.ask(room, command)
    chat = await _accept(
        person,
        bot,
        lambda invite: not invite.is_space and name in ("", invite.name),
        f"a chat after {command}",
    )
    narrator.tell(f"{person.user_id}: {command}")
    narrator.tell(f"   {answer}")
    return chat.room_id


async def _accept(
    person: Person, bot: BotProcess, wanted: Callable[[Invite], bool], what: str
) -> Invite:
    invite = await person.wait_for_invite(
        lambda invite: invite.inviter == bot.user_id and wanted(invite), what=f"an invite to {what}"
    )
    await person.join(invite.room_id)
    return invite


async def _a_conversation(stage: Stage, room: str, narrator: Narrator) -> None:
    narrator.chapter("A conversation: the bot answers a message, and !rename renames the chat")
    await _say_and_hear(stage.alice, room, "Hello, are you there?", narrator)
    await _say_and_hear(stage.alice, room, f"!rename {RENAMED}", narrator)
    await stage.alice.wait_for(
        lambda event: event.room_id == room and event.content.get("name") == RENAMED,
        what=f"the room name {RENAMED}",
    )
    narrator.confirm(f"the room is named “{RENAMED}”")
    if stage.model is not None:
        await _say_and_hear(stage.alice, room, f"The secret word is {WORD}.", narrator)


async def _say_and_hear(person: Person, room: str, text: str, narrator: Narrator) -> str:
    narrator.tell(f"{person.user_id}: {text}")
    answer = await person.ask(room, text, timeout_s=ANSWER_LIMIT_S)
    narrator.tell(f"   the bot: {answer}")
    return answer


async def _the_loss(stage: Stage, narrator: Narrator) -> Memory:
    narrator.chapter("The loss: SIGKILL, then the database and the session are deleted")
    rooms = await stage.admin.rooms_on_server()
    await stage.bot.kill()
    kv: Kv = stage.bot.kv()
    chats = count(kv, "chat")
    owners = count(kv, "matrix_user")
    narrator.tell(f"the bot is killed; its database has {owners} owners with {chats} chats")
    _require(RENAMED in {row.get("name") for row in kv.values()}, f"no chat is named {RENAMED}")
    stage.bot.wipe()
    _require(not stage.bot.kv(), "the database still exists")
    narrator.tell("the files are deleted")
    return Memory(kv, rooms)


async def _the_recovery(stage: Stage, memory: Memory, narrator: Narrator) -> None:
    narrator.chapter("The recovery: the bot is started again, without any other help")
    await _start(stage.bot, narrator)
    _compare_report(stage.bot, memory.kv, narrator)
    found = differences(memory.kv, stage.bot.kv())
    _require(not found, "the database differs from before:\n  " + "\n  ".join(found))
    narrator.confirm(f"all {len(memory.kv)} rows are as before: ids, names, platform chat ids")
    rooms = await stage.admin.rooms_on_server()
    _require(
        rooms == memory.rooms_on_server,
        f"there were {memory.rooms_on_server} rooms on the server, and now there are {rooms}",
    )
    narrator.confirm(f"the server has {rooms} rooms, as before")
    for person in (stage.alice, stage.bob):
        _require(not await person.new_invites(), f"{person.user_id} was invited again")
    narrator.confirm("no person was invited again")


def _compare_report(bot: BotProcess, kv: Kv, narrator: Narrator) -> None:
    """Check that the bot's own report counts every lost row as restored."""
    reports = [event for event in bot.events() if all(key in event for key in _REPORTED)]
    _require(bool(reports), "the bot's log has no report of its recovery")
    for key, kind in _REPORTED.items():
        restored, lost = reports[-1][key], count(kv, kind)
        _require(
            restored == lost, f"{lost} {kind} rows were lost, and the report has {key}={restored}"
        )
        narrator.tell(f"report: {key} = {restored}")


async def _a_long_answer(stage: Stage, room: str, narrator: Narrator) -> None:
    """The bot is killed while an answer grows, and loses all its files again."""
    narrator.chapter("A long answer: SIGKILL in the middle, and all files are deleted again")
    narrator.tell(f"{stage.alice.user_id}: {LONG_QUESTION}")
    growing = await ask_and_watch(stage.alice, room, LONG_QUESTION, timeout_s=ANSWER_LIMIT_S)
    await stage.bot.kill()
    stage.bot.wipe()
    narrator.tell(f"   the bot: {growing.text}")
    narrator.tell(f"the bot is killed, {len(growing.text)} characters into the answer")
    narrator.tell("the files are deleted")
    await _start(stage.bot, narrator)
    with narrator.waiting("the answer goes on"):
        text = await end_of(stage.alice, growing, timeout_s=ANSWER_LIMIT_S)
    _require(len(text) > len(growing.text), "the answer did not go on")
    narrator.tell(f"   the bot: … {text[-_END_CHARS:]}")
    narrator.confirm(f"the same message goes on to its end: it has {len(text)} characters")
    messages = await messages_of(stage.alice, growing)
    _require(messages == [growing.event_id], f"the answer is in the messages {messages}")
    narrator.confirm("no second message answers the question")


async def _new_chat_afterwards(stage: Stage, room: str, memory: Memory, narrator: Narrator) -> None:
    narrator.chapter("After the recovery: the bot answers in the same room, and !new counts on")
    alice = stage.alice
    if stage.model is None:
        await _say_and_hear(alice, room, "Do you remember this chat?", narrator)
    else:
        answer = await _say_and_hear(alice, room, "What is the secret word?", narrator)
        _require(WORD in answer.lower(), f"the model does not know the word {WORD}")
        narrator.confirm("the model still knows the word that it was told before the loss")
    new = await _new_chat(alice, room, stage.bot, "", narrator)
    expected = f"C{memory.kv[f'matrix_user:{alice.user_id}']['next_chat_index']}"
    got = stage.bot.kv()[f"matrix_room:{new}"]["chat_id"]
    _require(got == expected, f"the new chat is {got} instead of {expected}")
    narrator.confirm(f"the new chat is {got}")


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - like assert
    if not holds:
        raise StoryBroken(otherwise)


def _directions(stage: Stage) -> str:
    model = f" {stage.model.pid}" if stage.model is not None else ""
    running = "Synapse, the bot and the model" if model else "Synapse and the bot"
    return f"""
{running} keep running. Log in with any Matrix client:
  homeserver  {stage.synapse.url}
  people      {stage.alice.user_id}, {stage.bob.user_id} (administrator: {stage.admin.user_id})
  password    {stage.password} (of all accounts)
  the bot     {stage.bot.user_id}
  its page    http://{stage.bot.environment["STATUS_BIND"]}/
The bot's status (all other commands work in this folder as well):
  cd {stage.bot.folder} && {Path(sys.executable).with_name("surfaces-bot")} status
To end them:
  kill {stage.bot.pid} {stage.synapse.pid}{model} && sleep 3 && rm -r {stage.synapse.folder}"""
