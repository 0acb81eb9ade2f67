"""Turns Markdown into the HTML of Matrix messages. Pure.

Nothing that a model writes is trusted. HTML in it stays text, and only tags, attributes and schemes
that the Matrix specification names come out. Importing this module takes a while.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_core.inline import inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.dollarmath.index import math_block_dollar, math_inline_dollar

TAGS: Final = frozenset({
    "a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
})  # fmt: skip
"""The tags of the specification without `img`. Clients load a picture without asking, and its
address could tell words of the conversation to another server: it becomes a link."""

ATTRIBUTES: Final[Mapping[str, set[str]]] = {
    "*": set(),
    "span": {"data-mx-bg-color", "data-mx-color", "data-mx-spoiler", "data-mx-maths"},
    "a": {"target", "href"},
    "ol": {"start"},
    "code": {"class"},
    "div": {"data-mx-maths"},
}
"""The attributes of the specification."""

SCHEMES: Final = frozenset({"https", "http", "ftp", "mailto", "magnet"})
"""The schemes of links. Any other link stays as it was written."""

DEPTH_LIMIT: Final = 100
"""Tags are nested no deeper than this."""

_NESTING_LIMIT: Final = 30
"""The parser goes no deeper; a text with deeper quotes or lists gets no HTML."""
_BRACKETS_LIMIT: Final = 8
"""The parser looks no deeper for links within brackets: the time it takes grows with the depth."""
_FORMULA_LINES: Final = 40
_LINK: Final = re.compile(r"(?:https?|ftp)://[^/?#]|mailto:.|magnet:.", re.IGNORECASE)
_LINE_BREAK: Final = re.compile(r"<br[ \t]*/?>", re.IGNORECASE)
_TAG: Final = re.compile(r"<(/?)(\w+)[^>]*>")
_VOID: Final = frozenset({"br", "hr"})
_PRICE: Final = re.compile(r"\d[\d.,]*[ ,;–-]+(?:\w{2,}|and|or)\b")
"""The beginning of a text between two dollars that are prices: `$5 and 10$`."""

_PLAIN_BLOCKS: Final = frozenset({"paragraph_open", "inline", "paragraph_close"})
_PLAIN_INLINE: Final = frozenset({"text", "softbreak", "hardbreak"})


def html_of(markdown: str, *, continues: bool = False) -> str:
    """The HTML of a text; empty if it needs none, or would be nested too deeply.

    A text that continues another one may begin within a list: it has no code by indentation.
    """
    parser = _parser(continues=continues)
    tokens = parser.parse(markdown)
    if _is_plain(tokens, markdown) or _is_cut(tokens):
        return ""
    for token in tokens:
        token.children = list(_without_pictures(token.children or []))
    if len(tokens) == len(_PLAIN_BLOCKS) and tokens[0].type == "paragraph_open":
        tokens = tokens[1:2]
    html = sanitised(parser.renderer.render(tokens, parser.options, {}).strip())
    return html if _depth(html) <= DEPTH_LIMIT else ""


@cache
def _parser(*, continues: bool) -> MarkdownIt:
    """The parser, with another one for the text within blocks."""
    parser = _configured(continues=continues, nesting=_NESTING_LIMIT)
    within_blocks = _configured(continues=continues, nesting=_BRACKETS_LIMIT)

    def parse_texts(state: StateCore) -> None:
        inline(StateCore(state.src, within_blocks, state.env, state.tokens))

    parser.core.ruler.at("inline", parse_texts)
    return parser


def _configured(*, continues: bool, nesting: int) -> MarkdownIt:
    options = {"html": False, "breaks": True, "maxNesting": nesting}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    if continues:
        parser.disable("code")
    parser.validateLink = _is_link  # type: ignore[method-assign]
    parser.inline.ruler.before("autolink", "line_break", _line_break)
    parser.use(dollarmath_plugin, allow_labels=False)
    inline = math_inline_dollar(allow_space=False, allow_digits=True, allow_double=True)
    block = math_block_dollar(allow_labels=False, allow_blank_lines=False)
    parser.inline.ruler.at("math_inline", _unless_price(inline))
    parser.block.ruler.at("math_block", _within_lines(block))
    parser.inline.ruler.before("escape", "bracket_maths", _bracket_maths)
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("fence", "bracket_maths_block", _bracket_maths_block, interrupts)
    parser.add_render_rule("math_inline", _maths_span)
    parser.add_render_rule("math_inline_double", _maths_span)
    parser.add_render_rule("math_block", _maths_div)
    return parser


def sanitised(html: str) -> str:
    """HTML with only the tags, attributes and schemes above."""
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes=dict(ATTRIBUTES),
        attribute_filter=_attribute,
        url_schemes=set(SCHEMES),
        url_relative="deny",
        link_rel=None,
    )


def _attribute(tag: str, _: str, value: str) -> str | None:
    """An attribute's value; None for a class of code that names no language."""
    is_language = value.startswith("language-") and len(value.split()) == 1
    return value if tag != "code" or is_language else None


