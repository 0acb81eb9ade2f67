"""Every sentence a person reads in a room, one catalogue per locale."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """One locale's catalogue; the fields in braces are filled with `str.format`."""

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
    help_title="Write, and I answer here. Commands:",
    help_new="!new [name]: a new chat",
    help_chats="!chats: your chats",
    help_rename="!rename <name>: rename this chat",
    help_archive="!archive: put this chat away",
    help_open="!open C<n>: invite me to that chat again",
    help_status="!status: how things are",
    help_help="!help: this list",
    unknown_command="I don't know the command !{word}. Write !help for the list.",
    owner_only="Only {owner} can use commands in this chat.",
    not_text="I can only read text so far.",
    encrypted=(
        "I can't read encrypted messages, and encryption can't be turned off again in a room. "
        "Please go on in another of your chats: those that I make are never encrypted."
    ),
    welcome=(
        "Hello! I made a Space for you with a first chat, {name} ({chat_id}), "
        "and invited you to both: {link}"
    ),
    welcome_here=(
        "Hello! This is your first chat, {name} ({chat_id}), in a Space that I made for you. "
        "Write, and I answer here; !help lists what else I can do."
    ),
    welcome_back="Welcome back! Your chats are in your Space, and you are invited to it: {link}",
    chat_created="{name} ({chat_id}) is ready, and you are invited to it: {link}",
    creation_queued=(
        "The homeserver allows only so many new rooms at a time. Your chat is queued, "
        "and comes by itself in a minute or a few."
    ),
    creation_waits=(
        "I can't read all of my rooms at the moment. Your chat comes as soon as I can."
    ),
    creation_refused="The homeserver refused to make the room: {reason}",
    number_refused="I can't make a chat, because I may not write into your Space: {reason}",
    no_space="I can't find your Space any more. Invite me to a room again, and I make a new one.",
    no_more_chats="You have had as many chats as can be numbered. Please reopen one of them.",
    chats_title="Your chats:",
    chats_line="{chat_id}: {name}",
    chats_line_archived="{chat_id}: {name} (archived)",
    rename_needs_name="Tell me the new name, like this: !rename Holiday plans",
    name_too_long="A name can have at most {limit} characters; this one has {length}.",
    renamed="This chat is now called {name}.",
    archive_confirm="Archive {name} ({chat_id})? Write !yes within 60 seconds, or !no.",
    archive_kept="All right, nothing was archived.",
    archived="{name} ({chat_id}) is archived. !open {chat_id} brings it back, !new starts another.",
    already_archived="{name} ({chat_id}) is archived already. !open {chat_id} brings it back.",
    nothing_to_confirm="There is nothing that waits for a yes or a no.",
    open_needs_id="Tell me which chat, like this: !open C2. !chats lists them.",
    no_such_chat="You have no chat {ref}. !chats lists those you have.",
    opened="You are invited to {name} ({chat_id}): {link}",
    opened_again="{name} ({chat_id}) is open again: {link}",
    opened_here="{name} ({chat_id}) is open again.",
    status="This is {name} ({chat_id}). Chats: {active} active, {archived} archived.",
    chat_is_archived="This chat is archived. !open {chat_id} brings it back, !new starts another.",
    gave_up="I could not answer this message, and have stopped trying. Please send it again later.",
    not_allowed_by_server="The homeserver did not let me do that: {reason}",
)

RUSSIAN: Final = Texts(
    chat_name="Чат {number}",
    space_name="Чаты {owner}",
    space_topic="Ваши чаты, по комнате на каждый. Напишите !help в любом из них.",
    help_title="Пишите, и я отвечу здесь. Команды:",
    help_new="!new [название]: новый чат",
    help_chats="!chats: ваши чаты",
    help_rename="!rename <название>: переименовать этот чат",
    help_archive="!archive: убрать этот чат в архив",
    help_open="!open C<n>: снова пригласить меня в тот чат",
    help_status="!status: как обстоят дела",
    help_help="!help: этот список",
    unknown_command="Я не знаю команды !{word}. Список: !help.",
    owner_only="Команды в этом чате доступны только {owner}.",
    not_text="Пока я умею читать только текст.",
    encrypted=(
        "Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя. "
        "Продолжим, пожалуйста, в другом чате: те, что создаю я, не шифруются."
    ),
    welcome=(
        "Здравствуйте! Я создал для вас пространство с первым чатом, {name} ({chat_id}), "
        "и пригласил вас в оба: {link}"
    ),
    welcome_here=(
        "Здравствуйте! Это ваш первый чат, {name} ({chat_id}), в пространстве, которое я для вас "
        "создал. Пишите, и я отвечу здесь; что я ещё умею, скажет !help."
    ),
    welcome_back="С возвращением! Ваши чаты в вашем пространстве, приглашение отправлено: {link}",
    chat_created="{name} ({chat_id}) готов, приглашение отправлено: {link}",
    creation_queued=(
        "Сервер ограничивает создание комнат. Ваш чат в очереди и появится сам через минуту-другую."
    ),
    creation_waits="Сейчас я не могу прочитать все комнаты. Чат появится, как только смогу.",
    creation_refused="Сервер отказался создать комнату: {reason}",
    number_refused="Не могу создать чат: у меня нет права писать в ваше пространство: {reason}",
    no_space="Я не нахожу вашего пространства. Пригласите меня ещё раз, и я создам новое.",
    no_more_chats="Номера для чатов закончились. Откройте, пожалуйста, один из прежних.",
    chats_title="Ваши чаты:",
    chats_line="{chat_id}: {name}",
    chats_line_archived="{chat_id}: {name} (в архиве)",
    rename_needs_name="Напишите новое название, например: !rename Планы на отпуск",
    name_too_long="Название может быть не длиннее {limit} знаков; в этом {length}.",
    renamed="Теперь этот чат называется {name}.",
    archive_confirm=(
        "Убрать {name} ({chat_id}) в архив? Напишите !yes в течение 60 секунд или !no."
    ),
    archive_kept="Хорошо, ничего не убрано.",
    archived="{name} ({chat_id}) в архиве. !open {chat_id} вернёт его, !new начнёт новый.",
    already_archived="{name} ({chat_id}) уже в архиве. !open {chat_id} вернёт его.",
    nothing_to_confirm="Сейчас нечего подтверждать.",
    open_needs_id="Напишите, какой чат, например: !open C2. Список: !chats.",
    no_such_chat="У вас нет чата {ref}. Список: !chats.",
    opened="Вы приглашены в {name} ({chat_id}): {link}",
    opened_again="{name} ({chat_id}) снова открыт: {link}",
    opened_here="{name} ({chat_id}) снова открыт.",
    status="Это {name} ({chat_id}). Чатов: {active} активных, {archived} в архиве.",
    chat_is_archived="Этот чат в архиве. !open {chat_id} вернёт его, !new начнёт новый.",
    gave_up="Я не смог ответить на это сообщение и больше не пытаюсь. Отправьте его позже ещё раз.",
    not_allowed_by_server="Сервер не позволил мне это сделать: {reason}",
)

LOCALES: Final = {"en": ENGLISH, "ru": RUSSIAN}

_DEFAULT_NAMES: Final = tuple(
    re.compile(re.escape(texts.chat_name).replace(r"\{number\}", "([1-9][0-9]{0,3})"))
    for texts in LOCALES.values()
)


def number_in_default_name(name: str) -> int | None:
    """The n of a name that is one of our own default names ("Chat 4") in any locale."""
    for pattern in _DEFAULT_NAMES:
        if found := pattern.fullmatch(name):
            return int(found[1])
    return None
