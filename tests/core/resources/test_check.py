"""Checks of a set: references, circles, variables, patterns, expressions, each at its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freightway.resources.check import CheckResult, check
from freightway.resources.check_stages import find_circles
from freightway.resources.load import ResourceKey, load_text

KARGO = "apiVersion: kargo.akuity.io/v1alpha1\n"
PROJECT = KARGO + "kind: Project\nmetadata: {name: p}\n"
WAREHOUSE = (
    KARGO
    + "kind: Warehouse\nmetadata: {name: w, namespace: p}\nspec: {subscriptions: [{image: {repoURL: nginx}}]}\n"
)
TASK = (
    KARGO + "kind: PromotionTask\nmetadata: {name: t, namespace: p}\n"
    "spec: {vars: [{name: a}, {name: b, value: x}], steps: [{uses: fail}]}\n"
)
CLUSTER_TASK = KARGO + "kind: ClusterPromotionTask\nmetadata: {name: ct}\nspec: {steps: [{uses: fail}]}\n"
ANALYSIS = "apiVersion: argoproj.io/v1alpha1\n"
TEMPLATE = (
    ANALYSIS + "kind: AnalysisTemplate\nmetadata: {name: smoke, namespace: p}\n"
    "spec: {args: [{name: url}, {name: limit, value: '1'}], metrics: [{name: m, provider: {web: {url: 'http://x'}}}]}\n"
)
CLUSTER_TEMPLATE = (
    ANALYSIS + "kind: ClusterAnalysisTemplate\nmetadata: {name: load}\n"
    "spec: {metrics: [{name: l, provider: {web: {url: 'http://x'}}}]}\n"
)
SURROUNDINGS = "".join(
    "---\n" + document for document in (PROJECT, WAREHOUSE, TASK, CLUSTER_TASK, TEMPLATE, CLUSTER_TEMPLATE)
)


def stage(name: str = "s", spec: str = "", sources: str = "direct: true") -> str:
    return (
        KARGO
        + f"kind: Stage\nmetadata: {{name: {name}, namespace: p}}\nspec:\n"
        + f"  requestedFreight:\n  - origin: {{kind: Warehouse, name: w}}\n    sources: {{{sources}}}\n"
        + spec
    )


def steps(text: str) -> str:
    return stage(spec="  promotionTemplate:\n    spec:\n      steps:\n" + text)


def warehouse(subscription: str) -> str:
    return (
        KARGO + "kind: Warehouse\nmetadata: {name: v, namespace: p}\nspec:\n  subscriptions:\n" + subscription
    )


def verification(text: str) -> str:
    return stage(spec="  verification:\n" + text)


def freight(body: str) -> str:
    return KARGO + "kind: Freight\nmetadata: {namespace: p}\n" + body


def checked(text: str, **options) -> CheckResult:
    result = load_text(text, "f.yaml")
    assert result.problems == []
    return check(result.resources, result.broken, **options)


STEPS = "spec.promotionTemplate.spec.steps"
GIT = "  - git:\n      repoURL: https://h/a\n      commitSelectionStrategy: SemVer\n"
SUB = "spec.subscriptions[0].git"

# text beside the surroundings, line, path, part of the message
BAD = {
    "unknown Warehouse": (stage().replace("name: w}", "name: ww}"), 6, "spec.requestedFreight[0].origin.name", "unknown Warehouse 'ww' in project 'p'; did you mean 'w'?"),
    "unknown upstream Stage": (stage(sources="stages: [q]"), 7, "spec.requestedFreight[0].sources.stages[0]", "unknown Stage 'q'"),
    "Freight from itself": (stage(sources="stages: [s]"), 7, "spec.requestedFreight[0].sources.stages[0]", "Stage 's' cannot take Freight from itself"),
    "unknown task": (steps("      - task:\n          name: tt\n"), 12, f"{STEPS}[0].task.name", "unknown PromotionTask 'tt' in project 'p'; did you mean 't'?"),
    "unknown cluster task": (steps("      - task: {name: t, kind: ClusterPromotionTask}\n"), 11, f"{STEPS}[0].task.name", "unknown ClusterPromotionTask 't'; did you mean 'ct'?"),
    "task variable without value": (steps("      - task: {name: t}\n"), 11, f"{STEPS}[0].vars", "missing value for variable 'a' of PromotionTask 't'"),
    "task variable with empty value": (steps("      - task: {name: t}\n        vars: [{name: a, value: ''}]\n"), 12, f"{STEPS}[0].vars", "missing value for variable 'a'"),
    "expression in a Stage's variable": (stage(spec="  vars:\n  - name: x\n    value: a ${{ 1 + }}\n"), 10, "spec.vars[0].value", "(column"),
    "expression in a template's variable": (
        stage(spec="  promotionTemplate:\n    spec:\n      vars:\n      - {name: x, value: '${{ ) }}'}\n      steps: [{uses: copy}]\n"),
        11,
        "spec.promotionTemplate.spec.vars[0].value",
        "expression ')' is not valid",
    ),
    "expression in a step's variable": (steps("      - uses: copy\n        vars: [{name: x, value: '${{ 1 1 }}'}]\n"), 12, f"{STEPS}[0].vars[0].value", "is not valid"),
    "expression in a configuration": (steps("      - uses: copy\n        config:\n          list:\n          - a: ${% 1 + %}\n"), 14, f"{STEPS}[0].config.list[0].a", "is not valid"),
    "expression in the third line of a text": (steps("      - uses: copy\n        config:\n          a: |\n            x\n            ${{ 1 }}\n              ${{ 1 + }}\n"), 16, f"{STEPS}[0].config.a", "(column"),
    "expression that does not end": (steps("      - uses: copy\n        config: {a: 'x ${{ 1 }'}\n"), 12, f"{STEPS}[0].config.a", "begins with ${{ in column 3 is not closed by }}"),
    "empty expression": (steps("      - uses: copy\n        config: {a: '${{ }}'}\n"), 12, f"{STEPS}[0].config.a", "expression in column 1 is empty"),
    "expression in if": (steps("      - uses: copy\n        if: ${{ success( }}\n"), 12, f"{STEPS}[0].if", "is not valid"),
    "if without expression": (steps("      - uses: copy\n        if: success()\n"), 12, f"{STEPS}[0].if", "write ${{ success() }}"),
    "expression in a task": (TASK.replace("name: t,", "name: u,").replace("{uses: fail}", "{uses: copy, config: {a: '${{ ( }}'}}"), 4, "spec.steps[0].config.a", "is not valid"),
    "argument of a function": (steps("      - uses: copy\n        config: {a: 'v${{ commitFrom(1).ID }}'}\n"), 12, f"{STEPS}[0].config.a", "commitFrom"),
    "misspelt function": (steps("      - uses: copy\n        config:\n          a: ${{ imageForm('x').Tag }}\n"), 13, f"{STEPS}[0].config.a", "unknown function 'imageForm'; did you mean 'imageFrom'? (column 5)"),
    "misspelt function in if": (steps("      - uses: copy\n        if: ${{ allways() }}\n"), 12, f"{STEPS}[0].if", "did you mean 'always'?"),
    "status function in a variable": (steps("      - uses: copy\n        vars: [{name: x, value: '${{ success() }}'}]\n"), 12, f"{STEPS}[0].vars[0].value", "unknown function 'success'"),
    "field of an artifact": (stage(spec="  vars:\n  - name: x\n    value: ${{ imageFrom('a').Tags }}\n"), 10, "spec.vars[0].value", "has no field Tags"),
    "misspelt function in an argument": (verification("    analysisTemplates: [{name: smoke}]\n    args:\n    - {name: url, value: '${{ comitFrom(\"x\").ID }}'}\n"), 11, "spec.verification.args[0].value", "did you mean 'commitFrom'?"),
    "status function in an argument": (verification("    analysisTemplates: [{name: smoke}]\n    args:\n    - {name: url, value: '${{ always() }}'}\n"), 11, "spec.verification.args[0].value", "unknown function 'always'"),
    "argument of a function of criteria": (
        WAREHOUSE.replace("name: w,", "name: v,").replace("spec: {", "spec: {freightCreationCriteria: {expression: 'imageFrom(1).Tag == \"a\"'}, "), 4, "spec.freightCreationCriteria.expression", "imageFrom",
    ),
    "function that criteria lack": (
        WAREHOUSE.replace("name: w,", "name: v,").replace("spec: {", "spec: {freightCreationCriteria: {expression: 'warehouse(\"w\") != nil'}, "), 4, "spec.freightCreationCriteria.expression", "unknown function 'warehouse'",
    ),
    "function that filters lack": (warehouse(GIT + "      expressionFilter: imageFrom('a') != nil\n"), 9, f"{SUB}.expressionFilter", "unknown function 'imageFrom'"),
    "unknown AnalysisTemplate": (verification("    analysisTemplates:\n    - name: smok\n    args: [{name: url, value: x}]\n"), 10, "spec.verification.analysisTemplates[0].name", "unknown AnalysisTemplate 'smok' in project 'p'; did you mean 'smoke'?"),
    "unknown ClusterAnalysisTemplate": (verification("    analysisTemplates:\n    - {name: x, kind: ClusterAnalysisTemplate}\n"), 10, "spec.verification.analysisTemplates[0].name", "unknown ClusterAnalysisTemplate 'x'"),
    "argument without value": (verification("    analysisTemplates:\n    - name: smoke\n"), 10, "spec.verification.analysisTemplates[0]", "argument 'url' of the template has no value"),
    "metric twice": (verification("    analysisTemplates:\n    - name: smoke\n    - name: smoke\n    args: [{name: url, value: x}]\n"), 11, "spec.verification.analysisTemplates[1]", "metric 'm' is also one of analysisTemplates[0]"),
    "expression in an argument": (verification("    analysisTemplates: [{name: smoke}]\n    args:\n    - {name: url, value: '${{ a b }}'}\n"), 11, "spec.verification.args[0].value", "is not valid"),
    "condition of a metric": (TEMPLATE.replace("smoke", "other").replace("{name: m,", "{name: m, successCondition: 'result >',"), 4, "spec.metrics[0].successCondition", "is not valid"),
    "criteria of a Warehouse": (
        WAREHOUSE.replace("name: w,", "name: v,").replace("spec: {", "spec: {freightCreationCriteria: {expression: 'a =='}, "), 4, "spec.freightCreationCriteria.expression", "is not valid",
    ),
    "filter of a subscription": (warehouse(GIT + "      expressionFilter: author contains\n"), 9, f"{SUB}.expressionFilter", "is not valid"),
    "git version range": (warehouse(GIT + "      semverConstraint: newest\n"), 9, f"{SUB}.semverConstraint", "'newest' is not a version constraint"),
    "image version range": (warehouse("  - image:\n      repoURL: a\n      constraint: '>> 1'\n"), 8, "spec.subscriptions[0].image.constraint", "is not a version constraint"),
    "chart version range": (warehouse("  - chart:\n      repoURL: oci://h/a\n      semverConstraint: '>> 1'\n"), 8, "spec.subscriptions[0].chart.semverConstraint", "is not a version constraint"),
    "regular expression to allow": (warehouse(GIT + "      allowTagsRegexes:\n      - ok\n      - '('\n"), 11, f"{SUB}.allowTagsRegexes[1]", "RE2's syntax"),
    "regular expression to ignore": (warehouse("  - image: {repoURL: a, ignoreTagsRegexes: ['(?=a)']}\n"), 6, "spec.subscriptions[0].image.ignoreTagsRegexes[0]", "RE2's syntax"),
    "regular expression for paths": (warehouse(GIT + "      includePaths: ['regex:[']\n"), 9, f"{SUB}.includePaths[0]", "RE2's syntax"),
    "glob for paths": (warehouse(GIT + "      excludePaths: [a, 'glob:{a']\n"), 9, f"{SUB}.excludePaths[1]", "is not a glob"),
    "deprecated tag filters": (warehouse(GIT + "      allowTags: a\n"), 9, f"{SUB}.allowTags", "use allowTagsRegexes"),
    "deprecated image tag filters": (warehouse("  - image: {repoURL: a, ignoreTags: [b]}\n"), 6, "spec.subscriptions[0].image.ignoreTags", "use ignoreTagsRegexes"),
    "git repository twice": (warehouse(GIT + "  - git: {repoURL: 'https://H/a.git'}\n"), 9, "spec.subscriptions[1].git.repoURL", "same repository as subscriptions[0]"),
    "image repository twice": (warehouse("  - image: {repoURL: nginx}\n  - image: {repoURL: docker.io/library/nginx}\n"), 7, "spec.subscriptions[1].image.repoURL", "same repository"),
    "chart twice": (warehouse("  - chart: {repoURL: https://h, name: a}\n  - chart: {repoURL: https://h, name: b}\n  - chart: {repoURL: https://h, name: a}\n"), 8, "spec.subscriptions[2].chart.repoURL", "same repository"),
    "origin of Freight": (freight("origin: {name: x}\nimages: [{repoURL: nginx}]\n"), 4, "origin.name", "unknown Warehouse 'x'"),
    "two artifacts for a subscription": (freight("origin: {name: w}\nimages:\n- {repoURL: nginx, tag: a}\n- {repoURL: docker.io/nginx, tag: b}\n"), 7, "images[1]", "second artifact for subscriptions[0]"),
    "Stage of a Promotion": (KARGO + "kind: Promotion\nmetadata: {namespace: p}\nspec: {stage: x, freight: f}\n", 4, "spec.stage", "unknown Stage 'x'"),
    "expression of a link": (KARGO + "kind: ProjectConfig\nmetadata: {name: p}\nspec:\n  stageLinks:\n  - {title: a, url: b, if: 'x ==', description: c}\n", 6, "spec.stageLinks[0].if", "is not valid"),
    "expression of a receiver": (
        KARGO + "kind: ClusterConfig\nmetadata: {name: cluster}\nspec:\n  webhookReceivers:\n  - name: a\n    generic:\n      secretRef: {name: s}\n      actions:\n"
        "      - action: Refresh\n        whenExpression: request.\n        targetSelectionCriteria: [{kind: Warehouse, name: a}]\n",
        11,
        "spec.webhookReceivers[0].generic.actions[0].whenExpression",
        "is not valid",
    ),
    "template of a receiver": (
        KARGO + "kind: ClusterConfig\nmetadata: {name: cluster}\nspec:\n  webhookReceivers:\n  - name: a\n    generic:\n      secretRef: {name: s}\n      actions:\n"
        "      - action: Refresh\n        targetSelectionCriteria:\n        - kind: Warehouse\n          labelSelector: {matchLabels: {a: '${{ ( }}'}}\n",
        13,
        "spec.webhookReceivers[0].generic.actions[0].targetSelectionCriteria[0].labelSelector.matchLabels.a",
        "is not valid",
    ),
    "no project": (KARGO + "kind: PromotionTask\nmetadata: {name: x}\nspec: {steps: [{uses: copy}]}\n", 3, "metadata.namespace", "it names the project"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "path", "message"), BAD.values(), ids=BAD)
def test_bad_sets_are_reported_at_their_place(text, line, path, message):
    problems = checked(text + SURROUNDINGS).problems
    assert [(problem.file, problem.line, problem.path) for problem in problems] == [("f.yaml", line, path)]
    assert message in problems[0].message


GOOD = {
    "surroundings alone": "",
    "task variable from the Stage": stage(
        spec="  vars: [{name: a, value: x}]\n  promotionTemplate: {spec: {steps: [{task: {name: t}}]}}\n"
    ),
    "task variable from the template": stage(
        spec="  promotionTemplate: {spec: {vars: [{name: a, value: x}], steps: [{task: {name: t}}]}}\n"
    ),
    "task variable from the step": steps("      - {task: {name: t}, vars: [{name: a, value: x}]}\n"),
    "argument given": verification(
        "    analysisTemplates: [{name: smoke}]\n    args: [{name: url, value: x}]\n"
    ),
    "both delimiters": steps("      - {uses: copy, config: {a: '${{ 1 }} ${% {\"a\": 1} %}', b: '}} %}'}}\n"),
    "functions where they exist": steps(
        '      - uses: copy\n        vars: [{name: x, value: \'${{ quote(imageFrom("a", warehouse("w")).Tag) }}\'}]\n'
        "        if: ${{ success() and status('a') == '' and semverDiff('1.0.0', '2.0.0') == 'Major' }}\n"
        '        config: {a: \'${{ asYAML(secret("s")) }}\', b: \'${{ let f = upper("x"); f + freightMetadata("a").b }}\'}\n'
    ),
    "unused deprecated filters": warehouse("  - git: {repoURL: 'https://h/a', allowTags: a}\n"),
    "tag to follow is no range": warehouse(
        "  - image: {repoURL: a, imageSelectionStrategy: Digest, constraint: latest}\n"
    ),
    "placeholder in a condition": TEMPLATE.replace("smoke", "other").replace(
        "{name: m,", "{name: m, successCondition: 'result > {{args.limit}}',"
    ),
    "Freight that fits": freight("origin: {name: w}\nimages: [{repoURL: docker.io/library/nginx, tag: a}]\n"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_good_sets_have_no_problem(text):
    assert checked(text + SURROUNDINGS).problems == []


def test_a_bad_expression_is_quoted_with_its_column_in_the_text():
    problem = checked(
        steps("      - uses: copy\n        config: {a: 'ab ${{ foo( }}'}\n") + SURROUNDINGS
    ).problems[0]
    assert problem.message == "expression 'foo(' is not valid: unexpected token EOF (column 12)"


def test_freight_must_match_its_warehouse():
    problems = checked(freight("origin: {name: w}\nimages: [{repoURL: redis}]\n") + SURROUNDINGS).problems
    assert [(problem.path, problem.message) for problem in problems] == [
        ("images[0]", "no subscription of Warehouse 'w' watches this repository"),
        ("", "holds no artifact for subscriptions[0] (nginx) of Warehouse 'w'"),
    ]


def test_an_alias_belongs_to_one_freight_of_a_project():
    one = freight("alias: brave-otter\norigin: {name: w}\nimages: [{repoURL: nginx, tag: a}]\n")
    problems = checked(one + "---\n" + one + SURROUNDINGS).problems
    assert [(problem.line, problem.path) for problem in problems] == [(11, "alias")]
    other = one.replace("namespace: p", "namespace: q").replace("name: w", "name: w2")
    known = [ResourceKey("Warehouse", "q", "w2")]
    loaded = load_text(one + "---\n" + other + SURROUNDINGS)
    assert check(loaded.resources, known).problems == []


def test_a_circle_of_stages_is_named_once():
    text = "---\n".join(
        [
            stage("a", sources="stages: [c]"),
            stage("b", sources="stages: [a]"),
            stage("c", sources="stages: [b]"),
            stage("d", sources="stages: [c]"),
        ]
    )
    problems = checked(text + SURROUNDINGS).problems
    assert [(problem.line, problem.resource, problem.path) for problem in problems] == [
        (7, "Stage/a", "spec.requestedFreight[0].sources.stages[0]")
    ]
    assert problems[0].message.endswith("from each other in a circle: a <- c <- b <- a")


def test_stages_may_take_freight_of_different_warehouses_from_each_other():
    second = WAREHOUSE.replace("name: w,", "name: w2,")
    a = stage("a") + "  - origin: {kind: Warehouse, name: w2}\n    sources: {stages: [b]}\n"
    b = (
        stage("b", sources="stages: [a]")
        + "  - origin: {kind: Warehouse, name: w2}\n    sources: {direct: true}\n"
    )
    result = checked(f"{a}---\n{b}---\n{second}{SURROUNDINGS}")
    assert (result.problems, result.warnings) == ([], [])


def test_a_circle_through_a_stage_that_exists_already_is_found():
    known = load_text(stage("a", sources="stages: [b]")).resources[0].resource
    loaded = load_text(stage("b", sources="stages: [a]") + SURROUNDINGS).resources
    assert "b <- a <- b" in check(loaded, [known]).problems[0].message


def test_two_circles_are_both_named():
    graph = {"a": ["b"], "b": ["a"], "c": ["d", "a"], "d": ["c"], "e": []}
    edges = {name: [(upstream, ()) for upstream in names] for name, names in graph.items()}
    assert find_circles(edges) == [["a", "b"], ["c", "d"]]


@given(st.lists(st.lists(st.integers(0, 6), max_size=3), min_size=7, max_size=7))
def test_circles_are_real_and_without_them_none_is_left(upstream):
    graph = {str(stage): [(str(name), ()) for name in names] for stage, names in enumerate(upstream)}
    circles = find_circles(graph)
    for circle in circles:
        for stage, following in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert following in [name for name, _ in graph[stage]]
    gone = {stage for circle in circles for stage in circle}
    rest = {stage: edges for stage, edges in graph.items() if stage not in gone}
    assert find_circles(rest) == []
    assert bool(circles) == any(_reaches(graph, stage, stage, frozenset()) for stage in graph)


def _reaches(graph, stage, goal, passed) -> bool:
    following = [name for name, _ in graph[stage] if name != stage and name not in passed]
    return any(name == goal or _reaches(graph, name, goal, passed | {name}) for name in following)


def test_a_long_chain_has_no_circle():
    assert find_circles({str(n): [(str(n - 1), ())] for n in range(1, 5000)}) == []


def test_what_is_known_counts_as_there():
    known = [
        ResourceKey("Project", "", "p"),
        ResourceKey("Warehouse", "p", "w"),
        ResourceKey("Stage", "p", "q"),
    ]
    result = check(load_text(stage(sources="stages: [q]")).resources, known)
    assert (result.problems, result.warnings) == ([], [])


def test_a_known_task_is_asked_for_its_variables():
    known = [one.resource for one in load_text(SURROUNDINGS).resources]
    problems = check(load_text(steps("      - task: {name: t}\n")).resources, known).problems
    assert [problem.message for problem in problems] == [
        "missing value for variable 'a' of PromotionTask 't'"
    ]


def test_a_reference_to_a_broken_document_is_not_unknown():
    broken = WAREHOUSE.replace("repoURL", "repo")
    loaded = load_text(stage() + "---\n" + broken + "---\n" + PROJECT)
    assert len(loaded.problems) == 2
    assert check(loaded.resources, loaded.broken).problems == []


def test_plain_resources_are_checked_without_place():
    problem = check([load_text(stage()).resources[0].resource]).problems[0]
    assert (problem.file, problem.line, problem.path) == ("", 0, "spec.requestedFreight[0].origin.name")


def test_a_promotion_needs_a_stage_with_steps_that_takes_the_origin():
    promotion = KARGO + "kind: Promotion\nmetadata: {namespace: p}\nspec: {stage: s, origin: {name: x}}\n"
    problems = checked(f"{promotion}---\n{stage()}{SURROUNDINGS}").problems
    assert [problem.path for problem in problems] == ["spec.stage", "spec.origin"]


WARNED = {
    "missing project": (
        stage().replace("namespace: p", "namespace: q"),
        3,
        "metadata.namespace",
        "unknown Project 'q'",
    ),
    "no source": (
        stage(sources=""),
        7,
        "spec.requestedFreight[0].sources",
        "neither direct: true nor stages",
    ),
    "upstream without the origin": (
        stage(sources="stages: [b]") + "---\n" + stage("b").replace("name: w}", "name: w2}"),
        7,
        "spec.requestedFreight[0].sources.stages[0]",
        "Stage 'b' takes no Freight from Warehouse/w",
    ),
    "policy for an unknown Stage": (
        KARGO + "kind: ProjectConfig\nmetadata: {name: p}\nspec:\n  promotionPolicies:\n  - stage: prod\n",
        6,
        "spec.promotionPolicies[0].stage",
        "unknown Stage 'prod'",
    ),
    "unknown step kind": (
        steps("      - uses: git-clon\n"),
        11,
        f"{STEPS}[0].uses",
        "unknown step kind 'git-clon': Errored unless a package of the worker brings it; did you mean 'git-clone'?",
    ),
}


@pytest.mark.parametrize(("text", "line", "path", "message"), WARNED.values(), ids=WARNED)
def test_doubts_are_warnings(text, line, path, message):
    warnings = checked(text + SURROUNDINGS, step_kinds={"copy", "fail", "git-clone"}).warnings
    assert [(warning.line, warning.path) for warning in warnings] == [(line, path)]
    assert message in warnings[0].message


def test_step_kinds_are_not_checked_unless_they_are_known():
    assert checked(steps("      - uses: anything\n") + SURROUNDINGS).warnings == []