def _is_link(url: str) -> bool:
    return _LINK.match(url) is not None


def _is_plain(tokens: Sequence[Token], markdown: str) -> bool:
    """Whether the text says the same without HTML."""
    children = [child for token in tokens for child in token.children or []]
    blocks, inline = {token.type for token in tokens}, {child.type for child in children}
    if not (blocks <= _PLAIN_BLOCKS and inline <= _PLAIN_INLINE):
        return False
    shown = " ".join(child.content or "\n" for child in children)
    return "".join(shown.split()) == "".join(markdown.split())


def _is_cut(tokens: Sequence[Token]) -> bool:
    """Whether the parser may have left out what is nested too deeply."""
    return any(token.level >= _NESTING_LIMIT - 1 for token in tokens)


def _depth(html: str) -> int:
    """The deepest nesting of tags in well-formed HTML."""
    depth = deepest = 0
    for closes, tag in _TAG.findall(html):
        if tag not in _VOID:
            depth += -1 if closes else 1
            deepest = max(deepest, depth)
    return deepest


def _without_pictures(children: Sequence[Token]) -> Iterator[Token]:
    """The tokens with a link in place of each picture, or its words alone within a link."""
    is_link = False
    for token in children:
        if token.type != "image":
            is_link = token.type == "link_open" or (is_link and token.type != "link_close")
            yield token
            continue
        address = str(token.attrs["src"])
        words = Token("text", "", 0, content=token.content or address)
        if is_link:
            yield words
        else:
            yield Token("link_open", "a", 1, attrs={"href": address})
            yield words
            yield Token("link_close", "a", -1)


# ---------------------------------------------------------------- rules of the parser


def _line_break(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the parser's signature
    """`<br>`, which models write within the cells of tables."""
    found = _LINE_BREAK.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _unless_price(
    rule: Callable[[StateInline, bool], bool],
) -> Callable[[StateInline, bool], bool]:
    """The rule for `$…$`, without dollars that are prices, names of variables, or shares."""

    def careful(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
        begin = state.pos
        if begin and (state.src[begin - 1].isalnum() or state.src[begin - 1] == "$"):
            return False
        if not rule(state, True):  # noqa: FBT003
            return False
        end, state.pos = state.pos, begin
        follows = state.src[end : end + 1]
        if follows.isalnum() or follows == "$" or _PRICE.match(state.src, begin + 1, end):
            return False
        return rule(state, silent)

    return careful


def _within_lines(
    rule: Callable[[StateBlock, int, int, bool], bool],
) -> Callable[[StateBlock, int, int, bool], bool]:
    """The rule for `$$` at the beginning of a line, for formulas of a reasonable length."""

    def bounded(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
        return rule(state, start, min(end, start + _FORMULA_LINES), silent)

    return bounded


def _bracket_maths(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    r"""`\(…\)` and `\[…\]` in a line."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in {r"\(", r"\["}:
        return False
    end = state.src.find(r"\)" if opening == r"\(" else r"\]", state.pos + 2, state.posMax)
    content = state.src[state.pos + 2 : end].strip()
    if end < 0 or not content:
        return False
    if not silent:
        state.push("math_inline", "math", 0).content = content
    state.pos = end + 2
    return True


def _bracket_maths_block(
    state: StateBlock,
    start: int,
    end: int,
    silent: bool,  # noqa: FBT001
) -> bool:
    r"""`\[` at the beginning of a line, up to `\]` at the end of one."""
    if state.is_code_block(start) or _line(state, start)[:2] != r"\[":
        return False
    lines: list[str] = []
    for number in range(start, min(end, start + _FORMULA_LINES)):
        line = _line(state, number).rstrip()
        lines.append(line)
        if not line:
            return False
        if line.endswith(r"\]"):
            break
    else:
        return False
    content = "\n".join(lines)[2:-2].strip()
    if not content:
        return False
    if not silent:
        token = state.push("math_block", "math", 0)
        token.content, token.block = content, True
        state.line = start + len(lines)
        token.map = [start, state.line]
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _maths_span(
    _: RendererProtocol, tokens: Sequence[Token], index: int, __: OptionsDict, ___: EnvType
) -> str:
    return _maths("span", tokens[index].content)


def _maths_div(
    _: RendererProtocol, tokens: Sequence[Token], index: int, __: OptionsDict, ___: EnvType
) -> str:
    return f"{_maths('div', tokens[index].content)}\n"


def _maths(tag: str, source: str) -> str:
    """A formula; a client that shows no formulas shows its source."""
    text = escape(source.strip())
    return f'<{tag} data-mx-maths="{text}"><code>{text}</code></{tag}>'
