"""What `!help` and the commands about a conversation say, in one catalogue for each language."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTexts:
    """A part of the catalogue of one language. `str.format` fills the fields in braces."""

    help_title: str
    unknown_command: str
    about_conversation: str
    about_chats: str
    help_stop: str
    help_retry: str
    help_forget: str
    help_usage: str
    help_model: str
    help_system: str
    help_settings: str
    help_language: str
    help_help: str
    stopped: str
    nothing_to_stop: str
    nothing_to_retry: str
    forgotten: str
    forgotten_in_thread: str
    forgotten_in_work: str
    not_forgotten: str
    usage_last: str
    usage_all: str
    usage_unknown: str
    model_is: str
    model_is_default: str
    model_is_default_named: str
    models_title: str
    model_in_use: str
    models_more: str
    models_unknown: str
    model_hint: str
    model_set: str
    model_set_unchecked: str
    model_reset: str
    model_unknown: str
    model_unknown_hint: str
    model_similar: str
    system_is: str
    system_none: str
    system_set: str
    system_reset: str
    system_too_long: str
    language_is: str
    language_hint: str
    language_unknown: str
    language_set: str
    settings_title: str
    settings_hint: str
    settings_reset: str
    setting_is: str
    setting_unknown: str
    setting_needs_number: str
    setting_needs_switch: str
    setting_no_streams: str
    stream_on: str
    stream_off: str
    edits_on: str
    edits_off: str
    value_default: str
    value_on: str
    value_off: str


ENGLISH: Final = CommandTexts(
    help_title=(
        "Write a message here, and you get an answer. A thread is a conversation of its own."
    ),
    unknown_command="I don't know the command `!{word}`. Write `!help` for the list.",
    about_conversation="In this conversation you can write:",
    about_chats="About your chats:",
    help_stop="`!stop`: stop the answer that is being written",
    help_retry="`!retry`: get another answer to your last message",
    help_forget="`!forget`: start afresh; what was said here so far no longer counts",
    help_usage="`!usage`: show how many tokens the answers here took",
    help_model="`!model [name]`: show or choose the model that answers here",
    help_system="`!system [text]`: show or change the instructions that the model gets here",
    help_settings="`!settings [name value]`: show or change the settings of this chat",
    help_language="`!language [name]`: show or choose the language of this help and of all notices",
    help_help="`!help`: show this list",
    stopped="I have stopped.",
    nothing_to_stop="There is nothing to stop: no answer is in work here.",
    nothing_to_retry="There is nothing to answer again here.",
    forgotten=(
        "I have forgotten what was said here so far. Threads are conversations of their own, and "
        "the messages themselves stay in the room."
    ),
    forgotten_in_thread=(
        "I have forgotten what was said in this thread so far. The messages themselves stay in "
        "the room."
    ),
    forgotten_in_work=(
        "I have ended the answer that was in work, and taken back what was shown of it."
    ),
    not_forgotten="I could not forget the conversation at the moment. Please try again later.",
    usage_last="The last answer took {read} tokens to read and {written} to write ({model}).",
    usage_all="All answers in this chat that say it ({count}): {read} read, {written} written.",
    usage_unknown="No answer in this chat says how many tokens it took.",
    model_is="The model {model} answers in this chat.",
    model_is_default="The default model answers in this chat.",
    model_is_default_named="The default model, {model}, answers in this chat.",
    models_title="Models to choose from:",
    model_in_use="{model} (answers here)",
    models_more="… and {count} more",
    models_unknown="There is no list of models to choose from here.",
    model_hint="`!model <name>` chooses one, `!model default` takes the default model again.",
    model_set="From now on, the model {model} answers in this chat.",
    model_set_unchecked=(
        "From now on, I ask for the model {model} in this chat. There is no list of models here, "
        "so I can't say whether it exists."
    ),
    model_reset="From now on, the default model answers in this chat.",
    model_unknown="There is no model {model} here.",
    model_unknown_hint="`!model` lists the models to choose from.",
    model_similar="Similar names: {models}.",
    system_is="The instructions for this chat:\n{system}",
    system_none=(
        "This chat has no instructions of its own. Give some like this: "
        "`!system Answer in one sentence`."
    ),
    system_set=(
        "This chat has instructions now ({length} characters), beginning with the next answer. "
        "`!system` shows them, `!system default` removes them."
    ),
    system_reset="This chat has no instructions of its own any more.",
    system_too_long="Instructions can have at most {limit} characters; these have {length}.",
    language_is="My own sentences are in English.",
    language_hint="`!language ru` takes Russian, `!language default` the language of this bot.",
    language_unknown="I don't speak the language {name}.",
    language_set="From now on, I write to you in English, in all your chats.",
    settings_title="The settings of this chat:",
    settings_hint=(
        "Change one like this: `!settings temperature 0.7`. "
        "`!settings temperature default` sets it back, `!settings default` all of them."
    ),
    settings_reset="All settings of this chat are back at their defaults.",
    setting_is="{name}: {value}",
    setting_unknown="There is no setting {name}. There are: {names}.",
    setting_needs_number="The {name} is a number from 0 to 2, like this: `!settings {name} 0.7`",
    setting_needs_switch="The setting {name} can be on or off, like this: `!settings {name} on`",
    setting_no_streams="But this bot sends all answers only when they are complete.",
    stream_on="Answers here grow while they are written.",
    stream_off="Answers here come only when they are complete.",
    edits_on="If you edit your last message, I answer it again.",
    edits_off="If you edit a message, I don't answer it again.",
    value_default="default",
    value_on="on",
    value_off="off",
)

RUSSIAN: Final = CommandTexts(
    help_title=(
        "Напишите здесь сообщение, и вы получите ответ. Обсуждение (тред) — отдельный разговор."
    ),
    unknown_command="Я не знаю команды `!{word}`. Список: `!help`.",
    about_conversation="В этом разговоре вы можете написать:",
    about_chats="О ваших чатах:",
    help_stop="`!stop`: прервать ответ, который пишется сейчас",
    help_retry="`!retry`: получить другой ответ на ваше последнее сообщение",
    help_forget="`!forget`: начать с чистого листа; всё сказанное здесь больше не учитывается",
    help_usage="`!usage`: показать, сколько токенов заняли ответы",
    help_model="`!model [название]`: показать или выбрать модель, которая здесь отвечает",
    help_system="`!system [текст]`: показать или изменить указания, которые модель получает здесь",
    help_settings="`!settings [имя значение]`: показать или изменить настройки этого чата",
    help_language="`!language [название]`: показать или выбрать язык сообщений бота",
    help_help="`!help`: показать этот список",
    stopped="Ответ прерван.",
    nothing_to_stop="Прерывать нечего: сейчас здесь не пишется ответ.",
    nothing_to_retry="Здесь не на что отвечать заново.",
    forgotten=(
        "Всё сказанное здесь до сих пор забыто. Обсуждения — отдельные разговоры, "
        "а сами сообщения остаются в комнате."
    ),
    forgotten_in_thread=(
        "Всё сказанное в этом обсуждении до сих пор забыто. Сами сообщения остаются в комнате."
    ),
    forgotten_in_work="Ответ, который писался, прерван, и показанная часть его удалена.",
    not_forgotten="Сейчас забыть разговор не получилось. Пожалуйста, попробуйте позже.",
    usage_last="Последний ответ: токенов прочитано {read}, написано {written} ({model}).",
    usage_all="Все такие ответы в этом чате ({count}): прочитано {read}, написано {written}.",
    usage_unknown="Ни один ответ в этом чате не сообщает, сколько токенов он занял.",
    model_is="В этом чате отвечает модель {model}.",
    model_is_default="В этом чате отвечает модель по умолчанию.",
    model_is_default_named="В этом чате отвечает модель по умолчанию, {model}.",
    models_title="Модели на выбор:",
    model_in_use="{model} (отвечает здесь)",
    models_more="… и ещё {count}",
    models_unknown="Списка моделей на выбор здесь нет.",
    model_hint=(
        "`!model <название>` выбирает модель, `!model default` возвращает модель по умолчанию."
    ),
    model_set="Теперь в этом чате отвечает модель {model}.",
    model_set_unchecked=(
        "Теперь в этом чате я буду просить ответа у модели {model}. Списка моделей здесь нет, "
        "поэтому я не знаю, есть ли такая."
    ),
    model_reset="Теперь в этом чате отвечает модель по умолчанию.",
    model_unknown="Модели {model} здесь нет.",
    model_unknown_hint="Список моделей на выбор: `!model`.",
    model_similar="Похожие названия: {models}.",
    system_is="Указания для этого чата:\n{system}",
    system_none=(
        "У этого чата нет своих указаний. Задайте их, например, так: "
        "`!system Отвечай одним предложением`."
    ),
    system_set=(
        "Теперь у этого чата есть указания (знаков: {length}), они действуют со следующего ответа. "
        "`!system` показывает их, `!system default` удаляет."
    ),
    system_reset="Своих указаний у этого чата больше нет.",
    system_too_long="Указания могут быть не длиннее {limit} знаков; в этих {length}.",
    language_is="Мои собственные сообщения на русском языке.",
    language_hint=(
        "`!language en` выбирает английский, `!language default` — основной язык этого бота."
    ),
    language_unknown="Я не знаю языка «{name}».",
    language_set="Теперь во всех ваших чатах я пишу вам по-русски.",
    settings_title="Настройки этого чата:",
    settings_hint=(
        "Изменить настройку можно так: `!settings temperature 0.7`. "
        "`!settings temperature default` вернёт её назад, `!settings default` — все сразу."
    ),
    settings_reset="Все настройки этого чата снова стандартные.",
    setting_is="{name}: {value}",
    setting_unknown="Настройки {name} нет. Есть такие: {names}.",
    setting_needs_number="Настройка {name} — число от 0 до 2, например: `!settings {name} 0.7`",
    setting_needs_switch=(
        "Настройку {name} можно включить или выключить, например: `!settings {name} on`"
    ),
    setting_no_streams="Но этот бот отправляет все ответы только целиком.",
    stream_on="Ответы здесь растут, пока пишутся.",
    stream_off="Ответы здесь приходят только целиком.",
    edits_on="Если вы измените своё последнее сообщение, я отвечу на него заново.",
    edits_off="Если вы измените сообщение, я не отвечу на него заново.",
    value_default="по умолчанию",
    value_on="вкл",
    value_off="выкл",
)
