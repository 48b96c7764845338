"""The story of the demo: one version goes through the pipeline by hand, the next one by itself.

Every claim is checked against the parts: the Git branches, the Applications, the answers of the workflows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from freightway import names
from freightway.cli.demo_pipeline.argocd import MANIFESTS, images_in
from freightway.cli.demo_pipeline.narrator import CheckFailed, Narrator
from freightway.cli.demo_pipeline.parts import ENVIRONMENTS, IMAGE, PROJECT, REPOSITORY, Parts
from freightway.cli.demo_pipeline.picture import Node, draw
from freightway.client import Freightway
from freightway.entities.freight import FreightRecord
from freightway.entities.stage import StageState
from freightway.entities.verification import VerificationPhase, VerificationResult
from freightway.errors import FreightwayError

WAREHOUSE = "guestbook"
REGIONS = ("prod-west", "prod-central", "prod-east")
HALVES = ("ab-test-a", "ab-test-b")
OLD, FIRST, SECOND = "1.0.0", "1.1.0", "1.2.0"
WAIT_SECONDS = 90.0
_LOOK_SECONDS = 0.25

FoundT = TypeVar("FoundT")


class Story:
    """Tells the story over running parts."""

    def __init__(self, parts: Parts, freightway: Freightway, narrator: Narrator) -> None:
        self.parts = parts
        self.freightway = freightway
        self.narrator = narrator

    async def tell(self) -> None:
        """Tell all of it.

        Raises:
            FreightwayError: at the first thing that is not as it should be.
        """
        self.introduce()
        await self.apply()
        first = await self.discover(FIRST)
        await self.promote_by_hand(first)
        await self.test_both_halves(first)
        await self.change_threshold(first)
        await self.promote_regions(first)
        self.check_branches(FIRST)
        second = await self.automatically()
        self.check_branches(SECOND)
        await self.finish(second)

    # -- chapters --------------------------------------------------------------------------------------------------

    def introduce(self) -> None:
        """Say what runs."""
        parts = self.parts
        self.narrator.chapter("What runs now, all of it on this machine")
        rows = (
            ("Temporal server", f"{parts.temporal.address}, with its Web UI at {parts.temporal.ui_address}"),
            ("worker", f"process {parts.worker.pid}"),
            ("Git over HTTP", f"http://{parts.git.host}/{REPOSITORY}, asks for a password"),
            ("image registry", f"{parts.registry.host}/{IMAGE} ({parts.registry_kind}), asks for nothing"),
            ("Argo CD stand-in", f"http://{parts.argocd_host}, one Application for each environment"),
            ("metrics API", f"http://{parts.metrics.host}/latency"),
            ("credentials", str(parts.settings.home / "secrets" / PROJECT)),
        )
        self.narrator.lines([f"{name:<17} {what}" for name, what in rows])

    async def apply(self) -> None:
        """Apply the project."""
        self.narrator.chapter("The pipeline is applied: Kargo's own YAML, one project with eight Stages")
        await self.narrator.command("apply", "-f", str(self.parts.manifests / "pipeline"))
        known = await self.freightway.known(PROJECT)
        self.narrator.check("the project knows its eight Stages", len(known.stages) == 8, str(known.stages))
        entities = [names.warehouse_id(PROJECT, WAREHOUSE)]
        entities += [names.stage_id(PROJECT, stage) for stage in known.stages]
        for entity in entities:
            # The project starts them after it has answered.
            await self._until(f"{entity} to run", partial(self.freightway.running, entity))

    async def discover(self, tag: str) -> FreightRecord:
        """Have the Warehouse look, and return the Freight with this tag."""
        self.narrator.chapter("The Warehouse looks into the registry and makes Freight")
        self.narrator.say(
            f"The registry has {OLD} and {FIRST} of the image; the newest that fits ^1.0.0 counts."
        )
        record = await self._freight_with(tag)
        self.narrator.check(f"there is Freight with {tag}: {record.label}", True)
        return record

    async def promote_by_hand(self, freight: FreightRecord) -> None:
        """Promote into dev, then into staging."""
        self.narrator.chapter("A person promotes it into dev, then into staging")
        self.narrator.say(
            """Seven steps: clone, clear, set the image, render with Kustomize, commit, push to the branch of the
            Stage, and have Argo CD sync to that commit."""
        )
        await self._promote(freight, "--stage", "dev", show="all")
        await self._until_verified(freight, "dev")
        await self._promote(freight, "--stage", "staging")
        await self._until_verified(freight, "staging")

    async def test_both_halves(self, freight: FreightRecord) -> None:
        """Promote into both halves of the A/B test: one passes, one fails."""
        self.narrator.chapter("Both halves of the A/B test get it and are measured: result < 200, five times")
        await self._promote(freight, "--downstream-from", "staging")
        first, second = await asyncio.gather(*(self._verdict_of(stage) for stage in HALVES))
        self.narrator.check(
            "ab-test-a (the control group) passes", first.phase is VerificationPhase.SUCCESSFUL, str(first)
        )
        self.narrator.check(
            f"ab-test-b fails: {_short(second.message)}",
            second.phase is VerificationPhase.FAILED,
            str(second),
        )
        verdict = (await self.freightway.explain(PROJECT, "prod-west", freight.name))[0]
        self.narrator.check(
            f"prod lets nothing through: {_short(verdict.needs)}", not verdict.available, "it does"
        )

    async def change_threshold(self, freight: FreightRecord) -> None:
        """Change the threshold and verify the second half again."""
        self.narrator.chapter("The threshold is changed to result < 300 and ab-test-b is verified again")
        before = await self._verdict_of("ab-test-b")
        await self.narrator.command("apply", "-f", str(self.parts.manifests / "threshold.yaml"))
        await self._until(
            "ab-test-b to know the new threshold",
            lambda: self._stage_if(
                "ab-test-b", lambda state: "result < 300" in str(state.configuration.templates)
            ),
        )
        await self.narrator.command("verify", "stage", "ab-test-b", "--wait", show="end")
        after = await self._verdict_of("ab-test-b", after=before.id)
        self.narrator.check("ab-test-b passes now", after.phase is VerificationPhase.SUCCESSFUL, str(after))
        await self._until_verified(freight, "ab-test-b")

    async def promote_regions(self, freight: FreightRecord) -> None:
        """See prod pass it on, and promote the three regions with one command."""
        self.narrator.chapter("prod passes it on, and one command promotes the three regions")
        await self._until_verified(freight, "prod")
        await self._promote(freight, "--downstream-from", "prod")
        for stage in REGIONS:
            await self._until_verified(freight, stage)

    async def automatically(self) -> FreightRecord:
        """Turn auto-promotion on, push a new tag, and watch it go all the way."""
        self.narrator.chapter(f"Auto-promotion is turned on, and a build pushes {SECOND}")
        await self.narrator.command("apply", "-f", str(self.parts.manifests / "auto-promotion.yaml"))
        digest = await self.parts.push(SECOND, "2026-02-01T00:00:00Z")
        self.narrator.say(f"{IMAGE}:{SECOND} is in the registry now ({digest[:19]}).")
        record = await self._freight_with(SECOND)
        self.narrator.say(f"New Freight: {record.label}. Nobody does anything from here on.")
        left = [*ENVIRONMENTS, "prod"]
        began = time.monotonic()

        async def all_have_it() -> bool:
            now = await self._record(record.name)
            for stage in [one for one in left if one in now.verified_in]:
                left.remove(stage)
                took = time.monotonic() - began
                what = "passes it on" if stage == "prod" else "has it, verified"
                self.narrator.lines([f"{stage:<12} {what}, {took:.0f} s after it was discovered"])
            return not left

        await self._until("all Stages to have it", all_have_it, seconds=2 * WAIT_SECONDS)
        self.narrator.check("all Stages took the new version by themselves", not left)
        return record

    async def finish(self, freight: FreightRecord) -> None:
        """Draw the picture and check what is left to check."""
        self.narrator.chapter("Where everything is now")
        nodes = await self._nodes(freight)
        self.narrator.lines(["", *draw(nodes, ascii_only=_ascii_only()).splitlines(), ""])
        self._check_secret()

    # -- what is looked at -----------------------------------------------------------------------------------------

    async def _promote(self, freight: FreightRecord, *target: str, show: str = "end") -> None:
        # News of Freight reaches a Stage a moment after the Warehouse has it.
        stages = [target[1]] if target[0] == "--stage" else await self._below(target[1])
        for stage in stages:
            await self._until(f"{stage} to be allowed {freight.label}", partial(self._may, stage, freight))
        await self.narrator.command(
            "promote", *target, "--freight", freight.alias or freight.name, "--wait", show=show
        )

    async def _below(self, upstream: str) -> list[str]:
        known = await self.freightway.known(PROJECT)
        return [stage for stage, above in known.stages.items() if upstream in above]

    async def _may(self, stage: str, freight: FreightRecord) -> bool:
        state = await self.freightway.stage(PROJECT, stage)
        if freight.name not in state.freight:
            return False
        return (await self.freightway.explain(PROJECT, stage, freight.name))[0].available

    async def _freight_with(self, tag: str) -> FreightRecord:
        await self.narrator.command("refresh", "warehouse", WAREHOUSE, "--wait", show="end")

        async def found() -> FreightRecord | None:
            for record in await self.freightway.freight(PROJECT, WAREHOUSE):
                if _tag(record) == tag:
                    return record
            return None

        return await self._until(f"Freight with {tag}", found)

    async def _record(self, name: str) -> FreightRecord:
        return next(one for one in await self.freightway.freight(PROJECT, WAREHOUSE) if one.name == name)

    async def _until_verified(self, freight: FreightRecord, stage: str) -> None:
        async def verified() -> bool:
            return stage in (await self._record(freight.name)).verified_in

        await self._until(f"{freight.label} to count as verified in {stage}", verified)
        text = "passes the Freight on" if stage == "prod" else f"holds {freight.label}, healthy and verified"
        self.narrator.check(f"{stage} {text}", True)

    async def _verdict_of(self, stage: str, *, after: str = "") -> VerificationResult:
        """Return how the newest verification of a Stage ended, once it is not the one named ``after``."""

        async def ended() -> VerificationResult | None:
            state = await self.freightway.stage(PROJECT, stage)
            results = state.holding.verifications if state.holding else ()
            if state.verifying or not results or results[0].id == after:
                return None
            return results[0] if results[0].phase.is_terminal else None

        return await self._until(f"the verification of {stage}", ended)

    async def _stage_if(self, stage: str, holds: Callable[[StageState], bool]) -> bool:
        return holds(await self.freightway.stage(PROJECT, stage))

    async def _until(
        self, what: str, look: Callable[[], Awaitable[FoundT | None]], *, seconds: float = WAIT_SECONDS
    ) -> FoundT:
        """Look until there is something to see.

        Raises:
            CheckFailed: if there is nothing within the time.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = await look()
            if found:
                return found
            self.parts.check_alive()
            if time.monotonic() > deadline:
                raise CheckFailed(f"waited {seconds:g} s for {what}; {await self._why()}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _why(self) -> str:
        """Return what the Stages and the Warehouse say of themselves, for a message."""
        rows = await self.freightway.rows("Warehouse", PROJECT) + await self.freightway.rows("Stage", PROJECT)
        states = [f"{row['name']}: {row.get('phase')} {row.get('message') or ''}".strip() for row in rows]
        return "they say\n  " + "\n  ".join(states)

    def check_branches(self, tag: str) -> None:
        """See that each environment's branch and its Application have the image with this tag."""
        wanted = f"{self.parts.registry.host}/{IMAGE}:{tag}"
        wrong = []
        rows = []
        for stage in ENVIRONMENTS:
            commit = self.parts.repository.head(f"stage/{stage}")
            try:
                on_branch = images_in(self.parts.repository.show(commit, MANIFESTS))
            except FreightwayError as error:
                on_branch = [str(error)]
            runs = self.parts.argocd.images(f"guestbook-{stage}")
            if on_branch != [wanted] or runs != [wanted]:
                wrong.append(f"{stage}: branch has {on_branch}, Argo CD runs {runs}")
            rows.append(f"stage/{stage:<13} {commit[:7]}  {self.parts.repository.subject(commit)}")
        self.narrator.lines(rows)
        self.narrator.check(
            f"each of the seven branches holds a commit with {IMAGE}:{tag}, and Argo CD has synced to it",
            not wrong,
            "; ".join(wrong),
        )

    async def _nodes(self, newest: FreightRecord) -> list[Node]:
        tags = {one.name: _tag(one) for one in await self.freightway.freight(PROJECT, WAREHOUSE)}
        nodes = [Node(WAREHOUSE, lines=("Warehouse", f"newest: {_tag(newest)}"))]
        for stage in ("dev", "staging", *HALVES, "prod", *REGIONS):
            state = await self.freightway.stage(PROJECT, stage)
            above = tuple(one for request in state.requests for one in request.stages) or (WAREHOUSE,)
            if state.is_control_flow:
                nodes.append(Node(stage, above, ("passes on what", "both halves have")))
                continue
            holding = state.holding
            if holding is None:
                raise CheckFailed(f"Stage {stage} holds nothing")
            name = holding.items[0].name
            mark = "✓" if holding.is_verified else "✗"
            nodes.append(Node(stage, above, (f"● {holding.label}", f"{tags.get(name, '?')} {mark}")))
            self.narrator.checks.append(f"{stage} holds the newest Freight")
            if name != newest.name or not holding.is_verified:
                raise CheckFailed(f"Stage {stage} holds {holding.label}, not {newest.label} verified")
        return nodes

    def _check_secret(self) -> None:
        """See that the password of the Git server is nowhere in Temporal's database, where its address is."""
        database = self.parts.settings.home
        content = b"".join(file.read_bytes() for file in sorted(database.glob("temporal.db*")))
        clean = self.parts.password.encode() not in content
        readable = self.parts.git.host.encode() in content
        self.narrator.check(
            "the Git password is nowhere in Temporal's database, though the Git server's address is",
            clean and readable,
            "the password" if not clean else "not even the address",
        )


def _tag(record: FreightRecord) -> str:
    """Return the tag of the one image that Freight is made of here."""
    return str(record.reference.images[0].get("tag") or "")


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:159]}…"


def _ascii_only() -> bool:
    """Whether standard output cannot show the lines of the picture."""
    import sys

    try:
        "┌▼●✓".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def ui_command(ui_address: str) -> str:
    """Return the command that opens the Temporal Web UI."""
    return f"python3 -m webbrowser {ui_address}/namespaces/default/workflows"
