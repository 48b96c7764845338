"""What the README and its neighbours name exists: commands, flags, make targets, files."""

import asyncio
import re
import shlex
from pathlib import Path

import click
import pytest

from freightway.cli.demo_pipeline.argocd import images_in
from freightway.cli.demo_pipeline.narrator import Narrator
from freightway.cli.demo_pipeline.parts import IMAGE, REPOSITORY, Parts, Settings, started
from freightway.cli.main import cli
from freightway.client import Freightway
from freightway.connection import connect

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "examples/demo/README.md", "compose/secrets/README.md"]
_FENCE = re.compile(r"^```(?:\w+)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def shell_lines(page: str, section: str = "") -> list[str]:
    """The lines of a page's fenced blocks, or of the one section's."""
    text = (ROOT / page).read_text()
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line for block in _FENCE.findall(text) for line in block.splitlines()]


def commands(page: str, section: str = "") -> list[list[str]]:
    """Every ``freightway …`` of a page's fenced blocks, as arguments."""
    found = []
    for line in shell_lines(page, section):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("&|;"):
                if words[:1] == ["freightway"]:
                    found.append(words[1:])
                words = []
            else:
                words.append(word)
    return found


def refuse(arguments: list[str]) -> str:
    """What click says against a command line, empty for nothing; the command is not run."""
    command: click.Command = cli
    context = click.Context(cli, info_name="freightway")
    rest = list(arguments)
    try:
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            name, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command, context = found, click.Context(found, parent=context, info_name=name)
        command.make_context(command.name, rest, parent=context.parent)
    except click.exceptions.Exit:
        return ""  # --help and --version
    except click.ClickException as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_flag_is_known(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREIGHTWAY_PROJECT", "first")
    assert {shlex.join(line): refuse(line) for line in commands(page) if refuse(line)} == {}


def test_the_readme_has_the_commands_of_the_first_promotion() -> None:
    verbs = [line[0] for line in commands("README.md")]
    assert {"dev", "create", "validate", "apply", "get", "promote"} <= set(verbs)


def test_a_flag_that_does_not_exist_would_be_noticed() -> None:
    assert "No such option" in refuse(["promote", "--project", "x", "--sideways"])
    assert "no command" in refuse(["promoet"])
    assert "kind" in refuse(["get"]).lower()


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for line in shell_lines(page) if (words := line.split())[:1] == ["make"]}
    assert named <= targets


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    here = (ROOT / page).parent
    assert [link for link in _LINK.findall((ROOT / page).read_text()) if not (here / link).exists()] == []


def test_the_first_screen_says_what_it_is_for_and_how_to_try_it() -> None:
    screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:12])
    assert "It is for" in screen
    assert "make demo" in screen
    assert "make test" in screen


def test_the_first_promotion_takes_ten_lines_at_most() -> None:
    text = (ROOT / "README.md").read_text().split("## The first promotion")[1]
    block = _FENCE.search(text)
    assert block is not None
    assert len(block[1].splitlines()) <= 10


@pytest.mark.parametrize("example", ["demo/manifests/pipeline", "first", "guestbook"])
def test_every_example_is_valid(example: str) -> None:
    from click.testing import CliRunner

    done = CliRunner().invoke(cli, ["validate", "-f", str(ROOT / "examples" / example)])
    assert done.exit_code == 0, done.output
    assert "0 problems" in done.output


async def test_the_lines_of_the_first_promotion_promote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line but the first two, as they stand, on the demo's servers in place of the reader's."""
    async with started(Settings(home=tmp_path / "home", own_registry=True)) as parts:
        await parts.push("1.0.0", "2026-01-01T00:00:00Z")
        for name, value in parts.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FREIGHTWAY_PROJECT", "first")
        monkeypatch.chdir(tmp_path)
        repository = f"http://{parts.git.host}/{REPOSITORY}"
        text = (ROOT / "examples" / "first" / "pipeline.yaml").read_text()
        text = text.replace("https://github.com/example/deploy.git", repository)
        (tmp_path / "pipeline.yaml").write_text(
            text.replace("ghcr.io/example/app", f"{parts.registry.host}/{IMAGE}")
        )
        narrator = Narrator()
        section = commands("README.md", "The first promotion on your own repository")
        first = [line for line in section if line[0] != "dev"]
        for line in first:
            if line[0] == "create":
                line[line.index("--repo-url") + 1] = repository
                line += ["--password", parts.password]
            elif line[0] == "refresh":
                # A person takes longer than the project takes to start its Warehouse.
                await until_running(parts, "warehouse/first/app")
            await narrator.command(*line)
        commit = parts.repository.head("stage/dev")
        assert images_in(parts.repository.show(commit, "manifests.yaml")) == [
            f"{parts.registry.host}/{IMAGE}:1.0.0"
        ]
        assert [line[0] for line in first][-3:] == ["get", "promote", "get"]


async def until_running(parts: Parts, workflow: str) -> None:
    client = Freightway(await connect(parts.temporal.address))
    async with asyncio.timeout(30):
        while not await client.running(workflow):
            await asyncio.sleep(0.05)
