"""What is said about an owner's chats and their commands, in one catalogue for each language."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTexts:
    """A part of the catalogue of one language. `actors.rules.wording` fills it."""

    help_new: str
    help_list: str
    help_rename: str
    help_archive: str
    help_yes: str
    help_no: str
    help_open: str
    help_status: str
    list_title: str
    list_line: str
    list_line_archived: str
    list_gone: str
    rename_needs_name: str
    name_too_long: str
    renamed: str
    archive_confirm: str
    archive_kept: str
    archived: str
    already_archived: str
    nothing_to_confirm: str
    open_needs_name: str
    unknown: str
    several_meant: str
    gone: str
    opened: str
    opened_there: str
    opened_here: str
    opened_made: str
    opened_again: str
    opened_again_made: str
    opened_again_there: str
    opened_again_here: str
    status: str
    is_archived: str


ENGLISH: Final = ChatTexts(
    help_new="`!new [name]`: start a new chat",
    help_list="`!chats`: list your chats, each with a link",
    help_rename="`!rename <name>`: rename this chat; renaming its room does the same",
    help_archive="`!archive`: put this chat into the archive, where it answers no messages",
    help_yes="`!yes`: confirm what you were asked",
    help_no="`!no`: do not do what you were asked about",
    help_open=(
        "`!open <number or name>`: get a link to a chat, and an invite if you left it; "
        "this also takes the chat out of the archive"
    ),
    help_status="`!status`: show which chat this is, and how many you have",
    list_title="Your chats:",
    list_line="{chat_id}: {chat}",
    list_line_archived="{chat_id}: {chat} (archived)",
    list_gone=(
        "Chats that can't be opened any more: {count}. "
        "Their rooms no longer exist, or I am not in them."
    ),
    rename_needs_name="Tell me the new name, like this: `!rename Holiday plans`",
    name_too_long="A name can have at most {limit} characters; this one has {length}.",
    renamed="This chat is now called {name}.",
    archive_confirm="Archive {chat}? Write `!yes` within 60 seconds, or `!no`.",
    archive_kept="All right, nothing was archived.",
    archived="{chat} is archived. `!open {chat_id}` reopens it, `!new` starts a new one.",
    already_archived="{chat} is already archived. `!open {chat_id}` reopens it.",
    nothing_to_confirm=(
        "There is nothing to confirm; if I did ask you, please give the command again."
    ),
    open_needs_name=(
        "Tell me which chat, by its number or name, like this: `!open 2`. "
        "`!chats` lists your chats."
    ),
    unknown="You have no chat “{ref}”. `!chats` lists your chats.",
    several_meant="Several of your chats are called “{ref}”. Tell me the number of one: {ids}.",
    gone=(
        "{chat} can't be opened any more: its room no longer exists, or I am not in it. "
        "`!new` starts a new chat."
    ),
    opened="You are invited to {chat}. Accept the invite, then write there.",
    opened_there="You are already there: {chat}.",
    opened_here="You are already there: this is {chat}.",
    opened_made="This is about {chat}.",
    opened_again="{chat} is open again. Accept the invite to it, then write there.",
    opened_again_made="{chat} is open again.",
    opened_again_there="{chat} is open again, and you are already there.",
    opened_again_here="{chat} is open again.",
    status="This is {chat}. Your chats: {active} active, {archived} archived.",
    is_archived="This chat is archived. `!open {chat_id}` reopens it, `!new` starts a new one.",
)

RUSSIAN: Final = ChatTexts(
    help_new="`!new [название]`: начать новый чат",
    help_list="`!chats`: показать список ваших чатов со ссылками",
    help_rename="`!rename <название>`: переименовать этот чат; можно и переименовать комнату",
    help_archive="`!archive`: убрать этот чат в архив, где на сообщения нет ответов",
    help_yes="`!yes`: подтвердить то, о чём вас спросили",
    help_no="`!no`: отказаться от того, о чём вас спросили",
    help_open=(
        "`!open <номер или название>`: получить ссылку на чат и приглашение, "
        "если вы из него вышли; чат из архива при этом снова откроется"
    ),
    help_status="`!status`: показать, какой это чат и сколько у вас чатов",
    list_title="Ваши чаты:",
    list_line="{chat_id}: {chat}",
    list_line_archived="{chat_id}: {chat} (в архиве)",
    list_gone=(
        "Чатов, которые больше нельзя открыть: {count}. Их комнат больше нет, или меня в них нет."
    ),
    rename_needs_name="Напишите новое название, например: `!rename Планы на отпуск`",
    name_too_long="Название может быть не длиннее {limit} знаков; в этом {length}.",
    renamed="Теперь этот чат называется «{name}».",
    archive_confirm=(
        "Убрать «{chat}» в архив? Если да, напишите `!yes` в течение 60 секунд, если нет, `!no`."
    ),
    archive_kept="Хорошо, в архив ничего не убрано.",
    archived="«{chat}» теперь в архиве. `!open {chat_id}` снова откроет его, `!new` начнёт новый.",
    already_archived="«{chat}» уже в архиве. `!open {chat_id}` снова откроет его.",
    nothing_to_confirm="Подтверждать нечего; если я спрашивал, отправьте команду ещё раз.",
    open_needs_name=(
        "Напишите номер или название чата, например: `!open 2`. Список ваших чатов: `!chats`."
    ),
    unknown="У вас нет чата «{ref}». Список ваших чатов: `!chats`.",
    several_meant="Название «{ref}» есть у нескольких чатов. Укажите номер одного из них: {ids}.",
    gone=(
        "«{chat}» больше нельзя открыть: этой комнаты больше нет, или меня в ней нет. "
        "`!new` начнёт новый чат."
    ),
    opened="Приглашение отправлено: {chat}. Примите его и пишите там.",
    opened_there="Вы уже там: {chat}.",
    opened_here="Вы уже там: это «{chat}».",
    opened_made="Чат: {chat}.",
    opened_again="Снова открыт: {chat}. Примите приглашение и пишите там.",
    opened_again_made="Снова открыт: {chat}.",
    opened_again_there="Снова открыт: {chat}. Вы уже там.",
    opened_again_here="«{chat}» снова открыт.",
    status="Это «{chat}». Ваши чаты: активных {active}, в архиве {archived}.",
    is_archived="Этот чат в архиве. `!open {chat_id}` снова откроет его, `!new` начнёт новый.",
)
