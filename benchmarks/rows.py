"""The rows that every contestant writes in a cold start, computed in the shortest way."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

PUT: Final = "INSERT INTO kv(key, value) VALUES (?, ?)"


def rows_of(room_id: str, name: str, marker: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The `kv` rows of one room by its marker, as the bot writes them."""
    owner, kind = marker["owner"], marker["kind"]
    is_chat = kind == "chat"
    room = {
        "room_type": kind,
        "chat_id": marker["chat_id"] if is_chat else None,
        "display_name": name,
        "matrix_user_id": owner,
        "space_id": marker["space_id"] if is_chat else room_id,
        "platform_chat_id": marker["platform_chat_id"] if is_chat else None,
    }
    yield f"matrix_room:{room_id}", json.dumps(room)
    if is_chat:
        chat = {
            "user_id": owner,
            "chat_id": marker["chat_id"],
            "platform": "matrix",
            "surface_ref": room_id,
            "name": name,
            "is_archived": marker["archived"],
        }
        yield f"chat:{owner}:{marker['chat_id']}", json.dumps(chat)
    else:
        user = {"space_id": room_id, "next_chat_index": marker["next_chat_index"]}
        yield f"matrix_user:{owner}", json.dumps(user)


def new_database(path: Path) -> sqlite3.Connection:
    """Create an empty database with the durability settings of the bot's cache.

    The connection is in autocommit mode: only the caller begins transactions.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("CREATE TABLE kv(key TEXT PRIMARY KEY, value TEXT)")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def read_rows(path: Path) -> dict[str, object]:
    """All rows that a contestant has written, decoded."""
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT key, value FROM kv")
        return {key: json.loads(value) for key, value in found}
    finally:
        connection.close()
