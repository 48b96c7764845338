"""The commands ``freightway eval`` and ``freightway render``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from freightway.cli.eval import eval_command
from freightway.cli.render import render_command


def test_eval_prints_json(tmp_path: Path) -> None:
    env = tmp_path / "env.yaml"
    env.write_text("vars: {tag: v1.2.3, day: 2026-05-01}\n")
    result = CliRunner().invoke(eval_command, ["[vars.tag, vars.day, 4 / 2]", "--env", str(env)])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == ["v1.2.3", "2026-05-01", 2]


def test_eval_takes_the_time_and_standard_input() -> None:
    arguments = ["-", "--now", "2026-05-01T12:00:00Z"]
    result = CliRunner().invoke(eval_command, arguments, input="now().Hour()")
    assert (result.exit_code, result.stdout) == (0, "12\n")


def test_eval_shows_the_place_of_a_mistake() -> None:
    result = CliRunner().invoke(eval_command, ["1 + 'a'"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr == "error: invalid operation: + (mismatched types int and string) (1:3)\n1 + 'a'\n  ^\n"
    )


def test_eval_says_what_is_wrong_with_its_input(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    cases = {
        "cannot read": ["1", "--env", str(tmp_path / "none.yaml")],
        "is not valid YAML": ["1", "--env", str(bad)],
        "--now must be a time": ["1", "--now", "noon"],
        "only one of": ["-", "--env", "-"],
    }
    for message, arguments in cases.items():
        result = CliRunner().invoke(eval_command, arguments)
        assert result.exit_code == 2, message
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_value_without_json_is_an_error() -> None:
    result = CliRunner().invoke(eval_command, ["1 / 0"])
    assert result.exit_code == 1
    assert "unsupported value: +Inf" in result.stderr


def test_render_evaluates_the_values_of_a_file(tmp_path: Path) -> None:
    template, env = tmp_path / "config.yaml", tmp_path / "env.yaml"
    template.write_text("image: ghcr.io/acme/web:${{ vars.tag }}\nreplicas: ${{ 1 + 1 }}\nplain: '42'\n")
    env.write_text("vars: {tag: v1}\n")
    result = CliRunner().invoke(render_command, ["-f", str(template), "--env", str(env)])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"image": "ghcr.io/acme/web:v1", "replicas": 2, "plain": "42"}


def test_render_reads_standard_input_and_reports_mistakes() -> None:
    result = CliRunner().invoke(render_command, ["-f", "-"], input="a: ${{ b.c }}\n")
    assert result.exit_code == 1
    assert "cannot fetch c from <nil> (1:4)" in result.stderr
