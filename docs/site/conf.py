"""How Sphinx makes the site of the documentation (`make site`).

The source folder is the root of the repository, so README.md is the first page and a relative link means the same on
the site as in the repository. The pages are plain Markdown; the order of the sidebar stands here, not in them.
Nothing is fetched, neither while the site is built nor while it is read.
"""

from __future__ import annotations

import html
import re
import shutil
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

project = "Gatewright"
author = "The Gatewright authors"
copyright = author

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "policies/**.md", "manifests/**.md"]
exclude_patterns = ["**/.*", "**/_*"]

myst_heading_anchors = 6  # as many as there are, with the names that GitHub gives them
suppress_warnings = ["myst.header"]  # a first heading of level 2 is fine
nitpicky = True

html_title = project
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []
highlight_language = "none"  # of blocks that name no language
pygments_style = "friendly"
pygments_dark_style = "native"

MERMAID = "mermaid-11.17.2.tiny.js"

# A page that is missing here fails the build. Below a page: what the sidebar unfolds under it.
SIDEBAR = {
    "README": """
        Write policies
            Policies, tests, exceptions <docs/policies>
            The API of policies in Python <docs/policy-api>
            CEL functions <docs/cel-functions>
            The policy library <docs/library>
            Policies that ship <policies/README>
            Lint <docs/lint>
            From Kyverno and Gatekeeper <docs/convert>
            From other tools <docs/equivalents>
            Differences in CEL <docs/conformance>
        Check manifests
            Files, updates, workloads <docs/check>
            Why was this refused? <docs/explain>
            Reports <docs/formats>
            What a change of policies changes <docs/impact>
            What policies take <docs/bench>
            Settings, hooks, pipelines <docs/integrations>
            A policy in pull requests <docs/guides/policy-pr>
        Run it in a cluster
            Operations <docs/operations/README>
            The server <docs/serve>
            The page <docs/page>
            Recorded reviews <docs/recording>
            What already runs <docs/audit>
            Roll out by evidence <docs/rollout>
        Work on Gatewright
            Contributing <CONTRIBUTING>
            Architecture <docs/architecture>
            Where is …? <docs/where>
            Tests <docs/testing>
            Performance <docs/performance>
            Decisions <docs/decisions/README>
            Changelog <CHANGELOG>
            Security <SECURITY>
        """,
    "docs/lint": """
        *
            lint/*
        """,
    "docs/operations/README": """
        *
            install
            helm
            verify
            break-glass
            upgrade
            bundles
            uninstall
            rbac
            audit
            sizing
            sight
            monitoring
            native
        """,
}


# The sidebar of each page names all others that it can: with the policies and the decisions, of which other pages have
# the lists, it would be most of the page and of the time that the site takes.
LISTED_ELSEWHERE = re.compile(r"policies/.+/README|docs/decisions/\d.*")


def add_sidebar(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the entries of SIDEBAR below `page` to its Markdown, as toctrees that the page itself does not show."""
    entries: list[str] = []
    for line in SIDEBAR.get(page, "").splitlines():
        indent = len(line) - len(line.lstrip())
        if indent == 8 and line.strip():
            caption = line.strip()
            entries += ["```", "```{toctree}", ":hidden:", ":glob:"] + [f":caption: {caption}"] * (caption != "*")
        elif line.strip():
            entries.append(line.strip())
    if entries:
        source[0] += "\n\n" + "\n".join([*entries[1:], "```"]) + "\n"


def leave_out_of_sidebar(app: Sphinx, tree: nodes.document) -> None:
    """Say of the pages that are listed elsewhere that they are meant to be missing in the sidebar."""
    if LISTED_ELSEWHERE.fullmatch(app.env.docname):
        app.env.metadata[app.env.docname]["orphan"] = True


def show_pictures(app: Sphinx, tree: nodes.document) -> None:
    """Hand ```mermaid blocks to the script that draws them; without scripts their text is shown."""
    for block in list(tree.findall(nodes.literal_block)):
        if block.get("language") == "mermaid":
            markup = f'<pre class="mermaid">{html.escape(block.astext())}</pre>'
            block.replace_self(nodes.raw("", markup, format="html"))


def load_mermaid(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """Load Mermaid, which is large, on the pages that have pictures, and on no others."""
    if '<pre class="mermaid">' in context.get("body", ""):
        app.add_js_file(MERMAID)
        app.add_js_file("pictures.js")


def name_first_page(app: Sphinx, failure: Exception | None) -> None:
    """Serve the first page as index.html, too, which is what a server, or a browser in a folder, looks for."""
    if failure is None:
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add_sidebar)
    app.connect("doctree-read", leave_out_of_sidebar)
    app.connect("doctree-read", show_pictures)
    app.connect("html-page-context", load_mermaid)
    app.connect("build-finished", name_first_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
