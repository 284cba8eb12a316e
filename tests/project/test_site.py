"""The site of the documentation: it builds without a warning, fetches nothing, and fails on what leads nowhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.shared import once
from tests.timing import HANGING
from tests.unmeasured import unmeasured

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "policies/**/*.md", "manifests/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
(RECIPE,) = re.findall(r"^site:.*\n\t\$\(BIN\)/(sphinx-build .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def build(tree: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """What `make site` does, of another tree or into another folder."""
    arguments = RECIPE.replace("build/doctrees", str(out / "doctrees")).replace("build/site", str(out / "site")).split()
    # Nothing may be fetched: whatever asks for a proxy or a name gets nowhere.
    env = {**unmeasured(), "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "sphinx.cmd.build", *arguments[1:]]
    return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=HANGING, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        result = build(ROOT, folder)
        assert (result.returncode, result.stderr) == (0, "")

    return once(tmp_path_factory, "site", make) / "site"


class Page(HTMLParser):
    """What a browser loads for a page, and where its links lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        if "id" in named:
            self.ids.add(named["id"])
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        elif tag == "link" and named.get("rel") in {"stylesheet", "preload", "icon", "preconnect", "dns-prefetch"}:
            self.loaded.append(named["href"])
        elif "src" in named:
            self.loaded.append(named["src"])


def test_every_page_is_on_the_site(site: Path) -> None:
    for page in PAGES:
        assert (site / page.relative_to(ROOT)).with_suffix(".html").is_file(), page
    assert (site / "index.html").read_text() == (site / "README.html").read_text()


def test_a_browser_fetches_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for source in Page(path).loaded:
            assert not re.match(r"(https?:)?//", source), f"{path} loads {source}"
            assert (path.parent / source.partition("?")[0]).is_file(), f"{path} loads {source}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()), style


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    checked = 0
    for path, page in pages.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link) or not file + anchor:
                continue
            target = (path.parent / file).resolve() if file else path
            assert target.is_file(), f"{path}: {link}"
            assert not anchor or target.suffix != ".html" or anchor in pages[target].ids, f"{path}: {link}"
            checked += 1
    assert checked > 500


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The tree of pages with a title each and nothing else, and of pages of one kind the first: built in seconds."""
    tree = tmp_path / "tree"
    pages = [page.relative_to(ROOT) for page in PAGES]
    kinds = [re.match(r"(docs/decisions/)0|(docs/lint/)|(policies/)[^/]+/", page.as_posix()) for page in pages]
    seen: set[str] = set()
    for page, kind in zip(pages, kinds, strict=True):
        name = kind[kind.lastindex or 0] if kind else ""
        if name in seen:
            continue
        seen |= {name} - {""}
        (tree / page).parent.mkdir(parents=True, exist_ok=True)
        (tree / page).write_text(f"# {page.stem}\n")
    shutil.copytree(ROOT / "docs/site", tree / "docs/site")
    return tree


def test_what_leads_nowhere_fails_the_build(small: Path, tmp_path: Path) -> None:
    wrong = {
        "docs/nope.md": "cross-reference target not found: 'docs/nope.md'",
        "docs/explain.md#nope": "local id not found in doc 'docs/explain': 'nope'",
        "#nope": "cross-reference target not found: 'nope'",
        "docs/operations/": "cross-reference target not found: 'docs/operations/'",
        "NOTHING": "cross-reference target not found: 'NOTHING'",
    }
    (small / "README.md").write_text("# README\n\n" + "".join(f"[a]({link})\n\n" for link in wrong))
    (small / "docs/new.md").write_text("# A page that is missing in the sidebar\n")
    assert build(small, tmp_path).returncode != 0
    result = build(small, tmp_path)  # once more: nothing passes because it was seen before
    assert result.returncode != 0
    warnings = [line for line in result.stderr.splitlines() if "WARNING" in line]
    for line, said in zip(range(3, 99, 2), wrong.values(), strict=False):
        assert any(f"README.md:{line}: " in warning and said in warning for warning in warnings), said
    assert any("docs/new.md: WARNING: document isn't included in any toctree" in warning for warning in warnings)
    assert len(warnings) == len(wrong) + 1


def test_the_script_for_pictures_is_loaded_where_there_is_one(small: Path, tmp_path: Path) -> None:
    (small / "docs/serve.md").write_text("# Serve\n\n```mermaid\nflowchart LR\n  a --> b[<i>]\n```\n")
    result = build(small, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    drawn, plain = tmp_path / "site/docs/serve.html", tmp_path / "site/docs/explain.html"
    assert '<pre class="mermaid">flowchart LR\n  a --&gt; b[&lt;i&gt;]\n</pre>' in drawn.read_text()
    scripts = [Path(source.partition("?")[0]).name for source in Page(drawn).loaded]
    assert {"pictures.js", "mermaid-11.17.2.tiny.js"} <= set(scripts)
    assert not any("mermaid" in source for source in Page(plain).loaded)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_targets_of_make_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text()
    code = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    named = [name for each in code for name in re.findall(r"(?:^|&& |; )make ([a-z][a-z0-9-]*)", each, re.MULTILINE)]
    assert [name for name in named if name not in TARGETS] == []


def test_the_index_of_the_decisions_has_each_with_its_title() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", (folder / "README.md").read_text(), re.MULTILINE)
    records = sorted(folder.glob("[0-9]*.md"))
    assert listed == [(record.read_text().partition("\n")[0].removeprefix("# "), record.name) for record in records]
