"""Names of the fields that the configuration of each built-in step has, for checks before anything runs.

The models themselves are with the steps, whose values may be expressions; ``tests/core/resources/test_step_fields.py``
holds this table to them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepFields:
    """The fields of one kind of step, as words.

    Attributes:
        needed: those that must be given.
        more: those that may be given.
    """

    needed: str
    more: str

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.needed.split(), *self.more.split())


STEP_FIELDS = {
    "argocd-update": StepFields("apps", ""),
    "copy": StepFields("inPath outPath", "ignore"),
    "delete": StepFields("", "path paths pathsAreGlobs strict"),
    "fail": StepFields("", "message"),
    "git-clear": StepFields("path", ""),
    "git-clone": StepFields("checkout repoURL", "author blobless insecureSkipTLSVerify recurseSubmodules"),
    "git-commit": StepFields("message path", "author"),
    "git-push": StepFields("path", "force generateTargetBranch maxAttempts provider tag targetBranch"),
    "git-tag": StepFields("message path tag", "force"),
    "helm-template": StepFields(
        "outPath path releaseName",
        "apiVersions buildDependencies disableHooks ignoreMissingValueFiles includeCRDs kubeVersion namespace outLayout setValues skipTests useReleaseName valuesFiles",
    ),
    "http": StepFields(
        "url",
        "body bodyFromFile errorExpression failureExpression headers insecureSkipTLSVerify method outputs pollInterval proxy queryParams responseContentType successExpression timeout",
    ),
    "json-parse": StepFields("outputs path", ""),
    "json-update": StepFields("path updates", ""),
    "kustomize-build": StepFields("outPath path", "outputFormat plugin"),
    "kustomize-set-image": StepFields("path", "images"),
    "set-metadata": StepFields("updates", ""),
    "toml-parse": StepFields("outputs path", ""),
    "toml-update": StepFields("path updates", ""),
    "wait-for-approval": StepFields("", "allowRequester approvals approvers deadline groups prompt reminder"),
    "yaml-merge": StepFields("inFiles outFile", "ignoreMissingFiles"),
    "yaml-parse": StepFields("outputs path", ""),
    "yaml-update": StepFields("path updates", ""),
}
"""By kind; a kind that takes any field is left out."""
