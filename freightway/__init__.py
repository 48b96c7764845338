"""Freightway: GitOps promotion platform, Kargo's model on Temporal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freightway.plugin import FreightwayPlugin

__all__ = ["FreightwayPlugin", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazy: `import freightway` runs in every workflow sandbox and must stay light.
    if name == "FreightwayPlugin":
        from freightway.plugin import FreightwayPlugin

        return FreightwayPlugin
    raise AttributeError(f"module 'freightway' has no attribute {name!r}")
