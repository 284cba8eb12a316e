"""What Kubernetes' own strategies refuse of the same objects: see ../strategies/main.go and asked.py.

`make test` asks those of the newest and the oldest version, and of what is built already; `make soak` builds all.
"""

from __future__ import annotations

import pytest

from tests.amounts import ALL, amount
from tests.apiserver import minors
from tests.apiserver.validation import asked
from tests.apiserver.validation.asked import alike, ask, judge
from tests.apiserver.validation.cases import FOLDER, cases, sound
from webhook.schema import spans
from webhook.versions import NEWEST, OLDEST, Version, shown

EARLIER = [version for version in spans.VERSIONS if version != NEWEST]


@pytest.mark.parametrize("module", sorted(file.stem for file in FOLDER.glob("*.yaml") if file.stem != "sound"))
def test_cases(module: str) -> None:
    known = cases(module)
    for case, answer in zip(known, ask([(case.manifest, case.old) for case in known]), strict=True):
        refused = list(map(alike, answer["refused"]))
        if case.manifest["kind"] == "Job" and case.old is not None:  # the strategy sets its selector on creation
            refused = [text for text in refused if "elector" not in text]
        assert sorted(map(alike, case.refused)) == sorted(refused), case.name


def test_sound() -> None:
    for answer in ask([(manifest, None) for manifest in sound().values()]):
        assert answer["refused"] == []


@pytest.mark.parametrize("sort", asked.SORTS, ids=lambda sort: sort.__name__)
def test_generated(sort: asked.Sort) -> None:
    judged = judge(sort(asked.SEED, amount(10_000, 2000)))
    assert judged.wrong == []
    assert judged.accepted > 200
    assert judged.equal > 0.5 * judged.refused


@pytest.mark.parametrize("version", EARLIER, ids=shown)
def test_earlier_versions(version: Version) -> None:
    """Nothing is refused that the version accepts; hardly anything of ours that it refuses is accepted."""
    if not ALL and version != OLDEST and not minors.strategies_at_hand(version):
        pytest.skip(f"the strategies of Kubernetes {shown(version)} are not built here; `make soak` builds them")
    known = judge([pair for _, pair in asked.committed()], version)
    assert known.wrong == []
    assert known.found > 0.95 * known.refused
    for sort in asked.SORTS:
        judged = judge(sort(asked.SEED, amount(5000, 300)), version)
        assert judged.wrong == [], sort.__name__
        assert judged.found > 0.8 * judged.refused
