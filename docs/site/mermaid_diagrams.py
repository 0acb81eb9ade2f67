"""Draws the Mermaid diagrams of the documents while the site is made, so a page needs no script."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

import mermaidx
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

FOLDER: Final = "_diagrams"


class Mermaid(SphinxDirective):
    """A fenced block in Mermaid's language. One that can't be drawn ends the build."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """A link to the diagram, with its image in a frame that scrolls."""
        source = "\n".join(self.content)
        name = f"{sha256(f'{mermaidx.__version__} {source}'.encode()).hexdigest()[:16]}.svg"
        picture = Path(self.env.app.outdir) / FOLDER / name
        if not picture.exists():
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_text(_drawn(source), encoding="utf-8")
        address = f"{'../' * self.env.docname.count('/')}{FOLDER}/{name}"
        image = f'<img src="{address}" alt="A diagram of what this section says">'
        frame = f'<div class="diagram" tabindex="0"><a href="{address}">{image}</a></div>'
        return [nodes.raw("", frame, format="html")]


def _drawn(source: str) -> str:
    """The diagram as SVG, with its natural width, which a page may reduce."""
    drawn = str(mermaidx.render(source).svg())
    natural = re.search(r'viewBox="\S+ \S+ (\d+)', drawn)
    assert natural is not None, "an SVG without a view box"
    return drawn.replace('width="100%"', f'width="{natural[1]}"', 1)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("mermaid", Mermaid)
    app.config["myst_fence_as_directive"] = {"mermaid"}
    return {"parallel_read_safe": True, "parallel_write_safe": True}
