"""The homeserver, or the way to it, fails in every way: the bot says so, and comes back by itself.

Bots here are impatient, see `launcher.py`; `talk.py` says what `KILLS` and `SEED` do.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from supervisor.lifecycle import LIFECYCLE, MACHINE, State, Trigger
from tests.certificates import Certificate
from tests.synapse.conftest import PASSWORD, MakeBot, account_of, unique
from tests.synapse.home import move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import (
    Answer,
    Fault,
    FaultProxy,
    answering,
    bad_gateway,
    drop_before,
    hang,
    rate_limited,
)
from tests.synapse.talk import STRETCHES, Company, gather, launched, seeded, settle

pytestmark = pytest.mark.anyio

UNKNOWN_TOKEN: Final = {"errcode": "M_UNKNOWN_TOKEN", "error": "Token expired"}


# ---------------------------------------------------------------- Synapse stops and starts


@pytest.mark.parametrize("stretch", STRETCHES)
async def test_synapse_is_frozen_and_killed_at_any_moment(
    own_synapse: ThrowawaySynapse, tmp_path: Path, stretch: int
) -> None:
    random, outages = seeded(stretch), 4
    async with AsyncExitStack() as stack:
        bot = BotProcess(
            homeserver_url=own_synapse.url,
            user_id=await own_synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path / "bot",
            command=launched("impatient"),
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        company = await gather(stack, own_synapse, bot)
        async with company.talking(pause_s=1.5):
            for number in range(outages):
                await anyio.sleep(random.uniform(0, 2))
                if number % 2:
                    own_synapse.pause()
                    await anyio.sleep(random.uniform(0.1, 4))
                    own_synapse.resume()
                else:
                    await own_synapse.kill()
                    await own_synapse.start()
        await settle(company)
        rows = await journal(bot)
        assert await bot.terminate() == 0
    assert replayed(rows) == State.LIVE
    lost = [row for row in rows if row["trigger"] == Trigger.HOMESERVER_LOST]
    assert len(lost) >= outages // 2
    assert {row["reason"] for row in lost} <= {
        "connection refused",
        "Connection reset by peer",
        "the connection was closed without an answer",
        "timed out after 2 s",
    }


async def journal(bot: BotProcess) -> list[dict[str, Any]]:
    """The lifecycle's rows, oldest first, as an operator reads them."""
    asked = await surfaces_bot(bot, "log", "--machine", MACHINE, "--limit", "10000", "--json")
    return asked.rows


def replayed(rows: list[dict[str, Any]]) -> State:
    """The state that the rows lead to, one by one. Raises AssertionError where they don't fit."""
    state, boot = LIFECYCLE.initial, ""
    for row in rows:
        if row["boot"] != boot:
            state, boot = LIFECYCLE.initial, row["boot"]
        assert row["src"] == state
        assert LIFECYCLE.next(state, Trigger(row["trigger"])) == row["dst"]
        state = State(row["dst"])
    return state


# ---------------------------------------------------------------- the way to it fails


def garbage(body: bytes) -> Fault:
    async def fault(_request: object, _forward: object) -> Answer:
        return Answer(200, body)

    return fault


FAULTS: Final[dict[str, tuple[Fault, str]]] = {
    "closed": (drop_before, "the connection was closed without an answer"),
    "hang": (hang, "timed out after 2 s"),
    "500": (
        answering(500, {"errcode": "M_UNKNOWN", "error": "Internal server error"}),
        "500 M_UNKNOWN: Internal server error",
    ),
    "503": (answering(503, {}), "503 from a proxy (not Matrix)"),
    "html": (bad_gateway, "502 from a proxy (not Matrix)"),
    "no_json": (garbage(b"OK"), "200 from a proxy (not Matrix)"),
    "garbage": (garbage(b'{"next_batch": "s1'), "200 with an answer that is not Matrix: "),
    "other_json": (garbage(b'{"next_batch": 5}'), "200 with an answer that is not Matrix: "),
    "nothing_in_it": (garbage(b"{}"), "200 with an answer that is not Matrix: "),
    "429": (rate_limited(1500), "rate limited for 1.5 s"),
}


