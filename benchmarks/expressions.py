"""How fast expressions are: ``python -m benchmarks.expressions``."""

from __future__ import annotations

import time
from collections.abc import Callable

from freightway.expr import compile as compile_expression
from freightway.expr import render, render_config
from freightway.expr.functions import promotion_functions
from freightway.expr.program import _compile

ENV = {
    "ctx": {"stage": "prod", "project": "demo"},
    "vars": {"region": "eu-west-1", "tag": "v1.2.3"},
    "items": [
        {"name": f"app-{index}", "replicas": index % 7, "enabled": index % 3 > 0} for index in range(1_000)
    ],
}
CONCAT = 'ctx.stage + "-" + vars.region'
PIPE = "items | filter(.enabled and .replicas > 2) | map(.name)"
LONG = " ".join(
    f'${{{{ vars.tag == "v{index}" ? upper(ctx.stage) : vars.region + "-{index}" }}}}' for index in range(100)
)
FREIGHT = {
    "origin": {"kind": "Warehouse", "name": "app"},
    "images": [{"repoURL": "registry.example.com/app", "tag": "v1.2.3"}],
}
STEP = {
    "image": "${{ imageFrom('registry.example.com/app', warehouse('app')).Tag }}",
    "major": "${{ semverParse(vars.tag).Major() }}",
    "path": "${{ ctx.stage }}/${{ vars.region }}",
}
SECONDS = 1.0


def per_second(work: Callable[[], object]) -> float:
    """How often the work is done in a second."""
    work()
    count = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        for _ in range(10):
            work()
        count += 10
    return count / elapsed


def compile_long() -> object:
    _compile.cache_clear()
    return render(LONG, ENV)


def render_step() -> object:
    """One attempt of a step of a new promotion."""
    functions = promotion_functions(
        project="demo", freight=[FREIGHT], freight_requests=[{"origin": FREIGHT["origin"]}], warehouses={}
    )
    return render_config(STEP, ENV, functions=functions)


def main() -> None:
    concat, pipe = compile_expression(CONCAT), compile_expression(PIPE)
    rows = (
        (f"evaluate  {CONCAT}", per_second(lambda: concat.run(ENV))),
        ("render    ${{ " + CONCAT + " }}", per_second(lambda: render("${{ " + CONCAT + " }}", ENV))),
        ("evaluate  filter and map over 1,000 items", per_second(lambda: pipe.run(ENV))),
        ("compile and render  a template of 100 expressions", per_second(compile_long)),
        ("render    the same template again", per_second(lambda: render(LONG, ENV))),
        ("render    the configuration of a step, functions made anew", per_second(render_step)),
    )
    for name, rate in rows:
        print(f"{rate:12,.0f} / s   {name}")


if __name__ == "__main__":
    main()
