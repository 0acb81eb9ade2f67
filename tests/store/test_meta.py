"""The entry points for rooms and users, for other programs."""

import pytest

from adapter.matrix.store import get_room_meta, get_user_meta, set_room_meta, set_user_meta
from adapter.sqlite.inline import InlineStore

pytestmark = pytest.mark.anyio


async def test_room_and_user_meta_live_under_the_contracts_keys() -> None:
    store = InlineStore()
    await set_room_meta(store, "!r:x", {"room_type": "chat", "chat_id": "C4"})
    await set_user_meta(store, "@a:x", {"space_id": "!s:x", "next_chat_index": 5})
    assert await store.rows("") == {
        "matrix_room:!r:x": {"room_type": "chat", "chat_id": "C4"},
        "matrix_user:@a:x": {"space_id": "!s:x", "next_chat_index": 5},
    }
    assert await get_room_meta(store, "!r:x") == {"room_type": "chat", "chat_id": "C4"}
    assert await get_user_meta(store, "@a:x") == {"space_id": "!s:x", "next_chat_index": 5}
    assert await get_room_meta(store, "@a:x") is None
    assert await get_user_meta(store, "!r:x") is None
    store.close()
