"""What the documents say is what the code does, wherever the two can be compared."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

import pytest
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from actors.bounds import Bounds
from actors.meter import REPLY_OUTCOMES, Meter
from actors.port_errors import PLATFORM_ERRORS, PlatformUnreachable
from actors.room.commands import COMMANDS as CHAT_COMMANDS
from actors.rules import room_states
from actors.rules.classify import ConflictReason, SkipReason
from actors.rules.report import ReconcileReport
from actors.rules.room_states import RoomState, RoomTrigger
from actors.runtime.table import Transition
from actors.texts import ENGLISH
from adapter.platform.openai.settings import OpenAISettings
from adapter.platform.webhook.settings import WebhookSettings
from supervisor import lifecycle
from supervisor.app.platform_settings import prefix_of
from supervisor.commands import program
from supervisor.commands.exits import ExitCode
from supervisor.commands.program import command
from supervisor.lifecycle import State, Trigger
from supervisor.settings import VARIABLES as OF_THE_BOT
from supervisor.settings import Bind
from supervisor.status.history import History
from supervisor.status.metrics import exposition
from supervisor.text.mermaid import mermaid
from tests.browser.stage import live

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    ".github/pull_request_template.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
PLATFORMS: Final[tuple[type[BaseSettings], ...]] = (OpenAISettings, WebhookSettings)
"""The settings of the platforms that come with the bot."""
VARIABLES: Final = OF_THE_BOT | {
    f"{prefix_of(kind)}{name.upper()}": field.default
    for kind in PLATFORMS
    for name, field in kind.model_fields.items()
}
COMMANDS: Final = {name: command(name) for name in program.COMMANDS}
OPTIONS: Final = {
    name: {option for it in command.params for option in it.opts if option.startswith("--")}
    for name, command in COMMANDS.items()
}
DECISION_LINES: Final = 8
GLOSSARY: Final = "docs/glossary.md"
COMMANDS_LISTED: Final = "docs/commands.md"
PACKAGES: Final = ("actors", "adapter", "supervisor")
LOGGED_AS: Final = {"lifecycle_transition", "room_transition"}
"""Log events whose names are put together."""


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def section(document: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or a higher one."""
    level = heading.partition(" ")[0]
    body = text(document).split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", body, maxsplit=1, flags=re.MULTILINE)[0]


def rows(body: str) -> list[list[str]]:
    """The cells of all tables in a text, head lines left out."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [at for at, row in enumerate(cells) if set("".join(row)) <= {"-"}]
    return [row for at, row in enumerate(cells) if not {at, at + 1} & set(rules)]


def first_codes(body: str) -> list[str]:
    """What the first column has in code font."""
    return [code for row in rows(body) for code in re.findall(r"`([^`]+)`", row[0])]


def plain(name: str) -> str:
    """A heading as it stands in a link to it."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def anchors(document: str) -> set[str]:
    return {
        plain(line.lstrip("# ")) for line in text(document).splitlines() if line.startswith("#")
    }


@pytest.mark.parametrize(
    "diagram",
    [
        mermaid(lifecycle.TABLE, lifecycle.INITIAL, "The bot"),
        mermaid(room_states.TABLE, RoomState.UNCHECKED, "A room"),
    ],
    ids=["the bot", "a room"],
)
def test_the_diagrams_are_those_that_the_tables_print(diagram: str) -> None:
    assert f"```mermaid\n{diagram}\n```\n" in text("docs/architecture.md")


def test_every_state_is_explained() -> None:
    explained = re.findall(r"^- `(\w+)`:", text("docs/architecture.md"), re.MULTILINE)
    assert explained == [*State, *RoomState]


def test_every_trigger_is_explained() -> None:
    explained = first_codes(section("docs/operating.md", "## How to read a transition"))
    assert explained == [*Trigger, *RoomTrigger]


def test_the_configuration_lists_the_variables_that_are_read() -> None:
    listed = first_codes(text("docs/configuration.md"))
    assert sorted(listed) == sorted(VARIABLES)


