"""Roots of repositories, as a developer has them: what is to be deployed, and much else. Each is a map of path -> text.

None is taken from anywhere: they show the shapes in which charts, kustomizations, workflows, dashboards and the rest
stand beside manifests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_CONTAINER = "containers: [{name: app, image: registry.example/app:1.2}]"
DEPLOYMENT: Final = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, labels: {{app: app}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec: {{{_CONTAINER}}}
"""
SERVICE: Final = "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {ports: [{port: 80}]}\n"
CONFIG: Final = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {a: b}\n"
POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: sneaky}
spec:
  volumes: [{name: v, hostPath: {path: /}}]
  containers: [{name: c, image: "registry.example/c:1"}]
"""
WORKFLOW: Final = """\
name: ci
on:
  push: {branches: [main]}
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v5
    - run: echo ${{ github.sha }}
      env: {TOKEN: "${{ secrets.TOKEN }}"}
"""
DASHBOARD: Final = """\
{"annotations": {"list": [{"builtIn": 1}]}, "title": "app", "uid": "x", "schemaVersion": 39, "version": 1,
 "panels": [{"id": 1, "type": "timeseries", "targets": [{"expr": "rate(http_requests_total[5m])"}]}],
 "templating": {"list": []}, "time": {"from": "now-1h", "to": "now"}}
"""
PACKAGE: Final = (
    '{"name": "app", "version": "1.0.0", "scripts": {"test": "vitest"}, "dependencies": {"react": "^19"}}\n'
)
TSCONFIG: Final = (
    '{\n  // strict, always\n  "compilerOptions": {"strict": true, /* all of it */ "target": "es2023",},\n}\n'
)
COMPOSE: Final = "services:\n  db:\n    image: postgres:17\n    ports: ['5432:5432']\nvolumes: {data: {}}\n"
OPENAPI: Final = """\
openapi: 3.1.0
info: {title: app, version: "1"}
paths: {/items: {get: {responses: {"200": {description: ok}}}}}
components: {schemas: {Item: {type: object, properties: {kind: {type: string}}}}}
"""
_HELPERS = '{{- define "app.labels" -}}\napp: {{ .Chart.Name }}\n{{- end }}\n'
_TEMPLATE = """\
{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "app.fullname" . }}
  labels:
    {{- include "app.labels" . | nindent 4 }}
spec:
  template:
    spec:
      containers:
      - name: app
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
        {{- with .Values.resources }}
        resources:
          {{- toYaml . | nindent 10 }}
        {{- end }}
{{- end }}
"""
_QUOTED = """\
apiVersion: v1
kind: Service
metadata:
  name: "{{ .Release.Name }}-app"
spec:
  ports: [{port: 80}]
"""
CHART: Final = {
    "Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n- {name: redis, version: 1.0.0}\n",
    "Chart.lock": "dependencies: []\n",
    "values.yaml": "image: {repository: registry.example/app, tag: ''}\nresources: {}\nservice: {port: 80}\n",
    "values.schema.json": '{"$schema": "https://json-schema.org/draft-07/schema", "type": "object"}\n',
    "ci/test-values.yaml": "enabled: true\n",
    "templates/_helpers.tpl": _HELPERS,
    "templates/deployment.yaml": _TEMPLATE,
    "templates/service.yaml": _QUOTED,
    "templates/NOTES.txt": "{{ .Release.Name }}\n",
}
KUSTOMIZATION: Final = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
_SMALL_PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 5
  template:
    spec:
      containers:
      - {name: app, resources: {limits: {memory: 1Gi}}}
"""


