"""``warehouse``, ``commitFrom``, ``imageFrom``, ``chartFrom`` and ``artifactFrom`` of promotions and verifications.

Without an origin the requested Warehouses are asked which of them subscribes; two that do are an error.

Source: Kargo pkg/controller/freight/finder.go and pkg/expressions/function/functions.go at 1c764767.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from freightway.expr.failure import Failure
from freightway.expr.natures import STRING, Nature, Signature
from freightway.expr.structs import ARTIFACT, CHART, COMMIT, IMAGE, ORIGIN, make_struct
from freightway.expr.values import Function, Struct
from freightway.urls import normalize_git

Json = Mapping[str, object]
Warehouses = Mapping[str, Json] | Callable[[str], Json | None]

_KNOWN_KINDS = frozenset({"git", "image", "chart"})
AMBIGUOUS_COMMIT = (
    "multiple requested Freight could potentially provide a commit from repo {}; "
    "please update promotion steps to disambiguate"
)
AMBIGUOUS_IMAGE = (
    "multiple requested Freight could potentially provide a container image from repository {}: "
    "please provide a Freight origin to disambiguate"
)
AMBIGUOUS_CHART = (
    "multiple requested Freight could potentially provide a chart from repository {}: "
    "please provide a Freight origin to disambiguate"
)
AMBIGUOUS_ARTIFACT = (
    'error finding artifact from subscription {0}: multiple requested Freight could potentially provide a "{0}" '
    "artifact; please update promotion steps to disambiguate"
)


@dataclass(frozen=True)
class FreightSources:
    """Where the functions look.

    Attributes:
        project: for messages.
        freight: the Freight references of the promotion, in Kargo's JSON form.
        requests: the Stage's ``requestedFreight``.
        warehouses: specifications of the project's Warehouses by name, or a function that gives one.
    """

    project: str
    freight: Sequence[Json]
    requests: Sequence[Json]
    warehouses: Warehouses

    def subscriptions(self, name: str) -> Iterator[Json]:
        """Yield the subscriptions of a Warehouse.

        Raises:
            Failure: if there is no such Warehouse.
        """
        spec = self.warehouses(name) if callable(self.warehouses) else self.warehouses.get(name)
        if spec is None:
            raise Failure(f'Warehouse "{name}" not found in namespace "{self.project}"')
        yield from _objects(spec.get("subscriptions"))

    def origin(self, matches: Callable[[Json], bool], ambiguous: str) -> tuple[str, str] | None:
        """Return kind and name of the one requested origin with a matching subscription, None if none has.

        Raises:
            Failure: if two subscriptions match, or a Warehouse is missing.
        """
        found: tuple[str, str] | None = None
        for request in self.requests:
            origin = _origin(request)
            for subscription in self.subscriptions(origin[1]):
                if matches(subscription):
                    if found is not None:
                        raise Failure(ambiguous)
                    found = origin
        return found

    def artifacts(self, origin: tuple[str, str], kind: str) -> Iterator[Json]:
        """Yield the artifacts of one kind in the Freight of an origin."""
        for reference in sorted(self.freight, key=lambda item: "/".join(_origin(item))):
            if _origin(reference) == origin:
                yield from _objects(reference.get(kind))


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, Sequence):
        yield from (item for item in value if isinstance(item, Mapping))


def _origin(owner: Json) -> tuple[str, str]:
    origin = owner.get("origin")
    origin = origin if isinstance(origin, Mapping) else {}
    return str(origin.get("kind") or "Warehouse"), str(origin.get("name") or "")


def _text(subscription: Json, kind: str, field: str) -> str | None:
    """Return a field of a subscription of one kind, None if it is of another kind."""
    part = subscription.get(kind)
    return str(part.get(field) or "") if isinstance(part, Mapping) else None


def _wanted(origin: Struct | None) -> tuple[str, str] | None:
    return None if origin is None else (str(origin.fields["Kind"]), str(origin.fields["Name"]))


def _subscription_name(subscription: Json) -> str | None:
    """Return the name of a subscription that is neither git, image nor chart, None for the others."""
    if any(isinstance(subscription.get(kind), Mapping) for kind in _KNOWN_KINDS):
        return None
    return str(subscription.get("name") or "")


def freight_functions(sources: FreightSources) -> dict[str, Function]:
    """Return the functions over the Freight of a promotion."""

    def warehouse(name: str) -> Struct:
        if not name:
            raise Failure("name must not be empty")
        return make_struct(ORIGIN, {"kind": "Warehouse", "name": name})

    def commit_from(repo_url: str, origin: Struct | None = None) -> Struct | None:
        url = normalize_git(repo_url)

        def subscribes(subscription: Json) -> bool:
            candidate = _text(subscription, "git", "repoURL")
            return candidate is not None and normalize_git(candidate) == url

        where = _wanted(origin) or sources.origin(subscribes, AMBIGUOUS_COMMIT.format(url))
        for commit in sources.artifacts(where, "commits") if where else ():
            if normalize_git(str(commit.get("repoURL") or "")) == url:
                return make_struct(COMMIT, commit)
        return None

    def image_from(repo_url: str, origin: Struct | None = None) -> Struct | None:
        def subscribes(subscription: Json) -> bool:
            return _text(subscription, "image", "repoURL") == repo_url

        where = _wanted(origin) or sources.origin(subscribes, AMBIGUOUS_IMAGE.format(repo_url))
        for image in sources.artifacts(where, "images") if where else ():
            if str(image.get("repoURL") or "") == repo_url:
                return make_struct(IMAGE, image)
        return None

    def chart_from(repo_url: str, second: str | Struct = "", third: Struct | None = None) -> Struct | None:
        name, origin = (second, third) if isinstance(second, str) else ("", second)
        if third is not None and not name:
            raise Failure("when using three arguments, second argument must be string, got string")
        return _find_chart(sources, repo_url, name, _wanted(origin))

    def artifact_from(name: str, origin: Struct | None = None) -> Struct | None:
        def subscribes(subscription: Json) -> bool:
            return _subscription_name(subscription) == name

        where = _wanted(origin) or sources.origin(subscribes, AMBIGUOUS_ARTIFACT.format(name))
        for artifact in sources.artifacts(where, "artifacts") if where else ():
            if str(artifact.get("subscriptionName") or "") == name:
                return make_struct(ARTIFACT, artifact)
        return None

    return {
        "warehouse": Function("warehouse", warehouse, _WAREHOUSE),
        "commitFrom": Function("commitFrom", commit_from, _with_origin(COMMIT)),
        "imageFrom": Function("imageFrom", image_from, _with_origin(IMAGE)),
        "chartFrom": Function("chartFrom", chart_from, _CHART_SIGNATURES),
        "artifactFrom": Function("artifactFrom", artifact_from, _with_origin(ARTIFACT)),
    }


def _find_chart(
    sources: FreightSources, repo_url: str, name: str, where: tuple[str, str] | None
) -> Struct | None:
    def subscribes(subscription: Json) -> bool:
        return (
            _text(subscription, "chart", "repoURL") == repo_url
            and _text(subscription, "chart", "name") == name
        )

    where = where or sources.origin(subscribes, AMBIGUOUS_CHART.format(repo_url))
    if where is None:
        shown = f'chart "{name}"' if name else "chart"
        raise Failure(f"{shown} from repo {repo_url} not found in referenced Freight")
    for chart in sources.artifacts(where, "charts"):
        if str(chart.get("repoURL") or "") == repo_url and str(chart.get("name") or "") == name:
            return make_struct(CHART, chart)
    return None


# Constants, not made for each promotion: compiled programs are found again by them.
_WAREHOUSE = (Signature((STRING,), ORIGIN),)
_SIGNATURES: dict[str, tuple[Signature, ...]] = {
    nature.name: (Signature((STRING, ORIGIN), nature), Signature((STRING,), nature))
    for nature in (COMMIT, IMAGE, ARTIFACT)
}
_CHART_SIGNATURES = (
    Signature((STRING, STRING, ORIGIN), CHART),
    Signature((STRING, STRING), CHART),
    Signature((STRING, ORIGIN), CHART),
    Signature((STRING,), CHART),
)


def _with_origin(nature: Nature) -> tuple[Signature, ...]:
    return _SIGNATURES[nature.name]
