"""What is said about replies of the platform, in one catalogue for each language."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTexts:
    """A part of the catalogue of one language. `str.format` fills the fields in braces."""

    platform_busy: str
    platform_unavailable: str
    platform_misconfigured: str
    question_too_long: str
    instructions_too_long: str
    model_refused: str
    answer_cut: str
    answer_filtered: str
    file_type: str
    file_voice: str
    file_encrypted: str
    file_too_large: str
    file_gone: str
    file_failed: str
    file_not_sent: str
    file_not_sent_too_large: str
    file_not_sent_too_many: str
    file_not_sent_refused: str
    conversation_trimmed: str
    unanswered: str


ENGLISH: Final = ReplyTexts(
    platform_busy=(
        "What I answer with is busy or still starting. Your message waits; I answer as soon as I "
        "can."
    ),
    platform_unavailable=(
        "What I answer with can't be reached at the moment. Your messages wait; I answer them in "
        "order as soon as it is back."
    ),
    platform_misconfigured=(
        "What I answer with is not set up correctly, and my operator has to mend that. Your "
        "messages wait; I answer them in order afterwards."
    ),
    question_too_long="This message is too long for me. Please send a shorter one.",
    instructions_too_long=(
        "The instructions for this chat are too long for me. `!system` shows them, `!system "
        "default` "
        "removes them."
    ),
    model_refused="There is no model {model} here. `!model` shows the models to choose from.",
    answer_cut="(The answer was cut off here, because it reached the length limit.)",
    answer_filtered="(A content filter ended this answer.)",
    file_type="I can't read files of this type: {name} ({mime_type}).",
    file_voice="I can't understand voice messages. Please write to me instead.",
    file_encrypted="I can't read {name}, because it is encrypted.",
    file_too_large="{name} is too large for me. I read files of up to {limit}.",
    file_gone="I can't find {name} on the homeserver.",
    file_failed="I could not get {name} from the homeserver. You can send it again later.",
    file_not_sent="[file {name}: could not be sent: {reason}]",
    file_not_sent_too_large="too large for the homeserver",
    file_not_sent_too_many="too much for one answer",
    file_not_sent_refused="the homeserver does not take it",
    conversation_trimmed=(
        "(This conversation has become too long for me as a whole: from now on I no longer see "
        "its beginning. `!forget` makes a clean start.)"
    ),
    unanswered=(
        "Messages here without an answer: {count}. I had lost track of them, and they are too old "
        "to be answered without asking. `!retry` asks the last one again."
    ),
)

RUSSIAN: Final = ReplyTexts(
    platform_busy=(
        "То, с помощью чего я отвечаю, сейчас занято или ещё запускается. Ваше сообщение ждёт, "
        "я отвечу, как только смогу."
    ),
    platform_unavailable=(
        "Сейчас недоступно то, с помощью чего я отвечаю. Ваши сообщения ждут, я отвечу на них по "
        "порядку, как только связь вернётся."
    ),
    platform_misconfigured=(
        "То, с помощью чего я отвечаю, неправильно настроено, и исправить это должен мой "
        "администратор. Ваши сообщения ждут, потом я отвечу на них по порядку."
    ),
    question_too_long="Это сообщение слишком длинное для меня. Пожалуйста, отправьте покороче.",
    instructions_too_long=(
        "Указания для этого чата слишком длинные для меня. `!system` показывает их, `!system "
        "default` "
        "удаляет."
    ),
    model_refused="Модели {model} здесь нет. Какие модели есть, покажет `!model`.",
    answer_cut="(Ответ здесь обрывается, потому что достиг предела длины.)",
    answer_filtered="(Этот ответ прервал фильтр содержимого.)",
    file_type="Я не умею читать файлы этого типа: {name} ({mime_type}).",
    file_voice="Я не понимаю голосовые сообщения. Напишите, пожалуйста, текстом.",
    file_encrypted="Я не могу прочитать {name}: файл зашифрован.",
    file_too_large="Файл {name} слишком большой. Я читаю файлы размером до {limit}.",
    file_gone="Я не могу найти файл {name} на сервере.",
    file_failed="Не удалось получить файл {name} с сервера. Вы можете отправить его ещё раз позже.",
    file_not_sent="[файл {name}: не удалось отправить: {reason}]",
    file_not_sent_too_large="слишком большой для сервера",
    file_not_sent_too_many="слишком много для одного ответа",
    file_not_sent_refused="сервер его не принимает",
    conversation_trimmed=(
        "(Беседа стала для меня слишком длинной: теперь я больше не вижу её начала. "
        "`!forget` начнёт с чистого листа.)"
    ),
    unanswered=(
        "Сообщений без ответа: {count}. Мои записи о них пропали, а отвечать на такие старые "
        "сообщения без спроса я не стану. `!retry` задаст последний вопрос ещё раз."
    ),
)
