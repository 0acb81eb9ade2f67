"""The files of a conversation: what the platform is shown, and what becomes of its own files."""

from dataclasses import replace
from random import Random
from typing import Final

import anyio
import pytest

from actors.attachments import Attachments, Loaded
from actors.bounds import Bounds
from actors.model import SharedFile
from actors.platform import Capabilities, File, Role
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedUnclearly,
)
from actors.rules.files import Reason
from actors.rules.history import Draft, Drafts
from tests.pictures import png
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.media import Media
from tests.simulation.server import SimulatedServer
from tests.stepping.harness import BOT

pytestmark = pytest.mark.anyio

BOUNDS: Final = Bounds()
SEES: Final = Capabilities(accepts=("image/*", "application/pdf"))
READS: Final = Capabilities()
CAT: Final = File("cat.png", "image/png", png(20, 10))
NOTES: Final = File("notes.txt", "text/plain", b"milk, bread")
VOICE: Final = File("voice.ogg", "audio/ogg", b"OggS\0\0")


class Stage:
    """A homeserver with files, and the attachments over it."""

    def __init__(self, homeserver: SimulatedHomeserver, bounds: Bounds = BOUNDS) -> None:
        self.homeserver = homeserver
        self.faults = homeserver.faults
        self.attachments = Attachments(homeserver, bounds)

    @property
    def media(self) -> Media:
        return self.homeserver.server.media

    def shared(self, file: File, **more: object) -> SharedFile:
        mxc = self.media.upload(file)
        shared = SharedFile(mxc, file.name, file.mime_type, len(file.data))
        return replace(shared, **more)  # type: ignore[arg-type]

    async def ask(
        self, *files: SharedFile, text: str = "", capabilities: Capabilities = SEES
    ) -> Loaded:
        drafts = Drafts((Draft(Role.PERSON, text, files=files),))
        return await self.attachments.load(drafts, capabilities, of_question=files)


def refused(loaded: Loaded) -> tuple[str, ...]:
    """The names of the files that were left out."""
    return tuple(refusal.file.name for refusal in loaded.refusals)


@pytest.fixture
async def stage() -> Stage:
    server = SimulatedServer(Random(1))  # noqa: S311 - no secret
    homeserver = SimulatedHomeserver(server, BOT)
    await homeserver.log_in()
    return Stage(homeserver)


async def test_a_picture_goes_to_a_platform_that_accepts_pictures(stage: Stage) -> None:
    loaded = await stage.ask(stage.shared(CAT), text="what is it?")
    (turn,) = loaded.turns
    assert (turn.text, turn.attachments) == ("what is it?", (CAT,))
    assert (refused(loaded), loaded.empty) == ((), False)


async def test_a_text_is_a_part_of_the_question_for_any_platform(stage: Stage) -> None:
    loaded = await stage.ask(stage.shared(NOTES), text="what is missing?", capabilities=READS)
    (turn,) = loaded.turns
    assert turn.text == "what is missing?\n\n[file: notes.txt]\n```\nmilk, bread\n```"
    assert (turn.attachments, refused(loaded)) == ((), ())


async def test_what_a_platform_does_not_accept_is_left_out_and_named(stage: Stage) -> None:
    loaded = await stage.ask(stage.shared(CAT), text="what is it?", capabilities=READS)
    assert loaded.turns[0].text == "what is it?\n\n[image: cat.png]"
    assert (refused(loaded), loaded.empty) == (("cat.png",), False)
    assert stage.media.read == []


async def test_a_question_of_which_nothing_remains_is_empty(stage: Stage) -> None:
    assert (await stage.ask(stage.shared(CAT), capabilities=READS)).empty
    assert not (await stage.ask(stage.shared(CAT), stage.shared(VOICE))).empty


async def test_a_platform_without_a_use_for_files_gets_the_text_alone(stage: Stage) -> None:
    echo = Capabilities(ignores_files=True)
    loaded = await stage.ask(stage.shared(CAT), text="what is it?", capabilities=echo)
    assert (loaded.turns[0].text, refused(loaded), loaded.empty) == ("what is it?", (), False)


