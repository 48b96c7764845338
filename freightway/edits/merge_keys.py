"""Which lists of the built-in Kubernetes kinds are merged element by element, and by which keys.

Only the fields on the way to such lists are here; every other list is replaced as a whole.

Source: the patch extensions of the Kubernetes 1.21.2 OpenAPI document that kustomize kyaml v0.20.1 carries.
"""

from __future__ import annotations

Field = str | tuple[str, ...]
"""The type of a field, or of a merged list: type of its elements (or empty) and its keys (none: plain values)."""

TYPES: dict[str, dict[str, Field]] = {
    "apiregistration.v1.APIServiceStatus": {"conditions": ("", "type")},
    "apiregistration.v1beta1.APIServiceStatus": {"conditions": ("", "type")},
    "apps.v1.DaemonSetSpec": {"template": "core.v1.PodTemplateSpec"},
    "apps.v1.DaemonSetStatus": {"conditions": ("", "type")},
    "apps.v1.DeploymentSpec": {"template": "core.v1.PodTemplateSpec"},
    "apps.v1.DeploymentStatus": {"conditions": ("", "type")},
    "apps.v1.ReplicaSetSpec": {"template": "core.v1.PodTemplateSpec"},
    "apps.v1.ReplicaSetStatus": {"conditions": ("", "type")},
    "apps.v1.StatefulSetSpec": {"template": "core.v1.PodTemplateSpec"},
    "apps.v1.StatefulSetStatus": {"conditions": ("", "type")},
    "batch.v1.CronJobSpec": {"jobTemplate": "batch.v1.JobTemplateSpec"},
    "batch.v1.JobSpec": {"template": "core.v1.PodTemplateSpec"},
    "batch.v1.JobStatus": {"conditions": ("", "type")},
    "batch.v1.JobTemplateSpec": {"metadata": "meta.v1.ObjectMeta", "spec": "batch.v1.JobSpec"},
    "batch.v1beta1.CronJobSpec": {"jobTemplate": "batch.v1beta1.JobTemplateSpec"},
    "batch.v1beta1.JobTemplateSpec": {"metadata": "meta.v1.ObjectMeta", "spec": "batch.v1.JobSpec"},
    "core.v1.Container": {
        "env": ("", "name"),
        "ports": ("", "containerPort", "protocol"),
        "volumeDevices": ("", "devicePath"),
        "volumeMounts": ("", "mountPath"),
    },
    "core.v1.EphemeralContainer": {
        "env": ("", "name"),
        "volumeDevices": ("", "devicePath"),
        "volumeMounts": ("", "mountPath"),
    },
    "core.v1.EphemeralVolumeSource": {"volumeClaimTemplate": "core.v1.PersistentVolumeClaimTemplate"},
    "core.v1.NamespaceStatus": {"conditions": ("", "type")},
    "core.v1.NodeSpec": {"podCIDRs": ("",)},
    "core.v1.NodeStatus": {"addresses": ("", "type"), "conditions": ("", "type")},
    "core.v1.PersistentVolumeClaimStatus": {"conditions": ("", "type")},
    "core.v1.PersistentVolumeClaimTemplate": {"metadata": "meta.v1.ObjectMeta"},
    "core.v1.PodSpec": {
        "containers": ("core.v1.Container", "name"),
        "ephemeralContainers": ("core.v1.EphemeralContainer", "name"),
        "hostAliases": ("", "ip"),
        "imagePullSecrets": ("", "name"),
        "initContainers": ("core.v1.Container", "name"),
        "topologySpreadConstraints": ("", "topologyKey", "whenUnsatisfiable"),
        "volumes": ("core.v1.Volume", "name"),
    },
    "core.v1.PodStatus": {"conditions": ("", "type"), "podIPs": ("", "ip")},
    "core.v1.PodTemplateSpec": {"metadata": "meta.v1.ObjectMeta", "spec": "core.v1.PodSpec"},
    "core.v1.ReplicationControllerSpec": {"template": "core.v1.PodTemplateSpec"},
    "core.v1.ReplicationControllerStatus": {"conditions": ("", "type")},
    "core.v1.ServiceSpec": {"ports": ("", "port", "protocol")},
    "core.v1.ServiceStatus": {"conditions": ("", "type")},
    "core.v1.Volume": {"ephemeral": "core.v1.EphemeralVolumeSource"},
    "meta.v1.ObjectMeta": {"finalizers": ("",), "ownerReferences": ("", "uid")},
    "policy.v1.PodDisruptionBudgetStatus": {"conditions": ("", "type")},
    "policy.v1beta1.PodDisruptionBudgetStatus": {"conditions": ("", "type")},
    "storage.v1.CSINodeSpec": {"drivers": ("", "name")},
    "storage.v1beta1.CSINodeSpec": {"drivers": ("", "name")},
}
"""Fields by type."""

