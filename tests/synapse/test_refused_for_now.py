"""The homeserver refuses the account for a while: nothing is lost, and the bot comes back.

Synapse itself refuses here: through its admin API and its settings.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from demo.bot import BotProcess
from demo.client import Refused
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, newcomer, unique
from tests.synapse.home import Home, accept, eventually, hear, knock, move_in, words_of
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import FaultProxy, answering, refused
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

ADMIN: Final = "/_synapse/admin"
UNKNOWN_TOKEN: Final = {"errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised access token"}
LINK: Final = re.compile(r"https?://\S+/_matrix/consent\?\S+")


async def degraded_for(bot: BotProcess, code: str) -> str:
    """Wait until the bot is degraded for a code; its reason."""
    step = await bot.wait_for_state("degraded")
    assert (step["trigger"], code in step["reason"]) == ("homeserver_lost", True), step
    return str(step["reason"])


async def stays_degraded(bot: BotProcess, probes: int = 3) -> None:
    """Wait for so many failed probes. The bot makes no step meanwhile."""
    steps = len(bot.transitions())
    for _ in range(probes):
        await bot.wait_for_event("probe_failed")
    assert len(bot.transitions()) == steps


async def answered(home: Home, *texts: str) -> None:
    """Say the last of these texts, and wait until each of them was answered once, in order."""
    await home.owner.say(home.chat, texts[-1])
    await home.owner.wait_for(
        lambda event: event.sender == home.bot.user_id and event.body == texts[-1],
        what=f"the answer to {texts[-1]!r}",
    )
    said = await words_of(home.owner, home.chat, home.bot.user_id)
    assert [text for text in said if text in texts] == list(texts)


async def suspend(admin: Person, bot: BotProcess, *, suspended: bool) -> None:
    body = {"suspend": suspended}
    await admin._call("PUT", f"{ADMIN}/v1/suspend/{bot.user_id}", body)


async def lock(admin: Person, bot: BotProcess, *, locked: bool) -> None:
    await admin._call("PUT", f"{ADMIN}/v2/users/{bot.user_id}", {"locked": locked})


async def test_a_suspended_account_loses_nothing(
    make_bot: MakeBot, alice: Person, bob: Person, admin: Person
) -> None:
    bot = await make_bot(command=launched("impatient"))
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    await suspend(admin, bot, suspended=True)
    await alice.say(home.chat, "one")
    await degraded_for(bot, "M_USER_SUSPENDED")
    await alice.say(home.chat, "two")
    await alice.say(home.chat, "!new Garden")
    await alice.say(home.chat, "!rename Kitchen")
    door = await knock(bob, bot)
    await stays_degraded(bot)
    assert "one" not in await words_of(alice, home.chat, bot.user_id)

    checked = await surfaces_bot(bot, "check")
    assert checked.code == 1
    assert "M_USER_SUSPENDED" in checked.out
    assert "its administrator can lift the suspension" in checked.out
    shown = await surfaces_bot(bot, "status")
    assert "M_USER_SUSPENDED): its administrator can lift the suspension" in shown.out

    await suspend(admin, bot, suspended=False)
    await bot.wait_for_state("live")
    await accept(alice, bot, is_space=False)
    await accept(bob, bot, is_space=True)
    assert "Your Space is ready" in await hear(bob, bot, door)
    await answered(home, "one", "two", "three")
    assert await alice.name_of(home.chat) == "Kitchen"


async def test_a_locked_account_keeps_its_session_and_loses_nothing(
    make_bot: MakeBot, alice: Person, admin: Person
) -> None:
    bot = await make_bot(command=launched("impatient"))
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    session = (bot.store / "session.json").read_bytes()
    await lock(admin, bot, locked=True)
    await alice.say(home.chat, "one")
    reason = await degraded_for(bot, "M_USER_LOCKED")
    assert "its administrator can unlock it" in reason
    await stays_degraded(bot)
    assert (await surfaces_bot(bot, "check")).code == 1
    await lock(admin, bot, locked=False)
    await bot.wait_for_state("live")
    await answered(home, "one", "two")
    assert (bot.store / "session.json").read_bytes() == session


async def test_an_account_that_is_locked_at_the_start_is_waited_for(
    make_bot: MakeBot, admin: Person
) -> None:
    bot = await make_bot(command=launched("impatient"))
    await lock(admin, bot, locked=True)
    bot.start()
    await degraded_for(bot, "M_USER_LOCKED")
    await lock(admin, bot, locked=False)
    await bot.wait_for_state("live")


# ---------------------------------------------------------------- the server is over its limit


@dataclass(frozen=True, slots=True)
class Place:
    """A Synapse of its own, with a bot that is not started and a person."""

    synapse: ThrowawaySynapse
    bot: BotProcess
    alice: Person


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        synapse = await stack.enter_async_context(ThrowawaySynapse())
        yield await settled(stack, synapse, tmp_path)


async def settled(stack: AsyncExitStack, synapse: ThrowawaySynapse, folder: Path) -> Place:
    bot = BotProcess(
        homeserver_url=synapse.url,
        user_id=await synapse.register(unique("bot"), PASSWORD),
        password=PASSWORD,
        folder=folder / "bot",
        command=launched("impatient"),
    )
    await stack.enter_async_context(bot)
    return Place(synapse, bot, await newcomer(stack, synapse, "alice"))


async def test_a_server_that_is_switched_off_for_people_is_waited_for(place: Place) -> None:
    bot, synapse = place.bot, place.synapse
    closed = {"hs_disabled_message": "back on Monday", "admin_contact": "mailto:admin@example.org"}
    await synapse.restart(hs_disabled=True, **closed)
    bot.start()
    reason = await degraded_for(bot, "M_RESOURCE_LIMIT_EXCEEDED")
    assert "back on Monday" in reason
    assert "(mailto:admin@example.org)" in reason
    checked = await surfaces_bot(bot, "check")
    assert (checked.code, "mailto:admin@example.org" in checked.out) == (1, True)

    await synapse.restart(hs_disabled=False)
    await bot.wait_for_state("live")
    home = await move_in(place.alice, bot)

    await synapse.restart(hs_disabled=True)
    await bot.wait_for_event("probe_failed", lambda it: "M_RESOURCE_LIMIT" in it["reason"])
    assert bot.transitions()[-1].dst == "degraded"
    await stays_degraded(bot)
    await synapse.restart(hs_disabled=False)
    await bot.wait_for_state("live")
    assert await home.ask("again") == "again"


async def test_a_server_with_too_many_monthly_users_is_waited_for(place: Place) -> None:
    bot, synapse = place.bot, place.synapse
    await synapse.restart(limit_usage_by_mau=True, max_mau_value=0)
    bot.start()
    reason = await degraded_for(bot, "M_RESOURCE_LIMIT_EXCEEDED")
    assert "monthly_active_user" in reason
    await synapse.restart(limit_usage_by_mau=False)
    await bot.wait_for_state("live")


# ---------------------------------------------------------------- consent


@pytest.fixture
async def strict_place(tmp_path: Path) -> AsyncIterator[Place]:
    """A Synapse whose terms have to be agreed to before anything is written."""
    templates = tmp_path / "templates"
    (templates / "en").mkdir(parents=True)
    for name in ("1.0.html", "success.html"):
        (templates / "en" / name).write_text("<p>terms</p>")
    consent = {
        "template_dir": str(templates),
        "version": "1.0",
        "block_events_error": "Agree to the terms at %(consent_uri)s",
    }
    async with AsyncExitStack() as stack:
        synapse = ThrowawaySynapse(settings={"user_consent": consent})
        await stack.enter_async_context(synapse)
        yield await settled(stack, synapse, tmp_path)


async def agree(link: str) -> None:
    """Agree to the terms on the page behind a link, as a person in a browser does."""
    asked = urlsplit(link)
    form = {name: values[0] for name, values in parse_qs(asked.query).items()} | {"v": "1.0"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(asked._replace(query="").geturl(), data=form) as answer,
    ):
        assert answer.ok


async def agree_as(person: Person) -> None:
    with pytest.raises(Refused) as refused:
        await person.create_room()
    link = LINK.search(str(refused.value))
    assert link is not None
    await agree(link[0])


async def test_terms_that_were_not_agreed_to_are_waited_for(strict_place: Place) -> None:
    bot, alice = strict_place.bot, strict_place.alice
    await agree_as(alice)
    await bot.start_and_go_live()
    door = await knock(alice, bot)
    reason = await degraded_for(bot, "M_CONSENT_NOT_GIVEN")
    await stays_degraded(bot)
    for command in ("check", "status"):
        done = await surfaces_bot(bot, command)
        shown = LINK.search(done.out)
        assert shown is not None
        assert shown[0] in reason
    found = LINK.search(reason)
    assert found is not None
    await agree(found[0])
    await bot.wait_for_state("live")
    await accept(alice, bot, is_space=True)
    chat = await accept(alice, bot, is_space=False)
    assert "Your Space is ready" in await hear(alice, bot, door)
    assert await alice.ask(chat, "hello") == "hello"


# ---------------------------------------------------------------- 401 that passes


async def test_a_401_that_passes_throws_nothing_away(
    make_bot: MakeBot, alice: Person, proxy: FaultProxy
) -> None:
    bot = await make_bot(homeserver_url=proxy.url)
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    steps = len(bot.transitions())
    for name in ("GET sync", "PUT rooms/*/send/*/*", "PUT rooms/*/state/m.room.name/*"):
        proxy.when(name, answering(401, UNKNOWN_TOKEN), times=1)
    proxy.when("POST rooms/*/receipt/*", answering(401, {"errcode": "M_UNAUTHORIZED"}))
    assert await home.ask("one") == "one"
    await home.ask("!rename Kitchen")
    assert await alice.name_of(home.chat) == "Kitchen"
    assert len(bot.transitions()) == steps


async def test_a_code_that_nobody_has_explained_keeps_what_it_refused(
    make_bot: MakeBot, alice: Person, proxy: FaultProxy
) -> None:
    bot = await make_bot(homeserver_url=proxy.url, command=launched("impatient"))
    await bot.start_and_go_live()
    proxy.when("POST rooms/*/join", refused(403, "ORG.EXAMPLE.WHO_KNOWS"), times=1)
    home = await move_in(alice, bot)
    steps = len(bot.transitions())
    proxy.when("PUT rooms/*/send/*/*", refused(400, "M_NEVER_SEEN"), times=3)
    assert await home.ask("one") == "one"
    await bot.wait_for_event("send_failed", lambda it: "M_NEVER_SEEN" in it["error"])
    assert len(bot.transitions()) == steps


async def test_a_token_without_a_password_is_given_up_only_when_that_is_confirmed(
    make_bot: MakeBot, alice: Person, proxy: FaultProxy
) -> None:
    bot = await make_bot(homeserver_url=proxy.url, MATRIX_PASSWORD="")
    localpart = bot.user_id[1:].partition(":")[0]
    async with Person.logged_in(proxy.url, localpart, PASSWORD) as account:
        bot.environment["MATRIX_ACCESS_TOKEN"] = account.access_token
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        passing = proxy.when("*", answering(401, UNKNOWN_TOKEN))
        await bot.wait_for_state("login")
        await eventually(lambda: passing.hits >= 4, "the bot asks again")
        proxy.heal()
        await bot.wait_for_state("live")
        assert await home.ask("still here?") == "still here?"