def _below(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


REPOSITORIES: Final[dict[str, dict[str, str]]] = {
    "a web application": {
        "package.json": PACKAGE,
        "package-lock.json": '{"lockfileVersion": 3, "packages": {"": {"name": "app"}}}\n',
        "tsconfig.json": TSCONFIG,
        ".eslintrc.json": '{"root": true, "rules": {}}\n',
        ".vscode/tasks.json": '{\n// mine\n"tasks": [{"group": {"kind": "build"}}]}\n',
        ".github/workflows/ci.yaml": WORKFLOW,
        ".github/dependabot.yml": "version: 2\nupdates: [{package-ecosystem: npm, directory: /}]\n",
        "docker-compose.yml": COMPOSE,
        "api/openapi.yaml": OPENAPI,
        "src/locales/en.json": '{"hello": "Hello"}\n',
        "deploy/app.yaml": f"{DEPLOYMENT}---\n{SERVICE}",
    },
    "a chart beside its application": {
        **_below("charts/app", CHART),
        "k8s/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
        "pyproject.toml": "[project]\nname = 'app'\n",
        ".pre-commit-config.yaml": "repos: []\n",
        "mkdocs.yml": "site_name: app\nmarkdown_extensions:\n- x: {slugify: !!python/name:y.z }\n",
    },
    "a kustomization with overlays": {
        "base/kustomization.yaml": KUSTOMIZATION + "resources: [deployment.yaml, service.yaml]\n",
        "base/deployment.yaml": DEPLOYMENT,
        "base/service.yaml": SERVICE,
        "overlays/dev/kustomization.yaml": "resources: [../../base]\nnamePrefix: dev-\n",
        "overlays/prod/kustomization.yaml": KUSTOMIZATION
        + "resources: [../../base, extra.cfg]\ncomponents: [../../components/tls]\n"
        + "patches: [{path: replicas.yaml}, {path: op.yaml, target: {kind: Deployment}}]\n"
        + "configMapGenerator: [{name: app, files: [settings.yaml]}]\nreplacements: [{path: replace.yaml}]\n",
        "overlays/prod/replicas.yaml": _SMALL_PATCH,
        "overlays/prod/op.yaml": "- {op: add, path: /spec/replicas, value: 3}\n",
        "overlays/prod/settings.yaml": "log: {level: info}\nkind: production\n",
        "overlays/prod/replace.yaml": "- {source: {kind: ConfigMap, name: app}, targets: []}\n",
        "overlays/prod/extra.cfg": CONFIG,
        "components/tls/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        + "patchesStrategicMerge: [ingress.yaml]\n",
        "components/tls/ingress.yaml": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: app}\n"
        + "spec: {tls: [{hosts: [a.example]}]}\n",
    },
    "dashboards and rules": {
        "dashboards/app.json": DASHBOARD,
        "dashboards/more/latency.json": DASHBOARD,
        "provisioning/datasources.yaml": "apiVersion: 1\ndatasources: [{name: prom, type: prometheus}]\n",
        "provisioning/dashboards.yaml": "apiVersion: 1\nproviders: [{name: default}]\n",
        "prometheus/rules.yml": "groups: [{name: app, rules: [{alert: Down, expr: up == 0}]}]\n",
        "alertmanager.yml": "route: {receiver: team}\nreceivers: [{name: team}]\n",
        "manifests/config.yaml": CONFIG,
    },
    "jsonnet and its output": {
        "lib/app.libsonnet": "{ app:: {} }\n",
        "main.jsonnet": "(import 'lib/app.libsonnet')\n",
        "jsonnetfile.json": '{"version": 1, "dependencies": [], "legacyImports": true}\n',
        "jsonnetfile.lock.json": '{"version": 1, "dependencies": []}\n',
        "environments/default/spec.json": '{"apiVersion": "tanka.dev/v1alpha1", "kind": "Environment",'
        ' "metadata": {"name": "environments/default"}, "spec": {"namespace": "default"}}\n',
        "out/app.json": '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap",'
        ' "metadata": {"name": "a"}}]}\n',
    },
    "terraform beside manifests": {
        "main.tf": 'resource "x" "y" {}\n',
        "terraform.tfvars.json": '{"region": "eu-north-1"}\n',
        ".terraform/modules/modules.json": '{"Modules": []}\n',
        "cloud-init.yaml": "#cloud-config\npackages: [nginx]\nwrite_files: [{path: /a, content: '{{ x }}'}]\n",
        "k8s/cluster.yaml": "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: c, region: x}\n",
        "k8s/kind.yaml": "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}]\n",
        "k8s/app.yaml": DEPLOYMENT,
        "kubeconfig.yaml": "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\n",
    },
    "argo cd": {
        "apps/root.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: root}\n"
        "spec: {project: default, source: {repoURL: https://x.example, path: apps}}\n",
        "apps/set.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all}\n"
        "spec:\n  goTemplate: true\n  template: {metadata: {name: '{{.name}}'}, spec: {project: default}}\n",
        "clusters/prod/values.yaml": "replicas: 3\nmetadata: {team: shop}\n",
        "clusters/prod/config.json": '{"cluster": "prod"}\n',
        "bootstrap/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: argocd}\n",
    },
    "flux": {
        "clusters/prod/flux-system/kustomization.yaml": KUSTOMIZATION + "resources: [sync.yaml]\n",
        "clusters/prod/flux-system/sync.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
        "metadata: {name: flux-system, namespace: flux-system}\nspec: {path: ./clusters/prod, prune: true}\n",
        "apps/base/release.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: app}\n"
        "spec: {chart: {spec: {chart: app}}}\n",
        "apps/base/kustomization.yaml": KUSTOMIZATION + "resources: [release.yaml]\n",
        "apps/prod/kustomization.yaml": KUSTOMIZATION
        + "resources: [../base]\npatches: [{path: values.yaml, target: {kind: HelmRelease}}]\n",
        "apps/prod/values.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: app}\n"
        "spec: {values: {replicas: 3}}\n",
    },
    "an operator": {
        "PROJECT": "domain: example.com\n",
        ".golangci.yml": "linters: {enable: [errcheck]}\n",
        "config/crd/gadgets.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        "metadata: {name: gadgets.shop.example}\nspec:\n  group: shop.example\n  scope: Namespaced\n"
        "  names: {kind: Gadget, plural: gadgets}\n"
        "  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n",
        "config/samples/gadget.yaml": "apiVersion: shop.example/v1\nkind: Gadget\nmetadata: {name: g}\n",
        "config/default/kustomization.yaml": "resources: [../crd]\n",
        "config/manager/manager.yaml": DEPLOYMENT,
        "hack/skaffold.yaml": "apiVersion: skaffold/v4beta11\nkind: Config\nbuild: {}\n",
    },
    "many tools at once": {
        ".drone.yml": "kind: pipeline\ntype: docker\nname: default\nsteps: []\n",
        ".gitlab-ci.yml": "stages: [test]\ntest: {script: [make], rules: [{if: $CI}]}\n",
        ".circleci/config.yml": "version: 2.1\njobs: {build: {docker: [{image: x}]}}\n",
        "catalog-info.yaml": "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: app}\n",
        "ansible/play.yml": "- hosts: all\n  tasks: [{name: x, debug: {msg: hi}}]\n",
        "renovate.json": '{"extends": ["config:base"]}\n',
        "devfile.yaml": "schemaVersion: 2.2.0\nmetadata: {name: app}\ncomponents: []\n",
        "asyncapi.yaml": "asyncapi: 3.0.0\ninfo: {title: a}\n",
        "test/data.json": "[1, 2, 3]\n",
        "empty.yaml": "# nothing yet\n",
        "deploy/list.yaml": f"apiVersion: v1\nkind: List\nitems:\n- {POD.splitlines()[0]}\n"
        "  kind: ConfigMap\n  metadata: {name: x}\n",
        **_below("deploy/chart", CHART),
    },
}


def write(root: Path, files: dict[str, str]) -> None:
    """Write the files of a repository below a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
