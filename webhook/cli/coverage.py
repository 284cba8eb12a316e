"""The options of `gatewright test` that measure coverage, and the measurement."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from webhook.cli.options import FAILED, colored
from webhook.cli.readoptions import NotGiven
from webhook.cli.reporting import FAILING
from webhook.cli.streams import put_text
from webhook.excerpts import columns
from webhook.visible import no_commands

if TYPE_CHECKING:
    from webhook.cli.reporting import Reporting
    from webhook.coverage.measuring import Measured
    from webhook.offline.cases.policytest import PlannedCase
    from webhook.policy.policyset import PolicySet
    from webhook.policy.reviewing import Recording

Asked = Annotated[
    bool,
    typer.Option(
        "--coverage", help="Show which parts of the policies the tests do not cover, and the percentage that they do."
    ),
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
    """The values of the options. Each of them measures coverage."""

    asked: bool = False
    html: Path | None = None
    json: Path | None = None
    markdown: Path | None = None
    xml: Path | None = None
    least: float | None = None

    @property
    def files(self) -> list[Path]:
        return [each for each in (self.html, self.json, self.markdown, self.xml) if each is not None]

    @property
    def wanted(self) -> bool:
        return self.asked or bool(self.files) or self.least is not None

    def check_places(self, how: Reporting) -> None:
        """Raise NotGiven if two reports, of coverage or of cases, name one file."""
        places = [Path(each.file).absolute() for each in how.targets if each.file]
        for file in self.files:
            if file.absolute() in places:
                raise NotGiven(f"two reports cannot both be written to {file}")
            places.append(file.absolute())

    @contextmanager
    def measuring(self, policies: PolicySet) -> Iterator[Measurement]:
        """A context in which the tests are measured. Raises NotGiven if coverage.py is needed and not installed."""
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
    """The measurement, if there is one. recording: for webhook.offline.cases.runs.run."""

    options: CoverageOptions
    measured: Measured | None
    recording: Recording

    def reported(
        self, named: Sequence[str], cases: Sequence[PlannedCase], how: Reporting, *, chosen: bool, verbose: bool
    ) -> CoverageText:
        """Write the files. Returns the text to print besides. named: the policy trees. how: the options of the report
        of cases. chosen: whether options selected cases; then policies without a case are left out. Raises NotGiven if
        a file cannot be written."""
        if self.measured is None:
            return CoverageText()
        from webhook.cli.report import cobertura, coveragehtml, coveragejson, coveragemarkdown, coveragetext
        from webhook.cli.report.style import Style
        from webhook.cli.report.writing import TEXT

        coverage, options = self.measured.coverage(named, cases, tested_only=chosen), self.options
        if options.html is not None:
            _write("--coverage-html", options.html, coveragehtml.report(coverage, ", ".join(named)))
        if options.json is not None:
            _write("--coverage-json", options.json, coveragejson.report(coverage))
        if options.markdown is not None:
            _write("--coverage-markdown", options.markdown, coveragemarkdown.report(coverage, options.least))
        if options.xml is not None:
            _write("--coverage-xml", options.xml, cobertura.report(coverage))
        beside = not any(each.format == TEXT and not each.file for each in how.targets)
        stream = sys.stderr if beside else sys.stdout
        shape = coveragetext.Shape(columns(stream), options.least, verbose)
        text = coveragetext.report(coverage, Style(colored(how.color, stream)), shape)
        return CoverageText(text, beside, options.least is not None and coverage.figure.below(options.least))


class CoverageText(Struct, frozen=True):
    """The text of the report. beside: whether it goes to stderr, as stdout has another format. low: whether the
    coverage is below --fail-under."""

    text: str = ""
    beside: bool = False
    low: bool = False

    def written(self, code: int) -> int:
        """Write the text, after the report of the cases, of which `code` is the exit code. Returns the exit code."""
        if self.beside:
            sys.stderr.write(no_commands(self.text))
        elif self.text and not put_text(self.text):
            return FAILED
        return max(code, FAILING) if self.low else code


def _write(option: str, file: Path, text: str) -> None:
    from webhook.cli.report.writing import put_into

    try:
        put_into(file, [text])
    except OSError as error:
        raise NotGiven(f"{option}: {file} cannot be written: {error.strerror}") from None
