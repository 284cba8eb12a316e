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

{{/* Whether the page of the server shows the audits of the CronJob: not of more shards than the ConfigMap has room for, nor
     where settings name a file. */}}
{{- define "gatewright.pageAudit" -}}
{{- $audit := and .Values.audit.enabled (le (int .Values.audit.shards) 16) -}}
{{- if and $audit .Values.settings.page (not .Values.settings.page_audit) }}true{{ end -}}
{{- end }}

{{/* The same of an audit, whose pods the Service and the policies of the server must not select. */}}
{{- define "gatewright.auditLabels" -}}
{{ include "gatewright.auditSelector" . }}
app.kubernetes.io/part-of: gatewright
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gatewright.auditSelector" -}}
app.kubernetes.io/name: gatewright-audit
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

{{/* Where a pod has its policies from: a sidecar, variables, mounts and volumes. */}}
{{- define "gatewright.policySidecar" -}}
{{- if eq .Values.policies.source "gitSync" }}
{{- with .Values.policies.gitSync }}
initContainers:
# A sidecar: what follows starts once the first tree is there, and sees every later one.
- name: git-sync
  image: {{ .image | quote }}
  restartPolicy: Always
  args:
  - {{ printf "--repo=%s" .repository | quote }}
  - {{ printf "--ref=%s" .ref | quote }}
  - --period={{ .period }}
  - --root=/git
  - --link=current
  - --submodules=off
  - --max-failures=-1  # the server goes on with what it has
  - --http-bind=:2020
  {{- if .secret }}
  {{- if regexMatch "^https?://" .repository }}
  - --password-file=/etc/git-secret/password
  env:
  - name: GITSYNC_USERNAME
    valueFrom:
      secretKeyRef:
        name: {{ .secret }}
        key: username
  {{- else }}
  - --ssh-key-file=/etc/git-secret/ssh
  - --ssh-known-hosts-file=/etc/git-secret/known_hosts
  {{- end }}
  {{- end }}
  ports:
  - name: git-sync
    containerPort: 2020
    protocol: TCP
  startupProbe:
    httpGet:
      port: git-sync
      path: /
    periodSeconds: 1
    failureThreshold: 120
  resources:
    requests:
      cpu: 10m
      memory: 32Mi
    limits:
      memory: 256Mi
  securityContext:
    runAsUser: 65533  # the image's own, which ssh looks up
    {{- include "gatewright.containerSecurity" $ | nindent 4 }}
  volumeMounts:
  - name: git
    mountPath: /git
  - name: git-tmp
    mountPath: /tmp
  {{- if .secret }}
  - name: git-secret
    mountPath: /etc/git-secret
    readOnly: true
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gatewright.policyVariables" -}}
{{- if eq .Values.policies.source "oci" }}
- name: GATEWRIGHT_BUNDLE_CACHE  # a container that is restarted while the registry is away has its policies
  value: /var/cache/gatewright
{{- with .Values.policies.oci }}
{{- if .keys }}
- name: GATEWRIGHT_VERIFY_KEY
  value: /etc/gatewright/keys/cosign.pub
{{- end }}
{{- if .authority }}
- name: GATEWRIGHT_REGISTRY_CA
  value: /etc/gatewright/registry-ca/ca.crt
{{- end }}
{{- if .credentials }}
- name: DOCKER_CONFIG
  value: /etc/gatewright/registry
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gatewright.policyMounts" -}}
{{- if has .Values.policies.source (list "values" "configMap" "claim") }}
- name: policies
  mountPath: /etc/gatewright/policies
  readOnly: true
{{- else if eq .Values.policies.source "gitSync" }}
- name: git
  mountPath: /git
  readOnly: true
{{- else if eq .Values.policies.source "oci" }}
- name: bundles
  mountPath: /var/cache/gatewright
{{- range $volume, $object := dict "keys" .Values.policies.oci.keys "registry-ca" .Values.policies.oci.authority "registry" .Values.policies.oci.credentials }}
{{- if $object }}
- name: {{ $volume }}
  mountPath: /etc/gatewright/{{ $volume }}
  readOnly: true
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gatewright.policyVolumes" -}}
{{- if has .Values.policies.source (list "values" "configMap") }}
- name: policies
  configMap:
    name: {{ .Values.policies.configMap | default (printf "%s-policies" .Release.Name) }}
{{- else if eq .Values.policies.source "claim" }}
- name: policies
  persistentVolumeClaim:
    claimName: {{ .Values.policies.claim }}
    readOnly: true
{{- else if eq .Values.policies.source "gitSync" }}
- name: git
  emptyDir:
    sizeLimit: 256Mi
- name: git-tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.policies.gitSync.secret }}
- name: git-secret
  secret:
    secretName: {{ . }}
    defaultMode: 288  # 0440
{{- end }}
{{- end }}
{{- if eq .Values.policies.source "oci" }}
- name: bundles
  emptyDir:
    sizeLimit: 256Mi
{{- with .Values.policies.oci }}
{{- if .keys }}
- name: keys
  configMap:
    name: {{ .keys }}
{{- end }}
{{- if .authority }}
- name: registry-ca
  configMap:
    name: {{ .authority }}
{{- end }}
{{- if .credentials }}
- name: registry
  secret:
    secretName: {{ .credentials }}
    defaultMode: 288  # 0440
    items:
    - key: .dockerconfigjson
      path: config.json
{{- end }}
{{- end }}
{{- end }}
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
{{- if and $values.audit.enabled (not $values.tree.audit) -}}
{{- fail (printf "\n\naudit.enabled: the tree has no roles for it. Write it anew:\n  %s" $command) -}}
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
