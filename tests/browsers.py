"""A real browser for tests of pages, where one is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

CONTRAST: Final = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = [99, ""];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, noscript")) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < least[0]) least = [ratio, element.className + ": " + element.textContent.slice(0, 40)];
  }
  return least;
}"""
"""The least contrast of a text on a page, and the text: for page.evaluate."""

NAMELESS: Final = """() => {
  const text = (id) => (document.getElementById(id) || {}).textContent || "";
  const name = (element) => [
    element.getAttribute("aria-label"),
    (element.getAttribute("aria-labelledby") || "").split(" ").map(text).join(" "),
    ...[...(element.labels || [])].map((label) => label.textContent),
    element.matches("input, textarea, select") ? "" : element.textContent,
  ].find((each) => each && each.trim());
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=tab], [tabindex='0']")]
    .filter((element) => element.checkVisibility() && !name(element)).map((element) => element.outerHTML.slice(0, 120));
}"""
"""The controls on a page that a screen reader has no name for: for page.evaluate. A placeholder is no name."""


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window; skips the test where none is installed."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        quiet = ["--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, *quiet])
        yield started
        started.close()
