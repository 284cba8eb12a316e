"""Settings come from flags, variables and a file, in that order, and none that is wrong goes unnoticed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from webhook.cli.options import NO_SETTINGS
from webhook.server.settings import Settings, SettingsError, flag, resolve, size_text, variable


def test_nothing_given_is_the_defaults() -> None:
    settings = resolve({"port": None}, {"PATH": "/bin"})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.plain_port) == ("127.0.0.1", 8443, 8080)
    assert settings.max_body == 8 * 1024 * 1024


def test_a_flag_goes_before_a_variable_and_a_variable_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port: 1\nplain-port: 2\nmax_body: 1Mi\n")
    settings = resolve({"port": "3"}, {"GATEWRIGHT_PORT": "4", "GATEWRIGHT_PLAIN_PORT": "5"}, file)
    assert (settings.port, settings.plain_port, settings.max_body) == (3, 5, 1 << 20)
    assert resolve({}, {"GATEWRIGHT_SETTINGS": str(file)}).port == 1
    assert resolve({}, {NO_SETTINGS: "1"}, file).port == 1  # which is of the settings of a repository


@pytest.mark.parametrize(
    ("flags", "environ", "told"),
    [
        ({"port": "http"}, {}, "--port: "),
        ({"port": "65536"}, {}, "--port: input should be less than or equal to 65535, got '65536'"),
        ({}, {"GATEWRIGHT_MAX_BODY": "4MB"}, "the variable GATEWRIGHT_MAX_BODY: expected bytes"),
        ({"max_body": "10"}, {}, "--max-body: input should be greater than or equal to 1024"),
        ({"read_timeout": "nan"}, {}, "--read-timeout: "),
        ({"read_timeout": "0"}, {}, "--read-timeout: "),
        ({"tls_name": "a.svc,not a name"}, {}, "'not a name' is not a DNS name"),
        ({"tls_cert": "c.pem"}, {}, "--tls-cert is set without --tls-key"),
        ({"playground_python": True, "page": True}, {}, "--playground-python is set without --playground, which"),
        ({}, {"GATEWRIGHT_TLS_KEY": "k.pem"}, "GATEWRIGHT_TLS_KEY is set without --tls-cert"),
        ({}, {"GATEWRIGHT_PROT": "1"}, "unknown variable GATEWRIGHT_PROT; expected one of GATEWRIGHT_POLICIES"),
        ({"workers": "0"}, {}, "--workers: input should be greater than or equal to 1, got '0'"),
        ({}, {"GATEWRIGHT_WORKERS": "many"}, "the variable GATEWRIGHT_WORKERS: "),
        (
            {"cluster": "here"},
            {},
            "--cluster: input should be 'auto', 'in-cluster', 'kubeconfig' or 'none', got 'here'",
        ),
        ({}, {"GATEWRIGHT_KUBECONFIG": "k"}, "GATEWRIGHT_KUBECONFIG is set without --cluster kubeconfig"),
        ({"port": "8080"}, {}, "--port and --plain-port are both 8080"),
        ({"kubernetes_version": "1.3"}, {}, "--kubernetes-version: expected a version of Kubernetes from 1.26 to"),
        ({}, {"GATEWRIGHT_KUBERNETES_VERSION": "2"}, "the variable GATEWRIGHT_KUBERNETES_VERSION: expected a version"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_source(flags: dict[str, str], environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as error:
        resolve(flags, environ)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot: 1", "unknown setting 'prot'"),
        ("kubernetes_version: 1.30", "kubernetes_version in {file}: expected text such as '1.30', in quotes"),
        ("port: [1]", "port in {file}: "),
        ("- port", "expected a mapping"),
        ("port: {", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        resolve({}, {}, file)
    assert told.format(file=file) in str(error.value)
    assert str(file) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*absent\.yaml: No such file"):
        resolve({}, {}, tmp_path / "absent.yaml")


def test_all_errors_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        resolve({"port": "x"}, {"GATEWRIGHT_MAX_BODY": "y", "GATEWRIGHT_NOPE": "z"})
    assert len(str(error.value).splitlines()) == 3


def test_the_variables_of_a_service_named_gatewright_are_none_of_ours() -> None:
    link = "tcp://10.96.0.7:443"
    environ = {
        "GATEWRIGHT_SERVICE_HOST": "10.96.0.7",
        "GATEWRIGHT_SERVICE_PORT": "443",
        "GATEWRIGHT_SERVICE_PORT_HTTPS": "443",
        "GATEWRIGHT_PORT": link,
        "GATEWRIGHT_PORT_443_TCP": link,
        "GATEWRIGHT_PORT_443_TCP_ADDR": "10.96.0.7",
        "GATEWRIGHT_METRICS_SERVICE_HOST": "10.96.0.8",
        "GATEWRIGHT_METRICS_PORT_8080_TCP": link,
    }
    assert resolve({}, environ) == Settings()


@pytest.mark.parametrize(("size", "text"), [(8 << 20, "8Mi"), (1536, "1536"), (64 << 10, "64Ki"), (1 << 30, "1Gi")])
def test_sizes_are_shown_as_they_are_written(size: int, text: str) -> None:
    assert size_text(size) == text
    assert resolve({"max_body": text, "max_memory": "4Gi"}, {}).max_body == size


def test_a_body_fits_into_the_memory_for_bodies() -> None:
    with pytest.raises(SettingsError, match=r"--max-body is 65Mi, more than a quarter of --max-memory \(256Mi\)"):
        resolve({"max_body": "65Mi"}, {})


def test_help_explains_every_setting() -> None:
    import typer

    from webhook.cli.serve import serve

    app = typer.Typer()
    app.command()(serve)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400", "TERM": "dumb", "NO_COLOR": "1"}).output
    flat = re.sub(r"[\s│]+", " ", shown)
    for name, field in Settings.model_fields.items():
        assert flag(name) in flat
        assert variable(name) in flat
        assert str(field.description) in flat
    assert "default 8Mi" in flat


def test_a_settings_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    with file.open("wb") as written:
        written.truncate(5 << 30)  # without blocks on the disk
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*settings.yaml: larger than 1 MiB"):
        resolve({}, {}, file)


def test_the_helm_chart_takes_every_setting_or_sets_it_itself() -> None:
    """`make docs` writes a new setting into the chart's schema."""
    from tests.manifests import chartreference

    schema = json.loads(chartreference.SCHEMA_FILE.read_text())
    assert set(schema["properties"]["settings"]["properties"]) == Settings.model_fields.keys() - chartreference.OWN
