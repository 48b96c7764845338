"""AnalysisTemplate and ClusterAnalysisTemplate: the metrics that decide whether a Stage is verified.

Only the shape is checked here. Texts may hold ``{{ args.x }}``, so the rules that need their values (limits,
intervals, exactly one provider) are in ``freightway.verification.validate``, after substitution.

Source: Argo Rollouts ``argoproj.io/v1alpha1`` at 9f8d111d; differs: ``provider.signal`` is Freightway's own, and
unknown fields are refused instead of dropped.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from freightway.resources.meta import Model, Resource

IntOrString = StrictInt | StrictStr
"""A number, or a text that becomes one after substitution; a text that is no integer counts as 0."""


class AnalysisPhase(StrEnum):
    """Where a measurement, a metric or a run stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"

    @property
    def is_completed(self) -> bool:
        """Whether the phase is final."""
        return self not in (AnalysisPhase.PENDING, AnalysisPhase.RUNNING)


class SecretKeyRef(Model):
    """One key of a Secret."""

    name: str = Field(min_length=1)
    key: str = Field(min_length=1)


class FieldRef(Model):
    """A field of the object that owns the run; accepted, and never resolved for a Stage."""

    field_path: str


class ValueFrom(Model):
    """Where an argument's value comes from."""

    secret_key_ref: SecretKeyRef | None = None
    field_ref: FieldRef | None = None


class Argument(Model):
    """An argument of a template; an absent value and an empty one are different."""

    name: str = Field(min_length=1)
    value: str | None = None
    value_from: ValueFrom | None = None

    @property
    def secret(self) -> SecretKeyRef | None:
        """The Secret that the value is read from, None for a plain value."""
        return self.value_from.secret_key_ref if self.value_from else None


class Header(Model):
    """One HTTP header."""

    key: str
    value: str


class Sigv4(Model):
    """AWS request signing."""

    region: str = ""
    profile: str = ""
    role_arn: str = ""


class OAuth2(Model):
    """The client-credentials grant; active when ``tokenUrl`` is set."""

    token_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    scopes: tuple[str, ...] = ()


class BasicAuth(Model):
    """A user name and a password."""

    username: str = ""
    password: str = ""


class Authentication(Model):
    """How to authenticate at a metrics server."""

    sigv4: Sigv4 | None = None
    oauth2: OAuth2 | None = None
    basic_auth: BasicAuth | None = None


class RangeQuery(Model):
    """A window for a Prometheus range query: two expressions that yield a time, and a duration."""

    start: str = ""
    end: str = ""
    step: str = ""


class PrometheusMetric(Model):
    """A query to Prometheus or a compatible server; ``timeout`` in seconds, 30 if absent."""

    address: str = ""
    query: str = ""
    authentication: Authentication | None = None
    timeout: StrictInt | None = None
    insecure: StrictBool = False
    headers: tuple[Header, ...] = ()
    range_query: RangeQuery | None = None


class KayentaThreshold(Model):
    """Scores from which a canary passes or is marginal."""

    pass_: StrictInt = Field(alias="pass")
    marginal: StrictInt


class KayentaScopeDetail(Model):
    """One side of a canary comparison."""

    scope: str
    region: str
    step: StrictInt
    start: str = ""
    end: str = ""


class KayentaScope(Model):
    """A named comparison of a control with an experiment."""

    name: str
    control_scope: KayentaScopeDetail
    experiment_scope: KayentaScopeDetail


class KayentaMetric(Model):
    """A canary judged by Kayenta."""

    address: str
    application: str
    canary_config_name: str
    metrics_account_name: str
    configuration_account_name: str
    storage_account_name: str
    threshold: KayentaThreshold
    scopes: tuple[KayentaScope, ...]
    lookback: StrictBool = False


class WebMetric(Model):
    """A value picked from an HTTP answer; ``timeoutSeconds`` 10 if absent or not positive."""

    method: str = ""
    url: str
    headers: tuple[Header, ...] = ()
    body: str = ""
    timeout_seconds: StrictInt = 0
    json_path: str = ""
    insecure: StrictBool = False
    json_body: Any = None
    authentication: Authentication | None = None


class DatadogSecretRef(Model):
    """The Secret with Datadog's keys."""

    name: str = ""
    namespaced: StrictBool = False


class DatadogMetric(Model):
    """A Datadog query; ``interval`` is the look-back window."""

    interval: str = "5m"
    query: str = ""
    queries: dict[str, str] = Field(default_factory=dict)
    formula: str = ""
    api_version: Literal["v1", "v2"] = "v1"
    aggregator: Literal["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"] | None = (
        None
    )
    secret_ref: DatadogSecretRef | None = None
    request_timeout: str = "10s"


class AddressedQuery(Model):
    """A query to the server at an address: Wavefront and Graphite."""

    address: str = ""
    query: str = ""


class NewRelicMetric(Model):
    """A NRQL query; ``timeout`` in seconds, 5 if absent."""

    profile: str = ""
    query: str
    timeout: StrictInt | None = None


