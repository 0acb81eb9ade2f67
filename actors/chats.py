"""The chats of an owner, as the cache holds them."""

from dataclasses import dataclass, replace

from actors.model import ChatContext, ChatId, RoomId, UserId
from actors.ports import StateStore
from actors.rows import chat_key, chats_prefix, from_row, in_order, to_row
from actors.writes import PutRow


@dataclass(frozen=True, slots=True)
class ChatManager:
    """Reads and writes the rows `chat:{mxid}:{chat_id}`. May raise StoreUnavailable."""

    store: StateStore

    async def get(self, user_id: UserId, chat_id: ChatId) -> ChatContext | None:
        """One chat; None if there is no such row."""
        return from_row(await self.store.row(chat_key(user_id, chat_id)), ChatContext)

    async def get_or_create(
        self,
        user_id: UserId,
        chat_id: ChatId,
        platform: str,
        surface_ref: RoomId,
        name: str | None = None,
    ) -> ChatContext:
        """The chat's row. A missing row is written; a row that names another room is replaced."""
        known = await self.get(user_id, chat_id)
        if known is not None and known.surface_ref == surface_ref:
            return known
        chat = ChatContext(user_id, chat_id, platform, surface_ref, name or chat_id)
        await self._write(chat)
        return chat

    async def rename(self, user_id: UserId, chat_id: ChatId, name: str) -> ChatContext | None:
        """Change a chat's name; None if there is no such chat."""
        known = await self.get(user_id, chat_id)
        return await self._write(replace(known, name=name)) if known else None

    async def archive(self, user_id: UserId, chat_id: ChatId) -> ChatContext | None:
        """Mark a chat as archived; None if there is no such chat."""
        known = await self.get(user_id, chat_id)
        return await self._write(replace(known, is_archived=True)) if known else None

    async def list_all(self, user_id: UserId) -> list[ChatContext]:
        """Every chat of an owner, archived chats included, in the order of their numbers."""
        # @a:x:8448 starts with @a:x, so the key alone does not name the owner.
        rows = await self.store.rows(chats_prefix(user_id))
        chats = (from_row(row, ChatContext) for row in rows.values())
        return in_order(chat for chat in chats if chat is not None and chat.user_id == user_id)

    async def list_active(self, user_id: UserId) -> list[ChatContext]:
        """The chats of an owner that are not archived, in the order of their numbers."""
        return [chat for chat in await self.list_all(user_id) if not chat.is_archived]

    async def _write(self, chat: ChatContext) -> ChatContext:
        await self.store.commit([PutRow(chat_key(chat.user_id, chat.chat_id), to_row(chat))])
        return chat
