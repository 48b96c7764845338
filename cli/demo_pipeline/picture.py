"""The pipeline as a picture in the terminal: one box a Stage, from the Warehouse down, and what each holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_GAP = 3
_LEAST_WIDTH = 16
_ASCII = str.maketrans("┌┐└┘─│┬┴┼├┤▼✓✗●…", "++++-|+++++v*xo.")


@dataclass(frozen=True, slots=True)
class Node:
    """One box.

    Attributes:
        above: names of the boxes that it takes Freight from.
        lines: what is written below its name.
    """

    name: str
    above: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


def draw(nodes: Sequence[Node], *, ascii_only: bool = False) -> str:
    """Return the picture of a pipeline.

    Boxes stand in rows: each one row below the lowest box it takes Freight from. Between two rows there is one line
    for all; a pipeline whose rows are not joined as a whole is drawn as if they were.
    """
    rows = _rows(nodes)
    width = max([_LEAST_WIDTH, *(len(text) + 4 for node in nodes for text in (node.name, *node.lines))])
    total = max(len(row) * (width + _GAP) - _GAP for row in rows)
    height = 1 + max(len(node.lines) for node in nodes)
    lines: list[str] = []
    before: list[int] = []
    for row in rows:
        centres = _centres(len(row), width, total)
        if before:
            lines += _joint(before, centres, total)
        lines += _boxes(row, centres, width, height, total, joined=bool(before))
        before = centres
    picture = "\n".join(line.rstrip() for line in lines)
    return picture.translate(_ASCII) if ascii_only else picture


def _rows(nodes: Sequence[Node]) -> list[list[Node]]:
    by_name = {node.name: node for node in nodes}
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 0
            above = [depth(one) + 1 for one in by_name[name].above if one in by_name]
            depths[name] = max(above, default=0)
        return depths[name]

    rows: dict[int, list[Node]] = {}
    for node in nodes:
        rows.setdefault(depth(node.name), []).append(node)
    return [rows[level] for level in sorted(rows)]


def _centres(count: int, width: int, total: int) -> list[int]:
    """Return the middle column of each box of a row that stands in the middle."""
    start = (total - (count * (width + _GAP) - _GAP)) // 2
    return [start + number * (width + _GAP) + width // 2 for number in range(count)]


def _joint(above: Sequence[int], below: Sequence[int], total: int) -> list[str]:
    """Return the line between two rows."""
    left, right = min([*above, *below]), max([*above, *below])
    if left == right:
        return []
    line = [" "] * total
    for column in range(left, right + 1):
        sides = (column > left, column < right, column in above, column in below)
        line[column] = _CORNERS[sides]
    return ["".join(line)]


_CORNERS: Mapping[tuple[bool, bool, bool, bool], str] = {
    # left, right, above, below
    (True, True, False, False): "─",
    (True, True, True, False): "┴",
    (True, True, False, True): "┬",
    (True, True, True, True): "┼",
    (False, True, True, False): "└",
    (False, True, False, True): "┌",
    (False, True, True, True): "├",
    (True, False, True, False): "┘",
    (True, False, False, True): "┐",
    (True, False, True, True): "┤",
}


def _boxes(
    row: Sequence[Node], centres: Sequence[int], width: int, height: int, total: int, *, joined: bool
) -> list[str]:
    lines = [[" "] * total for _ in range(height + 2)]
    for node, centre in zip(row, centres, strict=True):
        start = centre - width // 2
        top = list("┌" + "─" * (width - 2) + "┐")
        if joined:
            top[centre - start] = "▼"
        texts = [node.name, *node.lines]
        body = [f"│ {texts[n] if n < len(texts) else '':<{width - 4}} │" for n in range(height)]
        for number, text in enumerate(["".join(top), *body, "└" + "─" * (width - 2) + "┘"]):
            lines[number][start : start + width] = list(text)
    return ["".join(line) for line in lines]