async def test_files_of_earlier_turns_that_are_left_out_are_not_told_again(stage: Stage) -> None:
    voice = stage.shared(VOICE)
    turns = (
        Draft(Role.PERSON, "listen", files=(voice,)),
        Draft(Role.ASSISTANT, "no"),
        Draft(Role.PERSON, "why?"),
    )
    loaded = await stage.attachments.load(Drafts(turns), SEES)
    assert [turn.text for turn in loaded.turns] == ["listen\n\n[audio: voice.ogg]", "no", "why?"]
    assert refused(loaded) == ()


async def test_long_texts_of_earlier_turns_do_not_crowd_out_the_question(stage: Stage) -> None:
    long_text = File("long.txt", "text/plain", b"x" * 40_000)
    old, long_one = stage.shared(NOTES), stage.shared(long_text)
    own = stage.shared(long_text, name="own.txt")
    turns = (
        Draft(Role.PERSON, "one", files=(old,)),
        Draft(Role.PERSON, "two", files=(long_one,)),
        Draft(Role.PERSON, "three", files=(own,)),
    )

    async def texts(tokens: float, *of_question: SharedFile) -> list[str]:
        loaded = await stage.attachments.load(
            Drafts(turns), READS, of_question=of_question, tokens=tokens
        )
        assert loaded.refusals == ()
        return [turn.text for turn in loaded.turns]

    one, two, three = await texts(10_500, own)
    assert "milk" in one
    assert two == "two\n\n[file: long.txt]"
    assert "xxx" in three
    assert [len(text) < 100 for text in await texts(100, own)] == [True, True, False]
    assert (await texts(0))[2] == "three\n\n[file: own.txt]"


async def test_the_bytes_decide_what_a_file_is(stage: Stage) -> None:
    pdf = File("cat.png", "image/png", b"%PDF-1.7")
    film = File("cat.png", "image/png", b"\x1aE\xdf\xa3")
    binary = File("notes.txt", "text/plain", b"a\0b")
    text = File("cat.png", "image/png", b"no cat")
    loaded = await stage.ask(*(stage.shared(file) for file in (pdf, film, binary, text)))
    (turn,) = loaded.turns
    assert [file.mime_type for file in turn.attachments] == ["application/pdf"]
    assert "no cat" in turn.text
    assert [(each.file.name, each.reason) for each in loaded.refusals] == [
        ("cat.png", Reason.TYPE),
        ("notes.txt", Reason.TYPE),
    ]


async def test_a_file_that_is_too_large_or_gone_is_left_out_with_the_reason(stage: Stage) -> None:
    long_text = File("long.txt", "text/plain", b"x" * (BOUNDS.text_file_bytes + 1))
    disguised = File("long.png", "image/png", long_text.data)
    large = File("large.pdf", "application/pdf", b"%PDF-" + bytes(BOUNDS.file_bytes))
    stage.media.largest = 2 * BOUNDS.file_bytes
    gone = replace(stage.shared(CAT), mxc="mxc://sim.test/gone", name="gone.png")
    encrypted = SharedFile("", "secret.png", "image/png", encrypted=True)
    files = (*(stage.shared(file, size=0) for file in (long_text, disguised, large)), gone)
    loaded = await stage.ask(*files, encrypted, text="look")
    assert [(each.file.name, each.reason, each.limit) for each in loaded.refusals] == [
        ("long.txt", Reason.TOO_LARGE, BOUNDS.text_file_bytes),
        ("long.png", Reason.TOO_LARGE, BOUNDS.text_file_bytes),
        ("large.pdf", Reason.TOO_LARGE, BOUNDS.file_bytes),
        ("gone.png", Reason.GONE, BOUNDS.file_bytes),
        ("secret.png", Reason.ENCRYPTED, 0),
    ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.SERVER_ERROR, HomeserverUnavailable), (Fault.RATE_LIMITED, RateLimited)],
)
async def test_what_may_pass_is_raised_so_that_the_question_waits(
    stage: Stage, fault: Fault, error: type[Exception]
) -> None:
    shared = stage.shared(CAT)
    stage.faults.next("download", fault)
    with pytest.raises(error):
        await stage.ask(shared)
    assert (await stage.ask(shared)).turns[0].attachments == (CAT,)