@pytest.fixture(scope="module")
async def behind_a_proxy(
    synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[FaultProxy, Company]]:
    """People and an impatient bot, which reaches the shared homeserver through a proxy."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(synapse.url))
        bot = BotProcess(
            homeserver_url=proxy.url,
            user_id=await synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("outages") / "bot",
            command=launched("impatient"),
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        yield proxy, await gather(stack, synapse, bot)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.quick] if name in {"closed", "html"} else [])
        for name in FAULTS
    ],
)
async def test_a_fault_on_the_way_is_told_and_survived(
    behind_a_proxy: tuple[FaultProxy, Company], name: str
) -> None:
    proxy, company = behind_a_proxy
    (fault, reason), room = FAULTS[name], company.rooms[0]
    proxy.when("*", fault)
    await room.say(room.owner, "during")
    lost = await room.bot.wait_for_state("degraded")
    assert (lost["src"], lost["trigger"]) == ("live", "homeserver_lost")
    assert lost["reason"].startswith(reason)
    waits = await room.bot.wait_for_event("degraded")
    assert waits["next_attempt_in_s"] >= (1.5 if name == "429" else 0.1)
    await room.bot.wait_for_event("probe_failed")
    proxy.heal()
    await room.bot.wait_for_state("live")
    await room.wait_for_the_end("after")
    await room.check()


# ---------------------------------------------------------------- its certificate


async def test_a_certificate_that_nobody_vouches_for_is_waited_out(
    synapse: ThrowawaySynapse, make_bot: MakeBot, tmp_path: Path
) -> None:
    trusted = Certificate.made(tmp_path / "trusted.pem")
    strange = Certificate.made(tmp_path / "strange.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(strange.pem)
    async with FaultProxy(synapse.url, tls) as proxy:
        bot = await make_bot(
            homeserver_url=proxy.url,
            command=launched("impatient"),
            SSL_CERT_FILE=str(trusted.pem),
        )
        bot.start()
        lost = await bot.wait_for_state("degraded")
        assert (lost["src"], lost["trigger"]) == ("login", "homeserver_lost")
        assert lost["reason"].startswith("certificate: ")
        tls.load_cert_chain(trusted.pem)
        await bot.wait_for_state("live")
        assert await bot.terminate() == 0


# ---------------------------------------------------------------- the session ends


async def test_a_session_that_ends_is_followed_by_one_of_the_same_device(
    synapse: ThrowawaySynapse, make_bot: MakeBot, proxy: FaultProxy, alice: Person
) -> None:
    bot = await make_bot(homeserver_url=proxy.url, command=launched("impatient"))
    await bot.start_and_go_live()
    home, device_id = await move_in(alice, bot), session_of(bot)["device_id"]

    async def revoke() -> None:
        await log_out_everywhere(synapse, bot)

    async def log_out_softly() -> None:
        proxy.when("GET account/whoami", answering(401, UNKNOWN_TOKEN), times=1)
        proxy.when("GET sync", answering(401, {**UNKNOWN_TOKEN, "soft_logout": True}), times=1)

    for end in (revoke, log_out_softly):
        await end()
        revoked = await bot.wait_for_state("login")
        assert (revoked["src"], revoked["trigger"]) == ("live", "session_revoked")
        assert (await bot.wait_for_state("hydrate"))["reason"] == "logged in by password"
        await bot.wait_for_state("live")
        assert await home.ask("still here?") == "still here?"
        assert session_of(bot)["device_id"] == device_id

    await revoke()
    storm = await bot.wait_for_state("degraded")
    assert "another program seems to use this account and device id" in storm["reason"]
    await bot.wait_for_state("live")
    assert await home.ask("still here?") == "still here?"


async def test_a_revoked_token_without_a_password_ends_with_78_and_says_what_to_do(
    synapse: ThrowawaySynapse, make_bot: MakeBot
) -> None:
    first = await make_bot()
    async with account_of(synapse, first) as account:
        bot = await make_bot(
            command=launched("impatient"),
            MATRIX_USER_ID=account.user_id,
            MATRIX_PASSWORD="",
            MATRIX_ACCESS_TOKEN=account.access_token,
        )
        await bot.start_and_go_live()
        await account.request("POST", "/logout", {})
        assert await bot.wait_for_exit() == 78
    assert "set MATRIX_PASSWORD, or a new MATRIX_ACCESS_TOKEN" in refusal_of(bot)
    assert [step.dst for step in bot.transitions()][-2:] == ["login", "stopped"]


async def test_a_deactivated_account_ends_with_78_and_says_so(
    make_bot: MakeBot, admin: Person
) -> None:
    bot = await make_bot(command=launched("impatient"))
    await bot.start_and_go_live()
    path = f"/_synapse/admin/v1/deactivate/{bot.user_id}"
    await admin._call("POST", path, {"erase": False})
    assert await bot.wait_for_exit() == 78
    assert "and that the account is not deactivated" in refusal_of(bot)
    assert [step.dst for step in bot.transitions()][-2:] == ["login", "stopped"]


def session_of(bot: BotProcess) -> dict[str, Any]:
    session: dict[str, Any] = json.loads((bot.store / "session.json").read_text())
    return session


def refusal_of(bot: BotProcess) -> str:
    """The sentence that the bot ended with."""
    [said] = [event for event in bot.events() if event["event"] == "credentials_refused"]
    return str(said["reason"])


async def log_out_everywhere(synapse: ThrowawaySynapse, bot: BotProcess) -> None:
    """End every session of the bot's account, as its owner could from another client."""
    async with account_of(synapse, bot) as account:
        await account.request("POST", "/logout/all", {})
