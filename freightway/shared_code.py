"""One copy of the workflows' compiled code for all workflows of a process.

Temporal's sandbox imports the modules of a workflow anew for each one that it keeps in memory, so that they share no
state. Python reads, or without its cache files compiles, them each time; compiled code is immutable and may be shared,
which more than halves what a workflow costs in memory. It also keeps a worker whose files are replaced under it at
the code that it was started with.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType


class _SharedLoader(SourceFileLoader):
    """Loads a module from code that is read once."""

    def __init__(self, fullname: str, path: str, known: dict[str, CodeType]) -> None:
        super().__init__(fullname, path)
        self._known = known

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code."""
        code = self._known.get(fullname)
        if code is None:
            code = super().get_code(fullname)
            if code is not None:
                self._known[fullname] = code
        return code


class SharedCode(MetaPathFinder):
    """Finds the modules of one package as Python does, and has them share their code.

    Args:
        package: the package's name; its modules are meant, and no package below it.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self._known: dict[str, CodeType] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of the package is; None leaves any other module to the other finders."""
        if fullname.rpartition(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _SharedLoader(fullname, spec.loader.path, self._known)
        return spec


def share_code(package: str) -> None:
    """Have the modules of a package share their code from now on; a second call changes nothing."""
    for finder in sys.meta_path:
        if isinstance(finder, SharedCode) and finder.package == package:
            return
    sys.meta_path.insert(0, SharedCode(package))
