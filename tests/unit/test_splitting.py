"""Long answers are cut where a reader would cut them, and nothing of them is lost."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.rules.formatting import PART_BYTES, Formatted, cleaned, parts_of, plain_parts
from actors.rules.splitting import cut, encoded_bytes, joined

LIMIT = 1_000


def pieces_of(text: str, limit: int = LIMIT) -> list[str]:
    pieces, rest = [], text
    while rest:
        piece, rest = cut(rest, limit)
        pieces.append(piece)
        assert len(pieces) <= 50 + len(text) // 100, "the cutting makes no progress"
    return pieces


def without_blanks(text: str) -> str:
    return "".join(text.split())


def lines(count: int, width: int = 40) -> str:
    return "".join(f"{number:0{width}}\n" for number in range(count))


LINES = st.one_of(
    st.text(max_size=60),
    st.sampled_from([
        "", "", "```py", "```", "~~~~", "~~~", "> ```", "> code", "  - ```js", "    ```", "$$",
        "x = 1  # words of code", "1. first", "   more of it", "| a | b |", "Word after. More.",
        "\\[", "\\]", "```" + "i" * 200, "`" * 150, "🏳️‍🌈 🇩🇪🇫🇷 e\u0301", "\t\t", '"\\' * 20,
    ]),
)  # fmt: skip
TEXTS = st.lists(st.one_of(LINES, LINES.map(lambda line: line * 30)), max_size=120).map("\n".join)


@given(TEXTS)
@example("```\n" + "`" * 4_500)
@example(">```\n" + "00000\x1f\u0800\U00010000" * 60)
@settings(deadline=None)
def test_every_piece_fits_and_together_they_are_the_text(text: str) -> None:
    pieces = pieces_of(text)
    assert all(0 < encoded_bytes(piece) <= LIMIT for piece in pieces)
    assert without_blanks(joined(pieces)) == without_blanks(text)


@given(TEXTS.filter(lambda text: encoded_bytes(text) <= LIMIT))
def test_what_fits_is_one_piece(text: str) -> None:
    assert cut(text, LIMIT) == (text, "")


@given(st.lists(LINES.filter(lambda line: len(line) < 70), max_size=120).map("\n".join))
@settings(deadline=None)
def test_texts_with_lines_that_fit_come_back_exactly(text: str) -> None:
    assert joined(pieces_of(text)) == text


@given(TEXTS)
@settings(deadline=None)
def test_parts_are_never_empty_and_never_too_large(text: str) -> None:
    def html(markdown: str, _: bool) -> str:  # noqa: FBT001
        return markdown.replace("w", "<w>" * 9)

    for parts in (plain_parts(text * 20), parts_of(text * 20, html)):
        assert all(encoded_bytes(it.body) + encoded_bytes(it.html) <= PART_BYTES for it in parts)
        assert all(it.body.strip() for it in parts) or parts == (Formatted(""),)
        assert without_blanks(joined([it.body for it in parts])) == without_blanks(
            cleaned(text * 20)
        )


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (f"{'a' * 400}\n\n{'b' * 200}\n{'c' * 400}", "\n\n"),
        (f"{'a' * 400}\n\n{'b' * 20}\n  {'c' * 900}", "\n\n"),
        (f"{'a' * 300}\n{'b' * 300}. {'c' * 400}", "a\n"),
        (f"{'a' * 300} b. {'c' * 200} d {'e' * 600}", "b. "),
        ("人" * 100 + "。" + "口" * 300, "。"),
        (f"{'a' * 300} {'b' * 800}", "a "),
        ("x" * 1_200, "x"),
        (f"\n\n{'a' * 500}\n{'b' * 900}", "a\n"),
    ],
)
def test_a_piece_ends_at_the_best_place(text: str, ends: str) -> None:
    head, rest = cut(text, LIMIT)
    assert head.endswith(ends)
    assert head + rest == text


@pytest.mark.parametrize(
    "character",
    ["e\u0301", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️", "1️⃣", "\\*", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "नि", "한"],
)
def test_no_character_as_people_see_it_is_cut(character: str) -> None:
    pieces = pieces_of(character * 600)
    assert len(pieces) > 1
    assert all(len(piece) % len(character) == 0 for piece in pieces)


def test_a_character_that_never_ends_is_cut() -> None:
    assert len(pieces_of("e" + "\u0301" * 2_000)) > 2


@pytest.mark.parametrize(
    ("opening", "closing", "code"),
    [
        ("```py", "```", "x = 1"),
        ("~~~~ text", "~~~~", "```"),
        ("   ```", "   ```", "   x"),
        ("> ```c", "> ```", "> x;"),
        ("1. ```c", "   ```", "   x;"),
    ],
)
def test_a_block_of_code_is_closed_and_opened_again(opening: str, closing: str, code: str) -> None:
    text = "\n".join([opening, *[code] * 400, closing, "after"])
    pieces = pieces_of(text)
    again = opening.replace("1.", "  ")
    assert len(pieces) > 1
    assert all(piece.startswith(f"{again}\n{code}\n") for piece in pieces[1:-1])
    assert all(piece.endswith(f"{code}\n{closing}") for piece in pieces[:-1])
    assert joined(pieces) == text


def test_a_block_of_code_goes_whole_into_the_next_piece() -> None:
    code = f"```\n{lines(12)}```\n"
    before = "a" * 300 + "\n\n"
    assert pieces_of(before + before + code) == [before + before, code]


@pytest.mark.parametrize("width", [691, 692, 693])
def test_a_block_of_code_that_ends_at_the_limit_is_closed_by_its_own_fence(width: int) -> None:
    code = f"```\n{'c' * width}\n```\n"
    after = "word " * 300
    assert cut(code + after, LIMIT) == (code, after)


@pytest.mark.parametrize("count", range(12, 30))
def test_no_piece_begins_with_an_empty_block_of_code(count: int) -> None:
    text = f"```\n{lines(count)}```\n{'a' * 900}"
    pieces = pieces_of(text)
    assert all("```\n```" not in piece for piece in pieces)
    assert joined(pieces) == text


def test_the_info_of_a_block_is_repeated_unless_it_is_long() -> None:
    for info, again in (("python title=x", "python title=x"), ("python " + "x" * 200, "")):
        assert pieces_of(f"```{info}\n{lines(60)}```")[1].startswith(f"```{again}\n")


@pytest.mark.parametrize(
    "text",
    [
        "`" * 150 + "\n" + lines(60),
        "```a `b`\n" + lines(60),
        f"```\n{'x' * 3_000}",
        f"> ```\n> code\nout of the quote\n{lines(60)}",
        f"```\n{'é' * 5_000}\n```",
        f"{'`' * 3}{'i' * 4_000}\n{lines(10)}```",
    ],
)
def test_odd_fences_lose_nothing(text: str) -> None:
    pieces = pieces_of(text)
    assert without_blanks(joined(pieces)) == without_blanks(text)
    assert all(encoded_bytes(piece) <= LIMIT for piece in pieces)


def test_a_block_that_its_quote_ends_is_not_opened_again() -> None:
    pieces = pieces_of(f"> ```\n> code\nout of the quote\n{lines(60)}")
    assert not any("```" in piece for piece in pieces[1:])


@pytest.mark.parametrize(("opening", "closing"), [("$$", "$$"), (r"\[", r"\]")])
def test_a_formula_that_fits_is_not_cut(opening: str, closing: str) -> None:
    formula = f"{opening}\n{lines(12)}{closing}\n"
    text = f"$$1$$\n{'a' * 20}\n\n{formula}\n{lines(30)}"
    assert sum(formula in piece for piece in pieces_of(text)) == 1


def test_a_formula_that_does_not_fit_is_cut_at_a_line() -> None:
    text = f"$$\n{lines(60)}$$"
    assert "".join(pieces_of(text)) == text


def test_a_list_is_cut_before_an_item_and_keeps_its_numbers() -> None:
    text = "".join(f"{n}. {'item ' * 8}\n   and more of it\n" for n in range(1, 40))
    pieces = pieces_of(text)
    assert len(pieces) > 1
    assert all(re.match(r"\d+\. item", piece) for piece in pieces)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\r\na\r\nb\rc\n\n", "a\nb\nc"),
        ("a\x00b\x1b[31mc\x7f\x85", "ab[31mc"),
        ("a\ud83d\ude00b\ud800", "a😀b\ufffd"),
        ("  indented\t\n", "  indented"),
        ("\u202eturned\u200f", "\u202eturned\u200f"),
        (" \n\t\n", ""),
    ],
)
def test_a_text_is_cleaned_of_what_cannot_be_sent(text: str, clean: str) -> None:
    assert cleaned(text) == clean


def test_blank_pieces_are_left_out_and_a_blank_text_is_one_part() -> None:
    parts = plain_parts("a" + "\n" * 3 * PART_BYTES + "b")
    assert [part.body.strip() for part in parts] == ["a", "b"]
    assert plain_parts("\n \n") == (Formatted(""),)


def test_html_that_explodes_is_left_out_and_other_parts_keep_theirs() -> None:
    def html(markdown: str, _: bool) -> str:  # noqa: FBT001
        return "<p>" * (PART_BYTES if "!" in markdown else 1)

    parts = parts_of("a\n\n" * 5_000 + "!" + "b\n\n" * 20_000, html)
    assert sum(not part.html for part in parts) == 1
    assert parts[0].html
    assert parts[-1].html


def test_a_part_with_much_html_is_smaller() -> None:
    def html(markdown: str, _: bool) -> str:  # noqa: FBT001
        return markdown * 3

    parts = parts_of("word " * 6_000, html)
    assert all(part.html == part.body * 3 for part in parts)
    assert 5 <= len(parts) <= 7


def test_only_the_parts_after_the_first_continue_another() -> None:
    def html(_: str, continues: bool) -> str:  # noqa: FBT001
        return str(continues)

    parts = parts_of("word " * 12_000, html)
    assert [part.html for part in parts] == ["False", "True", "True"]
