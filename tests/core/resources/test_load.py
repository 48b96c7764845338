"""Loading: every problem at once, with its line, its YAML path and plain words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freightway.resources.check import check
from freightway.resources.load import load_text, load_texts, resource_kinds
from freightway.resources.yaml_source import MAX_DEPTH, read_documents

KARGO = "apiVersion: kargo.akuity.io/v1alpha1\n"
WAREHOUSE_HEAD = KARGO + "kind: Warehouse\nmetadata: {name: w, namespace: p}\n"
STAGE_HEAD = (
    KARGO
    + "kind: Stage\nmetadata: {name: s, namespace: p}\nspec:\n"
    + "  requestedFreight:\n  - origin: {kind: Warehouse, name: w}\n    sources: {direct: true}\n"
)
TASK_HEAD = KARGO + "kind: PromotionTask\nmetadata: {name: t, namespace: p}\n"
CONFIG_HEAD = KARGO + "kind: ProjectConfig\nmetadata: {name: p, namespace: p}\n"
CLUSTER_HEAD = KARGO + "kind: ClusterConfig\nmetadata: {name: cluster}\n"
FREIGHT_HEAD = KARGO + "kind: Freight\nmetadata: {namespace: p}\n"
PROMOTION_HEAD = KARGO + "kind: Promotion\nmetadata: {namespace: p}\n"


def stage_steps(steps: str) -> str:
    return STAGE_HEAD + "  promotionTemplate:\n    spec:\n      steps:\n" + steps


def git(field: str) -> str:
    return WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - git:\n      repoURL: https://h/a/b.git\n" + field


def image(field: str) -> str:
    return WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - image:\n      repoURL: nginx\n" + field


# text, line, path, part of the message
BAD = {
    "unknown field": (
        WAREHOUSE_HEAD + "spec:\n  intervall: 5m\n  subscriptions:\n  - image: {repoURL: nginx}\n",
        5,
        "spec.intervall",
        "unknown field; did you mean 'interval'?",
    ),
    "field in snake case": (image("      discovery_limit: 3\n"), 8, "spec.subscriptions[0].image.discovery_limit", "did you mean 'discoveryLimit'"),
    "missing field": (WAREHOUSE_HEAD, 1, "spec", "is missing"),
    "number for text": (git("      branch: 1.2\n"), 8, "spec.subscriptions[0].git.branch", "must be text, not the number 1.2; put it in quotes"),
    "text for number": (git('      discoveryLimit: "3"\n'), 8, "spec.subscriptions[0].git.discoveryLimit", "must be a whole number, not the text '3'"),
    "text for boolean": (git('      blobless: "yes"\n'), 8, "spec.subscriptions[0].git.blobless", "must be true or false, not the text 'yes'"),
    "map for list": (git("      includePaths: {a: b}\n"), 8, "spec.subscriptions[0].git.includePaths", "must be a list (lines that start with -), not a map"),
    "list for map": (WAREHOUSE_HEAD + "spec: [a]\n", 4, "spec", "must be a map (key: value), not a list"),
    "not one of the choices": (
        git("      commitSelectionStrategy: SemVers\n"),
        8,
        "spec.subscriptions[0].git.commitSelectionStrategy",
        "must be Lexical, NewestFromBranch, NewestTag or SemVer, not the text 'SemVers'; did you mean 'SemVer'?",
    ),
    "missing name": (KARGO + "kind: PromotionTask\nmetadata:\n  namespace: p\nspec: {steps: [{uses: copy}]}\n", 3, "metadata.name", "is missing"),
    "bad name": (KARGO + "kind: Project\nmetadata:\n  name: My_Project\n", 4, "metadata.name", "is not a valid name"),
    "name with a dot for a project": (KARGO + "kind: Project\nmetadata:\n  name: a.b\n", 4, "metadata.name", "at most 63"),
    "project with a spec": (KARGO + "kind: Project\nmetadata: {name: p}\nspec:\n  promotionPolicies: [{stage: a}]\n", 4, "spec", "put promotionPolicies into a ProjectConfig"),
    "limit too low": (git("      discoveryLimit: 0\n"), 8, "spec.subscriptions[0].git.discoveryLimit", "must be at least 1, not 0"),
    "limit too high": (image("      discoveryLimit: 101\n"), 8, "spec.subscriptions[0].image.discoveryLimit", "must be at most 100"),
    "no subscription": (WAREHOUSE_HEAD + "spec:\n  subscriptions: []\n", 5, "spec.subscriptions", "must have at least 1 item"),
    "subscription without type": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - name: a\n", 6, "spec.subscriptions[0]", "exactly one of git, image and chart, not none"),
    "subscription of two types": (image("    git: {repoURL: https://h/a}\n"), 6, "spec.subscriptions[0]", "not git and image"),
    "subscription of unknown type": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - images: {repoURL: a}\n", 6, "spec.subscriptions[0].images", "did you mean 'image'"),
    "subscription name twice": (
        WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - name: a\n    image: {repoURL: x}\n  - name: a\n    image: {repoURL: y}\n",
        8,
        "spec.subscriptions[1].name",
        "already the name of subscriptions[0]",
    ),
    "bad subscription name": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - name: A\n    image: {repoURL: x}\n", 6, "spec.subscriptions[0].name", "63 lower case"),
    "interval with days": (WAREHOUSE_HEAD + "spec:\n  interval: 1d\n  subscriptions: [{image: {repoURL: x}}]\n", 5, "spec.interval", "is not a duration"),
    "interval without unit": (WAREHOUSE_HEAD + "spec:\n  interval: 300\n  subscriptions: [{image: {repoURL: x}}]\n", 5, "spec.interval", "must be a duration such as 90s, 5m or 1h30m, not 300"),
    "bad git address": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - git: {repoURL: ftp://h/a}\n", 6, "spec.subscriptions[0].git.repoURL", "is not a Git address"),
    "git repository on a disk": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - git: {repoURL: 'file:///srv/a.git'}\n", 6, "spec.subscriptions[0].git.repoURL", "is on the disk of one machine"),
    "git repository by its path": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - git: {repoURL: /srv/a.git}\n", 6, "spec.subscriptions[0].git.repoURL", "is on the disk of one machine"),
    "image with scheme": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - image: {repoURL: https://h/a}\n", 6, "spec.subscriptions[0].image.repoURL", "without scheme, tag and digest"),
    "image with tag": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - image: {repoURL: 'nginx:1'}\n", 6, "spec.subscriptions[0].image.repoURL", "is not an image repository"),
    "empty address": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - image: {repoURL: ''}\n", 6, "spec.subscriptions[0].image.repoURL", "must not be empty"),
    "bad chart address": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - chart: {repoURL: ghcr.io/a}\n", 6, "spec.subscriptions[0].chart.repoURL", "is not a chart repository"),
    "chart name with oci": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - chart: {repoURL: oci://h/a, name: b}\n", 6, "spec.subscriptions[0].chart.name", "must be empty"),
    "no chart name with https": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - chart: {repoURL: https://h/a}\n", 6, "spec.subscriptions[0].chart.name", "is missing"),
    "bad branch": (git("      branch: -x\n"), 8, "spec.subscriptions[0].git.branch", "is not a name of a Git branch"),
    "bad since": (git("      since: 2024-05-01\n"), 8, "spec.subscriptions[0].git.since", "must be a time such as 2024-05-01T12:00:00Z"),
    "bad platform": (image("      platform: linux\n"), 8, "spec.subscriptions[0].image.platform", "is not a platform"),
    "digest without tag": (image("      imageSelectionStrategy: Digest\n"), 6, "spec.subscriptions[0].image.constraint", "must name the tag"),
    "uses and task": (stage_steps("      - uses: copy\n        task: {name: t}\n"), 12, "spec.promotionTemplate.spec.steps[0].task", "cannot be combined with uses"),
    "neither uses nor task": (stage_steps("      - as: a\n"), 11, "spec.promotionTemplate.spec.steps[0]", "needs either uses"),
    "task with if": (stage_steps("      - task: {name: t}\n        if: ${{ always() }}\n"), 12, "spec.promotionTemplate.spec.steps[0].if", "only as and vars can"),
    "task with config": (stage_steps("      - task: {name: t}\n        config: {a: b}\n"), 12, "spec.promotionTemplate.spec.steps[0].config", "only as and vars can"),
    "task with retry": (stage_steps("      - task: {name: t}\n        retry: {timeout: 1m}\n"), 12, "spec.promotionTemplate.spec.steps[0].retry", "only as and vars can"),
    "task with continueOnError": (stage_steps("      - task: {name: t}\n        continueOnError: true\n"), 12, "spec.promotionTemplate.spec.steps[0].continueOnError", "only as and vars can"),
    "reserved alias": (stage_steps("      - uses: copy\n        as: step-3\n"), 12, "spec.promotionTemplate.spec.steps[0].as", "is reserved"),
    "alias twice": (stage_steps("      - {uses: copy, as: a}\n      - uses: copy\n        as: ' a'\n"), 13, "spec.promotionTemplate.spec.steps[1].as", "is already that of steps[0]"),
    "boolean if": (stage_steps("      - uses: copy\n        if: true\n"), 12, "spec.promotionTemplate.spec.steps[0].if", "must be text, not the boolean true"),
    "negative threshold": (stage_steps("      - uses: copy\n        retry:\n          errorThreshold: -1\n"), 13, "spec.promotionTemplate.spec.steps[0].retry.errorThreshold", "at least 0"),
    "bad variable name": (STAGE_HEAD + "  vars:\n  - name: 1a\n", 9, "spec.vars[0].name", "'1a' is not valid"),
    "origin twice": (
        STAGE_HEAD + "  - origin: {kind: Warehouse, name: w}\n",
        8,
        "spec.requestedFreight[1].origin",
        "Warehouse/w is already the origin of requestedFreight[0]",
    ),
    "MatchUpstream with direct": (
        STAGE_HEAD.replace("direct: true", "direct: true, stages: [a], autoPromotionOptions: {selectionPolicy: MatchUpstream}"),
        7,
        "spec.requestedFreight[0].sources.autoPromotionOptions.selectionPolicy",
        "cannot be combined with direct: true",
    ),
    "MatchUpstream with two upstream Stages": (
        STAGE_HEAD.replace("direct: true", "stages: [a, b], autoPromotionOptions: {selectionPolicy: MatchUpstream}"),
        7,
        "spec.requestedFreight[0].sources.autoPromotionOptions.selectionPolicy",
        "exactly one upstream Stage, not 2",
    ),
    "unknown queue policy": (
        STAGE_HEAD.replace("namespace: p}", "namespace: p,\n  annotations: {freightway.dev/queue-policy: lifo}}"),
        4,
        "metadata.annotations['freightway.dev/queue-policy']",
        "must be fifo or latest, not 'lifo'",
    ),
    "task in a task": (TASK_HEAD + "spec:\n  steps:\n  - uses: a\n    task: {name: t}\n", 7, "spec.steps[0].task", "cannot refer to another task"),
    "task step without uses": (TASK_HEAD + "spec:\n  steps:\n  - as: a\n", 6, "spec.steps[0].uses", "is missing"),
    "task without steps": (TASK_HEAD + "spec:\n  steps: []\n", 5, "spec.steps", "at least 1 item"),
    "alias twice in a task": (TASK_HEAD + "spec:\n  steps:\n  - {uses: a, as: x}\n  - {uses: b, as: x}\n", 7, "spec.steps[1].as", "is already that of steps[0]"),
    "config not named after its project": (KARGO + "kind: ProjectConfig\nmetadata:\n  name: q\n  namespace: p\n", 4, "metadata.name", "must be the name of the project, 'p'"),
    "policy without stage": (CONFIG_HEAD + "spec:\n  promotionPolicies:\n  - autoPromotionEnabled: true\n", 6, "spec.promotionPolicies[0]", "exactly one of stage and stageSelector"),
    "two policies for one stage": (
        CONFIG_HEAD + "spec:\n  promotionPolicies:\n  - stage: a\n  - stageSelector:\n      name: a\n",
        8,
        "spec.promotionPolicies[1].stageSelector.name",
        "Stage 'a' already has promotionPolicies[0]",
    ),
    "bad pattern": (CONFIG_HEAD + "spec:\n  promotionPolicies:\n  - stageSelector:\n      name: 're:a'\n", 7, "spec.promotionPolicies[0].stageSelector.name", "unknown prefix 're'"),
    "receiver name twice": (
        CONFIG_HEAD + "spec:\n  webhookReceivers:\n  - name: a\n    github: {secretRef: {name: s}}\n  - name: a\n    gitlab: {secretRef: {name: s}}\n",
        8,
        "spec.webhookReceivers[1].name",
        "already the name of webhookReceivers[0]",
    ),
    "receiver without type": (CONFIG_HEAD + "spec:\n  webhookReceivers:\n  - name: a\n", 6, "spec.webhookReceivers[0]", "needs a type"),
    "receiver of two types": (
        CONFIG_HEAD + "spec:\n  webhookReceivers:\n  - name: a\n    harbor: {secretRef: {name: s}}\n    quay: {secretRef: {name: s}}\n",
        6,
        "spec.webhookReceivers[0]",
        "exactly one type, not harbor, quay",
    ),
    "generic criterion without selection": (
        CONFIG_HEAD
        + "spec:\n  webhookReceivers:\n  - name: a\n    generic:\n      secretRef: {name: s}\n      actions:\n"
        + "      - action: Refresh\n        targetSelectionCriteria:\n        - kind: Warehouse\n",
        12,
        "spec.webhookReceivers[0].generic.actions[0].targetSelectionCriteria[0]",
        "at least one of name, labelSelector and indexSelector",
    ),
    "In without values": (
        CONFIG_HEAD + "spec:\n  promotionPolicies:\n  - stageSelector:\n      matchExpressions:\n      - key: a\n        operator: In\n",
        8,
        "spec.promotionPolicies[0].stageSelector.matchExpressions[0].values",
        "at least one value",
    ),
    "second ClusterConfig": (KARGO + "kind: ClusterConfig\nmetadata:\n  name: other\n", 4, "metadata.name", "must be 'cluster'"),
    "bad e-mail": (CLUSTER_HEAD + "spec:\n  gitClient:\n    name: a\n    email: b\n", 7, "spec.gitClient.email", "is not an e-mail address"),
    "Freight without artifact": (FREIGHT_HEAD + "origin: {name: w}\n", 1, "", "holds no artifact"),
    "bad alias": (FREIGHT_HEAD + "origin: {name: w}\nalias: A B\nimages: [{repoURL: a}]\n", 5, "alias", "63 lower case"),
    "Freight and origin": (PROMOTION_HEAD + "spec: {stage: s, freight: f, origin: {name: w}}\n", 4, "spec", "exactly one of freight and origin"),
    "neither Freight nor origin": (PROMOTION_HEAD + "spec: {stage: s}\n", 4, "spec", "exactly one of freight and origin"),
    "unknown kind": (KARGO + "kind: Stag\n", 2, "kind", "unknown kind 'Stag' in kargo.akuity.io/v1alpha1; did you mean 'Stage'?"),
    "other version": ("apiVersion: kargo.akuity.io/v1\nkind: Stage\n", 1, "apiVersion", "use kargo.akuity.io/v1alpha1"),
    "no apiVersion": ("kind: Stage\n", 1, "apiVersion", "is missing"),
    "no map": ("- a\n", 1, "", "must be a map with apiVersion, kind and metadata, not a list"),
    "key twice": (WAREHOUSE_HEAD + "spec:\n  subscriptions:\n  - image:\n      repoURL: a\n      repoURL: b\n", 8, "spec.subscriptions[0].image.repoURL", "is given twice, first in line 7"),
    "broken YAML": (WAREHOUSE_HEAD + "spec: [a\n", 5, "", "is not valid YAML"),
    "object tag": ("a: !!python/object/apply:os.system [ls]\n", 1, "", "is not supported"),
    "unknown alias": ("a: 1\nb: *x\n", 2, "", "the alias *x has no anchor before it"),
    "alias of itself": ("a: &a [*a]\n", 1, "", "an alias refers to the value it is in"),
    "infinity": (stage_steps("      - uses: copy\n        config: {a: .inf}\n"), 12, "", "is not a number that JSON knows"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "path", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_reported_at_its_place(text, line, path, message):
    result = load_text(text, "bad.yaml")
    assert [(problem.file, problem.line, problem.path) for problem in result.problems] == [
        ("bad.yaml", line, path)
    ]
    assert message in result.problems[0].message


def test_all_problems_of_all_documents_are_found_at_once():
    text = (
        "kind: Stage\n---\n"
        + WAREHOUSE_HEAD
        + "spec:\n  a: 1\n  interval: x\n  subscriptions:\n  - image: {repoURL: 1}\n---\n"
        + TASK_HEAD
        + "spec: {}\n"
    )
    assert [(problem.line, problem.path) for problem in load_text(text).problems] == [
        (1, "apiVersion"),
        (8, "spec.interval"),
        (10, "spec.subscriptions[0].image.repoURL"),
        (7, "spec.a"),
        (15, "spec.steps"),
    ]


def test_a_problem_names_file_line_resource_and_path():
    text = load_text(git("      blobless: 1\n"), "w.yaml").problems[0]
    assert str(text) == (
        "w.yaml:8: Warehouse/w: spec.subscriptions[0].git.blobless: must be true or false, not the number 1"
    )


def test_a_long_value_is_shortened_in_the_message():
    problem = load_text(git(f"      discoveryLimit: {'x' * 500}\n")).problems[0]
    assert len(problem.message) < 150


def test_documents_before_broken_yaml_are_kept():
    result = load_text(image("") + "---\na: [\n")
    assert [one.key for one in result.resources] == [("Warehouse", "p", "w")]
    assert len(result.problems) == 1


def test_duplicates_in_one_file_and_across_files_name_both_places():
    result = load_texts([("a.yaml", image("") + "---\n" + image("")), ("b.yaml", "\n" + image(""))])
    assert [(problem.file, problem.line, problem.message) for problem in result.problems] == [
        ("a.yaml", 11, "Warehouse p/w is defined twice; the other one is at a.yaml:1"),
        ("b.yaml", 4, "Warehouse p/w is defined twice; the other one is at a.yaml:1"),
    ]


def test_the_same_name_in_two_projects_or_kinds_is_no_duplicate():
    other = image("").replace("namespace: p", "namespace: q")
    task = TASK_HEAD.replace("name: t", "name: w") + "spec: {steps: [{uses: copy}]}\n"
    assert load_text("---\n".join([image(""), other, task])).problems == []


def test_nameless_promotions_are_no_duplicates():
    text = PROMOTION_HEAD + "spec: {stage: s, freight: f}\n"
    assert load_text(text + "---\n" + text).problems == []


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        ("argoproj.io/v1alpha1", "Application"),
        ("argoproj.io/v1alpha1", "AnalysisRun"),
        ("config.openshift.io/v1", "Project"),
    ],
)
def test_kinds_of_others_are_skipped(api, kind):
    result = load_text(
        f"# hello\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\nwhatever: 1\n", "x.yaml"
    )
    assert result.skipped == [(kind, "x", "x.yaml", 2)]
    assert (result.problems, result.warnings, result.resources) == ([], [], [])


def test_a_credential_is_skipped_with_a_word_on_where_it_goes():
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: c\n  namespace: demo\n"
        "  labels: {kargo.akuity.io/cred-type: git}\nstringData: {password: hunter2}\n"
    )
    result = load_text(text, "c.yaml")
    assert [entry.name for entry in result.skipped] == ["c"]
    assert "<home>/secrets/demo/" in result.warnings[0].message
    assert "freightway create credentials" in result.warnings[0].message
    assert "hunter2" not in str(result)


def test_a_plain_secret_is_skipped_without_a_warning():
    result = load_text("apiVersion: v1\nkind: Secret\nmetadata: {name: c}\n")
    assert (len(result.skipped), result.warnings) == (1, [])


def test_items_of_a_list_are_documents_of_their_own():
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- "
        + WAREHOUSE_HEAD.replace("\n", "\n  ")
        + "spec: {interval: x}\n"
    )
    problem = load_text(text).problems[0]
    assert (problem.path, problem.line, problem.resource) == ("spec.interval", 7, "Warehouse/w")


def test_json_is_read_too():
    text = '{"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project",\n "metadata": {"name": "p"}}'
    assert [one.key for one in load_text(text, "p.json").resources] == [("Project", "", "p")]


def test_status_server_metadata_and_empty_fields_are_ignored():
    text = (
        image("")
        .replace("spec:\n", "status: {anything: 1}\nspec:\n  shard:\n")
        .replace("{name: w,", "{name: w, uid: 1, labels: null,")
    )
    assert load_text(text).problems == []


def test_null_stays_in_the_configuration_of_a_step():
    stage = load_text(stage_steps("      - {uses: copy, config: {a: null}}\n")).resources[0].resource
    assert stage.spec.steps[0].config == {"a": None}


ENTERPRISE = [
    (STAGE_HEAD + "  targets: {selectors: []}\n", 8, "spec.targets"),
    (PROMOTION_HEAD + "spec:\n  {stage: s, freight: f, target: t}\n", 5, "spec.target"),
    (KARGO + "kind: Target\nmetadata: {name: t}\n", 1, ""),
    (KARGO + "kind: PromotionRequest\nmetadata: {name: t}\n", 1, ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "path"), ENTERPRISE)
def test_fields_and_kinds_of_the_enterprise_edition_are_warned_about(text, line, path):
    result = load_text(text)
    assert result.problems == []
    assert [(warning.line, warning.path) for warning in result.warnings] == [(line, path)]


SCALARS = [
    ("1", 1), ("-3", -3), ("0x10", 16), ("0o17", 15), ("017", 15), ("1_000", 1000), ("1.5", 1.5), ("1e3", 1000.0),
    ("12345e7", 12345e7), ("true", True), ("off", False), ("y", "y"), ("~", None), ("", None), ("2024-05-01", "2024-05-01"),
    ("12:30:45", "12:30:45"), ("1.2.3", "1.2.3"), ("'1'", "1"), ('"a\\n"', "a\n"), ("!!str 1", "1"), ("!!int 1", 1),
    ("08", 8.0), ("+", "+"), (".", "."), ("=", "="),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_read_as_kubernetes_does(text, value):
    documents, issues = read_documents(f"a: {text}\n")
    assert issues == []
    assert documents[0].value == {"a": value}
    assert type(documents[0].value["a"]) is type(value)


def test_keys_are_text_and_merge_keys_work():
    documents, issues = read_documents("base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n1: a\ntrue: b\n")
    assert issues == []
    assert documents[0].value == {"base": {"x": 1, "y": 2}, "d": {"x": 1, "y": 3}, "1": "a", "true": "b"}


def test_aliases_cannot_multiply_without_bound():
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    documents, issues = read_documents(text)
    assert documents == []
    assert "aliases included" in issues[0].message


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000 + "a", "a: &a\n" + " b: [" * 3000])
def test_deep_nesting_is_refused(text):
    documents, issues = read_documents(text)
    assert documents == []
    assert len(issues) == 1


def test_nesting_up_to_the_limit_is_read():
    assert len(read_documents("[" * MAX_DEPTH + "]" * MAX_DEPTH)[0]) == 1
    assert len(read_documents("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[1]) == 1


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment\n", "---\n---\n", "\ufeff"])
def test_empty_texts_hold_nothing(text):
    assert read_documents(text) == ([], [])


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%#\n \t~<0.", max_size=60))
def test_no_text_breaks_the_reader(text):
    documents, issues = read_documents(text)
    assert all(document.line >= 1 for document in documents)
    assert all(issue.line >= 1 and issue.message for issue in issues)


SPEC_KEYS = st.sampled_from(
    [
        "requestedFreight",
        "origin",
        "kind",
        "name",
        "sources",
        "stages",
        "promotionTemplate",
        "spec",
        "steps",
        "uses",
        "task",
        "config",
        "vars",
        "value",
        "if",
        "retry",
        "verification",
        "args",
        "analysisTemplates",
        "status",
    ]
)
SPECS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "1m", "${{ 1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SPEC_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(sorted(resource_kinds())), SPECS, SPECS)
def test_no_content_breaks_the_loader(kind, spec, metadata):
    api = "argoproj.io/v1alpha1" if kind.endswith("AnalysisTemplate") else "kargo.akuity.io/v1alpha1"
    text = json.dumps({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
    result = load_text(text, "x.json")
    assert len(result.resources) + bool(result.problems) == 1
    check(result.resources)
