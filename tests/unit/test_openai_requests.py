"""What is sent to a server, and what is known of it."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from actors.platform import Role, Turn
from adapter.platform.openai.body import Bodies, Wish
from adapter.platform.openai.discovery import Discovered
from adapter.platform.openai.facts import ModelFacts, models_in
from adapter.platform.openai.knowledge import Knowledge
from adapter.platform.openai.messages import Message, messages_of, without_system
from adapter.platform.openai.settings import OpenAISettings
from tests.asks import PAPER, PICTURE, VOICE, ask

HELLO: Message = {"role": "user", "content": "Hello"}


def test_the_system_prompt_comes_first_and_roles_alternate() -> None:
    messages = messages_of(ask("Hello", "Hi", "Who?"), "Be brief.", {})
    assert [(it["role"], it["content"]) for it in messages] == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi"),
        ("user", "Who?"),
    ]
    assert messages_of(ask("Hello"), "", {}) == [HELLO]


def test_speakers_are_named_and_quotes_are_quotes() -> None:
    turn = Turn(Role.PERSON, "Why?", speaker="Alice", quoted="It is\nso.")
    (message,) = messages_of(ask(turn), "", {})
    assert message["content"] == "> It is\n> so.\n\nAlice: Why?"


def test_files_become_parts_and_voices_become_text() -> None:
    asked = ask("See", files=(PICTURE, VOICE, PAPER))
    (message,) = messages_of(asked, "", {VOICE.data: "and hear"})
    assert message["content"] == [
        {"type": "text", "text": "See\n\nand hear"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {
            "type": "file",
            "file": {"filename": "paper.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        },
    ]
    (alone,) = messages_of(ask("", files=(VOICE,)), "", {VOICE.data: "and hear"})
    assert alone["content"] == "and hear"


def test_half_a_surrogate_pair_does_not_stop_a_question() -> None:
    (message,) = messages_of(ask("a\ud83d"), "", {})
    assert message["content"] == "a?"


def test_a_model_without_system_prompts_gets_it_in_the_first_question() -> None:
    system: Message = {"role": "system", "content": "Be brief."}
    (message,) = without_system([system, HELLO])
    assert message == {"role": "user", "content": "Be brief.\n\nHello"}
    parts = [{"type": "text", "text": "Hello"}]
    (message,) = without_system([system, {"role": "user", "content": parts}])
    assert message["content"] == [{"type": "text", "text": "Be brief."}, *parts]
    assert without_system([HELLO]) == [HELLO]


def fields(bodies: Bodies, wish: Wish) -> dict[str, Any]:
    body = json.loads(bodies.body(wish))
    assert body.pop("stream") is True
    return {name: body[name] for name in sorted(body) if name not in {"messages", "model"}}


def test_a_refused_field_is_left_out_from_then_on() -> None:
    bodies, wish = Bodies(), Wish("m", [HELLO], 0.5, 100)
    usage = {"include_usage": True}
    assert fields(bodies, wish) == {"max_tokens": 100, "stream_options": usage, "temperature": 0.5}
    extra = json.dumps({"detail": [{"loc": ["body", "stream_options"], "msg": "extra"}]}).encode()
    assert bodies.learn(wish, 422, extra)
    assert not bodies.learn(wish, 422, extra)
    assert fields(bodies, wish) == {"max_tokens": 100, "temperature": 0.5}
    assert bodies.learn(wish, 400, b"Unsupported value: 'temperature' does not support 0.5")
    assert fields(bodies, wish) == {"max_tokens": 100}
    assert bodies.refused == (("m", "stream_options"), ("m", "temperature"))


def test_the_longest_answer_has_two_names() -> None:
    bodies, wish = Bodies(), Wish("m", [HELLO], max_tokens=100)
    words = b"'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    assert bodies.learn(wish, 400, words)
    assert fields(bodies, wish)["max_completion_tokens"] == 100
    assert bodies.learn(wish, 400, b"max_completion_tokens: extra inputs are not permitted")
    assert list(fields(bodies, wish)) == ["stream_options"]


def test_what_one_model_refuses_is_sent_to_another() -> None:
    bodies, wish = Bodies(), Wish("m", [HELLO], 0.5)
    assert bodies.learn(wish, 400, b"temperature")
    assert "temperature" not in fields(bodies, wish)
    assert fields(bodies, Wish("m", [HELLO], 1.0))["temperature"] == 1.0
    assert fields(bodies, Wish("n", [HELLO], 0.5))["temperature"] == 0.5


def test_only_the_newest_refusals_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.platform.openai.body._REMEMBERED", 2)
    bodies = Bodies()
    for name in ("a", "b", "c"):
        assert bodies.learn(Wish(name, [HELLO], 0.5), 400, b"temperature")
    assert [model for model, _ in bodies.refused] == ["b", "c"]


@pytest.mark.parametrize(("status", "words"), [(401, b"temperature"), (400, b"no"), (429, b"")])
def test_other_refusals_are_not_about_a_field(status: int, words: bytes) -> None:
    assert not Bodies().learn(Wish("m", [HELLO], 0.5), status, words)


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Developer instruction is not enabled for models/gemma",
    ],
)
def test_a_refused_system_role_is_remembered(words: str) -> None:
    system: Message = {"role": "system", "content": "Be brief."}
    bodies, wish = Bodies(), Wish("m", [system, HELLO])
    assert bodies.learn(wish, 500, json.dumps({"error": words}).encode())
    (message,) = json.loads(bodies.body(wish))["messages"]
    assert message == {"role": "user", "content": "Be brief.\n\nHello"}
    assert not bodies.learn(wish, 500, json.dumps({"error": words}).encode())


@pytest.mark.parametrize(
    ("entry", "context_tokens", "takes_pictures"),
    [
        ({}, None, None),
        ({"max_model_len": 4096}, 4096, None),
        ({"meta": {"n_ctx": 2048, "n_ctx_train": 8192}}, 2048, None),
        ({"meta": None, "context_length": 1000}, 1000, None),
        ({"context_window": 131072}, 131072, None),
        ({"max_model_len": "4096"}, None, None),
        ({"architecture": {"input_modalities": ["text", "image"]}}, None, True),
        ({"architecture": {"input_modalities": ["text"]}}, None, False),
        ({"capabilities": {"vision": True}}, None, True),
        ({"capabilities": ["completion"]}, None, None),
    ],
)
def test_servers_describe_models_in_many_ways(
    entry: dict[str, object],
    context_tokens: int | None,
    takes_pictures: bool | None,  # noqa: FBT001
) -> None:
    listed = models_in(json.dumps({"data": [{"id": "m", **entry}, {}, 7]}).encode())
    assert listed == (ModelFacts("m", context_tokens, takes_pictures),)


def test_a_list_alone_is_a_list_of_models() -> None:
    assert models_in(b'[{"id": "m"}]') == (ModelFacts("m"),)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"7", b'{"data": 7}'])
def test_what_is_no_list_of_models_has_none(body: bytes) -> None:
    assert models_in(body) == ()


def test_llama_tells_its_context_at_props() -> None:
    props = {"default_generation_settings": {"n_ctx": 2048}, "modalities": {"vision": True}}
    found = ModelFacts("m").with_props(json.dumps(props).encode())
    assert found == ModelFacts("m", 2048, takes_pictures=True)
    assert ModelFacts("m").with_props(b"{}") == ModelFacts("m")


def test_ollama_tells_what_runs_before_what_is_configured() -> None:
    show = {"model_info": {}, "parameters": "stop x\nnum_ctx    8192", "capabilities": ["vision"]}
    shown = json.dumps(show).encode()
    running = json.dumps({"models": [{"name": "m:latest", "context_length": 4096}]}).encode()
    found = ModelFacts("m").with_ollama(shown, running)
    assert found == ModelFacts("m", 4096, takes_pictures=True, cuts_silently=True)
    assert ModelFacts("m").with_ollama(shown, b"").context_tokens == 8192
    assert ModelFacts("m").with_ollama(b"404", running) == ModelFacts("m")


def settings(**more: object) -> OpenAISettings:
    return OpenAISettings.model_validate({"base_url": "http://llm", **more})


def knowing(model: ModelFacts, **more: object) -> Knowledge:
    knowledge = Knowledge(settings(**more))
    knowledge.take(Discovered(model, (model,)))
    return knowledge


@pytest.mark.parametrize(
    ("said", "more", "room"),
    [
        (None, {}, 8192 - 2048),
        (2048, {}, 2048 - 512),
        (131072, {}, 131072 - 4096),
        (131072, {"context_tokens": 4096}, 4096 - 1024),
        (2048, {"context_tokens": 4096}, 2048 - 512),
        (2048, {"max_tokens": 100}, 1948),
        (2048, {"max_tokens": 100, "system_prompt": "a" * 400}, 1848),
        (2048, {"max_tokens": 2000}, 512),
    ],
)
def test_the_room_for_a_conversation_leaves_room_for_the_answer(
    said: int | None, more: dict[str, object], room: int
) -> None:
    assert knowing(ModelFacts("m", said), **more).capabilities.context_tokens == room


def test_a_refusal_shortens_the_context_until_the_server_is_asked_again() -> None:
    knowledge = knowing(ModelFacts("m", 8000))
    knowledge.is_limited_to(9000)
    assert knowledge.context_tokens == 8000
    knowledge.is_limited_to(4000)
    assert knowledge.capabilities.context_tokens == 3000
    knowledge.take(Discovered(ModelFacts("m", 8000)))
    assert knowledge.context_tokens == 8000


@pytest.mark.parametrize(
    ("facts", "vision", "takes"),
    [
        (ModelFacts("m"), "auto", True),
        (ModelFacts("m", takes_pictures=True), "auto", True),
        (ModelFacts("m", takes_pictures=False), "auto", False),
        (ModelFacts("m", takes_pictures=False), "yes", True),
        (ModelFacts("m", takes_pictures=True), "no", False),
    ],
)
def test_pictures_are_taken_as_the_setting_or_the_server_says(
    facts: ModelFacts,
    vision: str,
    takes: bool,  # noqa: FBT001
) -> None:
    assert ("image/*" in knowing(facts, vision=vision).capabilities.accepts) is takes


def test_a_blind_model_gets_no_pictures_from_then_on() -> None:
    knowledge = knowing(ModelFacts("m"), transcription_model="w", pdfs=True)
    before = knowledge.capabilities.accepts
    knowledge.is_blind("m")
    after = knowledge.capabilities.accepts
    assert (before, after) == (("image/*", *after), ("audio/*", "application/pdf"))
    assert "image/*" in knowledge.accepts("other")


def test_notes_tell_what_an_operator_should_know() -> None:
    assert (
        "is not known: the bot uses 8192 tokens" in knowing(ModelFacts("m")).capabilities.notes[0]
    )
    (note,) = knowing(ModelFacts("m", 2048), context_tokens=4096).capabilities.notes
    assert note == "OPENAI_CONTEXT_TOKENS is 4096, and llm gives m 2048 tokens: the bot uses 2048"
    assert knowing(ModelFacts("m", 2048)).capabilities.notes == ()


def test_the_key_is_in_no_representation() -> None:
    shown = settings(api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in f"{shown!r}{Knowledge(shown)!r}"
