"""Custom kinds of well-known projects whose resource has not the regular plural, or is cluster-scoped.

Without its CustomResourceDefinition the resource of a custom kind is a guess: the regular plural, in namespaces. What
stands here is guessed rightly nevertheless. Sources: the definitions that the projects publish, of their versions of
autumn 2026 or before.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CLUSTER_SCOPED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "apiextensions.crossplane.io": (
            "CompositeResourceDefinition Composition CompositionRevision EnvironmentConfig Usage"
        ),
        "apps.kruise.io": ("NodeImage NodePodProbe ResourceDistribution SidecarSet"),
        "argoproj.io": "ClusterAnalysisTemplate ClusterWorkflowTemplate",
        "cert-manager.io": "ClusterIssuer",
        "chaos-mesh.org": "RemoteCluster",
        "cilium.io": (
            "CiliumBGPAdvertisement CiliumBGPClusterConfig CiliumBGPNodeConfig CiliumBGPNodeConfigOverride "
            "CiliumBGPPeerConfig CiliumCIDRGroup CiliumClusterwideEnvoyConfig CiliumClusterwideNetworkPolicy "
            "CiliumDatapathPlugin CiliumEgressGatewayPolicy CiliumEndpointSlice CiliumIdentity "
            "CiliumL2AnnouncementPolicy CiliumLoadBalancerIPPool CiliumNode CiliumPodIPPool"
        ),
        "cloud.google.com": "ComputeClass",
        "config.openshift.io": (
            "APIServer Authentication Build ClusterOperator ClusterVersion Console DNS FeatureGate Image "
            "Infrastructure Ingress Network Node OAuth Project Proxy Scheduler"
        ),
        "crd.projectcalico.org": (
            "BGPConfiguration BGPFilter BGPPeer BlockAffinity CalicoNodeStatus ClusterInformation "
            "FelixConfiguration GlobalNetworkPolicy GlobalNetworkSet HostEndpoint IPAMBlock IPAMConfig "
            "IPAMHandle IPPool IPReservation KubeControllersConfiguration Profile Tier"
        ),
        "elbv2.k8s.aws": "IngressClassParams",
        "eventing.keda.sh": "ClusterCloudEventSource",
        "external-secrets.io": "ClusterExternalSecret ClusterPushSecret ClusterSecretStore",
        "externaldata.gatekeeper.sh": "Provider",
        "frrk8s.metallb.io": "FRRNodeState",
        "gateway.networking.k8s.io": "GatewayClass",
        "gateway.networking.x-k8s.io": "XMesh",
        "generators.external-secrets.io": "ClusterGenerator",
        "groupsnapshot.storage.k8s.io": "VolumeGroupSnapshotClass VolumeGroupSnapshotContent",
        "instancetype.kubevirt.io": "VirtualMachineClusterInstancetype VirtualMachineClusterPreference",
        "karpenter.azure.com": "AKSNodeClass",
        "karpenter.k8s.aws": "EC2NodeClass",
        "karpenter.kwok.sh": "KWOKNodeClass",
        "karpenter.sh": "NodeClaim NodePool",
        "keda.sh": "ClusterTriggerAuthentication",
        "kueue.x-k8s.io": (
            "AdmissionCheck ClusterQueue Cohort MultiKueueCluster MultiKueueConfig ProvisioningRequestConfig "
            "ResourceFlavor Topology WorkloadPriorityClass"
        ),
        "kyverno.io": "ClusterCleanupPolicy ClusterPolicy GlobalContextEntry",
        "machineconfiguration.openshift.io": ("ControllerConfig KubeletConfig MachineConfig MachineConfigPool"),
        "metacontroller.k8s.io": "CompositeController DecoratorController",
        "mutations.gatekeeper.sh": ("Assign AssignImage AssignMetadata ModifySet"),
        "networking.internal.knative.dev": "ClusterDomainClaim",
        "nfd.k8s-sigs.io": "NodeFeatureRule",
        "nvidia.com": "ClusterPolicy NVIDIADriver",
        "openreports.io": "ClusterReport",
        "operators.coreos.com": "Operator",
        "pkg.crossplane.io": (
            "Configuration ConfigurationRevision ControllerConfig DeploymentRuntimeConfig Function "
            "FunctionRevision ImageConfig Lock Provider ProviderRevision"
        ),
        "policies.kyverno.io": (
            "DeletingPolicy GeneratingPolicy ImageValidatingPolicy MutatingPolicy ValidatingPolicy"
        ),
        "policy.networking.k8s.io": "AdminNetworkPolicy BaselineAdminNetworkPolicy ClusterNetworkPolicy",
        "postgresql.cnpg.io": "ClusterImageCatalog",
        "project.openshift.io": "Project ProjectRequest",
        "projectcalico.org": (
            "BGPConfiguration BGPFilter BGPPeer CalicoNodeStatus ClusterInformation FelixConfiguration "
            "GlobalNetworkPolicy GlobalNetworkSet HostEndpoint IPPool IPReservation "
            "KubeControllersConfiguration Profile Tier"
        ),
        "reports.kyverno.io": "ClusterEphemeralReport",
        "runtime.cluster.x-k8s.io": "ExtensionConfig",
        "secrets.crossplane.io": "StoreConfig",
        "security.openshift.io": "SecurityContextConstraints",
        "snapshot.storage.k8s.io": "VolumeSnapshotClass VolumeSnapshotContent",
        "spire.spiffe.io": "ClusterFederatedTrustDomain ClusterSPIFFEID",
        "templates.gatekeeper.sh": "ConstraintTemplate",
        "topology.node.k8s.io": "NodeResourceTopology",
        "triggers.tekton.dev": "ClusterInterceptor ClusterTriggerBinding",
        "user.openshift.io": "Group Identity User",
        "wgpolicyk8s.io": "ClusterPolicyReport",
    }
)
"""Group -> its cluster-scoped kinds, in one text: of all others the scope is the namespace."""

_IRREGULAR: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "argoproj.io": {"EventBus": "eventbus"},
        "clusterctl.cluster.x-k8s.io": {"Metadata": "metadata"},
        "elbv2.k8s.aws": {"IngressClassParams": "ingressclassparams"},
        "mutations.gatekeeper.sh": {
            "Assign": "assign",
            "AssignImage": "assignimage",
            "AssignMetadata": "assignmetadata",
            "ModifySet": "modifyset",
        },
        "security.openshift.io": {"SecurityContextConstraints": "securitycontextconstraints"},
    }
)
"""Group -> kind -> the plural of its resource."""

_CONSTRAINTS: Final = "constraints.gatekeeper.sh"
_CHAOS: Final = "chaos-mesh.org"


def cluster_scoped(group: str, kind: str) -> bool:
    """Whether a custom kind is known to be cluster-scoped."""
    return group == _CONSTRAINTS or kind in CLUSTER_SCOPED.get(group, "").split()


def irregular(group: str, kind: str) -> str:
    """The plural of a custom kind's resource; "" if it is regular, or not known."""
    if group == _CONSTRAINTS or (group == _CHAOS and kind.endswith("Chaos")):
        return kind.lower()
    return _IRREGULAR.get(group, {}).get(kind, "")
