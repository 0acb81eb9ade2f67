from pathlib import Path

import pytest
from pydantic import ValidationError

from adapter.platform.openai.api import places_of
from adapter.platform.openai.settings import OpenAISettings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in OpenAISettings.model_fields:
        monkeypatch.delenv(f"OPENAI_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> OpenAISettings:
    for name, value in {"BASE_URL": "http://llm", **variables}.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    return OpenAISettings()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://llm:8080", "http://llm:8080"),
        ("http://llm/", "http://llm"),
        ("http://llm/v1", "http://llm/v1"),
        ("http://llm/v1/", "http://llm/v1"),
        ("http://llm/v1//", "http://llm/v1"),
        ("http://llm/v1/chat/completions", "http://llm/v1"),
        ("http://llm/v1/chat/completions/", "http://llm/v1"),
        ("http://llm/v1/models", "http://llm/v1"),
        ("https://llm/openai/v1beta", "https://llm/openai/v1beta"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
    ],
)
def test_an_address_is_taken_as_it_is_pasted(
    given: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded(monkeypatch, BASE_URL=given).base_url == kept


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("name", ["BASE_URL", "API_KEY", "MODEL", "TRANSCRIPTION_MODEL"])
def test_quotes_that_nothing_took_away_are_named(
    name: str, quote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match="is in quotes: remove them"):
        loaded(monkeypatch, **{name: f"{quote}http://llm{quote}"})


@pytest.mark.parametrize(
    ("base_url", "places"),
    [
        ("http://llm", ("http://llm/v1", "http://llm")),
        ("http://llm/v1", ("http://llm/v1", "http://llm")),
        ("http://llm/api", ("http://llm/api", "http://llm/api/v1")),
        ("http://llm/v1beta/openai", ("http://llm/v1beta/openai",)),
        ("http://llm/api/v4", ("http://llm/api/v4",)),
    ],
)
def test_the_api_is_looked_for_with_and_without_its_version(
    base_url: str, places: tuple[str, ...]
) -> None:
    assert places_of(base_url) == places


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BASE_URL", "llm:8080", "is not a URL: write it like http://127.0.0.1:8080/v1"),
        ("BASE_URL", "http://a b/v1", "is not a URL"),
        ("BASE_URL", "http://llm:0", "is not a URL"),
        ("BASE_URL", "http://llm:99999", "is not a URL"),
        ("BASE_URL", "http://me:secret@llm", "contains a user name: remove it"),
        ("BASE_URL", "http://llm/v1?api-version=1", "has a query or a fragment: remove it"),
        ("API_KEY", "sk 1", "contains a blank or a character that no key has: copy it again"),
        ("API_KEY", "ключ", "contains a blank or a character that no key has"),
        ("CONTEXT_TOKENS", "8k", "is not a number of tokens: write it with digits alone"),
        ("CONTEXT_TOKENS", "100", "is too small for a conversation: use 256 or more"),
        ("MAX_TOKENS", "0", "is not a number of tokens"),
        ("MAX_TOKENS", "-5", "is not a number of tokens"),
        ("TEMPERATURE", "hot", "is not a temperature: use a number from 0 to 2, like 0.7"),
        ("TEMPERATURE", "2.1", "is not a temperature"),
        ("TEMPERATURE", "nan", "is not a temperature"),
        ("SYSTEM_PROMPT", "a" * 100_001, "has more than 100000 characters: shorten it"),
        ("VISION", "maybe", "'auto', 'yes' or 'no'"),
        ("PDFS", "maybe", "is 'maybe': use 'yes' or 'no'"),
        ("CA_FILE", "/nowhere.pem", "is not a file: name a file with certificates in PEM format"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError) as refused:
        loaded(monkeypatch, **{name: value})
    (error,) = refused.value.errors()
    assert error["loc"] == (name.lower(),)
    assert sentence in f"{error['msg']}"
    assert "secret" not in str(refused.value)


def test_openai_itself_wants_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="is not set: set it to a key of OpenAI"):
        OpenAISettings()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert OpenAISettings().base_url == "https://api.openai.com/v1"


def test_empty_variables_are_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("API_KEY", "MODEL", "CONTEXT_TOKENS", "TEMPERATURE", "CA_FILE", "VISION", "PDFS")
    settings = loaded(monkeypatch, **dict.fromkeys(names, ""))
    assert settings == loaded(monkeypatch)
    assert (settings.key, settings.context_tokens, settings.vision) == ("", None, "auto")


def test_all_variables_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("")
    settings = loaded(
        monkeypatch,
        API_KEY="sk-secret",
        MODEL="m",
        SYSTEM_PROMPT="Be brief.",
        CONTEXT_TOKENS="4096",
        MAX_TOKENS="100",
        TEMPERATURE="0.5",
        TRANSCRIPTION_MODEL="whisper-1",
        VISION="No",
        PDFS="yes",
        CA_FILE=str(authorities),
    )
    assert (settings.key, settings.model, settings.system_prompt) == ("sk-secret", "m", "Be brief.")
    assert (settings.context_tokens, settings.max_tokens, settings.temperature) == (4096, 100, 0.5)
    assert (settings.transcription_model, settings.vision, settings.pdfs) == (
        "whisper-1",
        "no",
        True,
    )
    assert settings.ca_file == authorities
    assert "sk-secret" not in repr(settings)
