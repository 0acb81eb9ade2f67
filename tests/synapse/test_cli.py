"""The commands beside, before and after a real bot on a real homeserver."""

import hashlib
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from tests.synapse.conftest import MakeBot, MakePerson
from tests.synapse.home import Home, history, move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import Answer, FaultProxy, Forward, Request
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

JOURNAL_KEYS = [
    *("seq", "at", "boot", "machine", "src", "trigger", "dst"),
    *("outcome", "reason", "attempt", "dwell_ms"),
]
COUNTS = (
    "joined_rooms",
    "restored_user_meta",
    "restored_room_meta",
    "restored_chat_rows",
    "repaired_chat_rows",
    "backfilled_platform_chat_ids",
)
LISTS = ("skipped_rooms", "conflicts")


@pytest.fixture
async def moved_in(bot: BotProcess, alice: Person) -> Home:
    """Alice's home with a live bot that the test may stop."""
    await bot.start_and_go_live()
    return await move_in(alice, bot)


class TestBesideARunningBot:
    """None of these disturbs it: it keeps its session and its lifecycle, and answers."""

    @pytest.mark.quick
    async def test_check_finds_nothing_wrong(self, commons: Home, admin: Person) -> None:
        await self.undisturbed(commons, admin, "check", code=0)

    async def test_a_dry_run_finds_nothing_to_do(self, commons: Home, admin: Person) -> None:
        out = await self.undisturbed(commons, admin, "reconcile", "--dry-run", code=0)
        assert "already right" in out

    async def test_reconcile_in_earnest_is_refused_with_75(
        self, commons: Home, admin: Person
    ) -> None:
        await self.undisturbed(commons, admin, "reconcile", code=75)

    async def test_the_log_can_be_read(self, commons: Home, admin: Person) -> None:
        out = await self.undisturbed(commons, admin, "log", "--machine", "lifecycle", code=0)
        assert "reconcile → live" in out

    async def undisturbed(self, home: Home, admin: Person, *command: str, code: int) -> str:
        session, rooms = session_of(home.bot), await admin.rooms_on_server()
        events = [event.event_id for event in await history(home.owner, home.chat)]
        steps, devices = home.bot.transitions(), await devices_of(home.bot, admin)
        ended = await surfaces_bot(home.bot, *command)
        assert ended.code == code, ended.err
        assert [event.event_id for event in await history(home.owner, home.chat)] == events
        assert await devices_of(home.bot, admin) == devices
        assert (session_of(home.bot), await admin.rooms_on_server()) == (session, rooms)
        assert await home.ask("still here?") == "still here?"
        assert home.bot.transitions() == steps
        return ended.out


class TestCheck:
    async def test_all_is_well_with_a_bot_that_has_never_run(
        self, bot: BotProcess, admin: Person
    ) -> None:
        ended = await surfaces_bot(bot, "check")
        assert (ended.code, ended.err) == (0, "")
        assert "WRONG" not in ended.out
        assert f"{bot.user_id} logs in" in ended.out
        assert (list(bot.folder.iterdir()), await devices_of(bot, admin)) == ([], set())

    @pytest.mark.parametrize(
        ("setting", "value", "code", "said"),
        [
            ("MATRIX_PASSWORD", "wrong", 78, "MATRIX_PASSWORD"),
            ("MATRIX_HOMESERVER", "http://127.0.0.1:1", 1, "http://127.0.0.1:1 cannot be reached"),
            ("MATRIX_DB_PATH", "/dev/null/lambda_matrix.db", 78, "MATRIX_DB_PATH"),
        ],
    )
    async def test_what_is_wrong_is_a_line_of_its_own(
        self, bot: BotProcess, setting: str, value: str, code: int, said: str
    ) -> None:
        ended = await surfaces_bot(bot, "check", environment={setting: value})
        assert ended.code == code
        wrong = [line for line in ended.out.splitlines() if line.startswith("WRONG")]
        assert len(wrong) == 1
        assert said in wrong[0]


