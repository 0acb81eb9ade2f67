"""Every sentence that the bot says in a room, in one catalogue for each language."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The catalogue of one language. `str.format` fills the fields in braces."""

    chat_name: str
    space_name: str
    space_topic: str
    help_title: str
    help_new: str
    help_chats: str
    help_rename: str
    help_archive: str
    help_open: str
    help_status: str
    help_help: str
    unknown_command: str
    owner_only: str
    not_text: str
    encrypted: str
    welcome: str
    welcome_here: str
    welcome_back: str
    chat_created: str
    creation_queued: str
    creation_waits: str
    creation_refused: str
    number_refused: str
    no_space: str
    no_more_chats: str
    chats_title: str
    chats_line: str
    chats_line_archived: str
    rename_needs_name: str
    name_too_long: str
    renamed: str
    archive_confirm: str
    archive_kept: str
    archived: str
    already_archived: str
    nothing_to_confirm: str
    open_needs_id: str
    no_such_chat: str
    opened: str
    opened_again: str
    opened_here: str
    status: str
    chat_is_archived: str
    gave_up: str
    not_allowed_by_server: str


ENGLISH: Final = Texts(
    chat_name="Chat {number}",
    space_name="Chats of {owner}",
    space_topic="Your chats, one room each. Write !help in any of them.",
    help_title="Write here, and I answer. Commands:",
    help_new="!new [name]: start a new chat",
    help_chats="!chats: list your chats",
    help_rename="!rename <name>: rename this chat",
    help_archive="!archive: archive this chat",
    help_open="!open C<n>: reopen a chat, or get a new invite to it",
    help_status="!status: which chat this is, and how many you have",
    help_help="!help: this list",
    unknown_command="I don't know the command !{word}. Write !help for the list.",
    owner_only="Only {owner} can use commands in this chat.",
    not_text="I can only read text messages.",
    encrypted=(
        "I can't read encrypted messages, and encryption can't be turned off in a room. "
        "Please continue in another of your chats: I create them without encryption."
    ),
    welcome=(
        "Hello! Your Space is ready, with the chat {name} ({chat_id}) in it. "
        "I have invited you to both: {link}"
    ),
    welcome_here=(
        "Hello! This is {name} ({chat_id}), a chat in your own Space. "
        "Write here, and I answer; !help lists what else I can do."
    ),
    welcome_back=(
        "Welcome back! Your chats are in your Space. "
        "If you left it, I have invited you again: {link}"
    ),
    chat_created="{name} ({chat_id}) is ready, and you are invited to it: {link}",
    creation_queued=(
        "The homeserver limits how many rooms I can create at a time. "
        "Your chat is queued: you are number {place}, and I serve one person after another."
    ),
    creation_waits=(
        "I can't read all of my rooms at the moment, and one of them may be yours. "
        "Your chat comes as soon as I can read them."
    ),
    creation_refused="The homeserver refused to create the room: {reason}",
    number_refused=(
        "I can't create a chat, because the homeserver did not let me write to your Space: {reason}"
    ),
    no_space="I can't find your Space any more. Invite me to a room, and I create a new one.",
    no_more_chats=(
        "All your chat numbers are used up. "
        "Please reopen one of your chats: !chats lists them, and !open C<n> reopens one."
    ),
    chats_title="Your chats:",
    chats_line="{chat_id}: {name}",
    chats_line_archived="{chat_id}: {name} (archived)",
    rename_needs_name="Tell me the new name, like this: !rename Holiday plans",
    name_too_long="A name can have at most {limit} characters; this one has {length}.",
    renamed="This chat is now called {name}.",
    archive_confirm="Archive {name} ({chat_id})? Write !yes within 60 seconds, or !no.",
    archive_kept="All right, nothing was archived.",
    archived="{name} ({chat_id}) is archived. !open {chat_id} reopens it, !new starts a new one.",
    already_archived="{name} ({chat_id}) is already archived. !open {chat_id} reopens it.",
    nothing_to_confirm="There is nothing to confirm right now.",
    open_needs_id="Tell me which chat, like this: !open C2. !chats lists your chats.",
    no_such_chat="You have no chat {ref}. !chats lists your chats.",
    opened="This is {name} ({chat_id}). If you left it, I have invited you again: {link}",
    opened_again="{name} ({chat_id}) is open again: {link}",
    opened_here="{name} ({chat_id}) is open.",
    status="This is {name} ({chat_id}). Chats: {active} active, {archived} archived.",
    chat_is_archived="This chat is archived. !open {chat_id} reopens it, !new starts a new one.",
    gave_up="I could not answer this message and have stopped trying. Please send it again later.",
    not_allowed_by_server="I could not do that: {reason}",
)