async def test_a_file_that_the_homeserver_fails_to_give_does_not_block_its_chat(
    stage: Stage,
) -> None:
    shared = stage.shared(CAT)
    stage.faults.next("download", Fault.REFUSED_UNCLEARLY, times=BOUNDS.file_attempts)
    for _ in range(BOUNDS.file_attempts - 1):
        with pytest.raises(RefusedUnclearly):
            await stage.ask(shared)
    (refusal,) = (await stage.ask(shared)).refusals
    assert refusal.reason is Reason.FAILED


async def test_ten_questions_read_a_picture_once(stage: Stage) -> None:
    shared = stage.shared(CAT)
    for _ in range(10):
        assert (await stage.ask(shared)).turns[0].attachments == (CAT,)
    assert len(stage.media.read) == 1


async def test_only_some_files_are_read_at_a_time(stage: Stage) -> None:
    stage.homeserver.server.slow_s = 10.0
    shared = [stage.shared(CAT) for _ in range(3 * BOUNDS.file_slots)]
    async with anyio.create_task_group() as tasks:
        for file in shared:
            tasks.start_soon(stage.ask, file)
        await anyio.wait_all_tasks_blocked()
        assert stage.attachments._slots.borrowed_tokens == BOUNDS.file_slots
    assert set(stage.media.read) == {file.mxc for file in shared}


async def test_the_files_in_memory_are_bounded_and_the_last_used_stay(stage: Stage) -> None:
    size = len(CAT.data)
    bounded = Stage(stage.homeserver, replace(BOUNDS, file_cache_bytes=2 * size))
    first, second, third = (bounded.shared(CAT) for _ in range(3))
    for file in (first, second, first, third, first):
        await bounded.ask(file)
    assert bounded.media.read == [first.mxc, second.mxc, third.mxc]
    await bounded.ask(second)
    assert bounded.media.read[-1] == second.mxc


async def test_a_file_of_the_platform_is_uploaded_under_a_clean_name(stage: Stage) -> None:
    hostile = File("../\u202egnp.exe\n", "text/html; x=y", CAT.data)
    shared = await stage.attachments.keep(hostile)
    assert (shared.name, shared.mime_type, shared.size) == (
        "gnp.exe",
        "image/png",
        len(CAT.data),
    )
    assert stage.media.files[shared.mxc].data == CAT.data


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.SERVER_ERROR, HomeserverUnavailable), (Fault.RATE_LIMITED, RateLimited)],
)
async def test_what_may_pass_is_raised_so_that_the_upload_waits(
    stage: Stage, fault: Fault, error: type[Exception]
) -> None:
    stage.faults.next("upload", fault)
    with pytest.raises(error):
        await stage.attachments.keep(CAT)
    assert (await stage.attachments.keep(CAT)).mxc in stage.media.files


async def test_a_file_that_is_too_large_for_the_homeserver_is_refused(stage: Stage) -> None:
    stage.media.largest = 10
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await stage.attachments.keep(CAT)


async def test_a_refusal_without_a_clear_reason_is_believed_in_the_end(stage: Stage) -> None:
    stage.faults.next("upload", Fault.REFUSED_UNCLEARLY, times=BOUNDS.file_attempts)
    with pytest.raises(HomeserverRefused) as refusal:
        await stage.attachments.keep(CAT)
    assert not isinstance(refusal.value, RefusedUnclearly)
    stage.faults.next("upload", Fault.REFUSED_UNCLEARLY, times=BOUNDS.file_attempts - 1)
    assert (await stage.attachments.keep(CAT)).mxc in stage.media.files