class TestReconcile:
    async def test_a_dry_run_changes_no_file_and_nothing_on_the_server(
        self, moved_in: Home, admin: Person
    ) -> None:
        await moved_in.bot.kill()
        files, rooms = files_of(moved_in.bot), await admin.rooms_on_server()
        events = await history(moved_in.owner, moved_in.chat)
        ended = await surfaces_bot(moved_in.bot, "reconcile", "--dry-run", "--json")
        assert ended.code == 0, ended.err
        assert_report(ended.report, joined=3, restored=False)
        assert files_of(moved_in.bot) == files
        assert await admin.rooms_on_server() == rooms
        assert await history(moved_in.owner, moved_in.chat) == events

    async def test_a_dry_run_lists_what_would_come_back(
        self, moved_in: Home, admin: Person
    ) -> None:
        await moved_in.bot.terminate()
        moved_in.bot.wipe(journal=True)
        files, devices = files_of(moved_in.bot), await devices_of(moved_in.bot, admin)
        ended = await surfaces_bot(moved_in.bot, "reconcile", "--dry-run", "--json")
        assert_report(ended.report, joined=3, restored=True)
        listed = {room["room_id"]: room["outcome"] for room in ended.report["changed_rooms"]}
        assert listed == {moved_in.space: "restored", moved_in.chat: "restored"}
        assert files_of(moved_in.bot) == files
        assert await devices_of(moved_in.bot, admin) == devices

    async def test_in_earnest_it_rebuilds_and_the_second_time_says_that_all_is_right(
        self, moved_in: Home, admin: Person
    ) -> None:
        kv, rooms = moved_in.bot.kv(), await admin.rooms_on_server()
        assert await moved_in.bot.terminate() == 0
        moved_in.bot.wipe()
        first = await surfaces_bot(moved_in.bot, "reconcile", "--json")
        assert_report(first.report, joined=3, restored=True)
        assert moved_in.bot.kv() == kv
        second = await surfaces_bot(moved_in.bot, "reconcile", "--json")
        assert_report(second.report, joined=3, restored=False)
        assert second.report["changes"] == 0
        assert moved_in.bot.kv() == kv
        assert await admin.rooms_on_server() == rooms
        await moved_in.bot.start_and_go_live()
        assert await moved_in.ask("and now?") == "and now?"

    async def test_a_homeserver_that_is_away_is_one_line_and_1(self, bot: BotProcess) -> None:
        away = {"MATRIX_HOMESERVER": "http://127.0.0.1:1"}
        ended = await surfaces_bot(bot, "reconcile", "--dry-run", environment=away)
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
        assert list(bot.folder.iterdir()) == []


