"""The facts are read through ``facts``; these names stay importable from here."""

from __future__ import annotations

from facts import DATA, case_id, cases, load_facts

__all__ = ["DATA", "case_id", "cases", "load_facts"]
