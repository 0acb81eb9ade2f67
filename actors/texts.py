"""Every sentence that the bot says in a room, in one catalogue for each language."""

import re
from dataclasses import dataclass
from typing import Final

from actors import chat_texts, command_texts, reply_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The catalogue of one language. `actors.rules.wording` fills it, but no names and topics."""

    bot_name: str
    chat_name: str
    chat_topic: str
    space_name: str
    space_topic: str
    your_space: str
    commands: command_texts.CommandTexts
    chats: chat_texts.ChatTexts
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
    welcome_back_there: str
    welcome_back_made: str
    chat_created: str
    chat_made: str
    access_member: str
    access_invited: str
    access_link: str
    access_knock: str
    access_blocked: str
    access_banned: str
    access_gone: str
    access_refused: str
    way: str
    creation_encrypted: str
    creation_queued: str
    creation_waits: str
    creation_refused: str
    creation_put_off: str
    number_refused: str
    no_space: str
    no_more_chats: str
    gave_up: str
    replies: reply_texts.ReplyTexts
    exchange_paused: str
    not_allowed_by_server: str


ENGLISH: Final = Texts(
    bot_name="Assistant",
    chat_name="Chat {number}",
    chat_topic="Chat {chat_id}. A conversation with the assistant; !help lists the commands.",
    space_name="Chats of {owner}",
    space_topic="Your chats, one room each. !help in any of them lists the commands.",
    your_space="your Space",
    commands=command_texts.ENGLISH,
    chats=chat_texts.ENGLISH,
    owner_only="Only {owner} can use commands in this chat.",
    not_text="I can't read messages of this kind. Please write to me instead.",
    encrypted="I can't read encrypted messages, and encryption can't be turned off in a room.",
    encrypted_message=(
        "I can't read encrypted messages. "
        "This chat is not encrypted, so please send your message without encryption."
    ),
    encrypted_continue=(
        "I can't read encrypted messages, and encryption can't be turned off in a room. "
        "Please continue in {chat}, which is not encrypted."
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
        "Hello! Your Space is ready, with a first chat in it. "
        "Accept both invites, to {space} and to {chat}; then write in the chat, and I answer "
        "there. "
        "`!help` shows what else you can do."
    ),
    welcome_made="Hello! Your Space is ready, with a first chat in it.",
    welcome_here=(
        "Hello! This is {chat}, a chat in your own Space. "
        "Write here, and I answer; `!help` shows what else you can do."
    ),
    welcome_back=(
        "Welcome back! Your Space is {space}, and your latest chat is {chat}. "
        "Accept the invites that you see; then write in the chat, and I answer there."
    ),
    welcome_back_there=(
        "Welcome back! Your Space is {space}, and your latest chat is {chat}. "
        "You are in both: write in the chat, and I answer there, not here."
    ),
    welcome_back_made="Welcome back! Your chats are in your Space.",
    chat_created="{chat} is ready. Accept the invite to it, then write there.",
    chat_made="{chat} is ready.",
    access_member="{room}: you are in it already.",
    access_invited="{room}: I have invited you.",
    access_link="{room}: I could not invite you. You can join without an invite, by this link.",
    access_knock=(
        "{room}: the homeserver did not let me invite you. "
        "Ask to join by this link, and I try to invite you again."
    ),
    access_blocked=(
        "{room}: I could not invite you, because your account accepts no invites from me. "
        "Allow my invites in the settings of your client, then ask to join by this link, "
        "and I invite you again."
    ),
    access_banned="{room}: I can't invite you, because you are banned from it.",
    access_gone="{room}: I can't invite you, because I am not in it any more.",
    access_refused=(
        "{room}: the homeserver did not let me invite you. "
        "Its administrator can find out why ({reason})."
    ),
    way=(
        "I answer in your chats, and commands work only there. "
        "Your Space is {space}, and your latest chat is {chat}."
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
    creation_refused=(
        "The homeserver does not let me create this room, and I have stopped trying. "
        "Its administrator can find out why ({reason})."
    ),
    creation_put_off=(
        "The homeserver does not let me create a room at the moment. "
        "I keep trying, and your chat comes as soon as it does ({reason})."
    ),
    number_refused=(
        "I can't create a chat, because the homeserver did not let me write to your Space. "
        "Its administrator can find out why ({reason})."
    ),
    no_space="I can't find your Space any more. Invite me to a room, and I create a new one.",
    no_more_chats=(
        "All your chat numbers are used up. "
        "Please reopen one of your chats: `!chats` lists them, and `!open <number>` reopens one."
    ),
    gave_up="I could not answer this message and have stopped trying. Please send it again later.",
    replies=reply_texts.ENGLISH,
    exchange_paused=(
        "{sender} answers me faster than people do, so I don't answer {sender} here for a while. "
        "This keeps two programs from talking to each other without end."
    ),
    not_allowed_by_server="The homeserver did not let me do that ({reason}).",
)

RUSSIAN: Final = Texts(
    bot_name="Ассистент",
    chat_name="Чат {number}",
    chat_topic="Чат {chat_id}. Разговор с ассистентом. Список команд: !help.",
    space_name="Чаты: {owner}",
    space_topic="Ваши чаты, по комнате на каждый. Список команд покажет !help в любом из них.",
    your_space="ваше пространство",
    commands=command_texts.RUSSIAN,
    chats=chat_texts.RUSSIAN,
    owner_only="Команды в этом чате доступны только {owner}.",
    not_text="Я не умею читать такие сообщения. Напишите мне, пожалуйста, текстом.",
    encrypted="Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя.",
    encrypted_message=(
        "Я не умею читать зашифрованные сообщения. "
        "Этот чат не зашифрован: пожалуйста, отправьте сообщение без шифрования."
    ),
    encrypted_continue=(
        "Я не умею читать зашифрованные сообщения, а отключить шифрование в комнате нельзя. "
        "Пожалуйста, продолжите там, где шифрования нет: {chat}."
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
        "Здравствуйте! Ваше пространство готово, в нём есть первый чат. "
        "Примите оба приглашения ({space} и {chat}) и пишите в чате: там я отвечу. "
        "Что ещё можно сделать, покажет `!help`."
    ),
    welcome_made="Здравствуйте! Ваше пространство готово, в нём есть первый чат.",
    welcome_here=(
        "Здравствуйте! Это «{chat}», чат в вашем собственном пространстве. "
        "Пишите, и я отвечу здесь; что ещё можно сделать, покажет `!help`."
    ),
    welcome_back=(
        "С возвращением! Ваше пространство: {space}, ваш последний чат: {chat}. "
        "Примите приглашения, которые вы видите, и пишите в чате: там я отвечу."
    ),
    welcome_back_there=(
        "С возвращением! Ваше пространство: {space}, ваш последний чат: {chat}. "
        "Вы уже там: пишите в чате, и я отвечу там, а не здесь."
    ),
    welcome_back_made="С возвращением! Ваши чаты находятся в вашем пространстве.",
    chat_created="Готово: {chat}. Примите приглашение и пишите там.",
    chat_made="Готово: {chat}.",
    access_member="{room}: вы уже там.",
    access_invited="{room}: приглашение отправлено.",
    access_link=(
        "{room}: пригласить вас не получилось. Вы можете войти без приглашения, по этой ссылке."
    ),
    access_knock=(
        "{room}: сервер не позволил мне пригласить вас. "
        "Попросите впустить вас по этой ссылке, и я попробую пригласить снова."
    ),
    access_blocked=(
        "{room}: пригласить вас не получилось, потому что вы не принимаете от меня приглашений. "
        "Разрешите мои приглашения в настройках клиента, затем попросите впустить вас по этой "
        "ссылке, и я приглашу вас снова."
    ),
    access_banned="{room}: пригласить вас нельзя, потому что вам запрещён вход.",
    access_gone="{room}: пригласить вас нельзя, потому что меня там больше нет.",
    access_refused=(
        "{room}: сервер не позволил мне пригласить вас. "
        "Почему, может выяснить его администратор ({reason})."
    ),
    way=(
        "Я отвечаю в ваших чатах, и команды действуют только там. "
        "Ваше пространство: {space}, ваш последний чат: {chat}."
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
    creation_refused=(
        "Сервер не позволил мне создать эту комнату, и я больше не пытаюсь. "
        "Почему, может выяснить его администратор ({reason})."
    ),
    creation_put_off=(
        "Сейчас сервер не даёт мне создать комнату. "
        "Я продолжаю пробовать, и ваш чат появится, как только получится ({reason})."
    ),
    number_refused=(
        "Я не могу создать чат, потому что сервер не позволил мне изменить ваше пространство. "
        "Почему, может выяснить его администратор ({reason})."
    ),
    no_space="Я больше не нахожу вашего пространства. Пригласите меня в комнату, и я создам новое.",
    no_more_chats=(
        "Номера для ваших чатов закончились. "
        "Пожалуйста, откройте один из прежних: список покажет `!chats`, откроет `!open <номер>`."
    ),
    gave_up=(
        "Я не смог ответить на это сообщение и больше не пытаюсь. "
        "Пожалуйста, отправьте его позже ещё раз."
    ),
    replies=reply_texts.RUSSIAN,
    exchange_paused=(
        "{sender} отвечает мне быстрее, чем пишут люди, поэтому некоторое время я не отвечаю здесь "
        "{sender}. Так две программы не будут переписываться без конца."
    ),
    not_allowed_by_server="Сервер не позволил мне это сделать ({reason}).",
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
