"""The places in sources of what Helm and kustomize render."""

from pathlib import Path

import pytest

from webhook.documents.reader import parse
from webhook.offline.renderedfrom import Source, Sources
from webhook.paths import parse as path_of

TEMPLATE = """\
{{- if .Values.enabled }}
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "web.name" . }}
  labels:
    {{- include "web.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
      - name: web
        image: "{{ .Values.image }}"
        ports:
        # the only one
        - containerPort: 80
      {{- range .Values.sidecars }}
      - name: {{ .name }}
        image: {{ .image }}
      {{- end }}
      volumes: {{ toYaml .Values.volumes | nindent 6 }}
{{- end }}
"""
RENDERED = """\
# Source: web/templates/all.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  template:
    spec:
      containers:
      - {name: web, image: a, ports: [{containerPort: 80}]}
      - {name: b, image: b}
      - {name: c, image: c}
      volumes:
      - {name: v, hostPath: {path: /}}
"""


@pytest.fixture
def chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    template = tmp_path / "charts" / "web" / "templates" / "all.yaml"
    template.parent.mkdir(parents=True)
    template.write_text(TEMPLATE)
    monkeypatch.chdir(tmp_path)
    return template


def found(path: str, rendered: str = RENDERED, stream: str = "<stdin>") -> Source:
    (document,), _ = parse(rendered.encode(), stream)
    return Sources().find(document, path_of(path))


def line(path: str, rendered: str = RENDERED) -> tuple[int, int]:
    position = found(path, rendered).position
    assert position is not None
    return position.line, position.column


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", (8, 1)),
        ("metadata.labels.app", (11, 3)),
        ("spec.replicas", (14, 3)),
        ("spec.template.spec.containers", (17, 7)),
        ("spec.template.spec.containers[0]", (18, 9)),
        ("spec.template.spec.containers[0].image", (19, 9)),
        ("spec.template.spec.containers[0].ports[0].containerPort", (22, 11)),
        ("spec.template.spec.containers[1].image", (25, 9)),
        ("spec.template.spec.containers[2].image", (25, 9)),
        ("spec.template.spec.volumes[0].hostPath", (27, 7)),
        ("spec.template.metadata", (15, 3)),
    ],
)
def test_a_place_in_a_template(chart: Path, path: str, place: tuple[int, int]) -> None:
    assert found(path).file == "charts/web/templates/all.yaml"
    assert line(path) == place


def test_the_part_of_a_template_is_that_of_the_kind(chart: Path) -> None:
    service = "# Source: web/templates/all.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
    assert line("metadata.name", service) == (5, 3)
    other = service.replace("Service", "Ingress")
    assert found("metadata.name", other).position is None


def test_of_equal_kinds_that_of_the_name(chart: Path) -> None:
    one = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n  labels: {{{{ x }}}}\n"
    chart.write_text(one.format("first") + "---\n" + one.format("second"))
    service = "# Source: web/templates/all.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: second, labels: {}}\n"
    assert line("metadata.labels", service) == (11, 3)


def test_a_source_that_is_a_manifest_is_read(chart: Path, tmp_path: Path) -> None:
    chart.write_text("apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - {port: 1}\n")
    service = (
        "# Source: web/templates/all.yaml\napiVersion: v1\nkind: Service\n"
        "metadata: {name: dev-web}\nspec: {ports: [{port: 1}]}\n"
    )
    assert line("spec.ports[0].port", service) == (7, 6)
    assert line("metadata.labels", service) == (3, 1)
    assert found("spec", service.replace("Service", "Pod")).position is None


@pytest.mark.parametrize("name", ["../outside.yaml", "/etc/hostname", "charts/absent.yaml", "charts", "a\0b"])
def test_what_is_not_below_the_current_folder_is_not_opened(chart: Path, name: str) -> None:
    outside = chart.parents[4] / "outside.yaml"
    outside.write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    (document,), _ = parse(RENDERED.encode(), "<stdin>")
    document.file = name
    assert Sources().find(document, ()) == Source(name, None)


def test_large_sources_and_those_that_are_no_text_are_left_alone(chart: Path) -> None:
    chart.write_bytes(b"kind: Deployment # {{\n" * 60_000)
    assert found("spec").position is None
    chart.write_bytes(b"\xff\xfe{{")
    assert found("spec").position is None