KINDS: dict[str, dict[str, Field]] = {
    "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration": {"webhooks": ("", "name")},
    "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration": {"webhooks": ("", "name")},
    "admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration": {"webhooks": ("", "name")},
    "admissionregistration.k8s.io/v1beta1 ValidatingWebhookConfiguration": {"webhooks": ("", "name")},
    "apiregistration.k8s.io/v1 APIService": {"status": "apiregistration.v1.APIServiceStatus"},
    "apiregistration.k8s.io/v1beta1 APIService": {"status": "apiregistration.v1beta1.APIServiceStatus"},
    "apps/v1 DaemonSet": {"spec": "apps.v1.DaemonSetSpec", "status": "apps.v1.DaemonSetStatus"},
    "apps/v1 Deployment": {"spec": "apps.v1.DeploymentSpec", "status": "apps.v1.DeploymentStatus"},
    "apps/v1 ReplicaSet": {"spec": "apps.v1.ReplicaSetSpec", "status": "apps.v1.ReplicaSetStatus"},
    "apps/v1 StatefulSet": {"spec": "apps.v1.StatefulSetSpec", "status": "apps.v1.StatefulSetStatus"},
    "batch/v1 CronJob": {"spec": "batch.v1.CronJobSpec"},
    "batch/v1 Job": {"spec": "batch.v1.JobSpec", "status": "batch.v1.JobStatus"},
    "batch/v1beta1 CronJob": {"spec": "batch.v1beta1.CronJobSpec"},
    "kustomize.config.k8s.io/v1beta1 Kustomization": {
        "configMapGenerator": ("", "name"),
        "secretGenerator": ("", "name"),
    },
    "policy/v1 PodDisruptionBudget": {"status": "policy.v1.PodDisruptionBudgetStatus"},
    "policy/v1beta1 PodDisruptionBudget": {"status": "policy.v1beta1.PodDisruptionBudgetStatus"},
    "storage.k8s.io/v1 CSINode": {"spec": "storage.v1.CSINodeSpec"},
    "storage.k8s.io/v1beta1 CSINode": {"spec": "storage.v1beta1.CSINodeSpec"},
    "v1 ComponentStatus": {"conditions": ("", "type")},
    "v1 Namespace": {"status": "core.v1.NamespaceStatus"},
    "v1 Node": {"spec": "core.v1.NodeSpec", "status": "core.v1.NodeStatus"},
    "v1 PersistentVolumeClaim": {"status": "core.v1.PersistentVolumeClaimStatus"},
    "v1 Pod": {"spec": "core.v1.PodSpec", "status": "core.v1.PodStatus"},
    "v1 PodTemplate": {"template": "core.v1.PodTemplateSpec"},
    "v1 ReplicationController": {
        "spec": "core.v1.ReplicationControllerSpec",
        "status": "core.v1.ReplicationControllerStatus",
    },
    "v1 Service": {"spec": "core.v1.ServiceSpec", "status": "core.v1.ServiceStatus"},
    "v1 ServiceAccount": {"secrets": ("", "name")},
}
"""Fields of a kind, without ``metadata``."""

METADATA_ONLY: dict[str, str] = {
    "apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "apiextensions.k8s.io/v1beta1": "CustomResourceDefinition",
    "apps/v1": "ControllerRevision",
    "authentication.k8s.io/v1": "TokenRequest TokenReview",
    "authentication.k8s.io/v1beta1": "TokenReview",
    "authorization.k8s.io/v1": "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    "authorization.k8s.io/v1beta1": "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    "autoscaling/v1": "HorizontalPodAutoscaler Scale",
    "autoscaling/v2beta1": "HorizontalPodAutoscaler",
    "autoscaling/v2beta2": "HorizontalPodAutoscaler",
    "certificates.k8s.io/v1": "CertificateSigningRequest",
    "certificates.k8s.io/v1beta1": "CertificateSigningRequest",
    "coordination.k8s.io/v1": "Lease",
    "coordination.k8s.io/v1beta1": "Lease",
    "discovery.k8s.io/v1": "EndpointSlice",
    "discovery.k8s.io/v1beta1": "EndpointSlice",
    "events.k8s.io/v1": "Event",
    "events.k8s.io/v1beta1": "Event",
    "extensions/v1beta1": "Ingress",
    "flowcontrol.apiserver.k8s.io/v1beta1": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io/v1": "Ingress IngressClass NetworkPolicy",
    "networking.k8s.io/v1beta1": "Ingress IngressClass",
    "node.k8s.io/v1": "RuntimeClass",
    "node.k8s.io/v1beta1": "RuntimeClass",
    "policy/v1beta1": "Eviction PodSecurityPolicy",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "rbac.authorization.k8s.io/v1beta1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling.k8s.io/v1": "PriorityClass",
    "scheduling.k8s.io/v1beta1": "PriorityClass",
    "storage.k8s.io/v1": "CSIDriver StorageClass VolumeAttachment",
    "storage.k8s.io/v1beta1": "CSIDriver CSIStorageCapacity StorageClass VolumeAttachment",
    "v1": "Binding ConfigMap Endpoints Event LimitRange PersistentVolume ResourceQuota Secret",
}
"""Kinds with nothing but ``metadata`` on the way to such lists, by API version."""

WITHOUT_METADATA = frozenset({"kustomize.config.k8s.io/v1beta1 Kustomization"})


def fields_of_kind(api_version: str, kind: str) -> dict[str, Field] | None:
    """Return the fields of a built-in kind on the way to merged lists, None for other kinds."""
    name = f"{api_version} {kind}"
    if name not in KINDS and kind not in METADATA_ONLY.get(api_version, "").split():
        return None
    metadata: dict[str, Field] = {} if name in WITHOUT_METADATA else {"metadata": "meta.v1.ObjectMeta"}
    return {**KINDS.get(name, {}), **metadata}
