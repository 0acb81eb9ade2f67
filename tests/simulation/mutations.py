"""Deliberate bugs, each a small change of the product's code. `docs/mutations.md` explains them."""

from typing import Final

from tests.simulation.mutation import Mutation
from tests.simulation.mutations_of_leading import OF_LEADING

MUTATIONS: Final = (
    Mutation(
        "no_platform_timeout",
        "actors/replies/attempt.py",
        "        with anyio.move_on_after(limit_s) as wait:\n",
        "        with anyio.move_on_after(None) as wait:\n",
    ),
    Mutation(
        "half_an_answer_counts",
        "actors/replies/attempt.py",
        '            raise PlatformFailed("the answer ended before it was complete")\n',
        "            return\n",
    ),
    Mutation(
        "slots_are_not_given_back",
        "actors/replies/slots.py",
        "        self._free += 1\n",
        "",
    ),
    Mutation(
        "a_platform_that_is_down_is_never_probed",
        "actors/platform_health.py",
        "            while self.is_down:\n                attempt += 1\n",
        "            while attempt:\n                attempt += 1\n",
    ),
    Mutation(
        "a_reply_does_not_end_its_question",
        "actors/room/inbox.py",
        "        return [FinishMessage(key), *await self._ended(",
        "        return [*await self._ended(",
    ),
    Mutation(
        "create_again_without_looking",
        "actors/owner/room_creation.py",
        "        if intent.started_at is not None:\n            found",
        "        if intent is None:\n            found",
    ),
    Mutation(
        "create_before_the_intent_is_written",
        "actors/owner/room_creation.py",
        "            await services.store.commit([PutIntent(intent)])\n            return await",
        "            return await",
    ),
    Mutation(
        "position_saved_before_the_inbox",
        "supervisor/serving/pump.py",
        "            await self.services.store.commit([*writes, position])\n",
        "            await self.services.store.commit([position])\n"
        "            await self.services.store.commit(writes)\n",
    ),
    Mutation(
        "invites_not_remembered",
        "supervisor/serving/pump.py",
        "        writes += invite_writes(asked)\n",
        "",
    ),
    Mutation(
        "gaps_not_filled",
        "supervisor/serving/pump.py",
        "        if room.gap_from is None:\n",
        "        if room.gap_from is None or since:\n",
    ),
    Mutation(
        "quarantine_never_probes",
        "actors/runtime/recovery.py",
        "        if cell.quarantined:\n            self._probe(cell)\n",
        "        if cell.quarantined:\n            pass\n",
    ),
    Mutation(
        "two_handlers_at_once",
        "actors/runtime/runners.py",
        " or cell.address in self.busy:",
        ":",
    ),
    Mutation(
        "message_done_before_it_is_handled",
        "actors/room/inbox.py",
        "        message = item.message\n        response",
        "        message = item.message\n"
        "        await self._services.store.commit([FinishMessage(message.event_id)])\n"
        "        response",
    ),
    Mutation(
        "poison_never_set_aside",
        "actors/bounds.py",
        "    attempts: int = 5\n",
        "    attempts: int = 10**9\n",
    ),
    Mutation(
        "transaction_ids_at_random",
        "supervisor/serving/outbox.py",
        "return await self._homeserver.send(message)",
        "return await self._homeserver.send(\n"
        "                    OutboundMessage(\n"
        '                        f"{message.txn_id}.{self._random.random()}",\n'
        "                        message.room_id, message.body, message.notice,\n"
        "                    )\n"
        "                )",
    ),
    Mutation(
        "answers_leave_their_thread",
        "actors/replies/values.py",
        "said.body, notice, message.thread, named,",
        "said.body, notice, None, named,",
    ),
    Mutation(
        "replies_sent_in_any_order",
        "supervisor/serving/outbox.py",
        "        for message in batch:\n",
        "        for message in reversed(batch):\n",
    ),
    Mutation(
        "failed_sends_given_up",
        "supervisor/serving/outbox.py",
        "            except (HomeserverUnavailable, RefusedUnclearly) as error:\n",
        "            except (HomeserverUnavailable, RefusedUnclearly) as error:\n"
        "                await self._store.commit([MarkSent(message.txn_id, None)])\n",
    ),
    Mutation(
        "next_index_from_the_counter_alone",
        "actors/rules/settlement.py",
        "    marks = _marks(spaces)\n",
        "    marks = []\n",
    ),
    Mutation(
        "high_water_not_written_first",
        "actors/owner/room_making.py",
        "        if (marker.next_chat_index or 1) < index:\n",
        "        if (marker.next_chat_index or 1) < 1:\n",
    ),
    Mutation(
        "recovery_writes",
        "supervisor/serving/live_only.py",
        "        if not self._gate.live:\n",
        "        if self._gate is None:\n",
    ),
    Mutation(
        "straight_back_to_live",
        "supervisor/lifecycle.py",
        "Trigger.RECOVERED,            State.HYDRATE)",
        "Trigger.RECOVERED,            State.LIVE)",
    ),
    Mutation(
        "unreadable_means_absent",
        "actors/reconcile.py",
        "    unreadable = hydration.unreadable or {}\n",
        "    unreadable: dict[RoomId, str] = {}\n",
    ),
    Mutation(
        "rate_limited_sends_given_up",
        "supervisor/serving/outbox.py",
        "            except RateLimited as limit:\n",
        "            except RateLimited as limit:\n"
        "                await self._store.commit([MarkSent(message.txn_id, None)])\n",
    ),
    Mutation(
        "creates_while_rooms_are_unreadable",
        "actors/services.py",
        "            if cell.address.kind == ActorKind.ROOM and (cell.probes or is_unchecked):\n",
        "            if cell is None:\n",
    ),
    Mutation(
        "a_lost_journal_ends_the_process",
        "actors/runtime/transition_log.py",
        '                    _log.error("journal_lost", rows=len(noted), error=str(error))\n',
        "                    raise RuntimeError from error\n",
    ),
    Mutation(
        "refused_credentials_tried_again",
        "supervisor/lifecycle.py",
        "Trigger.CREDENTIALS_REFUSED,  State.STOPPED)",
        "Trigger.CREDENTIALS_REFUSED,  State.DEGRADED)",
    ),
    Mutation(
        "sessions_taken_back_at_once",
        "actors/bounds.py",
        "CrashWindow(limit=3, within_s=300.0)",
        "CrashWindow(limit=10**9, within_s=300.0)",
    ),
    Mutation(
        "reading_never_pauses",
        "supervisor/serving/backlog.py",
        "if self.is_well(room)) > limit",
        "if self.is_well(room)) > 10**9",
    ),
    Mutation(
        "what_waits_is_pruned",
        "adapter/sql/pruning.py",
        "\"SELECT seq FROM inbox WHERE state = 'done' AND accepted_at < ?\"",
        "\"SELECT seq FROM inbox WHERE state <> 'dead' AND accepted_at < ?\"",
    ),
    Mutation(
        "nothing_is_pruned",
        "supervisor/serving/pruner.py",
        "        if now - self._pruned_at >= self.bounds.prune_every_s:\n",
        "        if now < self._pruned_at:\n",
    ),
    Mutation(
        "rows_are_no_evidence",
        "actors/rules/classify.py",
        "        if len(said) != 1 or len(self.chats) > 1:\n",
        "        if said or not said:\n",
    ),
    Mutation(
        "upgrades_of_spaces_not_followed",
        "actors/rules/relations.py",
        "self.spaces.get(self.latest(named)) if named else None",
        "self.spaces.get(named) if named else None",
    ),
    Mutation(
        "creates_for_owners_of_undecided_spaces",
        "actors/owner/preconditions.py",
        "        for room_id in self.work.services.registry.undecided:\n",
        "        for room_id in ():\n",
    ),
    Mutation(
        "owners_do_not_take_turns",
        "actors/creation_queue.py",
        "        if not self._is_free_for(owner, now, grace_s):\n",
        "        if now < 0:\n",
    ),
    Mutation(
        "live_edits_of_all_runs_have_the_same_ids",
        "actors/replies/showing.py",
        '        txn_id = f"{anchor.txn_id}~{self._tools.boot}.{self.shown.edits}"\n',
        '        txn_id = f"{anchor.txn_id}~{self.shown.edits}"\n',
    ),
    Mutation(
        "ends_of_each_run_have_other_ids",
        "actors/room/inbox.py",
        "        return [FinishMessage(key),"
        " *await self._ended(reply.question.message, said, anchors)]\n",
        "        boot = services.replies._tools.boot\n"
        "        others = [\n"
        "            replace(it, message=replace(it.message, txn_id=it.message.txn_id + boot))\n"
        "            if isinstance(it, QueueMessage) and it.message.edits else it\n"
        "            for it in await self._ended(reply.question.message, said, anchors)\n"
        "        ]\n"
        "        return [FinishMessage(key), *others]\n",
    ),
    Mutation(
        "answers_end_before_their_live_edits",
        "actors/replies/runner.py",
        "        await reply.showing.settled()\n",
        "",
    ),
    Mutation(
        "a_placeholder_is_shown_first",
        "actors/replies/showing.py",
        "        return first_text(text, chars=bounds.stream_chars, is_late=is_late)\n",
        '        return first_text(text, chars=bounds.stream_chars, is_late=is_late) or "…"\n',
    ),
    Mutation(
        "edits_of_edits",
        "actors/replies/showing.py",
        "        message = replace(message, edits=anchor.txn_id, target=anchor.event_id)\n"
        "        with self._making_step():\n",
        "        target = getattr(self, 'last_edit', None) or anchor.event_id\n"
        "        message = replace(message, edits=anchor.txn_id, target=target)\n"
        "        with self._making_step():\n"
        "            self.last_edit = await self._tools.homeserver.send(message)\n",
    ),
    Mutation(
        "any_number_of_edits",
        "actors/rules/showing.py",
        "    return shown.edits + anchors < limit\n",
        "    return shown.edits + anchors < 10**9 * limit\n",
    ),
    Mutation(
        "answers_wait_for_live_edits",
        "actors/replies/showing.py",
        "                if not failures:\n                    return None\n"
        "                await anyio.sleep(limit.retry_after_s)\n",
        "                await anyio.sleep(limit.retry_after_s)\n",
    ),
    Mutation(
        "what_grew_is_not_found_after_a_loss",
        "actors/room/unfinished.py",
        "            for anchor in anchors:\n"
        "                yield AdoptAnchor(self.room_id, anchor)\n",
        "            for anchor in anchors:\n",
    ),
    Mutation(
        "late_edits_cover_the_ends_of_answers",
        "supervisor/serving/pump.py",
        "self.late_edits.repeats(room) for room in delta.rooms}\n",
        "[] for room in delta.rooms}\n",
    ),
    Mutation(
        "parts_of_earlier_attempts_stay",
        "actors/room/endings.py",
        "    return [*writes, RedactAnchors(question)]\n",
        "    return writes\n",
    ),
    *OF_LEADING,
)
