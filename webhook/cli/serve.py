"""`gatewright serve`: the admission webhook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from webhook.server.settings import SETTINGS_FILE, Settings, SettingsError, flag, resolve, size_text, variable

PACKAGES: Final = frozenset({"fastapi", "httptools", "prometheus_client", "starlette", "uvicorn", "uvloop"})
"""What the extra `server` installs."""

_METAVARS = {
    "policies": "TREE",
    "bundle_poll": "SECONDS",
    "bundle_cache": "DIR",
    "verify_key": "FILE",
    "registry_ca": "FILE",
    "registry_plain_http": None,
    "reload_timeout": "SECONDS",
    "policy_timeout": "SECONDS",
    "policy_imports": "MODULES",
    "policy_isolation": "WHICH",
    "kubernetes_version": "VERSION",
    "host": "ADDRESS",
    "port": "PORT",
    "plain_port": "PORT",
    "tls_cert": "FILE",
    "tls_key": "FILE",
    "tls_name": "NAMES",
    "client_ca": "FILE",
    "client_name": "NAMES",
    "cluster": "WHERE",
    "kubeconfig": "FILE",
    "webhook_configuration": "NAME",
    "workers": "COUNT",
    "max_body": "SIZE",
    "max_memory": "SIZE",
    "max_connections": "COUNT",
    "max_wait": "SECONDS",
    "read_timeout": "SECONDS",
    "idle_timeout": "SECONDS",
    "log_level": "LEVEL",
    "log_allows": "SHARE",
    "record": "DIR",
    "record_sample": "SHARE",
    "record_redact": "PATHS",
    "record_rotate": "SIZE",
    "record_disk": "SIZE",
    "page_audit": "PATH",
    "page_owner_label": "KEY",
    "shutdown_delay": "SECONDS",
    "shutdown_idle": "SECONDS",
    "shutdown_timeout": "SECONDS",
}


def _option(name: str) -> Any:
    """The option of a setting, with the setting's help. `resolve` checks the values of all sources together."""
    field = Settings.model_fields[name]
    metavar = _METAVARS[name]
    default = size_text(field.default) if metavar == "SIZE" else field.default
    if name == "policies":
        default = ",".join(default)
    default_text = f"default {default}; " if default not in (None, (), False) else ""
    return typer.Option(flag(name), help=f"{field.description} ({default_text}{variable(name)})", metavar=metavar)


def _switch(name: str) -> Any:
    """The option of a setting that is on or off."""
    field = Settings.model_fields[name]
    names = f"{flag(name)}/--no-{flag(name).removeprefix('--')}"
    return typer.Option(names, help=f"{field.description} ({variable(name)})", show_default=False)


def serve(
    policies: Annotated[list[str] | None, _option("policies")] = None,
    bundle_poll: Annotated[str | None, _option("bundle_poll")] = None,
    bundle_cache: Annotated[str | None, _option("bundle_cache")] = None,
    verify_key: Annotated[str | None, _option("verify_key")] = None,
    registry_ca: Annotated[str | None, _option("registry_ca")] = None,
    registry_plain_http: Annotated[bool | None, _option("registry_plain_http")] = None,
    reload_timeout: Annotated[str | None, _option("reload_timeout")] = None,
    policy_timeout: Annotated[str | None, _option("policy_timeout")] = None,
    policy_imports: Annotated[str | None, _option("policy_imports")] = None,
    policy_isolation: Annotated[str | None, _option("policy_isolation")] = None,
    kubernetes_version: Annotated[str | None, _option("kubernetes_version")] = None,
    host: Annotated[str | None, _option("host")] = None,
    port: Annotated[str | None, _option("port")] = None,
    plain_port: Annotated[str | None, _option("plain_port")] = None,
    tls_cert: Annotated[str | None, _option("tls_cert")] = None,
    tls_key: Annotated[str | None, _option("tls_key")] = None,
    tls_name: Annotated[str | None, _option("tls_name")] = None,
    client_ca: Annotated[str | None, _option("client_ca")] = None,
    client_name: Annotated[list[str] | None, _option("client_name")] = None,
    cluster: Annotated[str | None, _option("cluster")] = None,
    kubeconfig: Annotated[str | None, _option("kubeconfig")] = None,
    webhook_configuration: Annotated[str | None, _option("webhook_configuration")] = None,
    workers: Annotated[str | None, _option("workers")] = None,
    max_body: Annotated[str | None, _option("max_body")] = None,
    max_memory: Annotated[str | None, _option("max_memory")] = None,
    max_connections: Annotated[str | None, _option("max_connections")] = None,
    max_wait: Annotated[str | None, _option("max_wait")] = None,
    read_timeout: Annotated[str | None, _option("read_timeout")] = None,
    idle_timeout: Annotated[str | None, _option("idle_timeout")] = None,
    log_level: Annotated[str | None, _option("log_level")] = None,
    log_allows: Annotated[str | None, _option("log_allows")] = None,
    traces: Annotated[bool | None, _switch("traces")] = None,
    policy_times: Annotated[bool | None, _switch("policy_times")] = None,
    events: Annotated[bool | None, _switch("events")] = None,
    audit_webhook: Annotated[bool | None, _switch("audit_webhook")] = None,
    record: Annotated[str | None, _option("record")] = None,
    record_sample: Annotated[str | None, _option("record_sample")] = None,
    record_redact: Annotated[list[str] | None, _option("record_redact")] = None,
    record_rotate: Annotated[str | None, _option("record_rotate")] = None,
    record_disk: Annotated[str | None, _option("record_disk")] = None,
    page: Annotated[bool | None, _switch("page")] = None,
    playground: Annotated[bool | None, _switch("playground")] = None,
    playground_python: Annotated[bool | None, _switch("playground_python")] = None,
    page_audit: Annotated[str | None, _option("page_audit")] = None,
    page_owner_label: Annotated[str | None, _option("page_owner_label")] = None,
    debug: Annotated[bool | None, _switch("debug")] = None,
    shutdown_delay: Annotated[str | None, _option("shutdown_delay")] = None,
    shutdown_idle: Annotated[str | None, _option("shutdown_idle")] = None,
    shutdown_timeout: Annotated[str | None, _option("shutdown_timeout")] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings", help=f"YAML file with settings, such as `port: 8443`. ({SETTINGS_FILE})", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Serve the admission webhook: reviews over HTTPS, health and metrics over plain HTTP on another port.

    A setting comes from its flag, else from its variable, else from the settings file. On SIGTERM, /readyz fails,
    reviews in flight are answered, and the exit code is 0. If the server cannot start, the exit code is 2.
    """
    flags = {name: value for name, value in locals().items() if name in Settings.model_fields and value != []}
    try:
        resolved = resolve(flags, os.environ, settings)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None

    try:
        from webhook.server.life.process import run  # imports FastAPI, which takes a second
        from webhook.server.page.running import Programs
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        typer.echo(f"error: the server is not installed ({error.name}): pip install 'gatewright[server]'", err=True)
        raise typer.Exit(2) from None

    raise typer.Exit(run(resolved, Programs(playground="webhook.cli.playground", audit="webhook.cli.auditpage")))
