"""The HTML of answers: what Markdown becomes, and what never comes out."""

import re
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from actors.rules.formatting import PART_BYTES
from actors.rules.splitting import encoded_bytes
from adapter.matrix.formatting import formatted_parts
from adapter.matrix.markdown import ATTRIBUTES, DEPTH_LIMIT, TAGS, html_of

TABLE = (
    "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n"
    "<tr>\n<td>1<br>\n2</td>\n<td><code>x</code></td>\n</tr>\n</tbody>\n</table>"
)
VOID = {"br", "hr"}


def html(markdown: str) -> str:
    (part,) = formatted_parts(markdown)
    assert part.body == markdown
    return part.html


@pytest.mark.parametrize(
    "text",
    [
        "hi",
        "two\nlines",
        "two\n\nparagraphs, the end.",
        "Tom & Jerry, 3 < 4, List<String>",
        "snake_case and 2 * 3 * 4",
        "#hashtag",
        "https://example.org/a_b_c",
        "a | b",
        "$5 and $10",
        "$5 and 10$ off",
        "$20, or 18$ for members",
        "I have 5$ and you have 10$",
        "costs US$5 or US$7",
        "$AAPL and $GOOG",
        "$AAPL/$GOOG",
        "echo $HOME:$PATH",
        "$$$",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x) [b](file:///etc/passwd) [c](matrix:u/a:b) [d](tel:1)",
        "[a](/relative) [b](#anchor) [c](//host) [d](https:host) [e](mailto:)",
        "![a](mxc://server/secret)",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<details><summary>a</summary>b</details>",
        "",
    ],
)
def test_a_text_without_markup_has_no_html(text: str) -> None:
    assert not html(text)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("a *b* **c** ~~d~~", "a <em>b</em> <strong>c</strong> <s>d</s>"),
        ("`a < b`", "<code>a &lt; b</code>"),
        (r"\*a\*", "*a*"),
        ("# T\n\ntext", "<h1>T</h1>\n<p>text</p>"),
        ("**a**\nb", "<strong>a</strong><br>\nb"),
        (
            "```c++ title\nint<x>;\n```",
            '<pre><code class="language-c++">int&lt;x&gt;;\n</code></pre>',
        ),
        ("~~~\na\n\nb", "<pre><code>a\n\nb</code></pre>"),
        ("    code", "<pre><code>code\n</code></pre>"),
        (
            "7. a\n8. b\n   - c",
            '<ol start="7">\n<li>a</li>\n<li>b\n<ul>\n<li>c</li>\n</ul>\n</li>\n</ol>',
        ),
        ("1. a", "<ol>\n<li>a</li>\n</ol>"),
        ("> a\n> b", "<blockquote>\n<p>a<br>\nb</p>\n</blockquote>"),
        ("a\n\n---\n\nb", "<p>a</p>\n<hr>\n<p>b</p>"),
        (
            "| a | b |\n|:--|--:|\n| 1<br>2 | `x` |",
            TABLE,
        ),
        ('[a](https://x.org "title")', '<a href="https://x.org">a</a>'),
        ("<https://x.org/?a&b>", '<a href="https://x.org/?a&amp;b">https://x.org/?a&amp;b</a>'),
        ("<a@x.org>", '<a href="mailto:a@x.org">a@x.org</a>'),
        ("![a *b*](https://x.org/y.png)", '<a href="https://x.org/y.png">a *b*</a>'),
        ("![](https://x.org/y.png)", '<a href="https://x.org/y.png">https://x.org/y.png</a>'),
        ("[![a](https://x.org/i)](https://l.org)", '<a href="https://l.org">a</a>'),
        (
            "@room [me](https://matrix.to/#/@a:b)",
            '@room <a href="https://matrix.to/#/@a:b">me</a>',
        ),
        ("*a* <script>alert(1)</script>", "<em>a</em> &lt;script&gt;alert(1)&lt;/script&gt;"),
        ('**<b onclick="x">**', '<strong>&lt;b onclick="x"&gt;</strong>'),
        ("`$x$` and `\\(x\\)`", "<code>$x$</code> and <code>\\(x\\)</code>"),
        ("it is $x<y$.", 'it is <span data-mx-maths="x&lt;y"><code>x&lt;y</code></span>.'),
        ("$x$ is 5", '<span data-mx-maths="x"><code>x</code></span> is 5'),
        ("$2x$ and $5", '<span data-mx-maths="2x"><code>2x</code></span> and $5'),
        ('$"a"$', '<span data-mx-maths="&quot;a&quot;"><code>"a"</code></span>'),
        ("$$\nx\n+ y\n$$", '<div data-mx-maths="x\n+ y"><code>x\n+ y</code></div>'),
        ("so $$a$$.", 'so <span data-mx-maths="a"><code>a</code></span>.'),
        (r"so \(a*b*c\).", 'so <span data-mx-maths="a*b*c"><code>a*b*c</code></span>.'),
        (r"so \[a\].", 'so <span data-mx-maths="a"><code>a</code></span>.'),
        (
            "so\n\\[\na\n- b\n\\]\nend",
            '<p>so</p>\n<div data-mx-maths="a\n- b"><code>a\n- b</code></div>\n<p>end</p>',
        ),
        ("\\[a\\]", '<div data-mx-maths="a"><code>a</code></div>'),
        ("\\[\n\n\\]", "<p>[</p>\n<p>]</p>"),
        ("\\[\\] *a*", "[] <em>a</em>"),
        ("\\[a\nb", "[a<br>\nb"),
        ('```"><b>\na\n```', '<pre><code class="language-&quot;&gt;&lt;b&gt;">a\n</code></pre>'),
    ],
)  # fmt: skip
def test_markdown_becomes_the_html_of_the_specification(markdown: str, expected: str) -> None:
    assert html(markdown) == expected