def test_the_example_environment_has_the_same_variables() -> None:
    named = re.findall(r"^(?:# )?([A-Z_]+)=", text(".env.example"), re.MULTILINE)
    assert sorted(named) == sorted(VARIABLES)


def shown(default: object) -> str:
    """A default as it is written in an environment."""
    match default:
        case Bind(host, port):
            return f"{host}:{port}"
        case None | ():
            return ""
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case _:
            return "" if default in {PydanticUndefined, MISSING} else str(default)


def test_the_configuration_has_the_defaults() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows(text("docs/configuration.md"))}
    assert listed == {name: shown(default) for name, default in VARIABLES.items()}


def test_the_example_environment_shows_the_defaults() -> None:
    commented = re.findall(r"^# ([A-Z_]+)=(.*)$", text(".env.example"), re.MULTILINE)
    assert dict(commented) == {name: shown(VARIABLES[name]) for name, _ in commented}


def test_the_commands_of_the_shell_are_listed_with_their_options() -> None:
    listed = {
        row[0].strip("`").removeprefix("surfaces-bot "): set(re.findall(r"--[a-z-]+", row[1]))
        for row in rows(section(COMMANDS_LISTED, "## In the shell"))
    }
    assert listed == OPTIONS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_is_named_exists(document: str) -> None:
    for name, rest in re.findall(r"surfaces-bot ([a-z]+)([^`\n]*)", text(document)):
        assert name in OPTIONS
        assert set(re.findall(r" (--[a-z-]+)", rest)) <= OPTIONS[name]


def test_the_commands_of_a_chat_are_listed() -> None:
    listed = {code.split()[0] for code in first_codes(section(COMMANDS_LISTED, "## In a chat"))}
    assert listed == {f"!{command.word}" for command in CHAT_COMMANDS}


def test_the_exit_codes_are_listed() -> None:
    assert [row[0] for row in rows(section(COMMANDS_LISTED, "## Exit codes"))] == [
        str(int(code)) for code in ExitCode
    ]


def test_every_reason_code_is_explained_once() -> None:
    explained = first_codes(section("docs/rooms.md", "## Reasons"))
    assert [code for code in explained if code != "{}"] == [*SkipReason, *ConflictReason]


def test_the_decision_names_every_reason_that_comes_from_a_room_alone() -> None:
    """The others come from several rooms, from a failure, or from having left."""
    decided = set(
        re.findall(r"`(\w+)` \|$", section("docs/rooms.md", "## The decision"), re.MULTILINE)
    )
    others = {
        SkipReason.LEFT,
        ConflictReason.DUPLICATE_SPACE,
        ConflictReason.CHAT_ID_CONTESTED,
        ConflictReason.NUMBERS_EXHAUSTED,
        ConflictReason.UNREADABLE,
        ConflictReason.FAILED,
    }
    assert decided == {*SkipReason, *ConflictReason} - others


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (row[1], row[2].strip("`"))
        for row in rows(section("docs/runtime-semantics.md", "## Bounds"))
    ],
)
def test_a_bound_is_what_the_code_has(value: str, place: str) -> None:
    if place.startswith("Bounds."):
        assert float(value.split(maxsplit=1)[0]) == attrgetter(place[len("Bounds.") :])(Bounds())
        return
    module = re.match(r"[a-z_.]+(?=\.[A-Z])", place)
    assert module is not None
    name = place.removeprefix(f"{module[0]}.")
    assert float(value.split(maxsplit=1)[0]) == attrgetter(name)(import_module(module[0]))


def test_the_report_and_the_journal_have_the_fields_that_are_promised() -> None:
    promised = section("docs/architecture.md", "## What other programs may rely on")
    report = promised[promised.index("**The report**") : promised.index("**Python entry points**")]
    assert set(ReconcileReport.__annotations__) <= set(re.findall(r"`(\w+)`", report))
    journal = promised[promised.index("**The journal**") : promised.index("**The report**")]
    keys = ["seq", *(field.name for field in fields(Transition))]
    assert [name for name in re.findall(r"`(\w+)`", journal) if name in keys] == keys


