"""Deliberate bugs of several processes on one database.

Those in `tests/simulation` change what stands for the database there, or for `supervisor/app`.
"""

from functools import partial
from typing import Final

from tests.simulation.mutation import Mutation

_of_several = partial(Mutation, processes=3)

OF_LEADING: Final = (
    _of_several(
        "no_fence",
        "tests/simulation/shared_store.py",
        '            raise LeaseLost("another process leads")\n',
        "            pass\n",
    ),
    _of_several(
        "the_fence_comes_last",
        "tests/simulation/shared_store.py",
        "        if self._store.lease().epoch != self._epoch:\n            raise LeaseLost",
        "        write_all(connection, statements)\n"
        "        if self._store.lease().epoch != self._epoch:\n            raise LeaseLost",
    ),
    _of_several(
        "the_lease_counts_from_the_answer",
        "adapter/sql/lease.py",
        "                self._until = began + self._ttl_s\n",
        "                self._until = self._clock() + self._ttl_s\n",
    ),
    _of_several(
        "writes_without_a_lease",
        "supervisor/serving/live_only.py",
        "        if self._remaining_s() <= 0:\n",
        "        if self._remaining_s() < 0:\n",
    ),
    _of_several(
        "epochs_are_given_twice",
        "tests/simulation/shared_store.py",
        "epoch = max(epoch + 1, ?)",
        "epoch = epoch + 1 + 0 * ?",
    ),
    _of_several(
        "each_process_has_a_device_of_its_own",
        "tests/simulation/member.py",
        "            DEVICE,\n            faults",
        '            f"{DEVICE}{self.name}",\n            faults',
    ),
    _of_several(
        "a_leader_logs_out_when_it_resigns",
        "tests/simulation/member.py",
        "            await leadership.resign()\n",
        "            await leadership.resign()\n            around.server.log_out(BOT)\n",
    ),
    _of_several(
        "a_new_leader_logs_in_by_password",
        "tests/simulation/member.py",
        "        self.connection.token = await self.rows.session.read()\n",
        "        self.connection.token = None\n",
    ),
    _of_several(
        "rooms_are_in_line_before_they_are_read",
        "actors/room/actor.py",
        "        change = services.registry.dirty.change_of(self._room_id)\n        async with",
        "        change = services.registry.dirty.change_of(self._room_id)\n"
        "        await services.clear(self._room_id, change)\n"
        "        async with",
    ),
    _of_several(
        "rooms_are_in_line_before_their_rows_are_written",
        "actors/room/actor.py",
        "                await self._commit_repairs([*writes, *done])\n",
        "                if done:\n"
        "                    await services.store.commit(done)\n"
        "                await self._commit_repairs(writes)\n",
    ),
    _of_several(
        "a_message_that_has_ended_ends_again",
        "adapter/sql/statements.py",
        'Statement("inbox", _FINISH, params, hits=True)',
        'Statement("inbox", _FINISH, params)',
    ),
)