class Tags(HTMLParser):
    """Checks what a browser would make of some HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.deepest = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, ()), (tag, name)
            assert name != "href" or re.match(
                "(?:https?|ftp)://.|mailto:.|magnet:.", value or "", re.IGNORECASE
            )
            assert name != "class" or re.fullmatch(r"language-\S+", value or "")
        if tag not in VOID:
            self.open.append(tag)
            self.deepest = max(self.deepest, len(self.open))

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    @override
    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def assert_harmless(text: str) -> None:
    """Assert that each part fits, is well-formed, and has nothing but the permitted tags."""
    for part in formatted_parts(text):
        assert encoded_bytes(part.body) + encoded_bytes(part.html) <= PART_BYTES
        tags = Tags()
        tags.feed(part.html)
        tags.close()
        assert not tags.open
        assert tags.deepest <= DEPTH_LIMIT


MARKUP = st.sampled_from([
    "*", "**", "_", "~~", "`", "```\n", "~~~", "[", "](", ")", "![", "<", ">", "> ", "- ",
    "1. ", "# ", "|", "|-|-|\n", "\n", "\n\n", "    ", "\t", "$", "$$", "\\", "\\(", "\\)",
    "\\[", "\\]", "&", "&#0;", "<br>", "<b>", "<!--", "-->", "<![CDATA[", "<?", "javascript:",
    "https://x.org", "mailto:a@b", '"', "'", "a", "5", " ", "é", "\u202e", "\ud800", "\x00",
    "---\n", "===\n", "[x]: https://x.org\n", "http://[::1", "https://%", "%00", "language-",
    "<https://x.org>",
])  # fmt: skip


@given(st.lists(st.one_of(MARKUP, st.text(max_size=4)), max_size=60).map("".join))
@settings(deadline=None, max_examples=300)
def test_nothing_harmful_comes_of_any_text(text: str) -> None:
    assert_harmless(text)


HOSTILE = {
    "[": "[",
    "![": "![",
    "[a](": "[a](",
    "**": "**",
    "*_": "*_",
    "a**b": "a**b",
    "> ": "> ",
    "- ": "- ",
    "> a\n": "> a\n",
    "`a ``b ": "`a ``b ",
    "$$ a\n": "$$ a\n",
    "\\[ a\n": "\\[ a\n",
    "\\(": "\\(",
    "<a@": "<a@",
    "[[]": "[[]",
    "&": "&",
    "a|": "a|",
    "x": "x",
    "\ud800": "\ud800",
    "\u202e": "\u202e",
    "table": "|" + "a|" * 1000 + "\n|" + "-|" * 1000 + ("\n|" + "b|" * 1000) * 10 + "\n",
    "nested": "".join(f"{'  ' * depth}- a\n" for depth in range(200)) + "\n",
    "deep emphasis": f"{'*a **b ' * 200}{'c** d* ' * 200}\n\n",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_25_kb_of_anything_take_bounded_time(unit: str) -> None:
    text, before = unit * (25_000 // len(unit)), time.process_time()
    assert_harmless(text)
    assert time.process_time() - before < 10


def test_html_that_would_be_nested_too_deeply_is_left_out() -> None:
    for text in (f"{'> ' * 60}a", "".join(f"{'  ' * depth}- a\n" for depth in range(40))):
        assert not html(text.rstrip())
    assert html("".join(f"{'  ' * depth}- a\n" for depth in range(12)).rstrip())
    assert not html(f"{'*a **b ' * 60}{'c** d* ' * 60}".rstrip())


def test_a_part_that_begins_within_a_list_has_no_code_by_indentation() -> None:
    assert html_of("    *a*", continues=True) == "<em>a</em>"
    assert html_of("        ```\n        a\n        ```", continues=True) == (
        "<pre><code>a\n</code></pre>"
    )


def test_each_part_of_a_long_answer_is_formatted() -> None:
    text = "Before\n\n```py\n" + "x = 1  # a line\n" * 4_000 + "```\n\n1. *after*"
    parts = formatted_parts(text)
    assert len(parts) > 3
    assert all('<pre><code class="language-py">' in part.html for part in parts)
    assert parts[-1].html.endswith("</code></pre>\n<ol>\n<li><em>after</em></li>\n</ol>")


def test_the_parser_is_loaded_with_the_first_text_that_needs_it() -> None:
    program = (
        "import sys\n"
        "import supervisor.app.run\n"
        "from adapter.matrix.formatting import formatted_parts\n"
        "formatted_parts('hello')\n"
        "assert not {'markdown_it', 'nh3'} & set(sys.modules)\n"
        "formatted_parts('*hello*')\n"
        "assert {'markdown_it', 'nh3'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
