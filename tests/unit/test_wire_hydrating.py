"""Hydrating from a homeserver that has trouble with single rooms, or with sliding sync."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec
import pytest
from aiohttp import web

from actors.meter import Meter
from actors.model import RoomId, UserId
from actors.port_errors import CredentialsRefused, HomeserverUnavailable, RateLimited
from actors.ports import Hydration
from adapter.matrix.gateway import Gateway
from adapter.matrix.hydrate import WINDOW_ROOMS

pytestmark = pytest.mark.anyio

ME: Final = UserId("@bot:example.org")
GOOD, BAD, GONE = RoomId("!good"), RoomId("!bad"), RoomId("!gone")

Answer: TypeAlias = tuple[int, object]
Answers: TypeAlias = Answer | Iterator[Answer]
"""The same one every time, or one after the other."""

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.Response]]

REFUSED: Answer = (403, {"errcode": "M_FORBIDDEN", "error": "not here"})
BROKEN: Answer = (500, {"errcode": "M_UNKNOWN", "error": "Internal server error"})
LIMITED: Answer = (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 9000})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def state(kind: str, content: object, state_key: str = "") -> dict[str, object]:
    return {"type": kind, "content": content, "state_key": state_key, "sender": ME}


WHOLE = [state("m.room.create", {}), state("m.room.member", {"membership": "join"}, ME)]
REMOVED = [WHOLE[0], state("m.room.member", {"membership": "leave"}, ME)]

HEALTHY: Final[dict[str, Answer]] = {
    "joined_rooms": (200, {"joined_rooms": [GOOD]}),
    "versions": (200, {"unstable_features": {"org.matrix.simplified_msc3575": True}}),
    "whoami": (200, {"user_id": ME}),
    "/_matrix/client/v3/sync": (
        200,
        {"next_batch": "s1", "rooms": {"join": {GOOD: {"state": {"events": WHOLE}}}}},
    ),
    "simplified_msc3575/sync": (200, {"rooms": {GOOD: {"required_state": WHOLE}}}),
}


def serving(answers: Mapping[str, Answers]) -> Handler:
    async def handle(request: web.BaseRequest) -> web.Response:
        answer = next(it for ending, it in answers.items() if request.path.endswith(ending))
        status, body = next(answer) if isinstance(answer, Iterator) else answer
        return web.Response(status=status, body=msgspec.json.encode(body))

    return handle


async def hydrate(**changes: Answers) -> Hydration:
    return await with_gateway(HEALTHY | changes, Gateway.hydrate)


async def with_gateway(
    answers: Mapping[str, Answers],
    act: Callable[[Gateway], Awaitable[Hydration]],
    meter: Meter | None = None,
) -> Hydration:
    return await with_server(serving(answers), act, meter)


async def with_server(
    handle: Handler, act: Callable[[Gateway], Awaitable[Hydration]], meter: Meter | None = None
) -> Hydration:
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway = Gateway(site.name, ME, password="a password", meter=meter)
    try:
        return await act(gateway)
    finally:
        await gateway.close()
        await runner.cleanup()


def rooms(*room_ids: RoomId) -> Answer:
    return (200, {"joined_rooms": room_ids})


def room_ids(seen: Hydration) -> set[RoomId]:
    return {it.room_id for it in seen.snapshots}


@pytest.mark.parametrize("answer", [REFUSED, BROKEN, (404, "no such page"), (200, []), (200, "x")])
async def test_without_sliding_sync_the_rooms_are_read_by_sync(answer: Answer) -> None:
    seen = await hydrate(**{"simplified_msc3575/sync": answer})
    assert (seen.position, room_ids(seen)) == ("s1", {GOOD})


@pytest.mark.parametrize("versions", [REFUSED, BROKEN, (200, []), (200, "x"), (200, None)])
async def test_without_versions_the_rooms_are_read_by_sync(versions: Answer) -> None:
    seen = await hydrate(versions=versions, **{"simplified_msc3575/sync": BROKEN})
    assert (seen.position, room_ids(seen)) == ("s1", {GOOD})


async def test_a_room_that_was_not_told_of_is_read_by_itself() -> None:
    seen = await hydrate(joined_rooms=rooms(GOOD, BAD), **{"!bad/state": (200, WHOLE)})
    assert room_ids(seen) == {GOOD, BAD}
    assert not seen.unreadable


async def test_a_room_that_fails_is_unreadable_and_the_others_are_there() -> None:
    seen = await hydrate(joined_rooms=rooms(GOOD, BAD), **{"!bad/state": BROKEN})
    assert room_ids(seen) == {GOOD}
    assert seen.unreadable == {BAD: "500 M_UNKNOWN: Internal server error"}


async def test_a_room_that_is_just_left_is_no_trouble() -> None:
    joined = iter([rooms(GOOD, GONE), rooms(GOOD)])
    seen = await hydrate(joined_rooms=joined, **{"!gone/state": REFUSED})
    assert room_ids(seen) == {GOOD}
    assert not seen.unreadable


async def test_a_room_that_refuses_us_although_we_are_in_it_is_unreadable() -> None:
    seen = await hydrate(joined_rooms=rooms(GOOD, BAD), **{"!bad/state": REFUSED})
    assert room_ids(seen) == {GOOD}
    assert seen.unreadable == {BAD: "403 M_FORBIDDEN: not here"}


@pytest.mark.parametrize("answer", [REFUSED, (200, REMOVED)], ids=["refused", "as it was"])
async def test_a_room_that_we_were_removed_from_is_none_of_ours(answer: Answer) -> None:
    """A sliding-sync window shows it, and its state can be read as it was then."""
    window: Answer = (200, {"rooms": {it: {"required_state": WHOLE} for it in (GOOD, GONE)}})
    seen = await hydrate(**{"simplified_msc3575/sync": window, "!gone/state": answer})
    assert room_ids(seen) == {GOOD}
    assert not seen.unreadable


async def test_a_room_that_we_have_joined_meanwhile_is_there() -> None:
    window: Answer = (200, {"rooms": {it: {"required_state": WHOLE} for it in (GOOD, GONE)}})
    seen = await hydrate(**{"simplified_msc3575/sync": window, "!gone/state": (200, WHOLE)})
    assert room_ids(seen) == {GOOD, GONE}


async def test_a_homeserver_that_fails_altogether_is_unavailable() -> None:
    with pytest.raises(HomeserverUnavailable):
        await hydrate(joined_rooms=rooms(GOOD, BAD), whoami=BROKEN, **{"!bad/state": BROKEN})


async def test_a_rate_limit_ends_the_reading() -> None:
    with pytest.raises(RateLimited) as limit:
        await hydrate(joined_rooms=rooms(GOOD, BAD), **{"!bad/state": LIMITED})
    assert limit.value.retry_after_s == 9


async def log_in(gateway: Gateway) -> Hydration:
    await gateway.log_in()
    return await gateway.hydrate()


async def test_a_homeserver_without_passwords_says_so() -> None:
    unrecognized: Answer = (404, {"errcode": "M_UNRECOGNIZED", "error": "use single sign-on"})
    with pytest.raises(CredentialsRefused, match=r"refuses the password login of .* sign-on"):
        await with_gateway(HEALTHY | {"login": unrecognized}, log_in)


async def test_a_rate_limited_login_is_no_refusal() -> None:
    with pytest.raises(RateLimited):
        await with_gateway(HEALTHY | {"login": LIMITED}, log_in)


async def test_a_token_that_nobody_could_be_asked_about_is_not_used() -> None:
    runner = web.ServerRunner(web.Server(serving(HEALTHY | {"whoami": BROKEN})))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway = Gateway(site.name, ME, access_token="somebody's")
    try:
        with pytest.raises(HomeserverUnavailable):
            await gateway.log_in()
        assert gateway._http.access_token == ""
    finally:
        await gateway.close()
        await runner.cleanup()


NULLS: Final[dict[str, Answer]] = {
    "joined_rooms": (200, {"joined_rooms": None}),
    "versions": (200, {"unstable_features": None}),
    "whoami": (200, {"user_id": ME, "device_id": None}),
    "login": (200, {"user_id": ME, "access_token": "a token", "device_id": None}),
    "/_matrix/client/v3/sync": (200, {"next_batch": "s1", "rooms": None, "account_data": None}),
}


async def test_null_is_nothing_in_every_answer() -> None:
    seen = await with_gateway(NULLS, log_in)
    assert (seen.position, seen.snapshots, seen.invites, seen.malformed) == ("s1", (), (), 0)


@pytest.mark.parametrize("section", [None, {"join": None}, {"join": {GOOD: None}}])
async def test_a_room_that_is_null_in_the_sync_is_read_alone(section: object) -> None:
    answers: dict[str, Answers] = {
        "joined_rooms": (200, {"joined_rooms": [GOOD]}),
        "/_matrix/client/v3/sync": (200, {"next_batch": "s1", "rooms": section}),
        "!good/state": (200, WHOLE),
    }
    assert room_ids(await with_gateway(NULLS | answers, Gateway.hydrate)) == {GOOD}


@pytest.mark.parametrize("missing", ["user_id", "access_token"])
async def test_a_login_without_what_it_is_about_is_no_answer(missing: str) -> None:
    answer = {"user_id": ME, "access_token": "a token"} | {missing: None}
    with pytest.raises(HomeserverUnavailable):
        await with_gateway(NULLS | {"login": (200, answer)}, log_in)


@pytest.mark.parametrize("next_batch", [None, "", 7, ["s1"]])
async def test_a_sync_without_a_position_is_no_answer(next_batch: object) -> None:
    with pytest.raises(HomeserverUnavailable):
        await hydrate(**{"/_matrix/client/v3/sync": (200, {"next_batch": next_batch})})


async def test_what_is_left_out_of_any_answer_is_counted() -> None:
    meter = Meter()
    odd_state = [*WHOLE, 7, state("m.room.name", {"name": "x"}) | {"unsigned": 7}]
    answers: dict[str, Answers] = {
        "!good/state": (200, odd_state),
        "joined_rooms": (200, {"joined_rooms": [GOOD, 7]}),
        "messages": (200, {"chunk": [7], "end": 7}),
    }

    async def read(gateway: Gateway) -> Hydration:
        assert (await gateway.read_room(GOOD)).name == "x"
        assert meter.malformed == 2
        assert await gateway.joined_rooms() == {GOOD}
        assert meter.malformed == 3
        gap = await gateway.messages_before(GOOD, "t1", stop_at="t0", limit=10)
        assert gap.messages == ()
        assert meter.malformed == 5
        return Hydration("", ())

    await with_gateway(HEALTHY | answers, read, meter)


def invited_by(inviter: str) -> dict[str, object]:
    invite = state("m.room.member", {"membership": "invite"}, ME) | {"sender": inviter}
    return {"invite_state": [invite]}


async def test_the_invites_of_a_window_are_answered_oldest_first() -> None:
    newest_first = {"!2": invited_by("@second:a"), "!1": invited_by("@first:a")}
    window: Answer = (200, {"rooms": newest_first})
    seen = await hydrate(joined_rooms=rooms(), **{"simplified_msc3575/sync": window})
    assert [invite.inviter for invite in seen.invites] == ["@first:a", "@second:a"]


class ManyRooms:
    """A homeserver with so many rooms that one window does not show them, and an old invite.

    `missed` rooms are in no window. `is_whole`: it shows all rooms in every window. `counts`: it
    says how many rooms there are.
    """

    def __init__(
        self, rooms: int, *, missed: int = 0, is_whole: bool = False, counts: bool = True
    ) -> None:
        self.shown = {f"!{number}": {"required_state": WHOLE} for number in range(missed, rooms)}
        self.joined = [f"!{number}" for number in range(rooms)]
        self.is_whole = is_whole
        self.counts = counts
        self.asked: list[list[int]] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        if not request.path.endswith("simplified_msc3575/sync"):
            joined = {"joined_rooms": (200, {"joined_rooms": self.joined})}
            return await serving({**HEALTHY, **joined, "/state": (200, WHOLE)})(request)
        lists = (await request.json())["lists"]
        ((first, last),) = lists["all"]["ranges"]
        self.asked.append([first, last])
        shown = list(self.shown.items())
        rooms: dict[str, object] = dict(shown if self.is_whole else shown[first : last + 1])
        if lists.get("invites", {}).get("filters") == {"is_invite": True}:
            member = state("m.room.member", {"membership": "invite"}, ME) | {"sender": "@alice:x"}
            rooms["!invited"] = {"invite_state": [member]}
        answer = {"rooms": rooms, "lists": {"all": {"count": len(shown)} if self.counts else {}}}
        return web.Response(body=msgspec.json.encode(answer))

    async def hydrate(self) -> Hydration:
        return await with_server(self.handle, Gateway.hydrate)


@pytest.mark.parametrize("counts", [True, False], ids=["counted", "not counted"])
async def test_many_rooms_are_read_window_by_window(*, counts: bool) -> None:
    homeserver = ManyRooms(WINDOW_ROOMS + 1, counts=counts)
    seen = await homeserver.hydrate()
    assert room_ids(seen) == set(homeserver.joined)
    windows = [[0, WINDOW_ROOMS - 1], [WINDOW_ROOMS, 2 * WINDOW_ROOMS - 1]]
    assert homeserver.asked[:2] == windows
    assert len(homeserver.asked) == (2 if counts else 3)


async def test_all_invites_come_with_the_first_of_several_windows() -> None:
    seen = await ManyRooms(WINDOW_ROOMS + 1).hydrate()
    assert [(it.room_id, it.inviter) for it in seen.invites] == [("!invited", "@alice:x")]


async def test_a_room_that_was_in_no_window_is_read_alone() -> None:
    homeserver = ManyRooms(WINDOW_ROOMS + 3, missed=2)
    assert room_ids(await homeserver.hydrate()) == set(homeserver.joined)


async def test_a_homeserver_that_shows_all_rooms_at_once_is_asked_once_more() -> None:
    homeserver = ManyRooms(2 * WINDOW_ROOMS + 1, is_whole=True)
    assert room_ids(await homeserver.hydrate()) == set(homeserver.joined)
    assert len(homeserver.asked) == 2


async def test_one_window_shows_some_rooms_and_all_invites() -> None:
    homeserver = ManyRooms(2)
    await homeserver.hydrate()
    assert homeserver.asked == [[0, 9_999_999]]
