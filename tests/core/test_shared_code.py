"""The modules of one package share their compiled code, however often they are imported anew."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from freightway.shared_code import SharedCode, share_code

PACKAGE = "shares_its_code"


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "work.py").write_text("KNOWN = []\ndef answer() -> int:\n    return 1\n")
    (folder / "below").mkdir()
    (folder / "below" / "__init__.py").write_text("def answer() -> int:\n    return 1\n")
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(tmp_path))
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (isinstance(finder, SharedCode) and finder.package == PACKAGE)
    ]
    forget()


def forget() -> None:
    for known in [known for known in sys.modules if known.partition(".")[0] == PACKAGE]:
        del sys.modules[known]


def anew(name: str) -> ModuleType:
    forget()
    return importlib.import_module(name)


def test_a_module_imported_anew_has_its_own_state_and_the_same_code(package: Path) -> None:
    share_code(PACKAGE)
    share_code(PACKAGE)
    assert sum(isinstance(finder, SharedCode) and finder.package == PACKAGE for finder in sys.meta_path) == 1
    first, second = anew(f"{PACKAGE}.work"), anew(f"{PACKAGE}.work")
    assert first is not second
    assert first.KNOWN is not second.KNOWN
    assert first.answer is not second.answer
    assert first.answer.__code__ is second.answer.__code__


def test_a_file_that_is_replaced_meanwhile_changes_nothing(package: Path) -> None:
    share_code(PACKAGE)
    anew(f"{PACKAGE}.work")
    (package / "work.py").write_text("def answer() -> int:\n    return 20 + 2\n")
    importlib.invalidate_caches()
    later = anew(f"{PACKAGE}.work")
    assert later.answer() == 1


def test_what_is_below_and_beside_is_left_alone(package: Path) -> None:
    share_code(PACKAGE)
    assert anew(f"{PACKAGE}.below").answer() == 1
    assert SharedCode(PACKAGE).find_spec("json", None) is None
    assert SharedCode(PACKAGE).find_spec(f"{PACKAGE}.below.more", None) is None
    with pytest.raises(ModuleNotFoundError):
        anew(f"{PACKAGE}.missing")
