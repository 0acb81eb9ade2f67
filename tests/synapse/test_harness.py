"""The homeserver, the people and the bot process that the other tests here rely on."""

import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from demo.bot import BotFailed, BotProcess, Transition
from demo.child_program import ChildProgram
from demo.client import Refused
from demo.person import NothingHappened, Person
from demo.synapse import ThrowawaySynapse

pytestmark = pytest.mark.anyio

HOLDING_A_SYNAPSE = """
import sys, anyio
from demo.synapse import ThrowawaySynapse

async def main():
    async with ThrowawaySynapse() as homeserver:
        print(homeserver.port, homeserver.folder, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""

LOGGING_TWO_TRANSITIONS = """
import json
def log(src, trigger, dst, **fields):
    names = {"event": "lifecycle_transition", "src": src, "trigger": trigger, "dst": dst}
    print(json.dumps(names | fields), flush=True)

log("login", "logged_in", "hydrate", reason="with the password")
print("this is no JSON", flush=True)
log("reconcile", "reconciled", "live")
raise SystemExit(3)
"""


async def test_an_invite_and_a_message_reach_the_other_person(alice: Person, bob: Person) -> None:
    room = await alice.create_room(name="Tea", invite=[bob.user_id])
    invite = await bob.wait_for_invite()
    assert (invite.room_id, invite.inviter, invite.name) == (room, alice.user_id, "Tea")
    assert not invite.is_space
    await bob.join(room)
    sent = await alice.say(room, "hello")
    got = await bob.wait_for(lambda event: event.body == "hello")
    assert (got.event_id, got.sender) == (sent, alice.user_id)


async def test_an_invite_says_whether_it_is_to_a_space(alice: Person, bob: Person) -> None:
    await alice.create_room(creation_content={"type": "m.space"}, invite=[bob.user_id])
    assert (await bob.wait_for_invite()).is_space


async def test_waiting_in_vain_says_for_what_and_what_came_instead(alice: Person) -> None:
    room = await alice.create_room()
    await alice.say(room, "something else")
    with pytest.raises(NothingHappened, match=r"(?s)a miracle.*something else"):
        await alice.wait_for(lambda _: False, timeout_s=0.1, what="a miracle")


async def test_rooms_are_of_synapses_default_version_or_of_the_one_asked_for(
    alice: Person,
) -> None:
    for options, version in (({}, "12"), ({"room_version": "10"}, "10")):
        room = await alice.create_room(**options)
        create = await alice.state_of(room, "m.room.create")
        assert create is not None
        assert create["room_version"] == version


async def test_an_upgraded_room_points_to_its_replacement(alice: Person) -> None:
    room = await alice.create_room(room_version="10")
    replacement = await alice.upgrade_room(room, "11")
    tombstone = await alice.state_of(room, "m.room.tombstone")
    assert tombstone is not None
    assert tombstone["replacement_room"] == replacement


async def test_a_kick_ends_a_membership_and_a_leave_ends_ones_own(
    alice: Person, bob: Person
) -> None:
    room = await alice.create_room(invite=[bob.user_id])
    await bob.join(room)
    assert room in await bob.joined_rooms()
    await alice.kick(room, bob.user_id, "testing")
    assert await alice.membership(room, bob.user_id) == "leave"
    await alice.leave(room)
    assert room not in await alice.joined_rooms()


async def test_a_refusal_has_its_errcode(alice: Person, bob: Person) -> None:
    room = await alice.create_room()
    with pytest.raises(Refused) as refusal:
        await bob.set_state(room, "m.room.name", {"name": "mine"})
    assert refusal.value.errcode == "M_FORBIDDEN"


async def test_nobody_but_the_key_s_own_user_writes_such_state(alice: Person, bob: Person) -> None:
    room = await alice.create_room()
    await alice.set_state(room, "io.surfaces.room", {"version": 1}, alice.user_id)
    with pytest.raises(Refused):
        await alice.set_state(room, "io.surfaces.room", {"version": 1}, bob.user_id)
    assert await alice.state_of(room, "io.surfaces.room", bob.user_id) is None


async def test_an_administrator_counts_the_rooms(synapse: ThrowawaySynapse) -> None:
    await synapse.register("counter", "a password", admin=True)
    async with Person.logged_in(synapse.url, "counter", "a password") as admin:
        before = await admin.rooms_on_server()
        await admin.create_room()
        assert await admin.rooms_on_server() == before + 1


async def test_rooms_survive_a_kill_and_a_restart_at_the_same_address(
    own_synapse: ThrowawaySynapse,
) -> None:
    await own_synapse.register("carol", "a password")
    async with Person.logged_in(own_synapse.url, "carol", "a password") as carol:
        room = await carol.create_room()
        await own_synapse.kill()
        await own_synapse.start()
        assert await carol.joined_rooms() == {room}


async def test_a_frozen_homeserver_answers_again_once_resumed(
    own_synapse: ThrowawaySynapse,
) -> None:
    await own_synapse.register("carol", "a password")
    async with Person.logged_in(own_synapse.url, "carol", "a password") as carol:
        own_synapse.pause()
        with anyio.move_on_after(0.5) as waited:
            await carol.joined_rooms()
        assert waited.cancelled_caught
        own_synapse.resume()
        assert await carol.joined_rooms() == frozenset()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_however_its_owner_ends(how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLDING_A_SYNAPSE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        port, folder = (await to_thread.run_sync(owner.stdout.readline)).split()
        assert Path(folder).is_dir()
        owner.send_signal(how)
        owner.wait(20)
    with anyio.fail_after(10):
        while Path(folder).exists() or is_listening(int(port)):
            await anyio.sleep(0.02)


async def test_a_child_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = ChildProgram(
        ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
        folder=tmp_path,
        log=log,
        environment={"PATH": "/usr/bin:/bin"},
    )
    with anyio.fail_after(10):
        while "ready" not in log.read_text():
            await anyio.sleep(0.02)
    assert await program.end(grace_s=0.3) == -signal.SIGKILL


async def test_the_bots_log_is_waited_through_in_order(tmp_path: Path) -> None:
    async with BotProcess(
        homeserver_url="",
        user_id="@bot:localhost",
        password="",
        folder=tmp_path / "bot",
        command=[sys.executable, "-c", LOGGING_TWO_TRANSITIONS],
    ) as bot:
        bot.start()
        await bot.wait_for_state("live", timeout_s=10)
        assert bot.transitions() == [
            Transition("login", "logged_in", "hydrate", "with the password"),
            Transition("reconcile", "reconciled", "live", ""),
        ]
        with pytest.raises(BotFailed, match=r"(?s)ended with 3 before lifecycle_.*no JSON"):
            await bot.wait_for_state("hydrate", timeout_s=10)
        assert await bot.wait_for_exit() == 3


async def test_a_wipe_takes_the_cache_and_the_session_and_leaves_the_journal(
    bot: BotProcess,
) -> None:
    bot.store.mkdir()
    bot.journal.touch()
    with closing(sqlite3.connect(bot.database)) as connection, connection:
        connection.execute("CREATE TABLE kv(key TEXT PRIMARY KEY, value TEXT)")
        connection.execute("""INSERT INTO kv VALUES ('matrix_user:@a:b', '{"space_id": "!s"}')""")
    assert bot.kv() == {"matrix_user:@a:b": {"space_id": "!s"}}
    bot.wipe()
    assert (bot.kv(), list(bot.folder.iterdir())) == ({}, [bot.journal])
    bot.wipe(journal=True)
    assert list(bot.folder.iterdir()) == []


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
