"""What a message says about the file that it shows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis.strategies import text

from actors.model import EventId, InboundMessage, RoomId, SharedFile, UserId
from actors.platform import Capabilities
from actors.port_errors import HomeserverRefused
from actors.rules.file_names import NAME_CHARS, clean_name, clean_type
from actors.rules.files import (
    Reason,
    Refusal,
    about_refusals,
    about_unanswered,
    file_note,
    is_accepted,
    is_question,
    not_sent,
    why_not_sent,
)
from actors.texts import ENGLISH
from adapter.matrix.files import file_in

MXC = "mxc://example.org/AbC_1-2"


def shown(**content: object) -> SharedFile:
    file = file_in({"msgtype": "m.file", "body": "notes.txt", "url": MXC, **content})
    assert file is not None
    return file


def test_a_picture_is_read_with_its_name_type_and_size() -> None:
    content = {
        "msgtype": "m.image",
        "body": "What is this?",
        "filename": "cat.png",
        "url": MXC,
        "info": {"mimetype": "Image/PNG; charset=x", "size": 1234},
    }
    assert file_in(content) == SharedFile(MXC, "cat.png", "image/png", 1234)


def test_a_sticker_is_a_picture() -> None:
    content = {"body": "a cat waves", "url": MXC, "info": {"mimetype": "image/webp"}}
    assert file_in(content) == SharedFile(MXC, "sticker", "image/webp")


@pytest.mark.parametrize("key", ["org.matrix.msc3245.voice", "m.voice"])
def test_a_voice_message_is_told_from_other_audio(key: str) -> None:
    assert shown(msgtype="m.audio", **{key: {}}).voice
    assert not shown(msgtype="m.audio").voice
    assert not shown(**{key: {}}).voice


@pytest.mark.parametrize(
    "content", [{}, {"msgtype": "m.text", "body": "x", "url": MXC}, {"question": {}}, {"body": "x"}]
)
def test_other_messages_show_no_file(content: dict[str, object]) -> None:
    assert file_in(content) is None


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "https://example.org/cat.png",
        "mxc://example.org",
        "mxc://../x",
        "mxc://example.org/../../admin",
        "mxc://example.org/a?b=c",
        "mxc://exa mple.org/abc",
        f"mxc://example.org/{'a' * 300}",
        f"{MXC}\n",
    ],
)
def test_a_file_without_a_valid_address_cannot_be_read(url: object) -> None:
    assert shown(url=url).mxc == ""


def test_an_encrypted_file_cannot_be_read_and_says_why() -> None:
    file = shown(url=None, file={"url": MXC, "key": {}})
    assert (file.mxc, file.encrypted, file.name) == ("", True, "notes.txt")


@pytest.mark.parametrize("size", [-1, 0, 2**53, 10**400, "12", 1.5, True, None, [1]])
def test_a_size_that_is_none_is_unknown(size: object) -> None:
    assert shown(info={"size": size}).size == 0


@pytest.mark.parametrize("info", [None, [], "x", {"mimetype": 7}, {"mimetype": "no type"}])
def test_odd_details_lose_only_themselves(info: object) -> None:
    assert shown(info=info) == SharedFile(MXC, "notes.txt", "text/plain")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cat.png", "cat.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("a\x00b\x1b[31m.txt", "ab[31m.txt"),
        ("two\nlines\u2028here.txt", "two lines here.txt"),
        ("  spaces   everywhere .txt ", "spaces everywhere .txt"),
        ("кот.jpeg", "кот.jpeg"),
        ("", "file"),
        ("..", "file"),
        ("\u200b\u200d", "file"),
        ("path/", "file"),
        ("\ud800.txt", ".txt"),
    ],
)
def test_a_name_is_cleaned(given: str, name: str) -> None:
    assert clean_name(given, "file") == name


def test_a_long_name_is_cut_before_its_suffix() -> None:
    assert len(clean_name("x" * 5000 + ".png", "file")) == NAME_CHARS
    assert clean_name("x" * 5000 + ".png", "file").endswith("x….png")
    assert len(clean_name("x." + "y" * 5000, "file")) == NAME_CHARS


@pytest.mark.parametrize(
    ("given", "name", "mime_type"),
    [
        ("IMAGE/png; a=b", "x", "image/png"),
        ("", "cat.JPG", "image/jpeg"),
        ("application/octet-stream", "talk.opus", "audio/ogg"),
        ("application/octet-stream", "main.rs", "text/plain"),
        ("video/mp2t", "clock.ts", "text/plain"),
        ("application/json", "data.json", "application/json"),
        ("text/csv", "data.csv", "text/csv"),
        ("", "README", "application/octet-stream"),
        ("image/*", "x", "application/octet-stream"),
        ("a/b/c", "x", "application/octet-stream"),
        ("text/<script>", "x", "application/octet-stream"),
        ("x" * 10_000 + "/y", "x", "application/octet-stream"),
    ],
)
def test_a_type_is_the_given_one_or_that_of_the_name(given: str, name: str, mime_type: str) -> None:
    assert clean_type(given, name) == mime_type


def test_a_type_is_accepted_by_a_pattern() -> None:
    assert is_accepted("image/png", ("audio/*", "Image/*"))
    assert not is_accepted("application/pdf", ("image/*", "text/*"))
    assert not is_accepted("image/png", ())


@pytest.mark.parametrize(
    ("mime_type", "note"),
    [("image/png", "[image: x]"), ("text/plain", "[file: x]"), ("audio/ogg", "[audio: x]")],
)
def test_a_file_that_is_left_out_leaves_a_note(mime_type: str, note: str) -> None:
    assert file_note(SharedFile(MXC, "x", mime_type)) == note


def message(msgtype: str, body: str = "", file: SharedFile | None = None) -> InboundMessage:
    return InboundMessage(EventId("$1"), RoomId("!r"), UserId("@a:x"), 0, msgtype, body, file=file)


PNG = SharedFile(MXC, "cat.png", "image/png")
NOTES = SharedFile(MXC, "notes.txt", "text/plain")
VOICE = SharedFile(MXC, "voice.ogg", "audio/ogg", voice=True)
SEES = Capabilities(accepts=("image/*",))
HEARS = Capabilities(accepts=("audio/*",))
READS = Capabilities()
ECHO = Capabilities(ignores_files=True)


@pytest.mark.parametrize(
    ("asked", "capabilities", "expected"),
    [
        (message("m.text", "hello"), READS, True),
        (message("m.text", "  "), READS, False),
        (message("m.location", "here"), SEES, False),
        (message("m.image", file=PNG), SEES, True),
        (message("m.image", file=PNG), READS, False),
        (message("m.text", "what is it?", PNG), READS, True),
        (message("m.file", file=NOTES), READS, True),
        (message("m.audio", file=VOICE), HEARS, True),
        (message("m.audio", file=VOICE), SEES, False),
        (message("m.image", file=replace(PNG, mxc="")), SEES, False),
        (message("m.image", file=replace(PNG, mxc="", encrypted=True)), SEES, False),
        (message("m.sticker", "a cat", PNG), SEES, True),
        (message("m.sticker", "a cat", PNG), READS, False),
        (message("m.file", file=NOTES), ECHO, False),
        (message("m.text", "what is it?", PNG), ECHO, True),
    ],
)
def test_a_message_is_a_question_if_the_platform_takes_it(
    asked: InboundMessage,
    capabilities: Capabilities,
    expected: bool,  # noqa: FBT001
) -> None:
    assert is_question(asked, capabilities) is expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (message("m.location"), ENGLISH.not_text),
        (message("m.image", file=replace(PNG, mxc="")), ENGLISH.not_text),
        (message("m.image", file=PNG), "I can't read files of this type: cat.png (image/png)."),
        (message("m.audio", file=VOICE), ENGLISH.replies.file_voice),
        (
            message("m.file", file=replace(NOTES, mxc="", encrypted=True)),
            "I can't read notes.txt, because it is encrypted.",
        ),
    ],
)
def test_a_message_that_is_no_question_is_answered_with_the_reason(
    asked: InboundMessage, said: str
) -> None:
    assert about_unanswered(asked, READS, ENGLISH).body == said


@pytest.mark.parametrize("file", [PNG, NOTES, VOICE, replace(PNG, mxc="", encrypted=True)])
def test_a_platform_without_a_use_for_files_asks_for_text(file: SharedFile) -> None:
    assert about_unanswered(message("m.file", file=file), ECHO, ENGLISH).body == ENGLISH.not_text


def test_files_that_were_left_out_are_told_in_a_line_each() -> None:
    refusals = (
        Refusal(PNG, Reason.TOO_LARGE, 8 * 2**20),
        Refusal(NOTES, Reason.TOO_LARGE, 64 * 2**10),
        Refusal(NOTES, Reason.GONE),
        Refusal(NOTES, Reason.FAILED),
        Refusal(VOICE, Reason.VOICE),
        Refusal(VOICE, Reason.VOICE),
    )
    assert about_refusals(refusals, ENGLISH.replies).body.split("\n") == [
        "cat.png is too large for me. I read files of up to 8 MB.",
        "notes.txt is too large for me. I read files of up to 64 KB.",
        "I can't find notes.txt on the homeserver.",
        "I could not get notes.txt from the homeserver. You can send it again later.",
        ENGLISH.replies.file_voice,
    ]


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (HomeserverRefused(413, "M_TOO_LARGE", "x"), "too large for the homeserver"),
        (HomeserverRefused(403, "M_FORBIDDEN", "No uploads"), "the homeserver does not take it"),
    ],
    ids=["too large", "refused"],
)
def test_a_file_that_could_not_be_sent_is_told_in_the_answer(
    refusal: HomeserverRefused, reason: str
) -> None:
    said = not_sent("plot.png", why_not_sent(refusal), ENGLISH.replies)
    assert said == f"[file plot.png: could not be sent: {reason}]"


@given(text(max_size=400))
def test_any_name_becomes_one_that_is_safe_to_show(name: str) -> None:
    cleaned = clean_name(name, "file")
    assert cleaned.encode()
    assert 0 < len(cleaned) <= NAME_CHARS
    assert cleaned.isprintable()
    assert not set(cleaned) & set("/\\")
    assert clean_name(cleaned, "file") == cleaned
