"""Where the policies of a server come from: folders, and bundles of registries, which together make one tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from webhook.documents.reader import Problem
from webhook.policy.load.treefiles import NONE_PACKED, Stamp, Tree, read_tree, stamp

if TYPE_CHECKING:
    from webhook.server.policies.bundles import Bundles


class Sources:
    """The policy trees that the settings name.

    `imports`: see Tree. `bundles`: those of `names` that are in registries; None if there are none.
    """

    def __init__(self, names: Sequence[str], imports: Iterable[str] = (), bundles: Bundles | None = None) -> None:
        self.names = tuple(names)
        self._imports = tuple(imports)
        self._bundles = bundles
        self._folders = tuple(name for name in names if bundles is None or name not in bundles.names)

    def stamp(self) -> Stamp:
        """Equal stamps mean that nothing has changed in between: no file, and no bundle that was pulled."""
        found = stamp(self._folders)
        return found if self._bundles is None else (*found, *self._bundles.digests())

    def read(self) -> Tree:
        """The content of all of them, as `read_tree` gives it."""
        packed = NONE_PACKED if self._bundles is None else self._bundles.packed()
        return read_tree(*self.names, commit=True, imports=self._imports, packed=packed)

    def due(self) -> bool:
        """Whether it is time to ask the registries."""
        return self._bundles is not None and self._bundles.due()

    def pull(self) -> tuple[Problem, ...]:
        """Ask the registries for bundles that have changed. Returns why some could not be pulled; the ones before
        stay. Takes as long as the registries do."""
        return () if self._bundles is None else self._bundles.pull()

    def adopt(self, tree: Tree) -> None:
        """Take over the bundles of a tree that is in force."""
        if self._bundles is not None:
            self._bundles.adopt(tree.packed)

    def in_force(self, tree: Tree) -> tuple[dict[str, Any], ...]:
        """Keep the bundles of a tree that is in force on disk. Returns them as /policies shows them."""
        return () if self._bundles is None else self._bundles.in_force(tree.packed)
