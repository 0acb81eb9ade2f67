"""Formatted answers, as an independent client reads them from the timeline."""

import pytest

from demo.person import Event
from tests.synapse.home import Home, hear, history

pytestmark = pytest.mark.anyio

MARKDOWN = """# Title with *care*

| a | b |
|---|--:|
| 1 | `x` |

```py
if a < b: print("&")
```

7. seven
   - nested
8. eight, see [docs](https://example.org/?a=1&b=2)

So $x^2 < y$, which costs $5 or $10:

$$
\\frac{a}{b}
$$

<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3))
![cat](https://example.org/cat.png) @room [me](https://matrix.to/#/@me:example.org)"""

HTML = """<h1>Title with <em>care</em></h1>
<table>
<thead>
<tr>
<th>a</th>
<th>b</th>
</tr>
</thead>
<tbody>
<tr>
<td>1</td>
<td><code>x</code></td>
</tr>
</tbody>
</table>
<pre><code class="language-py">if a &lt; b: print("&amp;")
</code></pre>
<ol start="7">
<li>seven
<ul>
<li>nested</li>
</ul>
</li>
<li>eight, see <a href="https://example.org/?a=1&amp;b=2">docs</a></li>
</ol>
<p>So <span data-mx-maths="x^2 &lt; y"><code>x^2 &lt; y</code></span>, which costs $5 or $10:</p>
<div data-mx-maths="\\frac{a}{b}"><code>\\frac{a}{b}</code></div>
<p>&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt; \
[x](javascript:alert(3))<br>
<a href="https://example.org/cat.png">cat</a> @room \
<a href="https://matrix.to/#/@me:example.org">me</a></p>"""


async def answers(home: Home) -> list[Event]:
    events = await history(home.owner, home.chat)
    return [event for event in events if event.sender == home.bot.user_id and event.body]


@pytest.mark.quick
async def test_an_answer_has_valid_html_and_notifies_nobody(commons: Home) -> None:
    assert await commons.ask(MARKDOWN) == MARKDOWN
    content = (await answers(commons))[-1].content
    assert content["msgtype"] == "m.text"
    assert content["format"] == "org.matrix.custom.html"
    assert content["formatted_body"] == HTML
    assert content["m.mentions"] == {}


async def test_plain_answers_and_notices_have_no_html(commons: Home) -> None:
    await commons.ask("two\n\nparagraphs")
    await commons.ask("!status")
    for event in (await answers(commons))[-2:]:
        assert "formatted_body" not in event.content
        assert event.content["m.mentions"] == {}


async def test_the_commands_in_a_notice_are_bold(commons: Home) -> None:
    await commons.ask("!help")
    content = (await answers(commons))[-1].content
    assert "\n!rename <name>: " in content["body"]
    assert "<br><strong>!rename &lt;name&gt;</strong>: " in content["formatted_body"]
    assert content["format"] == "org.matrix.custom.html"


async def test_every_part_of_a_long_answer_is_formatted_and_says_whether_more_follows(
    commons: Home,
) -> None:
    code = "".join(f"x{number} = 'ж&<>'\n" for number in range(700))
    await commons.ask(f"```py\n{code}```\n*after*")
    await hear(commons.owner, commons.bot, commons.chat)
    first, last = (await answers(commons))[-2:]
    assert first.body.endswith("\n```")
    assert last.body.startswith("```py\n")
    assert '<pre><code class="language-py">' in first.content["formatted_body"]
    assert '<pre><code class="language-py">' in last.content["formatted_body"]
    assert last.content["formatted_body"].endswith("<p><em>after</em></p>")
    assert first.content["io.surfaces.reply"]["more"] is True
    assert "more" not in last.content["io.surfaces.reply"]