class JobMetadata(Model):
    """Labels and annotations of a job."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class JobMetric(Model):
    """A Kubernetes Job whose end is the measurement."""

    metadata: JobMetadata | None = None
    spec: dict[str, Any]


class CloudWatchDimension(Model):
    """A name and a value."""

    name: str
    value: str


class CloudWatchStatMetric(Model):
    """The CloudWatch metric that a statistic is taken of."""

    dimensions: tuple[CloudWatchDimension, ...] = ()
    metric_name: str = ""
    namespace: str | None = None


class CloudWatchStat(Model):
    """A statistic of a CloudWatch metric."""

    metric: CloudWatchStatMetric
    period: IntOrString
    stat: str
    unit: str = ""


class CloudWatchQuery(Model):
    """One query of a GetMetricData request."""

    id: str
    expression: str | None = None
    label: str | None = None
    metric_stat: CloudWatchStat | None = None
    period: IntOrString | None = None
    return_data: StrictBool | None = None


class CloudWatchMetric(Model):
    """A GetMetricData request; ``interval`` is the look-back window, 5m if absent."""

    interval: str = ""
    metric_data_queries: tuple[CloudWatchQuery, ...]


class InfluxdbMetric(Model):
    """A Flux query."""

    profile: str = ""
    query: str = ""


class SkywalkingMetric(Model):
    """A GraphQL query to SkyWalking; ``interval`` is the look-back window."""

    address: str = ""
    query: str = ""
    interval: str = ""


class SignalMetric(Model):
    """A question whose answer is the measurement: a person or a system approves or rejects.

    Attributes:
        prompt: what is asked.
        deadline: Go duration to wait for the answer; none in time is Inconclusive.
        approvers: who may answer, empty for anybody.
    """

    prompt: str = Field(min_length=1)
    deadline: str = Field(min_length=1)
    approvers: tuple[str, ...] = ()


class MetricProvider(Model):
    """Where a measurement comes from: exactly one field is set."""

    prometheus: PrometheusMetric | None = None
    kayenta: KayentaMetric | None = None
    web: WebMetric | None = None
    datadog: DatadogMetric | None = None
    wavefront: AddressedQuery | None = None
    new_relic: NewRelicMetric | None = None
    job: JobMetric | None = None
    cloud_watch: CloudWatchMetric | None = None
    graphite: AddressedQuery | None = None
    influxdb: InfluxdbMetric | None = None
    skywalking: SkywalkingMetric | None = None
    plugin: dict[str, Any] | None = None
    signal: SignalMetric | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The providers that are set by their YAML names; each plugin counts, as ``plugin/<name>``."""
        found: list[str] = []
        for field, info in type(self).model_fields.items():
            if field == "plugin":
                found.extend(f"plugin/{name}" for name in self.plugin or {})
            elif getattr(self, field) is not None:
                found.append(info.alias or field)
        return tuple(found)


class Metric(Model):
    """One thing to measure, how often, and what its results mean.

    Attributes:
        interval: Go duration from the end of a measurement to the start of the next.
        initial_delay: Go duration before the first measurement.
        count: measurements wanted, errors not counted.
        failure_limit: failures that are tolerated; -1 switches the check off.
        inconclusive_limit: inconclusive measurements that are tolerated.
        consecutive_error_limit: errors in a row that are tolerated.
        consecutive_success_limit: successes in a row that are enough, 0 is off.
    """

    # The order is Argo Rollouts' own: of several placeholders that do not resolve, the last one is reported.
    name: str
    interval: str = ""
    initial_delay: str = ""
    count: IntOrString | None = None
    success_condition: str = ""
    failure_condition: str = ""
    failure_limit: IntOrString | None = None
    inconclusive_limit: IntOrString | None = None
    consecutive_error_limit: IntOrString | None = None
    provider: MetricProvider
    consecutive_success_limit: IntOrString | None = None


class DryRunRule(Model):
    """Metrics that are measured without consequence; ``metricName`` is a regular expression, searched for."""

    metric_name: str


class RetentionRule(Model):
    """How many measurements the matching metrics keep; a limit of 0 or less means 10."""

    metric_name: str
    limit: StrictInt


class TemplateRef(Model):
    """A reference to a further template."""

    template_name: str
    cluster_scope: StrictBool = False


class TTLStrategy(Model):
    """How many seconds a completed run is kept."""

    seconds_after_completion: StrictInt | None = None
    seconds_after_failure: StrictInt | None = None
    seconds_after_success: StrictInt | None = None


class AnalysisTemplateSpec(Model):
    """What a template, or several flattened into one, asks for."""

    metrics: tuple[Metric, ...] = ()
    args: tuple[Argument, ...] = ()
    dry_run: tuple[DryRunRule, ...] = ()
    measurement_retention: tuple[RetentionRule, ...] = ()
    templates: tuple[TemplateRef, ...] = ()


class AnalysisTemplate(Resource):
    """A template that lives in a project."""

    api_version: Literal["argoproj.io/v1alpha1"] = "argoproj.io/v1alpha1"
    kind: Literal["AnalysisTemplate"] = "AnalysisTemplate"
    spec: AnalysisTemplateSpec


class ClusterAnalysisTemplate(Resource):
    """A template that every project may use."""

    api_version: Literal["argoproj.io/v1alpha1"] = "argoproj.io/v1alpha1"
    kind: Literal["ClusterAnalysisTemplate"] = "ClusterAnalysisTemplate"
    spec: AnalysisTemplateSpec
