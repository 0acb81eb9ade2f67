"""The people of a simulation: they write, rename, invite and leave at random."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from actors.model import MARKER_TYPE, MARKER_VERSION, RoomId, UserId
from actors.port_errors import HomeserverRefused
from tests.simulation.edits import edited_by
from tests.simulation.events import MALFORMED, Content, Event
from tests.simulation.people import Person
from tests.simulation.platform import POISON
from tests.simulation.process import BOT
from tests.simulation.room import SimulatedRoom
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Story

NAMES: Final = ("alice", "bob", "carol", "dave")
COMMANDS: Final = (
    "!help", "!new", "!new q{n}q", "!new q{n}q", "!chats", "!rename q{n}q", "!rename q{n}q",
    "!rename", "!archive", "!archive", "!yes", "!yes", "!no", "!open C1", "!open C2", "!open q{n}q",
    "!status", "!q{n}q", "!model q{n}q", "!settings temperature 1", "!system Be kind.", "!usage",
)  # fmt: skip
BURST: Final = 15


class Cast:
    """All people of a simulation. `act` lets one of them do one thing."""

    def __init__(self, server: SimulatedServer, rng: Random, people: int, story: Story) -> None:
        self.people = [Person(server, UserId(f"@{name}:sim.test")) for name in NAMES[:people]]
        self.stranger = Person(server, UserId("@mallory:sim.test"))
        self._server = server
        self._rng = rng
        self._story = story
        self._said = 0
        self.inherited: dict[RoomId, UserId] = {}
        """Legacy rooms, without a marker, and their owners."""
        self.spaces_taken: Counter[UserId] = Counter()
        """How often the bot was removed from each owner's Space."""
        self._banned: list[tuple[RoomId, UserId]] = []
        self._acts: dict[Callable[[Person], None], int] = {
            self._invite_bot: 2,
            self._talk: 10,
            self._talk_at_length: 3,
            self._command: 8,
            self._say_something_odd: 3,
            self._rename: 4,
            self._leave: 1,
            self._bring_a_friend: 1,
            self._ban: 1,
            self._remove_the_bot: 1,
            self._take_the_space: 1,
            self._bring_the_bot_back: 2,
            self._upgrade: 1,
            self._upgrade_space: 1,
            self._forge: 1,
            self._stop_the_answer: 2,
            self._redact_the_question: 1,
            self._take_the_answer_down: 1,
        }

    def act(self) -> None:
        """Let a random person do a random thing. The server may refuse it: then nothing happens."""
        person = self._rng.choice(self.people)
        if self._rng.random() < 0.9:
            person.join_all()
        if not self.chats_of(person) and self._rng.random() < 0.5:
            self._invite_bot(person)
            return
        act = self._rng.choices(list(self._acts), list(self._acts.values()))[0]
        with suppress(HomeserverRefused):
            act(person)

    def ask(self) -> None:
        """Let a random person accept invites and ask something, if the person has a chat."""
        person = self._rng.choice(self.people)
        person.join_all()
        with suppress(HomeserverRefused):
            self._talk(person)

    def change_ones_mind(self, within_s: float) -> None:
        """Let a random person write in a chat, and redact that again within this time."""
        person = self._rng.choice(self.people)
        person.join_all()
        chats = self.chats_of(person)
        if not chats:
            return
        room_id = self._rng.choice(chats)
        with suppress(HomeserverRefused):
            self._say(person, room_id, self._rng.choice(("!status", "never mind {q}")))
            said = self._messages(room_id)[-1].event_id

            def redact() -> None:
                with suppress(HomeserverRefused):
                    person.redact(room_id, said)
                    self._tell(person, f"redacts {said} in {room_id}")

            self._server.later(self._rng.uniform(0, within_s), redact)

    def settle_down(self) -> bool:
        """Let all people accept their invites; whether any had to ask for a Space or chat."""
        has_asked = False
        for room_id, user_id in self._banned:
            self._server.evict(room_id, user_id)
        self._banned.clear()
        for person in self.people:
            person.join_all()
            if not self.has_chat(person) or not self.has_space(person):
                self._invite_bot(person)
                has_asked = True
        return has_asked

    def write_once_more(self) -> None:
        """Let all people send a message in each of their chats."""
        for person in self.people:
            for room_id in self.chats_of(person):
                self._say(person, room_id, "drop_queued {q}")

    def chats_of(self, person: Person) -> list[RoomId]:
        """The chats that both the person and the bot are in."""
        return [room.room_id for room in self._chat_rooms() if _both_in(room, person)]

    def has_chat(self, person: Person) -> bool:
        """Whether the bot and the person are in a chat that the person owns."""
        return any(
            self._owner_of(room) == person.user_id
            for room in self._server.rooms_of(BOT, "join")
            if not room.is_space and _both_in(room, person)
        )

    def has_space(self, person: Person) -> bool:
        """Whether the bot is in a person's Space."""
        return self._space_of(person) is not None

    def _owner_of(self, room: SimulatedRoom) -> object:
        """The owner of a room that the bot manages; None for other rooms."""
        owner = room.content(MARKER_TYPE, BOT).get("owner")
        return owner or self.inherited.get(room.room_id)

    # ------------------------------------------------------------ what they do

    def _invite_bot(self, person: Person) -> None:
        if self._rng.random() < 0.1:
            self.stranger.direct_chat_with(BOT)
        room_id = person.direct_chat_with(BOT)
        self._tell(person, f"invites the bot to {room_id}")

    def _talk(self, person: Person) -> None:
        self._say(person, self._a_chat(person), "hello {q}")

    def _talk_at_length(self, person: Person) -> None:
        room_id = self._a_chat(person)
        for _ in range(self._rng.randint(2, BURST)):
            self._say(person, room_id, "and {q}")

    def _command(self, person: Person) -> None:
        self._said += 1
        text = self._rng.choice(COMMANDS).format(n=self._said)
        room_id = self._a_chat(person)
        person.say(room_id, text)
        self._tell(person, f"writes {text!r} in {room_id}")

    def _say_something_odd(self, person: Person) -> None:
        room_id = self._a_chat(person)
        match self._rng.randrange(6):
            case 0:
                self._say(person, room_id, f"{POISON} {{q}}")
            case 1:
                self._say(person, room_id, "picture {q}", msgtype="m.image")
            case 2:
                self._say(person, room_id, "notice {q}", msgtype="m.notice")
            case 3:
                person.send_raw(room_id, MALFORMED)
            case 4:
                last = self._server.room(room_id).timeline[-1]
                person.edit(room_id, last.event_id, "edited")
            case _:
                self._say(person, room_id, " ")

    def _rename(self, person: Person) -> None:
        self._said += 1
        room_id = self._a_chat(person)
        person.rename(room_id, f"q{self._said}q")
        self._tell(person, f"renames {room_id}")

    def _leave(self, person: Person) -> None:
        room_id = self._a_chat(person)
        person.leave(room_id)
        self._tell(person, f"leaves {room_id}")

    def _bring_a_friend(self, person: Person) -> None:
        room_id = self._a_chat(person)
        friend = self._rng.choice(self.people)
        person.invite(room_id, friend.user_id)
        self._tell(person, f"invites {friend.user_id} to {room_id}")

    def _remove_the_bot(self, person: Person) -> None:
        room_id = self._a_chat(person)
        # If the bot is in neither the chat nor the Space, only the database has the chat's number.
        if self._space_of(person) is not None:
            self._evict_bot(person, room_id)

    def _take_the_space(self, person: Person) -> None:
        space = self._space_of(person)
        # The same holds for chats while the Space has no marker or the bot is not in all chats.
        inside = all(room.membership(BOT) == "join" for room in self._chat_rooms())
        if space is not None and space.content(MARKER_TYPE, BOT) and inside:
            self._evict_bot(person, space.room_id)

    def _evict_bot(self, person: Person, room_id: RoomId) -> None:
        if "predecessor" in self._server.room(room_id).content("m.room.create"):
            return  # the rules leave open whether the replaced room counts again
        if self._server.room(room_id).is_space:
            self.spaces_taken[person.user_id] += 1
        membership = self._rng.choice(("leave", "leave", "ban"))
        self._server.evict(room_id, BOT, membership)
        self._tell(person, f"has the bot removed from {room_id}: {membership}")

    def _bring_the_bot_back(self, person: Person) -> None:
        spaces = () if self._space_of(person) else self._spaces()
        for room in (*self._chat_rooms(), *spaces):
            gone = room.membership(BOT) in {"leave", "ban"}
            if gone and room.membership(person.user_id) == "join":
                self._server.evict(room.room_id, BOT)
                person.invite(room.room_id, BOT)
                self._tell(person, f"invites the bot to {room.room_id} again")

    def _ban(self, person: Person) -> None:
        """Ban a person from a chat, until `settle_down`."""
        room_id = self._a_chat(person)
        self._server.evict(room_id, person.user_id, "ban")
        self._banned.append((room_id, person.user_id))
        self._tell(person, f"is banned from {room_id}")

    def _upgrade(self, person: Person) -> None:
        room_id = self._a_chat(person)
        self._replace(person, room_id)

    def _upgrade_space(self, person: Person) -> None:
        space = self._space_of(person)
        marked = space is not None and space.content(MARKER_TYPE, BOT)
        if space is not None and marked and space.membership(person.user_id) == "join":
            self._replace(person, space.room_id)

    def _replace(self, person: Person, room_id: RoomId) -> None:
        self._server.grant(room_id, person.user_id, 100)
        replacement = person.upgrade(room_id)
        self._server.grant(replacement, BOT, 100)
        person.invite(replacement, BOT)
        self._tell(person, f"upgrades {room_id} to {replacement}")

    def _forge(self, person: Person) -> None:
        room_id = self._a_chat(person)
        person.write_marker(room_id, {"version": 1, "kind": "chat", "owner": person.user_id})

    def _stop_the_answer(self, person: Person) -> None:
        for room_id in self._rooms_in_work(person):
            person.say(room_id, "!stop")
            self._tell(person, f"stops the answer in {room_id}")

    def _redact_the_question(self, person: Person) -> None:
        """Redact the last message in a room in which the bot works on an answer."""
        for room_id in self._rooms_in_work(person):
            said = [it for it in self._messages(room_id) if it.sender == person.user_id]
            if said:
                person.redact(room_id, said[-1].event_id)
                self._tell(person, f"redacts {said[-1].event_id} in {room_id}")

    def _take_the_answer_down(self, person: Person) -> None:
        """Let the administrator redact the bot's last message in a room."""
        room_id = self._a_chat(person)
        originals = [it for it in self._messages(room_id) if edited_by(it.content) is None]
        said = [it for it in originals if it.sender == BOT]
        if said:
            self._server.take_down(room_id, said[-1].event_id)
            self._tell(person, f"has {said[-1].event_id} taken down in {room_id}")

    def _rooms_in_work(self, person: Person) -> list[RoomId]:
        """The chats of a person in which the bot types."""
        typing = self._server.typing
        return [room for room in self.chats_of(person) if BOT in typing.get(room, ())]

    def _messages(self, room_id: RoomId) -> list[Event]:
        timeline = self._server.room(room_id).timeline
        return [it for it in timeline if it.type == "m.room.message" and not it.redacted]

    # ------------------------------------------------------------ how they do it

    def _say(self, person: Person, room_id: RoomId, text: str, *, msgtype: str = "m.text") -> None:
        self._said += 1
        body = text.format(q=f"q{self._said}q")
        content = {"msgtype": msgtype, "body": body, **self._relation(room_id)}
        event_id = person.send_raw(room_id, content)
        self._tell(person, f"writes {body!r} in {room_id} ({event_id})")

    def _relation(self, room_id: RoomId) -> Content:
        """A relation for some messages: every third is in a thread, and every fifth is a reply."""
        earlier = [
            event
            for event in self._server.room(room_id).timeline
            if event.type == "m.room.message" and "m.relates_to" not in event.content
        ]
        relation: dict[str, object] = {}
        if earlier and self._said % 5 == 0:
            relation["m.in_reply_to"] = {"event_id": earlier[-1].event_id}
        if earlier and self._said % 3 == 0:
            relation |= {"rel_type": "m.thread", "event_id": earlier[0].event_id}
        return {"m.relates_to": relation} if relation else {}

    def _a_chat(self, person: Person) -> RoomId:
        chats = self.chats_of(person)
        if not chats:
            raise HomeserverRefused(404, "M_NOT_FOUND", "no chat yet")
        return self._rng.choice(chats)

    def _chat_rooms(self) -> list[SimulatedRoom]:
        """Rooms with the bot's chat marker, and their replacements, unless replaced themselves."""
        chats: list[SimulatedRoom] = []
        known: set[RoomId] = set()
        for room in self._server.rooms.values():
            before = room.content("m.room.create").get("predecessor")
            inherits = isinstance(before, dict) and before.get("room_id") in known
            if room.content(MARKER_TYPE, BOT).get("kind") == "chat" or inherits:
                known.add(room.room_id)
                if ("m.room.tombstone", "") not in room.state:
                    chats.append(room)
        return chats

    def _space_of(self, person: Person) -> SimulatedRoom | None:
        """The person's Space, if the bot is in it."""
        for room in self._spaces():
            if self._owner_of(room) == person.user_id and room.membership(BOT) == "join":
                return room
        return None

    def _spaces(self) -> list[SimulatedRoom]:
        """Spaces of the bot that are not replaced and have a marker of this version or none."""
        return [
            room
            for room in self._server.rooms.values()
            if room.is_space
            and self._owner_of(room) is not None
            and room.content(MARKER_TYPE, BOT).get("version", MARKER_VERSION) == MARKER_VERSION
            and ("m.room.tombstone", "") not in room.state
        ]

    def _tell(self, person: Person, what: str) -> None:
        self._story.tell(person.user_id.partition(":")[0], what)


def _both_in(room: SimulatedRoom, person: Person) -> bool:
    return room.membership(person.user_id) == room.membership(BOT) == "join"
