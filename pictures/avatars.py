"""The pictures of the bot, of Spaces and of chats: PNG files, made of the SVG files beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio

from pictures.browser import headless

FOLDER: Final = Path(__file__).parents[1] / "supervisor" / "avatars"
PIXELS: Final = 256


def make_avatars(folder: Path) -> None:
    """Draw each SVG file of a folder into a PNG file. Raises BrowserMissing."""
    sources = sorted(folder.glob("*.svg"))
    drawn = anyio.run(_drawn, [source.read_text(encoding="utf-8") for source in sources])
    for source, picture in zip(sources, drawn, strict=True):
        source.with_suffix(".png").write_bytes(picture)


async def _drawn(drawings: Sequence[str]) -> list[bytes]:
    async with headless() as browser:
        page = await browser.new_page(viewport={"width": PIXELS, "height": PIXELS})
        pictures: list[bytes] = []
        for drawing in drawings:
            await page.set_content(f'<body style="margin:0">{drawing}</body>')
            pictures.append(await page.screenshot())
        return pictures
