// Answers what the strategies of Kubernetes' kinds make of objects: one JSON object a line, one JSON object a line back.
// An object is decoded, defaulted, converted to its internal version, handled as the first argument says, and converted
// back. `prepare`: it is prepared for its creation (PrepareForCreate, Canonicalize). `validate`: it is prepared and
// validated, as a creation or an update.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admission/install"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apiserverinternal/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	_ "k8s.io/kubernetes/pkg/apis/authorization/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/certificates/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/events/install"
	_ "k8s.io/kubernetes/pkg/apis/extensions/install"
	_ "k8s.io/kubernetes/pkg/apis/flowcontrol/install"
	_ "k8s.io/kubernetes/pkg/apis/imagepolicy/install"
	_ "k8s.io/kubernetes/pkg/apis/lifecycle/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	_ "k8s.io/kubernetes/pkg/apis/storagemigration/install"
	"k8s.io/kubernetes/pkg/capabilities"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingwebhookconfiguration"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/validatingadmissionpolicybinding"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/validatingwebhookconfiguration"
	"k8s.io/kubernetes/pkg/registry/apiserverinternal/storageversion"
	"k8s.io/kubernetes/pkg/registry/apps/controllerrevision"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/certificates/certificates"
	"k8s.io/kubernetes/pkg/registry/certificates/clustertrustbundle"
	"k8s.io/kubernetes/pkg/registry/coordination/lease"
	"k8s.io/kubernetes/pkg/registry/coordination/leasecandidate"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/endpoint"
	"k8s.io/kubernetes/pkg/registry/core/event"
	"k8s.io/kubernetes/pkg/registry/core/limitrange"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/node"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/podtemplate"
	"k8s.io/kubernetes/pkg/registry/core/replicationcontroller"
	"k8s.io/kubernetes/pkg/registry/core/resourcequota"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/discovery/endpointslice"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/flowschema"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/prioritylevelconfiguration"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/ingressclass"
	"k8s.io/kubernetes/pkg/registry/networking/ipaddress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/networking/servicecidr"
	"k8s.io/kubernetes/pkg/registry/node/runtimeclass"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding"
	"k8s.io/kubernetes/pkg/registry/rbac/role"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	"k8s.io/kubernetes/pkg/registry/resource/deviceclass"
	"k8s.io/kubernetes/pkg/registry/resource/devicetaintrule"
	"k8s.io/kubernetes/pkg/registry/resource/resourceslice"
	"k8s.io/kubernetes/pkg/registry/scheduling/priorityclass"
	"k8s.io/kubernetes/pkg/registry/scheduling/workload"
	"k8s.io/kubernetes/pkg/registry/storage/csidriver"
	"k8s.io/kubernetes/pkg/registry/storage/csinode"
	"k8s.io/kubernetes/pkg/registry/storage/csistoragecapacity"
	"k8s.io/kubernetes/pkg/registry/storage/storageclass"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattachment"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattributesclass"
	"k8s.io/kubernetes/pkg/registry/storagemigration/storagemigration"
)

