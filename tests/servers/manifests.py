"""Short makers of resources for tests: what a test does not name has a value of no consequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KARGO = "kargo.akuity.io/v1alpha1"
REPOSITORY = "https://git.example.com/app.git"

PROJECT: dict[str, Any] = {"apiVersion": KARGO, "kind": "Project", "metadata": {}}


def project_config(*policies: Mapping[str, Any], windows: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    spec: dict[str, Any] = {"promotionPolicies": [dict(policy) for policy in policies]}
    if windows:
        spec["promotionWindows"] = [dict(window) for window in windows]
    return {"apiVersion": KARGO, "kind": "ProjectConfig", "metadata": {}, "spec": spec}


def auto(*stages: str, **more: Any) -> list[dict[str, Any]]:
    """Policies that promote into these Stages by themselves."""
    return [{"stageSelector": {"name": stage}, "autoPromotionEnabled": True, **more} for stage in stages]


def warehouse(name: str = "app", repository: str = REPOSITORY, **spec: Any) -> dict[str, Any]:
    """A Warehouse of one Git repository; Freight is made by hand unless ``spec`` says otherwise."""
    full = {
        "freightCreationPolicy": "Manual",
        "interval": "24h",
        "subscriptions": [{"git": {"repoURL": repository, "branch": "main"}}],
        **spec,
    }
    return {"apiVersion": KARGO, "kind": "Warehouse", "metadata": {"name": name}, "spec": full}


def stage(
    name: str,
    *,
    upstream: Sequence[str] = (),
    origins: Sequence[str] = ("app",),
    steps: Sequence[Mapping[str, Any]] | None = None,
    sources: Mapping[str, Any] | None = None,
    verification: Mapping[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A Stage whose promotion composes one output; ``steps=()`` makes it control the flow only."""
    chosen = [say()] if steps is None else list(steps)
    where: dict[str, Any] = {"stages": list(upstream)} if upstream else {"direct": True}
    where |= dict(sources or {})
    spec: dict[str, Any] = {
        "requestedFreight": [
            {"origin": {"kind": "Warehouse", "name": origin}, "sources": where} for origin in origins
        ]
    }
    if chosen:
        template: dict[str, Any] = {"steps": chosen}
        if variables:
            template["vars"] = [{"name": key, "value": value} for key, value in variables.items()]
        spec["promotionTemplate"] = {"spec": template}
    if verification:
        spec["verification"] = dict(verification)
    metadata: dict[str, Any] = {"name": name}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": KARGO, "kind": "Stage", "metadata": metadata, "spec": spec}


def say(alias: str = "say", **more: Any) -> dict[str, Any]:
    """A step without an effect."""
    return {"uses": "compose-output", "as": alias, "config": {"said": "hello"}, **more}


def post(url: str, alias: str = "post", **more: Any) -> dict[str, Any]:
    """A step with an effect outside: an HTTP server counts it."""
    return {"uses": "http", "as": alias, "config": {"url": url, "method": "POST"}, **more}


def waits(url: str, alias: str = "waits") -> dict[str, Any]:
    """A step that waits until the server answers ``{"ready": true}``."""
    return {
        "uses": "http",
        "as": alias,
        "config": {"url": url, "successExpression": "response.body.ready == true", "pollInterval": "1h"},
    }


def analysis(name: str, *metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {"metrics": [dict(metric) for metric in metrics]},
    }


def web(url: str, condition: str = "result.ok == true", name: str = "web", **more: Any) -> dict[str, Any]:
    """A metric that asks an HTTP server."""
    provider = {"web": {"url": url, "jsonPath": "{$}", "timeoutSeconds": 5}}
    return {"name": name, "successCondition": condition, "provider": provider, **more}


def question(
    prompt: str = "Does it look good?", deadline: str = "1h", name: str = "looks-good"
) -> dict[str, Any]:
    """A metric that a person answers."""
    return {"name": name, "provider": {"signal": {"prompt": prompt, "deadline": deadline}}}


def verified_by(*templates: str) -> dict[str, Any]:
    return {"analysisTemplates": [{"name": name} for name in templates]}
