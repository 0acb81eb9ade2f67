"""The conversations at work, as the status shows them. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from actors.model import RoomId, RoomMeta
from actors.replies.reply import Reply
from actors.replies.values import Stage
from supervisor.status.snapshot import LISTED, AtWork, Conversation, rfc3339

STAGES: Final = tuple(Stage)


def at_work(
    replies: Iterable[Reply], waiting: Mapping[RoomId, int], at: Callable[[float], str]
) -> AtWork:
    """The conversations with a reply, and those whose message waits without one.

    `waiting` are the waiting messages of each room, and `at` writes anyio's time for people. All
    are looked at once, and none are sorted.
    """
    counts = {stage.value: 0 for stage in STAGES}
    first: dict[Stage, list[Conversation]] = {stage: [] for stage in STAGES}
    with_reply = set[RoomId]()
    for reply in replies:
        room_id, stage = reply.question.room_id, stage_of(reply)
        with_reply.add(room_id)
        counts[stage] += 1
        if len(first[stage]) < LISTED:
            first[stage].append(_of(reply, stage, waiting.get(room_id, 0), at))
    queued = first[Stage.QUEUED]
    for room_id, messages in waiting.items():
        if room_id in with_reply:
            continue
        counts[Stage.QUEUED] += 1
        if len(queued) < LISTED:
            queued.append(
                Conversation(room_id=room_id, state=Stage.QUEUED.value, behind=messages - 1)
            )
    listed = [each for stage in STAGES for each in first[stage]]
    return AtWork(counts=counts, listed=tuple(listed[:LISTED]))


def named(
    work: AtWork, metas: Mapping[RoomId, RoomMeta | None], since: Mapping[RoomId, float]
) -> AtWork:
    """The conversations with what the database knows: names, and since when messages wait."""
    return replace(work, listed=tuple(_named(each, metas, since) for each in work.listed))


def _named(
    seen: Conversation, metas: Mapping[RoomId, RoomMeta | None], since: Mapping[RoomId, float]
) -> Conversation:
    room_id = RoomId(seen.room_id)
    if seen.since is None and room_id in since:
        seen = replace(seen, since=rfc3339(since[room_id]))
    meta = metas.get(room_id)
    if meta is None:
        return seen
    return replace(seen, name=meta.display_name, chat_id=meta.chat_id, owner=meta.matrix_user_id)


def stage_of(reply: Reply) -> Stage:
    """What a reply does at present."""
    growing = reply.growing
    if reply.is_ending or reply.outcome is not None:
        return Stage.ENDING
    if reply.waits:
        return Stage.WAITING
    if not reply.is_asked:
        return Stage.QUEUED if growing.reason is None else Stage.ENDING
    if not growing.has_begun:
        return Stage.ASKED
    return Stage.STREAMING if reply.showing.shown.parts else Stage.ANSWERING


def _of(reply: Reply, stage: Stage, messages: int, at: Callable[[float], str]) -> Conversation:
    shown = reply.showing.shown
    return Conversation(
        room_id=reply.question.room_id,
        state=stage.value,
        since=at(reply.began_at),
        shown_parts=shown.parts,
        shown_chars=shown.chars,
        said_chars=reply.growing.chars,
        behind=max(0, messages - 1),
        owner=reply.question.owner,
    )
