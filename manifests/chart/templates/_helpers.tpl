{{/* Labels of every object, those of the pods, and those that select them. */}}
{{- define "gatewright.labels" -}}
{{ include "gatewright.selector" . }}
app.kubernetes.io/part-of: gatewright
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gatewright.selector" -}}
app.kubernetes.io/name: gatewright
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gatewright.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The Secret with the server's certificate and key. */}}
{{- define "gatewright.secret" -}}
{{- if eq .Values.certificates.source "secret" -}}
{{ .Values.certificates.secret }}
{{- else -}}
{{ .Release.Name }}-tls
{{- end -}}
{{- end }}

{{/* Where the server reads its policies. */}}
{{- define "gatewright.policies" -}}
{{- $folder := .Values.policies.folder -}}
{{- if eq .Values.policies.source "oci" -}}
{{ .Values.policies.oci.reference }}
{{- else if eq .Values.policies.source "image" -}}
/{{ $folder | default "policies" }}
{{- else if eq .Values.policies.source "gitSync" -}}
/git/current{{ if $folder }}/{{ $folder }}{{ end }}
{{- else -}}
/etc/gatewright/policies{{ if $folder }}/{{ $folder }}{{ end }}
{{- end -}}
{{- end }}

{{/* The policies' files, in YAML: those of the tree, and in mode warn those that take their place. */}}
{{- define "gatewright.files" -}}
{{- $files := deepCopy (.Values.tree.files | default dict) -}}
{{- if eq .Values.mode "warn" -}}
{{- $files = mergeOverwrite $files (.Values.tree.warning | default dict) -}}
{{- end -}}
{{ toYaml $files }}
{{- end }}

{{/* A pod and a container without privilege: what Pod Security asks for under `restricted`. */}}
{{- define "gatewright.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "gatewright.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Refuses values that contradict each other, which no schema can say as well. */}}
{{- define "gatewright.checked" -}}
{{- $values := .Values -}}
{{- $own := printf "%s/%s" .Release.Namespace .Release.Name -}}
{{- $command := printf "gatewright manifests POLICIES --helm-values --all --service %s --write tree.yaml" $own -}}
{{- if not ($values.tree).service -}}
{{- fail (printf "\n\ntree: is missing. Write it from your policies, and pass it with --values tree.yaml:\n  %s" $command) -}}
{{- end -}}
{{- if and ($values.tree).service (ne $values.tree.service $own) -}}
{{- fail (printf "\n\ntree: was written for the release %s, and this is %s. Write it anew:\n  %s" $values.tree.service $own $command) -}}
{{- end -}}
{{- with $values.policies -}}
{{- $needed := dict "configMap" .configMap "claim" .claim "gitSync" .gitSync.repository "oci" .oci.reference -}}
{{- if and (hasKey $needed .source) (not (get $needed .source)) -}}
{{- $names := dict "configMap" "policies.configMap" "claim" "policies.claim" "gitSync" "policies.gitSync.repository" "oci" "policies.oci.reference" -}}
{{- fail (printf "\n\npolicies.source is %s: set %s" .source (get $names .source)) -}}
{{- end -}}
{{- if and (eq .source "values") (not $values.tree.files) -}}
{{- fail (printf "\n\npolicies.source is values, and tree has no files. Write it with --all:\n  %s" $command) -}}
{{- end -}}
{{- if and (eq .source "values") .folder -}}
{{- fail "\n\npolicies.folder: a ConfigMap has no folders; leave it out, or choose another policies.source" -}}
{{- end -}}
{{- if and (eq $values.mode "warn") (or (ne .source "values") (not $values.tree.warning)) -}}
{{- fail "\n\nmode is warn, and nothing could make the bindings warn: only with policies.source values do the files _NAME.warn.yaml of the tree take the place of its bindings. Set mode to enforce and let the bindings of the tree itself warn (failurePolicy: Ignore lets requests pass that are not answered)" -}}
{{- end -}}
{{- end -}}
{{- if eq $values.certificates.source "secret" -}}
{{- if not (and $values.certificates.secret $values.certificates.caBundle) -}}
{{- fail "\n\ncertificates.source is secret: set certificates.secret, with tls.crt and tls.key, and certificates.caBundle, with the authority in PEM (--set-file certificates.caBundle=ca.crt)" -}}
{{- end -}}
{{- end -}}
{{- end }}