// strategies are those that are values of their packages. The others are made by the API server when it starts.
var strategies = map[schema.GroupKind]rest.RESTCreateStrategy{
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:     mutatingwebhookconfiguration.Strategy,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"}: &validatingadmissionpolicybinding.Strategy,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}:   validatingwebhookconfiguration.Strategy,
	{Group: "internal.apiserver.k8s.io", Kind: "StorageVersion"}:                      storageversion.Strategy,
	{Group: "apps", Kind: "ControllerRevision"}:                                       controllerrevision.Strategy,
	{Group: "apps", Kind: "DaemonSet"}:                                                daemonset.Strategy,
	{Group: "apps", Kind: "Deployment"}:                                               deployment.Strategy,
	{Group: "apps", Kind: "ReplicaSet"}:                                               replicaset.Strategy,
	{Group: "apps", Kind: "StatefulSet"}:                                              statefulset.Strategy,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:                           horizontalpodautoscaler.Strategy,
	{Group: "batch", Kind: "CronJob"}:                                                 cronjob.Strategy,
	{Group: "batch", Kind: "Job"}:                                                     job.Strategy,
	{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"}:                 certificates.Strategy,
	{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle"}:                        clustertrustbundle.Strategy,
	{Group: "coordination.k8s.io", Kind: "Lease"}:                                     lease.Strategy,
	{Group: "coordination.k8s.io", Kind: "LeaseCandidate"}:                            leasecandidate.Strategy,
	{Group: "", Kind: "ConfigMap"}:                                                    configmap.Strategy,
	{Group: "", Kind: "Endpoints"}:                                                    endpoint.Strategy,
	{Group: "", Kind: "Event"}:                                                        event.Strategy,
	{Group: "", Kind: "LimitRange"}:                                                   limitrange.Strategy,
	{Group: "", Kind: "Namespace"}:                                                    namespace.Strategy,
	{Group: "", Kind: "Node"}:                                                         node.Strategy,
	{Group: "", Kind: "PersistentVolume"}:                                             persistentvolume.Strategy,
	{Group: "", Kind: "PersistentVolumeClaim"}:                                        persistentvolumeclaim.Strategy,
	{Group: "", Kind: "Pod"}:                                                          pod.Strategy,
	{Group: "", Kind: "PodTemplate"}:                                                  podtemplate.Strategy,
	{Group: "", Kind: "ReplicationController"}:                                        replicationcontroller.Strategy,
	{Group: "", Kind: "ResourceQuota"}:                                                resourcequota.Strategy,
	{Group: "", Kind: "Secret"}:                                                       secret.Strategy,
	{Group: "", Kind: "Service"}:                                                      service.Strategy,
	{Group: "", Kind: "ServiceAccount"}:                                               serviceaccount.Strategy,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:                                endpointslice.Strategy,
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"}:                       flowschema.Strategy,
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "PriorityLevelConfiguration"}:       prioritylevelconfiguration.Strategy,
	{Group: "networking.k8s.io", Kind: "Ingress"}:                                     ingress.Strategy,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:                                ingressclass.Strategy,
	{Group: "networking.k8s.io", Kind: "IPAddress"}:                                   ipaddress.Strategy,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:                               networkpolicy.Strategy,
	{Group: "networking.k8s.io", Kind: "ServiceCIDR"}:                                 servicecidr.Strategy,
	{Group: "node.k8s.io", Kind: "RuntimeClass"}:                                      runtimeclass.Strategy,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                                    poddisruptionbudget.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:                         clusterrole.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}:                  clusterrolebinding.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:                                role.Strategy,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:                         rolebinding.Strategy,
	{Group: "resource.k8s.io", Kind: "DeviceClass"}:                                   deviceclass.Strategy,
	{Group: "resource.k8s.io", Kind: "DeviceTaintRule"}:                               devicetaintrule.Strategy,
	{Group: "resource.k8s.io", Kind: "ResourceSlice"}:                                 resourceslice.Strategy,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}:                               priorityclass.Strategy,
	{Group: "scheduling.k8s.io", Kind: "Workload"}:                                    workload.Strategy,
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                                      csidriver.Strategy,
	{Group: "storage.k8s.io", Kind: "CSINode"}:                                        csinode.Strategy,
	{Group: "storage.k8s.io", Kind: "CSIStorageCapacity"}:                             csistoragecapacity.Strategy,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                                   storageclass.Strategy,
	{Group: "storage.k8s.io", Kind: "VolumeAttachment"}:                               volumeattachment.Strategy,
	{Group: "storage.k8s.io", Kind: "VolumeAttributesClass"}:                          volumeattributesclass.Strategy,
	{Group: "storagemigration.k8s.io", Kind: "StorageVersionMigration"}:               storagemigration.Strategy,
}

// Question is an object, as its JSON text, and the object that it replaces, if it is an update.
type Question struct {
	Text string `json:"text"`
	Old  string `json:"old"`
}

// Answer is the object in the form that validating policies see, and what is refused of it, a text each. Unknown: its
// strategy is not known here.
type Answer struct {
	Object  map[string]any `json:"object,omitempty"`
	Refused []string       `json:"refused"`
	Unknown bool           `json:"unknown,omitempty"`
	Error   string         `json:"error,omitempty"`
}

func internalOf(text string, gvk schema.GroupVersionKind, convertor runtime.ObjectConvertor) (runtime.Object, error) {
	scheme := legacyscheme.Scheme
	serializer := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{})
	object, _, err := serializer.Decode([]byte(text), nil, nil)
	if err != nil {
		return nil, err
	}
	scheme.Default(object)
	return convertor.ConvertToVersion(object, schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal})
}