RUSSIAN: Final = Texts(
    chat_name="Чат {number}",
    space_name="Чаты {owner}",
    space_topic="Ваши чаты, по комнате на каждый. Напишите !help в любом из них.",
    help_title="Пишите, и я отвечу здесь. Команды:",
    help_new="!new [название]: начать новый чат",
    help_chats="!chats: список ваших чатов",
    help_rename="!rename <название>: переименовать этот чат",
    help_archive="!archive: убрать этот чат в архив",
    help_open="!open C<n>: снова открыть чат или получить новое приглашение в него",
    help_status="!status: какой это чат и сколько у вас чатов",
    help_help="!help: этот список",
    unknown_command="Я не знаю команды !{word}. Список: !help.",
    owner_only="Команды в этом чате доступны только {owner}.",
    not_text="Я умею читать только текстовые сообщения.",
    encrypted=(
        "Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя. "
        "Пожалуйста, продолжите в другом вашем чате: я создаю чаты без шифрования."
    ),
    welcome=(
        "Здравствуйте! Ваше пространство готово, в нём есть чат {name} ({chat_id}). "
        "Приглашения в пространство и в чат отправлены: {link}"
    ),
    welcome_here=(
        "Здравствуйте! Это {name} ({chat_id}), чат в вашем собственном пространстве. "
        "Пишите, и я отвечу здесь; что ещё я умею, покажет !help."
    ),
    welcome_back=(
        "С возвращением! Ваши чаты находятся в вашем пространстве. "
        "Если вы его покинули, новое приглашение отправлено: {link}"
    ),
    chat_created="{name} ({chat_id}) готов, приглашение отправлено: {link}",
    creation_queued=(
        "Сервер ограничивает число новых комнат. "
        "Ваш чат в очереди, ваш номер: {place}. Я создаю чаты по очереди."
    ),
    creation_waits=(
        "Сейчас я не могу прочитать все свои комнаты, а одна из них может быть вашей. "
        "Ваш чат появится, как только я смогу их прочитать."
    ),
    creation_refused="Сервер отказался создать комнату: {reason}",
    number_refused=(
        "Я не могу создать чат, потому что сервер не позволил мне изменить ваше пространство: "
        "{reason}"
    ),
    no_space="Я больше не нахожу вашего пространства. Пригласите меня в комнату, и я создам новое.",
    no_more_chats=(
        "Номера для ваших чатов закончились. "
        "Пожалуйста, откройте один из прежних: список покажет !chats, откроет !open C<n>."
    ),
    chats_title="Ваши чаты:",
    chats_line="{chat_id}: {name}",
    chats_line_archived="{chat_id}: {name} (в архиве)",
    rename_needs_name="Напишите новое название, например: !rename Планы на отпуск",
    name_too_long="Название может быть не длиннее {limit} знаков; в этом {length}.",
    renamed="Теперь этот чат называется {name}.",
    archive_confirm=(
        "Убрать {name} ({chat_id}) в архив? Напишите !yes в течение 60 секунд или !no."
    ),
    archive_kept="Хорошо, в архив ничего не убрано.",
    archived="{name} ({chat_id}) в архиве. !open {chat_id} снова откроет его, !new начнёт новый.",
    already_archived="{name} ({chat_id}) уже в архиве. !open {chat_id} снова откроет его.",
    nothing_to_confirm="Сейчас нечего подтверждать.",
    open_needs_id="Напишите, какой чат, например: !open C2. Список: !chats.",
    no_such_chat="У вас нет чата {ref}. Список: !chats.",
    opened="Это {name} ({chat_id}). Если вы покинули чат, новое приглашение отправлено: {link}",
    opened_again="{name} ({chat_id}) снова открыт: {link}",
    opened_here="{name} ({chat_id}) открыт.",
    status="Это {name} ({chat_id}). Ваши чаты: активных {active}, в архиве {archived}.",
    chat_is_archived="Этот чат в архиве. !open {chat_id} снова откроет его, !new начнёт новый.",
    gave_up=(
        "Я не смог ответить на это сообщение и больше не пытаюсь. "
        "Пожалуйста, отправьте его позже ещё раз."
    ),
    not_allowed_by_server="Не получилось: {reason}",
)

LOCALES: Final = {"en": ENGLISH, "ru": RUSSIAN}

_DEFAULT_NAMES: Final = tuple(
    re.compile(re.escape(texts.chat_name).replace(r"\{number\}", "([1-9][0-9]{0,3})"))
    for texts in LOCALES.values()
)


def number_in_default_name(name: str) -> int | None:
    """The n of a default name of the bot ("Chat 4") in any language; None for another name."""
    for pattern in _DEFAULT_NAMES:
        if found := pattern.fullmatch(name):
            return int(found[1])
    return None