class TestTheJournal:
    async def test_each_row_has_the_contracts_keys(self, commons: Home) -> None:
        rows = (await surfaces_bot(commons.bot, "log", "--json")).rows
        assert [list(row) for row in rows] == [JOURNAL_KEYS] * len(rows)
        assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
        for row in rows:
            assert datetime.fromisoformat(row["at"]).tzinfo is not None
            assert row["outcome"] in {"ok", "denied", "error"}
            assert row["attempt"] >= 1
            assert row["dwell_ms"] >= 0

    async def test_it_tells_the_lifecycle_from_the_rooms(self, commons: Home) -> None:
        machine = f"room:{commons.chat}"
        every = (await surfaces_bot(commons.bot, "log", "--json", "--limit", "9999")).rows
        rows = (await surfaces_bot(commons.bot, "log", "--json", "--machine", machine)).rows
        assert rows
        assert rows == [row for row in every if row["machine"] == machine][-100:]
        one = await surfaces_bot(
            commons.bot, "log", "--json", "--machine", "lifecycle", "--limit", "1"
        )
        assert [(row["src"], row["dst"]) for row in one.rows] == [("reconcile", "live")]

    @pytest.mark.parametrize(
        "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.quick), signal.SIGINT]
    )
    async def test_a_stop_ends_with_0_and_is_its_last_row(
        self, moved_in: Home, number: signal.Signals
    ) -> None:
        bot = moved_in.bot
        os.kill(bot.pid, number)
        assert await bot.wait_for_exit() == 0
        rows = (await surfaces_bot(bot, "log", "--json", "--machine", "lifecycle")).rows
        assert [(row["src"], row["trigger"], row["dst"]) for row in rows] == [
            ("standby", "elected", "login"),
            ("login", "logged_in", "hydrate"),
            ("hydrate", "hydrated", "reconcile"),
            ("reconcile", "reconciled", "live"),
            ("live", "stop_requested", "stopped"),
        ]
        assert (rows[-1]["outcome"], rows[-1]["reason"]) == ("ok", number.name)
        assert len({row["boot"] for row in rows}) == 1

    async def test_asking_again_does_not_cut_a_stop_off(
        self, make_bot: MakeBot, make_person: MakePerson, proxy: FaultProxy
    ) -> None:
        bot = await make_bot(homeserver_url=proxy.url)
        await bot.start_and_go_live()
        home = await move_in(await make_person("alice"), bot)
        answer = anyio.Event()

        async def late(_request: Request, forward: Forward) -> Answer:
            await answer.wait()
            return await forward()

        asked = proxy.when("POST createRoom", late)
        await home.owner.say(home.chat, "!new")
        await asked.hit.wait()
        os.kill(bot.pid, signal.SIGTERM)
        await bot.wait_for_state("stopped")
        os.kill(bot.pid, signal.SIGTERM)
        answer.set()
        assert await bot.wait_for_exit() == 0

    async def test_a_handler_that_never_ends_is_named_and_left_behind(
        self, make_bot: MakeBot, make_person: MakePerson
    ) -> None:
        bot = await make_bot(command=launched("deaf"))
        await bot.start_and_go_live()
        home = await move_in(await make_person("alice"), bot)
        await home.owner.say(home.chat, "deaf")
        while not (bot.folder / "deaf").exists():
            await anyio.sleep(0.05)
        os.kill(bot.pid, signal.SIGTERM)
        await bot.wait_for_state("stopped")
        os.kill(bot.pid, signal.SIGTERM)
        assert await bot.wait_for_exit() == 0
        log = bot.log.read_text()
        for event in ("stuck", "left_behind", "ended_by_force"):
            assert f'"{event}"' in log
        assert log.count(home.chat) >= 2
        await bot.start_and_go_live()
        assert await bot.terminate() == 0

    async def test_a_stop_is_heard_while_the_homeserver_is_away(self, make_bot: MakeBot) -> None:
        bot = await make_bot(homeserver_url="http://127.0.0.1:1")
        bot.start()
        await bot.wait_for_state("degraded")
        assert await bot.terminate() == 0
        rows = (await surfaces_bot(bot, "log", "--json")).rows
        assert [(row["dst"], row["outcome"]) for row in rows] == [
            ("login", "ok"),
            ("degraded", "error"),
            ("stopped", "ok"),
        ]


async def test_the_graph_needs_no_settings(bot: BotProcess) -> None:
    nothing = dict.fromkeys(bot.environment)
    ended = await surfaces_bot(bot, "graph", environment=nothing)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count("stateDiagram-v2") == 2
    assert "degraded --> hydrate: recovered" in ended.out
    assert list(bot.folder.iterdir()) == []


@pytest.mark.parametrize("command", [["dance"], ["log", "--limit", "many"], ["run", "now"]])
async def test_wrong_usage_ends_with_2(bot: BotProcess, command: list[str]) -> None:
    assert (await surfaces_bot(bot, *command)).code == 2


def assert_report(report: dict[str, Any], *, joined: int, restored: bool) -> None:
    """The contract's keys, of a home that was lost as a whole or is as it was."""
    assert report["joined_rooms"] == joined
    assert [type(report[key]) for key in COUNTS] == [int] * len(COUNTS)
    assert [type(report[key]) for key in LISTS] == [list, list]
    assert [room["reason"] for room in report["skipped_rooms"]] == ["direct_chat"]
    assert report["conflicts"] == []
    counts = {key: report[key] for key in COUNTS[1:]}
    assert counts == dict(zip(COUNTS[1:], (1, 2, 1, 0, 0) if restored else (0,) * 5, strict=True))


def session_of(bot: BotProcess) -> bytes:
    return (bot.store / "session.json").read_bytes()


async def devices_of(bot: BotProcess, admin: Person) -> set[str]:
    """The bot account's devices: a visit that is not ended leaves one behind."""
    answer = await admin._call("GET", f"/_synapse/admin/v2/users/{bot.user_id}/devices", None)
    return {device["device_id"] for device in answer["devices"]}


def files_of(bot: BotProcess) -> dict[Path, str]:
    """Every file of the bot's with a digest of its content."""
    files = [file for file in bot.folder.rglob("*") if file.is_file()]
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
