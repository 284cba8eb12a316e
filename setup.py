"""Puts the policy library into the wheel: policies/ becomes webhook/library/policies. The rest is in pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

LIBRARY = Path(__file__).parent / "policies"


class WithLibrary(build_py):
    """The build of the packages, and of the library beside them. An editable installation finds policies/ itself."""

    def run(self) -> None:
        """Copy the packages, then every file of a policy."""
        super().run()
        if self.editable_mode:
            return
        found = [each for each in sorted(LIBRARY.glob("*/*")) if each.is_file()]
        if not found:
            raise FileNotFoundError(f"{LIBRARY}: no policies; the wheel ships them")
        for file in found:
            if not file.parent.name.startswith((".", "_")):
                target = Path(self.build_lib, "webhook", "library", "policies", file.parent.name, file.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                copyfile(file, target)


setup(cmdclass={"build_py": WithLibrary})
