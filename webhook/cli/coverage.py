"""The options of `gatewright test` that ask for coverage, and what they do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from webhook.cli.options import Color, NotGiven, colored
from webhook.excerpts import columns

if TYPE_CHECKING:
    from webhook.coverage.measuring import Measured
    from webhook.offline.policytest import PlannedCase
    from webhook.policy.policyset import PolicySet
    from webhook.policy.reviewing import Recording

Asked = Annotated[
    bool, typer.Option("--coverage", help="Say what of the policies the tests do not run, and how much they do.")
]
Html = Annotated[
    Path | None, typer.Option("--coverage-html", metavar="FILE", help="Write the coverage as one HTML page.")
]
Json = Annotated[Path | None, typer.Option("--coverage-json", metavar="FILE", help="Write the coverage as JSON.")]
Markdown = Annotated[
    Path | None,
    typer.Option("--coverage-markdown", metavar="FILE", help="Write the coverage as Markdown, for a pull request."),
]
Xml = Annotated[
    Path | None, typer.Option("--coverage-xml", metavar="FILE", help="Write the coverage as Cobertura's XML.")
]
FailUnder = Annotated[
    float | None,
    typer.Option("--fail-under", metavar="PERCENT", min=0, max=100, help="Exit 1 if the coverage is below this."),
]


class CoverageOptions(Struct, frozen=True):
    """The options as given. Any of them asks for coverage."""

    asked: bool = False
    html: Path | None = None
    json: Path | None = None
    markdown: Path | None = None
    xml: Path | None = None
    least: float | None = None

    @property
    def wanted(self) -> bool:
        files = (self.html, self.json, self.markdown, self.xml)
        return self.asked or any(each is not None for each in files) or self.least is not None

    @contextmanager
    def measuring(self, policies: PolicySet) -> Iterator[Measurement]:
        """Run the tests within. Raises NotGiven if what measures Python is not installed."""
        if not self.wanted:
            yield Measurement(self, None, "failures")
            return
        from webhook.coverage.measuring import Measured
        from webhook.coverage.python import NotInstalled

        try:
            measured = Measured(policies)
        except NotInstalled as error:
            raise NotGiven(str(error)) from None
        with measured.running() as recording:
            yield Measurement(self, measured, recording)


class Measurement(Struct, frozen=True):
    """What is measured, if anything is. recording: for webhook.offline.caseruns.run."""

    options: CoverageOptions
    measured: Measured | None
    recording: Recording

    def reported(
        self, named: Sequence[str], cases: Sequence[PlannedCase], *, on_stderr: bool, verbose: bool
    ) -> tuple[str, bool]:
        """Write the files. Returns the text of the report, and whether the coverage suffices.

        named: the policy trees. on_stderr: where the text will go. Raises NotGiven if a file cannot be written.
        """
        if self.measured is None:
            return "", True
        from webhook.cli.report import cobertura, coveragehtml, coveragejson, coveragemarkdown, coveragetext
        from webhook.cli.report.style import Style

        coverage, options = self.measured.coverage(named, cases), self.options
        if options.html is not None:
            _write("--coverage-html", options.html, coveragehtml.report(coverage, ", ".join(named)))
        if options.json is not None:
            _write("--coverage-json", options.json, coveragejson.report(coverage))
        if options.markdown is not None:
            _write("--coverage-markdown", options.markdown, coveragemarkdown.report(coverage, options.least))
        if options.xml is not None:
            _write("--coverage-xml", options.xml, cobertura.report(coverage))
        stream = sys.stderr if on_stderr else sys.stdout
        shape = coveragetext.Shape(columns(stream), options.least, verbose)
        text = coveragetext.report(coverage, Style(colored(Color.AUTO, stream)), shape)
        return text, options.least is None or not coverage.figure.below(options.least)


def _write(option: str, file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise NotGiven(f"{option}: {file} cannot be written: {error.strerror}") from None