// prepared shares maps that a default shares in the internal version too, as the API server's decoder does.
func prepared(question Question) (made Answer) {
	defer func() {
		if r := recover(); r != nil {
			made = Answer{Error: fmt.Sprint("panic: ", r)}
		}
	}()
	gvk, err := kjson.DefaultMetaFactory.Interpret([]byte(question.Text))
	if err != nil {
		return Answer{Error: err.Error()}
	}
	strategy, ok := strategies[gvk.GroupKind()]
	if !ok {
		return Answer{Unknown: true}
	}
	internal, err := internalOf(question.Text, *gvk, runtime.UnsafeObjectConvertor(legacyscheme.Scheme))
	if err != nil {
		return Answer{Error: err.Error()}
	}
	ctx := request.WithNamespace(context.Background(), "default")
	ctx = request.WithUser(ctx, &user.DefaultInfo{Name: "alice", Groups: []string{"authors"}})
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{APIGroup: gvk.Group, APIVersion: gvk.Version})
	strategy.PrepareForCreate(ctx, internal)
	strategy.Canonicalize(internal)
	object, err := legacyscheme.Scheme.ConvertToVersion(internal, gvk.GroupVersion())
	if err != nil {
		return Answer{Error: err.Error()}
	}
	object.GetObjectKind().SetGroupVersionKind(*gvk)
	written, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	return Answer{Object: written}
}

func validated(question Question) (made Answer) {
	defer func() {
		if r := recover(); r != nil {
			made = Answer{Error: fmt.Sprint("panic: ", r)}
		}
	}()
	gvk, err := kjson.DefaultMetaFactory.Interpret([]byte(question.Text))
	if err != nil {
		return Answer{Error: err.Error()}
	}
	strategy, ok := strategies[gvk.GroupKind()]
	if !ok {
		return Answer{Unknown: true}
	}
	internal, err := internalOf(question.Text, *gvk, legacyscheme.Scheme)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	ctx := request.WithUser(context.Background(), &user.DefaultInfo{Name: "alice", Groups: []string{"authors"}})
	info := &request.RequestInfo{APIGroup: gvk.Group, APIVersion: gvk.Version}
	ctx = request.WithRequestInfo(ctx, info)
	namespace := ""
	if strategy.NamespaceScoped() {
		namespace = "default"
	}
	ctx = request.WithNamespace(ctx, namespace)
	var refused error
	if question.Old == "" {
		rest.FillObjectMetaSystemFields(internal.(metav1.Object))
		refused = rest.BeforeCreate(strategy, ctx, internal)
	} else {
		updating, ok := strategy.(rest.RESTUpdateStrategy)
		if !ok {
			return Answer{Unknown: true}
		}
		old, err := internalOf(question.Old, *gvk, legacyscheme.Scheme)
		if err != nil {
			return Answer{Error: err.Error()}
		}
		refused = rest.BeforeUpdate(updating, ctx, internal, old)
	}
	made = Answer{Refused: []string{}}
	if status, ok := refused.(apierrors.APIStatus); ok && status.Status().Details != nil && apierrors.IsInvalid(refused) {
		for _, each := range status.Status().Details.Causes {
			made.Refused = append(made.Refused, each.Field+": "+each.Message)
		}
	} else if refused != nil {
		return Answer{Error: refused.Error()}
	}
	object, err := legacyscheme.Scheme.ConvertToVersion(internal, gvk.GroupVersion())
	if err != nil {
		return Answer{Error: err.Error()}
	}
	object.GetObjectKind().SetGroupVersionKind(*gvk)
	if made.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(object); err != nil {
		return Answer{Error: err.Error()}
	}
	return made
}

func main() {
	answer, ok := map[string]func(Question) Answer{"prepare": prepared, "validate": validated}[strings.Join(os.Args[1:], " ")]
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: prepare|validate")
		os.Exit(2)
	}
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true}) // as with --allow-privileged
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var question Question
		made := Answer{}
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			made.Error = err.Error()
		} else {
			made = answer(question)
		}
		text, err := json.Marshal(made)
		if err != nil {
			text, _ = json.Marshal(Answer{Error: err.Error()})
		}
		out.Write(append(text, '\n'))
	}
}
