"""The synthetic homeserver of the benchmarks answers as Synapse does about the same rooms."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias, cast

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from actors.model import UserId
from adapter.matrix.hydrate import (
    SLIDING_SYNC_PATH,
    hydration_filter,
    live_filter,
    messages_filter,
    position_filter,
    window_request,
)
from benchmarks.synthetic import SyntheticRooms
from benchmarks.synthetic_server import SyntheticServer
from benchmarks.topology import PASSWORD, ROOMS_PER_OWNER, Topology, build
from demo.synapse import ThrowawaySynapse

pytestmark = pytest.mark.anyio

ME: Final = UserId("@bot:localhost")
ROOMS: Final = 2 * ROOMS_PER_OWNER
V3: Final = "/_matrix/client/v3"
_HIDDEN: Final = re.compile(r'"(age|origin_server_ts|bump_stamp)":[0-9]+')
_TOKEN: Final = re.compile(r'"(next_batch|prev_batch|pos|start|end)":"[^"]*"')
_EVENT_ID: Final = re.compile(r'"\$[A-Za-z0-9_-]{43}"')


Json: TypeAlias = dict[str, Any]


class Side:
    """A homeserver with the rooms, the bot's session there, and names for the ids of the rooms."""

    def __init__(self, http: aiohttp.ClientSession, names: dict[str, str]) -> None:
        self.http = http
        self.names = names

    async def ask(self, method: str, path: str, **query: object) -> Json:
        """An answer in which all that differs by chance is the same."""
        async with self.http.request(method, path, **query) as response:  # type: ignore[arg-type]
            text = json.dumps(await response.json(), separators=(",", ":"))
        for room_id, name in self.names.items():
            text = text.replace(f'"${room_id[1:]}"', '"the event"').replace(room_id, name)
        text = _HIDDEN.sub(r'"\1":1', _TOKEN.sub(r'"\1":"a token"', text))
        return cast("Json", _sorted(json.loads(_EVENT_ID.sub('"the event"', text))))

    async def position(self) -> str:
        query = {"timeout": "0", "filter": position_filter("first")}
        async with self.http.get(f"{V3}/sync", params=query) as response:
            return str((await response.json())["next_batch"])


def _sorted(answer: object) -> object:
    """An answer with its events and its lists of texts in one order."""
    match answer:
        case dict():
            return {key: _sorted(value) for key, value in answer.items()}
        case list():
            return sorted(map(_sorted, answer), key=lambda it: json.dumps(it, sort_keys=True))
        case _:
            return answer


def _named(owners: list[tuple[str, tuple[str, ...]]]) -> dict[str, str]:
    names = {}
    for number, (space, chats) in enumerate(owners):
        names[space] = f"!space-{number}"
        names |= {chat: f"!chat-{number}-{place}" for place, chat in enumerate(chats, 1)}
    return names


async def _session(url: str) -> str:
    user = {"type": "m.id.user", "user": "bot"}
    body = {"type": "m.login.password", "identifier": user, "password": PASSWORD}
    async with aiohttp.ClientSession(url) as http, http.post(f"{V3}/login", json=body) as answer:
        return str((await answer.json())["access_token"])


async def _side(url: str, names: dict[str, str]) -> Side:
    token = await _session(url)
    headers = {"Authorization": f"Bearer {token}"}
    return Side(aiohttp.ClientSession(url, headers=headers), names)


@pytest.fixture
async def sides(own_synapse: ThrowawaySynapse) -> AsyncIterator[tuple[Side, Side]]:
    """Synapse and the synthetic homeserver, with the same rooms."""
    topology: Topology = await build(own_synapse, ROOMS, lambda *_: None)
    owners = sorted(topology.owners_of("bot"), key=lambda each: each.owner)
    real = await _side(own_synapse.url, _named([(each.space, each.chats) for each in owners]))
    rooms = SyntheticRooms(ROOMS)
    ids = [rooms.room_id(number) for number in range(ROOMS)]
    firsts = range(0, ROOMS, ROOMS_PER_OWNER)
    names = _named([(ids[it], tuple(ids[it + 1 : it + ROOMS_PER_OWNER])) for it in firsts])
    async with TestServer(SyntheticServer(rooms).app()) as server:
        made = await _side(str(server.make_url("/")), names)
        async with real.http, made.http:
            yield real, made


def _id_of(side: Side, name: str) -> str:
    return next(room_id for room_id, known in side.names.items() if known == name)


async def _rename(side: Side, name: str) -> None:
    """Give a room the name that the first change gives it."""
    room_id = _id_of(side, name)
    path = f"{V3}/rooms/{room_id}/state/m.room.name/"
    async with side.http.put(path, json={"name": "Renamed 1"}) as answer:
        if answer.status == 404:
            change = {"first": list(side.names).index(room_id), "rooms": 1}
            async with side.http.post("/synthetic/rename", json=change) as changed:
                changed.raise_for_status()


async def _answers(side: Side, name: str) -> Json:
    """The answers to all that the bot asks about rooms. It renames the room with this name."""
    about = f"{V3}/rooms/{_id_of(side, name)}"
    everything = {"timeout": "0", "filter": hydration_filter("nonce")}
    found = {
        "joined rooms": await side.ask("GET", f"{V3}/joined_rooms"),
        "one window": await side.ask("POST", SLIDING_SYNC_PATH, json=window_request(ME)),
        "initial sync": await side.ask("GET", f"{V3}/sync", params=everything),
        "state": await side.ask("GET", f"{about}/state"),
        "no room": (await side.ask("GET", f"{V3}/rooms/!none/state"))["errcode"],
        "no data": (await side.ask("GET", f"{V3}/user/{ME}/account_data/some"))["errcode"],
    }
    # A server may show the rooms in any order, so the windows are compared together.
    found["windows"] = {}
    for first in range(0, ROOMS + 4, 4):
        body = window_request(ME, first, 4)
        window = await side.ask("POST", SLIDING_SYNC_PATH, json=body)
        assert len(window["rooms"]) == max(0, min(4, ROOMS - first))
        found["windows"] |= window["rooms"]
    since = await side.position()
    await _rename(side, name)
    news = {"timeout": "0", "since": since, "filter": live_filter("nonce")}
    found["news"] = await side.ask("GET", f"{V3}/sync", params=news)
    first_in_order = await side.ask("POST", SLIDING_SYNC_PATH, json=window_request(ME, 0, 1))
    ((renamed, shown),) = first_in_order["rooms"].items()
    found["renamed"] = (renamed, shown["name"], [it["content"] for it in shown["required_state"]])
    query = {"dir": "b", "limit": "100", "filter": messages_filter()}
    page = await side.ask("GET", f"{about}/messages", params=query)
    found["messages"] = [(it["type"], it["content"], it["sender"]) for it in page["chunk"]]
    return found


@pytest.mark.parametrize("name", ["!chat-1-2", "!space-0"])
async def test_the_synthetic_homeserver_answers_as_synapse_does(
    sides: tuple[Side, Side], name: str
) -> None:
    real, made = [await _answers(side, name) for side in sides]
    # The name before the change is not kept by the synthetic homeserver.
    for each in (real, made):
        ((room, news),) = each["news"]["rooms"]["join"].items()
        assert room == name
        news["timeline"]["events"][0]["unsigned"]["prev_content"] = "not compared"
    for what, answer in real.items():
        assert made[what] == answer, what
