"""The command that writes the shipped schemas anew."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from webhook.schema import generate, shipped, spans

GVK = "x-kubernetes-group-version-kind"
WIDGET = {"group": "apps", "version": "v1", "kind": "Widget"}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.0",
    "paths": {
        "/apis/apps/v1/widgets": {"get": {"x-kubernetes-action": "list", GVK: WIDGET}},
        "/apis/apps/v1/watch/widgets": {"get": {"x-kubernetes-action": "watchlist", GVK: WIDGET}},
        "/apis/apps/v1/namespaces/{namespace}/widgets": {"post": {"x-kubernetes-action": "post", GVK: WIDGET}},
        "/apis/apps/v1/namespaces/{namespace}/widgets/{name}/scale": {
            "put": {"x-kubernetes-action": "put", GVK: {"group": "autoscaling", "version": "v1", "kind": "Scale"}}
        },
    },
    "components": {
        "schemas": {
            "io.k8s.api.apps.v1.Widget": {
                "description": "A widget.",
                "type": "object",
                "properties": {
                    "spec": {
                        "allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.WidgetSpec"}],
                        "default": {},
                        "description": "What is wanted.",
                    }
                },
                GVK: [WIDGET],
            },
            "io.k8s.api.apps.v1.WidgetSpec": {
                "type": "object",
                "properties": {
                    "raw": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension"},
                    "parts": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                },
            },
            "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
            "io.k8s.api.apps.v1.WidgetList": {
                "properties": {"items": {}},
                GVK: [{**WIDGET, "kind": "WidgetList"}],
            },
            "io.k8s.api.apps.v1.Unused": {"type": "object"},
            "com.example.v1.Ox": {"type": "object", GVK: [{"group": "example.com", "version": "v1", "kind": "Ox"}]},
        }
    },
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves the documents as an API server does."""
    (tmp_path / "openapi").mkdir()
    places = {"apis/apps/v1": {"serverRelativeURL": "/apps.json?hash=1"}, "apis/apps": {"serverRelativeURL": "/no"}}
    (tmp_path / "openapi" / "v3").write_text(json.dumps({"paths": places}))
    (tmp_path / "apps.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "version").write_text('{"gitVersion": "v1.99.0"}')

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_from_a_server(server: str, tmp_path: Path) -> None:
    assert generate.main(["--server", server, "--to", str(tmp_path / "out")]) == 0
    written = {file.name: json.loads(file.read_text()) for file in (tmp_path / "out").iterdir()}
    assert written == {
        "index.json": {
            "release": "v1.99.0",
            "kinds": {"apps/v1": {"Widget": "io.k8s.api.apps.v1.Widget"}},
            "resources": {"apps/v1": {"Widget": ["widgets", True]}},
        },
        "io.k8s.api.apps.v1.json": {
            "Widget": {
                "type": "object",
                "properties": {"spec": {"$ref": "io.k8s.api.apps.v1.WidgetSpec", "default": {}}},
            },
            "WidgetSpec": {
                "type": "object",
                "properties": {
                    "raw": {"$ref": "io.k8s.apimachinery.pkg.runtime.RawExtension"},
                    "parts": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                },
            },
        },
        "io.k8s.apimachinery.pkg.runtime.json": {
            "RawExtension": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        },
    }


def test_from_a_folder_the_same_and_old_files_go(server: str, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "apis__apps__v1_openapi.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.json").write_text("{}")
    generate.main(["--from", str(tmp_path / "documents"), "--release", "v1.99.0", "--to", str(tmp_path / "out")])
    from_folder = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
    generate.main(["--server", server, "--to", str(tmp_path / "out")])
    assert from_folder == {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}


def test_what_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--from", str(tmp_path), "--release", "v1"]) == 2
    assert "found no OpenAPI v3 documents" in capsys.readouterr().err
    assert generate.main(["--server", "http://127.0.0.1:1"]) == 2
    assert "error: http://127.0.0.1:1: " in capsys.readouterr().err
    assert generate.main(["--server", "file:///etc/passwd"]) == 2
    with pytest.raises(SystemExit):
        generate.main(["--from", str(tmp_path)])


def test_what_ships_is_what_the_command_writes() -> None:
    """The files are generated, never edited: pruning what is pruned already changes nothing."""
    for file in shipped.FOLDER.glob("io.*.json"):
        schemas = json.loads(file.read_text())
        assert spans.text({name: generate._pruned(schema) for name, schema in schemas.items()}) == file.read_text()


def test_what_ships_is_of_the_documents_in_kubernetes_source(tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("Go is not here, so no module of Kubernetes' source")
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    release = shipped.index()["release"]
    documents = Path(cache) / "k8s.io" / f"kubernetes@{release}" / "api" / "openapi-spec" / "v3"
    if not documents.is_dir():
        pytest.skip(f"the Go module k8s.io/kubernetes@{release} is not in the module cache")
    generate.main(["--from", str(documents), "--release", release, "--to", str(tmp_path)])
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert written == {file.name: file.read_text() for file in shipped.FOLDER.glob("*.json")}
