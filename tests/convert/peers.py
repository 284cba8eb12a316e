"""The commands of other engines, which decide what their policies mean: built from their published modules, and run.

python -m tests.convert.peers             builds those whose modules are named here, which takes many minutes
python -m tests.convert.peers gatekeeper  only this one

They stay in the cache, by what they are made of. The tests that ask them, and `python -m bench peers`, are skipped
without them. Their sources are not read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests import goprograms

HERE: Final = Path(__file__).parent
PACKAGES: Final = {
    "gatekeeper": "github.com/open-policy-agent/gatekeeper/v3/cmd/gator",
    "kyverno": "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno",
}
"""The dialect, whose folder has the modules in `program` -> the package of the engine's command."""


def folder(name: str) -> Path:
    """Where the go.mod of a command is."""
    return HERE / name / "program"


def place(name: str) -> Path:
    """Where a command is once it is built."""
    return goprograms.kept(name, sorted(folder(name).glob("go.*")))


def program(name: str) -> Path:
    """The command of an engine. A test that asks for one that is not built is skipped."""
    if not place(name).exists():
        pytest.skip(f"{PACKAGES[name]} is not built; build it with: python -m tests.convert.peers {name}")
    return place(name)


def main(names: list[str]) -> None:
    """Build them."""
    if unknown := set(names) - PACKAGES.keys():
        sys.exit(f"no such engine: {', '.join(sorted(unknown))}; expected {', '.join(PACKAGES)}")
    for name in names or PACKAGES:
        try:
            if not place(name).exists():
                goprograms.build(folder(name), place(name), "-mod=readonly", PACKAGES[name])
        except pytest.skip.Exception as reason:  # what goprograms says of a program that does not build
            sys.exit(f"{name}: {reason}")
        print(f"{name}: {place(name)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
