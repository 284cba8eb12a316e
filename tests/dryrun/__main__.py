"""Prints where `gatewright check` and the recorded answers of the server differ.

python -m tests.dryrun [part of a file's or manifest's name]
"""

from __future__ import annotations

import sys
from collections import defaultdict

from tests.dryrun.answers import recorded
from tests.dryrun.corpus import files
from tests.dryrun.known import differing


def main(wanted: str = "") -> int:
    answers = recorded()
    equal = 0
    found: dict[str, list[str]] = defaultdict(list)
    for file in files():
        try:
            differ = differing(file, answers[file.name])
        except Exception as error:  # a fault of check: the other files are shown nevertheless
            print(f"{file.name}: check fails: {error!r}")
            continue
        equal += len(file.manifests) - len(differ)
        for name, texts in differ.items():
            for text in texts:
                found[text].append(f"{file.name}: {name}")
    for text, names in sorted(found.items(), key=lambda each: -len(each[1])):
        shown = [name for name in names if wanted in name]
        if shown:
            print(f"{text}\n    {len(names)}: {'; '.join(shown[:4])}")
    print(f"{equal} of {sum(map(len, answers.values()))} are equal")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