def test_the_log_events_that_are_named_are_logged() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for package in ("actors", "adapter", "supervisor")
        for path in (ROOT / package).rglob("*.py")
    )
    named = first_codes(section("docs/operating.md", "## Log events worth an alert"))
    assert len(named) > 1
    assert not [name for name in named if name not in LOGGED_AS and f'"{name}"' not in sources]


def test_each_error_of_a_platform_is_told_with_the_texts_that_people_get() -> None:
    table = rows(section("docs/operating.md", "### What an error looks like"))
    named = [re.findall(r"`(\w+)`", row[0])[0] for row in table]
    assert sorted(named) == sorted(
        error.__name__ for error in (PlatformUnreachable, *PLATFORM_ERRORS)
    )
    quotations = re.findall(r"“(.+?)”", "".join(row[1] for row in table))
    assert len(quotations) > 1
    for quoted in quotations:
        assert any(said.startswith(quoted) for said in texts_in(ENGLISH)), quoted


def texts_in(catalogue: object) -> Iterator[str]:
    """All texts of a catalogue, and of those within it."""
    if isinstance(catalogue, str):
        yield catalogue
    elif is_dataclass(catalogue):
        for field in fields(catalogue):
            yield from texts_in(getattr(catalogue, field.name))


def test_the_metrics_of_the_platform_are_explained() -> None:
    explained = [
        re.sub(r"\{.*\}|_total", "", code)
        for code in first_codes(section("docs/operating.md", "## Watching it"))
        if code.startswith("surfaces_bot_")
    ]
    text = exposition(live(), Meter(), History()).decode()
    named = set(re.findall(r"^# TYPE (\w+?)(?:_total)? \w+$", text, re.MULTILINE))
    assert len(explained) > 1
    assert set(explained) <= named
    assert tuple(re.findall(r"`(\w+)`", text_of_replies())) == REPLY_OUTCOMES


def text_of_replies() -> str:
    """What the document says about the metric of replies."""
    table = rows(section("docs/operating.md", "## Watching it"))
    return next(row[1] for row in table if "surfaces_bot_replies_total" in row[0])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"""(?:\]\(|src="|srcset=")([^)\s"]+)[)"]""", text(document)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / document).parent / path if path else ROOT / document
        assert place.is_file(), target
        assert not anchor or anchor in anchors(str(place.resolve().relative_to(ROOT))), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_exists(document: str) -> None:
    named = re.findall(
        r"`((?:actors|adapter|demo|docs|supervisor|tests)/[\w./-]*)`", text(document)
    )
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_thing_to_make_is_in_the_makefile(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text(document), re.MULTILINE)) <= targets


def test_the_decisions_are_numbered_dated_and_short() -> None:
    decisions = text("docs/decisions.md").split("\n## ")[1:]
    for number, decision in enumerate(decisions, start=1):
        title, *body = decision.strip().splitlines()
        assert re.fullmatch(rf"{number}\. .+ \(\d{{4}}-\d{{2}}-\d{{2}}\)", title)
        assert 1 <= len(body) <= DECISION_LINES


def test_the_glossary_is_in_alphabetical_order_and_has_each_word_once() -> None:
    words = [row[0].casefold() for row in rows(text(GLOSSARY))]
    assert len(words) > 1
    assert words == sorted(set(words))


@pytest.mark.parametrize("row", rows(text(GLOSSARY)), ids=lambda row: row[0])
def test_a_word_of_the_glossary_is_in_the_code(row: list[str]) -> None:
    _, meaning, places = row
    names = re.findall(r"`([^`]+)`", places)
    assert meaning.endswith(".")
    assert names
    for name in names:
        assert (ROOT / name).exists() if "/" in name else resolve_name(name)


def parts(package: str) -> set[str]:
    """The folders of a package and the modules beside them, as the map names them."""
    root = ROOT / package
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in root.glob("*/**/__init__.py")}
    modules = {str(path.relative_to(ROOT)) for path in root.glob("[!_]*.py")}
    return folders | modules


def test_the_map_names_every_folder_and_every_module_beside_the_folders() -> None:
    mapped = first_codes(section("docs/architecture.md", "## Packages and folders"))
    assert sorted(mapped) == sorted(set().union(*map(parts, PACKAGES)))
