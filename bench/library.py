"""The whole library: loading all of its policies, and `gatewright check` of 1,000 manifests with all of them bound.

Each policy of policies/ is bound, by its own binding or else by the first of its variants (`_binding.deny.yaml`,
`_binding.mutate.yaml`). Where the library has fewer than 70 policies, policies as those of `python -m bench load` fill
the tree up, which the manifests satisfy. The four policies of the first release are measured beside it. CPU, user and
system; processes in turn, the least of each.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench import check_manifests, load_tree
from bench.figures import keep
from bench.startup import FOUR, POLICIES, cpu

COUNT = 70
ROUNDS = 5
MANIFESTS = 1000
WANTED_LOADING = 250.0
"""ms, of loading."""
WANTED_EACH = 1.0
"""ms, of evaluating 70 policies on an object."""
_VARIANTS = ("_binding.deny.yaml", "_binding.mutate.yaml", "_binding.warn.yaml")


def lay_out(folder: Path) -> int:
    """Write the tree. Returns how many of its policies are the library's."""
    shipped = sorted(each.parent for each in POLICIES.glob("*/policy.*"))
    for source in shipped:
        target = folder / source.name
        shutil.copytree(source, target)
        if not (target / "binding.yaml").exists():
            bound = next((target / each for each in _VARIANTS if (target / each).exists()), None)
            if bound is not None:
                bound.rename(target / "binding.yaml")
    load_tree.generate(folder, max(0, COUNT - len(shipped)), "registry.example.com")
    return len(shipped)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tree, four, full, one = (Path(scratch, name) for name in ("tree", "four", "full", "one"))
        for each in (tree, four, full, one):
            each.mkdir()
        shipped = lay_out(tree)
        for name in FOUR:
            shutil.copytree(POLICIES / name, four / name)
        check_manifests.generate(full, MANIFESTS)
        check_manifests.generate(one, 1)
        both = [[load_tree.measured(tree, what)[0] for what in ("load", "compile")] for _ in range(ROUNDS)]  # in turns
        loading, compiling = (min(each) * 1000 for each in zip(*both, strict=True))
        reading = min(load_tree.measured(tree, "yaml")[0] for _ in range(ROUNDS)) * 1000
        check = [sys.executable, "-m", "webhook.cli.main", "check", "--output", "json", "--policies"]
        commands = {
            "all": [*check, str(tree), str(full)],
            "four": [*check, str(four), str(full)],
            "all, one manifest": [*check, str(tree), str(one)],
            "four, one manifest": [*check, str(four), str(one)],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(ROUNDS + 1):
            for name, command in commands.items():
                took = cpu(command, ends=(0, 1))
                if number:
                    times[name].append(took)
    least = {name: min(found) for name, found in times.items()}
    every = (least["all"] - least["all, one manifest"]) / MANIFESTS
    few = (least["four"] - least["four, one manifest"]) / MANIFESTS
    count = max(COUNT, shipped)
    print(f"Library: {count} policies, {shipped} of them shipped, all bound\n")
    print(f"  loading                          {loading:7.0f} ms   wanted: at most {WANTED_LOADING:.0f} ms")
    print(f"  the same, and every file compiled {compiling:6.0f} ms   (decision 56)")
    print(f"  yaml.CSafeLoader reads the files {reading:7.0f} ms\n")
    print(f"check: {MANIFESTS} manifests, CPU of whole processes in turn, the least of {ROUNDS}\n")
    for name, value in least.items():
        print(f"  {name:32} {value:7.0f} ms")
    print(f"\n  an object, without start and loading: {every:.2f} ms with all, {few:.2f} ms with the four; ", end="")
    print(f"ratio {every / few:.2f}x")
    print(f"  wanted: at most {WANTED_EACH:.0f} ms more with 70 policies; found {every - few:.2f} ms\n")
    keep(f"loading the library, {count} policies, all bound", loading, "ms", at_most=WANTED_LOADING)
    keep(f"an object under {count} policies, more than under the four", every - few, "ms", at_most=WANTED_EACH)
