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
    model_refused: str
    answer_cut: str
    answer_filtered: str
    files_lost: str
    files_left_out: str
    conversation_trimmed: str


ENGLISH: Final = ReplyTexts(
    platform_busy="I am asked a lot at the moment. Your message waits; I answer as soon as I can.",
    platform_unavailable=(
        "What I answer with can't be reached at the moment. Your messages wait; I answer them in "
        "order as soon as it is back."
    ),
    platform_misconfigured=(
        "What I answer with is not set up correctly, and my operator has to mend that. Your "
        "messages wait; I answer them in order afterwards."
    ),
    question_too_long="This message is too long for me. Please send a shorter one.",
    model_refused="There is no model {model} here. !model shows the models to choose from.",
    answer_cut="(The answer was cut off here, because it reached the length limit.)",
    answer_filtered="(A content filter ended this answer.)",
    files_lost="(The server did not take a file of this answer: {names})",
    files_left_out="(I can't read this, and left it out: {names})",
    conversation_trimmed=(
        "(This conversation has become too long for me as a whole: from now on I no longer see "
        "its beginning. !forget makes a clean start.)"
    ),
)

RUSSIAN: Final = ReplyTexts(
    platform_busy="Сейчас у меня много запросов. Ваше сообщение ждёт, я отвечу, как только смогу.",
    platform_unavailable=(
        "Сейчас недоступно то, с помощью чего я отвечаю. Ваши сообщения ждут, я отвечу на них по "
        "порядку, как только связь вернётся."
    ),
    platform_misconfigured=(
        "То, с помощью чего я отвечаю, неправильно настроено, и исправить это должен мой "
        "администратор. Ваши сообщения ждут, потом я отвечу на них по порядку."
    ),
    question_too_long="Это сообщение слишком длинное для меня. Пожалуйста, отправьте покороче.",
    model_refused="Модели {model} здесь нет. Какие модели есть, покажет !model.",
    answer_cut="(Ответ здесь обрывается, потому что достиг предела длины.)",
    answer_filtered="(Этот ответ прервал фильтр содержимого.)",
    files_lost="(Сервер не принял файл из этого ответа: {names})",
    files_left_out="(Это я прочитать не могу, поэтому ответ без учёта файлов: {names})",
    conversation_trimmed=(
        "(Беседа стала для меня слишком длинной: теперь я больше не вижу её начала. "
        "!forget начнёт с чистого листа.)"
    ),
)
