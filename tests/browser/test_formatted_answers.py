"""Formatted answers in a real browser, put into a page as a careless client would do it."""

import pytest
from playwright.async_api import Route

from adapter.matrix.formatting import formatted_parts
from tests.browser.conftest import Visit

pytestmark = pytest.mark.anyio

PAGE = """<!doctype html><meta charset="utf-8"><title>timeline</title>
<body><div id="before">before</div><div id="answer"></div><div id="after">after</div>"""

HOSTILE = """*start* <script>document.title = "script"</script>
<img src="https://attacker.example/pixel.png" onerror="document.title = 'onerror'">
<svg onload="document.title = 'onload'"><iframe src="https://attacker.example/frame"></iframe>
</div></div><div id="escaped">out</div> <style>body { display: none }</style>
![pixel](https://attacker.example/markdown.png) ![data](data:image/svg+xml,<svg/onload=alert(1)>)
[a](javascript:document.title='link') [b](JAVASCRIPT&colon;alert(1)) <javascript:alert(1)>
[c](https://attacker.example/"onmouseover="document.title='attribute') [d](data:text/html,x)
$\\href{javascript:alert(1)}{x}"onclick="document.title='maths'$ `</code></pre><b id="code">`

```"onload="document.title='language'
</code></pre><script>document.title = "code"</script>
```

| <td id="cell"> | b |
|---|---|
| </table><b id="table"> | <!-- |

> </blockquote><meta http-equiv="refresh" content="0;url=https://attacker.example/">

<base href="https://attacker.example/"><link rel="stylesheet" href="https://attacker.example/x.css">
<form action="https://attacker.example/"><input autofocus onfocus="document.title = 'focus'">
*end*"""


async def show(visit: Visit, html: str) -> None:
    """Open a page with the HTML. Every request is refused, and noted by the visit."""

    async def refuse(route: Route) -> None:
        await route.abort()

    await visit.context.route("**/*", refuse)
    await visit.page.set_content(PAGE)
    script = "html => { document.querySelector('#answer').innerHTML = html }"
    await visit.page.evaluate(script, html)
    # Written a second time by the parser of pages, which runs scripts that innerHTML does not.
    await visit.page.set_content(PAGE.replace('"answer">', f'"answer">{html}'))
    await visit.page.wait_for_load_state("networkidle")


async def test_a_hostile_answer_is_shown_and_does_nothing(visit: Visit) -> None:
    (part,) = formatted_parts(HOSTILE)
    await show(visit, part.html)
    page = visit.page
    for element in await page.locator("#answer *").all():
        if await element.is_visible():
            await element.hover()
    assert await page.title() == "timeline"
    assert visit.requests == []
    assert visit.complaints == []
    assert await visit.text("#before") == "before"
    assert await visit.text("#after") == "after"
    shown = await visit.text("#answer")
    assert shown.startswith("start <script>")
    assert shown.endswith("end")
    assert '<div id="escaped">out</div>' in shown
    inside = "node => [...node.querySelectorAll('*')].map(it => it.id).filter(Boolean)"
    assert await page.locator("#answer").evaluate(inside) == []
    assert await page.locator("body > *").count() == 3
    links = "node => [...node.querySelectorAll('a')].map(it => it.protocol)"
    assert set(await page.locator("#answer").evaluate(links)) == {"https:"}


async def test_the_check_sees_what_a_hostile_answer_would_do(visit: Visit) -> None:
    await show(visit, HOSTILE[: HOSTILE.index("<svg")])
    assert await visit.page.title() in {"script", "onerror"}
    assert "https://attacker.example/pixel.png" in visit.requests


async def test_an_answer_looks_as_it_was_meant(visit: Visit) -> None:
    (part,) = formatted_parts("1. **a**\n2. b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```\nc  d\n```")
    await show(visit, part.html)
    assert await visit.page.locator("#answer ol > li").all_inner_texts() == ["a", "b"]
    assert await visit.page.locator("#answer td").all_inner_texts() == ["1", "2"]
    assert await visit.text("#answer pre") == "c  d"
    weight = "node => getComputedStyle(node).fontWeight"
    assert await visit.page.locator("#answer strong").evaluate(weight) == "700"
