"""Every sentence that the bot says in a room, in one catalogue for each language."""

import re
from dataclasses import dataclass
from typing import Final

from actors import command_texts, reply_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The catalogue of one language. `str.format` fills the fields in braces."""

    chat_name: str
    space_name: str
    space_topic: str
    help_new: str
    help_chats: str
    help_rename: str
    help_archive: str
    help_open: str
    help_status: str
    commands: command_texts.CommandTexts
    owner_only: str
    not_text: str
    encrypted: str
    encrypted_message: str
    encrypted_continue: str
    encrypted_new: str
    encrypted_everywhere: str
    welcome: str
    welcome_made: str
    welcome_here: str
    welcome_back: str
    welcome_back_made: str
    chat_created: str
    chat_made: str
    your_space: str
    access_member: str
    access_invited: str
    access_link: str
    access_knock: str
    access_blocked: str
    access_banned: str
    access_gone: str
    access_refused: str
    no_invites: str
    way: str
    creation_encrypted: str
    creation_queued: str
    creation_waits: str
    creation_refused: str
    creation_put_off: str
    number_refused: str
    no_space: str
    no_more_chats: str
    chats_title: str
    chats_line: str
    chats_line_archived: str
    chats_gone: str
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
    chat_gone: str
    opened: str
    opened_made: str
    opened_again: str
    opened_again_made: str
    opened_here: str
    status: str
    chat_is_archived: str
    gave_up: str
    replies: reply_texts.ReplyTexts
    exchange_paused: str
    not_allowed_by_server: str


ENGLISH: Final = Texts(
    chat_name="Chat {number}",
    space_name="Chats of {owner}",
    space_topic="Your chats, one room each. Write !help in any of them.",
    help_new="!new [name]: start a new chat",
    help_chats="!chats: list your chats",
    help_rename="!rename <name>: rename this chat",
    help_archive="!archive: archive this chat",
    help_open="!open C<n>: reopen a chat, or get a new invite to it",
    help_status="!status: which chat this is, and how many you have",
    commands=command_texts.ENGLISH,
    owner_only="Only {owner} can use commands in this chat.",
    not_text="I can't read messages of this kind. Please write to me instead.",
    encrypted="I can't read encrypted messages, and encryption can't be turned off in a room.",
    encrypted_message=(
        "I can't read encrypted messages. "
        "This chat is not encrypted, so please send your message without encryption."
    ),
    encrypted_continue=(
        "I can't read encrypted messages, and encryption can't be turned off in a room. "
        "Please continue in {name} ({chat_id}), which is not encrypted: {link}"
    ),
    encrypted_new=(
        "I can't read encrypted messages, and encryption can't be turned off in a room. "
        "I am creating another chat for you."
    ),
    encrypted_everywhere=(
        "I can't read encrypted messages, and encryption can't be turned off in a room. "
        "This homeserver encrypts every new room, so another chat would not help now. "
        "I create one as soon as an administrator of the homeserver has turned that off."
    ),
    welcome=(
        "Hello! Your Space is ready, with the chat {name} ({chat_id}) in it. "
        "I have invited you to both: {link}"
    ),
    welcome_made="Hello! Your Space is ready, with the chat {name} ({chat_id}) in it.",
    welcome_here=(
        "Hello! This is {name} ({chat_id}), a chat in your own Space. "
        "Write here, and I answer; !help lists what else I can do."
    ),
    welcome_back=(
        "Welcome back! Your chats are in your Space. "
        "If you left it, I have invited you again: {link}"
    ),
    welcome_back_made="Welcome back! Your chats are in your Space.",
    chat_created="{name} ({chat_id}) is ready, and you are invited to it: {link}",
    chat_made="{name} ({chat_id}) is ready.",
    your_space="Your Space",
    access_member="{room}: you are in it already. {link}",
    access_invited="{room}: I have invited you. {link}",
    access_link=(
        "{room}: I could not invite you ({reason}). "
        "You can join without an invite, by this link: {link}"
    ),
    access_knock=(
        "{room}: I could not invite you ({reason}). "
        "Ask to join by this link, and I try to invite you again: {link}"
    ),
    access_blocked=(
        "{room}: I could not invite you ({reason}). "
        "Allow them in the settings of your client, then ask to join by this link, "
        "and I invite you again: {link}"
    ),
    access_banned="{room}: I can't invite you, because you are banned from it. {link}",
    access_gone="{room}: I can't invite you, because I am not in it any more.",
    access_refused="{room}: I could not invite you ({reason}). {link}",
    no_invites="your account accepts no invites from me",
    way=(
        "I answer in your chats; commands work only there. "
        "Your Space: {space} Your latest chat, {name} ({chat_id}): {link}"
    ),
    creation_encrypted=(
        "I can't create a chat for you yet, because this homeserver encrypts every new room and "
        "I can't read encrypted messages; the chat comes by itself as soon as an administrator of "
        "the homeserver has turned that off."
    ),
    creation_queued=(
        "The homeserver limits how many rooms I can create at a time. "
        "Your chat is queued: you are number {place}, and I serve one person after another."
    ),
    creation_waits=(
        "I can't read all of my rooms at the moment, and one of them may be yours. "
        "Your chat comes as soon as I can read them."
    ),
    creation_refused="The homeserver refused to create the room: {reason}",
    creation_put_off=(
        "The homeserver does not let me create a room at the moment: {reason}. "
        "I keep trying, and your chat comes as soon as it does."
    ),
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
    chats_gone=(
        "Chats that can't be opened any more: {count}. "
        "Their rooms no longer exist, or I am not in them."
    ),
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
    chat_gone=(
        "{name} ({chat_id}) can't be opened any more: its room no longer exists, or I am not in "
        "it. !new starts a new chat."
    ),
    opened="This is {name} ({chat_id}). If you left it, I have invited you again: {link}",
    opened_made="This is {name} ({chat_id}).",
    opened_again="{name} ({chat_id}) is open again: {link}",
    opened_again_made="{name} ({chat_id}) is open again.",
    opened_here="{name} ({chat_id}) is open.",
    status="This is {name} ({chat_id}). Chats: {active} active, {archived} archived.",
    chat_is_archived="This chat is archived. !open {chat_id} reopens it, !new starts a new one.",
    gave_up="I could not answer this message and have stopped trying. Please send it again later.",
    replies=reply_texts.ENGLISH,
    exchange_paused=(
        "{sender} answers me faster than people do, so I don't answer {sender} here for a while. "
        "This keeps two programs from talking to each other without end."
    ),
    not_allowed_by_server="I could not do that: {reason}",
)

RUSSIAN: Final = Texts(
    chat_name="Чат {number}",
    space_name="Чаты {owner}",
    space_topic="Ваши чаты, по комнате на каждый. Напишите !help в любом из них.",
    help_new="!new [название]: начать новый чат",
    help_chats="!chats: список ваших чатов",
    help_rename="!rename <название>: переименовать этот чат",
    help_archive="!archive: убрать этот чат в архив",
    help_open="!open C<n>: снова открыть чат или получить новое приглашение в него",
    help_status="!status: какой это чат и сколько у вас чатов",
    commands=command_texts.RUSSIAN,
    owner_only="Команды в этом чате доступны только {owner}.",
    not_text="Я не умею читать такие сообщения. Напишите мне, пожалуйста, текстом.",
    encrypted="Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя.",
    encrypted_message=(
        "Я не умею читать зашифрованные сообщения. "
        "Этот чат не зашифрован: пожалуйста, отправьте сообщение без шифрования."
    ),
    encrypted_continue=(
        "Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя. "
        "Пожалуйста, продолжите в чате {name} ({chat_id}), он не зашифрован: {link}"
    ),
    encrypted_new=(
        "Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя. "
        "Я создаю для вас другой чат."
    ),
    encrypted_everywhere=(
        "Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя. "
        "Этот сервер шифрует каждую новую комнату, поэтому другой чат сейчас не поможет. "
        "Я создам его, как только администратор сервера это отключит."
    ),
    welcome=(
        "Здравствуйте! Ваше пространство готово, в нём есть чат {name} ({chat_id}). "
        "Приглашения в пространство и в чат отправлены: {link}"
    ),
    welcome_made="Здравствуйте! Ваше пространство готово, в нём есть чат {name} ({chat_id}).",
    welcome_here=(
        "Здравствуйте! Это {name} ({chat_id}), чат в вашем собственном пространстве. "
        "Пишите, и я отвечу здесь; что ещё я умею, покажет !help."
    ),
    welcome_back=(
        "С возвращением! Ваши чаты находятся в вашем пространстве. "
        "Если вы его покинули, новое приглашение отправлено: {link}"
    ),
    welcome_back_made="С возвращением! Ваши чаты находятся в вашем пространстве.",
    chat_created="Чат готов: {name} ({chat_id}). Приглашение отправлено: {link}",
    chat_made="Чат готов: {name} ({chat_id}).",
    your_space="Ваше пространство",
    access_member="{room}: вы уже там. {link}",
    access_invited="{room}: приглашение отправлено. {link}",
    access_link=(
        "{room}: пригласить вас не получилось ({reason}). "
        "Вы можете войти без приглашения по этой ссылке: {link}"
    ),
    access_knock=(
        "{room}: пригласить вас не получилось ({reason}). "
        "Попросите впустить вас по этой ссылке, и я попробую пригласить снова: {link}"
    ),
    access_blocked=(
        "{room}: пригласить вас не получилось ({reason}). "
        "Разрешите их в настройках вашего клиента, затем попросите впустить вас по этой ссылке, "
        "и я приглашу вас снова: {link}"
    ),
    access_banned="{room}: пригласить вас нельзя, потому что вам запрещён вход. {link}",
    access_gone="{room}: пригласить вас нельзя, потому что меня там больше нет.",
    access_refused="{room}: пригласить вас не получилось ({reason}). {link}",
    no_invites="вы не принимаете от меня приглашений",
    way=(
        "Я отвечаю в ваших чатах, команды действуют только там. "
        "Ваше пространство: {space} Ваш последний чат, {name} ({chat_id}): {link}"
    ),
    creation_encrypted=(
        "Я пока не могу создать для вас чат: этот сервер шифрует каждую новую комнату, а я не умею "
        "читать зашифрованные сообщения; чат появится сам, как только администратор сервера это "
        "отключит."
    ),
    creation_queued=(
        "Сервер ограничивает число новых комнат. "
        "Ваш чат в очереди, ваш номер: {place}. Я создаю чаты по очереди."
    ),
    creation_waits=(
        "Сейчас я не могу прочитать все свои комнаты, а одна из них может быть вашей. "
        "Ваш чат появится, как только я смогу их прочитать."
    ),
    creation_refused="Сервер отказался создать комнату: {reason}",
    creation_put_off=(
        "Сейчас сервер не даёт мне создать комнату: {reason}. "
        "Я продолжаю пробовать, и ваш чат появится, как только получится."
    ),
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
    chats_gone=(
        "Чатов, которые больше нельзя открыть: {count}. Их комнат больше нет, или меня в них нет."
    ),
    rename_needs_name="Напишите новое название, например: !rename Планы на отпуск",
    name_too_long="Название может быть не длиннее {limit} знаков; в этом {length}.",
    renamed="Теперь этот чат называется {name}.",
    archive_confirm=(
        "Убрать чат «{name}» ({chat_id}) в архив? Напишите !yes в течение 60 секунд или !no."
    ),
    archive_kept="Хорошо, в архив ничего не убрано.",
    archived="{name} ({chat_id}) в архиве. !open {chat_id} снова откроет его, !new начнёт новый.",
    already_archived="{name} ({chat_id}) уже в архиве. !open {chat_id} снова откроет его.",
    nothing_to_confirm="Сейчас нечего подтверждать.",
    open_needs_id="Напишите, какой чат, например: !open C2. Список: !chats.",
    no_such_chat="У вас нет чата {ref}. Список: !chats.",
    chat_gone=(
        "{name} ({chat_id}) больше нельзя открыть: этой комнаты больше нет, или меня в ней нет. "
        "!new начнёт новый чат."
    ),
    opened="Это {name} ({chat_id}). Если вы покинули чат, новое приглашение отправлено: {link}",
    opened_made="Это {name} ({chat_id}).",
    opened_again="Чат снова открыт: {name} ({chat_id}). {link}",
    opened_again_made="Чат снова открыт: {name} ({chat_id}).",
    opened_here="Чат открыт: {name} ({chat_id}).",
    status="Это {name} ({chat_id}). Ваши чаты: активных {active}, в архиве {archived}.",
    chat_is_archived="Этот чат в архиве. !open {chat_id} снова откроет его, !new начнёт новый.",
    gave_up=(
        "Я не смог ответить на это сообщение и больше не пытаюсь. "
        "Пожалуйста, отправьте его позже ещё раз."
    ),
    replies=reply_texts.RUSSIAN,
    exchange_paused=(
        "{sender} отвечает мне быстрее, чем пишут люди, поэтому некоторое время я не отвечаю здесь "
        "{sender}. Так две программы не будут переписываться без конца."
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
