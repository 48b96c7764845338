"""The Helms of this machine, for tests of what renders charts; there may be none."""

from __future__ import annotations

import os
from dataclasses import replace

from freightway.adapters.helm import Helm


def engines() -> dict[str, Helm]:
    """The program ``helm`` and the library, those that are there."""
    helm = Helm.find(os.environ)
    found = {"program": replace(helm, python=""), "library": replace(helm, command="")}
    return {name: one for name, one in found.items() if one.command or one.python}
