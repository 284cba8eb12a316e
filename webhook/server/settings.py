"""The settings of `gatewright serve`, from flags, `GATEWRIGHT_…` variables and a file, in this order of precedence.

One model has the names, defaults, units and bounds. The command line takes its options and their help from it, so the
three sources cannot differ. An unknown or invalid setting is an error at start that names its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from webhook.documents.files import content_of
from webhook.policy.python.allowed import modules
from webhook.recordings import fieldpaths
from webhook.server.memory import HELD_SHARE
from webhook.versions import NEWEST_TEXT, parse_version

PREFIX = "GATEWRIGHT_"
SETTINGS_FILE = "GATEWRIGHT_SETTINGS"
"""The environment variable that names the settings file, like `--settings`."""

_NO_SETTING = frozenset({SETTINGS_FILE, "GATEWRIGHT_NO_SETTINGS"})
"""Variables that say where settings are, to the server or to all commands (NO_SETTINGS of webhook.cli.options)."""

_MAX_FILE = 1 << 20  # bytes of the settings file
_SIZE = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>Ki|Mi|Gi)?")
_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_DNS_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# If a namespace has a Service named gatewright, Kubernetes sets GATEWRIGHT_PORT=tcp://… and others in its Pods.
_SERVICE_LINK = re.compile(
    r"GATEWRIGHT_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_[0-9]+_\w+)?|\w+_SERVICE_\w+|\w+_PORT_\w+)"
)


class SettingsError(Exception):
    """A setting that cannot be used; the text names the setting and the source of its value."""


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("expected bytes, as a number that may end in Ki, Mi or Gi, such as 8Mi")
    return int(match["number"]) * _UNITS[match["unit"]]


def size_text(size: int) -> str:
    """A size in bytes with the largest unit that divides it: 8388608 -> 8Mi."""
    for unit in ("Gi", "Mi", "Ki"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def _names(value: object) -> object:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return value
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _dns_names(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if len(name) > 253 or not _DNS_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a DNS name; expected one such as gatewright.gatewright-system.svc")
    return value


def _modules(value: object) -> object:
    return tuple(sorted(modules(value))) if isinstance(value, str) else value


def _version_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("expected text such as '1.30', in quotes: YAML reads 1.30 as 1.3")  # noqa: TRY004
    return value


def _version(value: str) -> str:
    parse_version(value)
    return value


def _paths(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in value.split(",") if part)
    return tuple(map(str, value)) if isinstance(value, list | tuple) else value


def _field_paths(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        fieldpaths.parse(text)
    return value


Modules = Annotated[tuple[str, ...], BeforeValidator(_modules)]
Trees = Annotated[tuple[str, ...], BeforeValidator(_paths)]
Size = Annotated[int, BeforeValidator(_size)]
Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(_dns_names)]


class Settings(BaseModel):
    """All settings of the server. Times are in seconds, sizes in bytes. `--help` shows the descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policies: Trees = Field(
        ("policies",),
        min_length=1,
        description="Folder with the policy tree, or bundle of one: oci://REGISTRY/REPOSITORY:TAG or …@sha256:DIGEST;"
        " may be repeated, or a list separated by commas: several make one tree. Changes take effect without a"
        " restart.",
    )
    bundle_poll: float = Field(
        60.0,
        ge=0,
        le=86400,
        description="Seconds between two looks at what the tags of bundles lead to. 0: only at start, on SIGHUP and"
        " on POST /-/reload.",
    )
    bundle_cache: Path | None = Field(
        None,
        description="Folder that keeps the bundles in force. The server starts with them if the registry is away, or"
        " has bundles that cannot be loaded.",
    )
    verify_key: Path | None = Field(
        None, description="Public keys of cosign, PEM. With it, a bundle must be signed by one of them."
    )
    registry_ca: Path | None = Field(
        None, description="CA certificates to trust for registries, PEM, in place of the system's."
    )
    registry_plain_http: bool = Field(
        False,
        description="Use HTTP without TLS for registries. Registries on loopback always use it.",
    )
    reload_timeout: float = Field(
        60.0, gt=0, le=3600, description="Seconds that loading a changed policy tree may take."
    )
    policy_timeout: float = Field(
        1.0,
        ge=0.05,
        le=30,
        description="Seconds that one evaluation of a Python policy may take. Then it is cut off, and its failurePolicy"
        " decides. (Less if the request has less than twice as much time left.)",
    )
    policy_imports: Modules = Field(
        (), description="Modules that Python policies may import beside the default list, comma-separated."
    )
    policy_isolation: Literal["auto", "all"] = Field(
        "auto",
        description="Which Python policies run in a process of their own: those that a timer might not stop (auto), or"
        " all.",
    )
    kubernetes_version: Annotated[str, BeforeValidator(_version_text), AfterValidator(_version)] = Field(
        NEWEST_TEXT,
        description="Kubernetes version of the cluster. Policies that use a later feature are refused.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address that both ports listen on.")
    port: Port = Field(8443, description="HTTPS port for reviews: /validate and /mutate. 0 chooses a free port.")
    plain_port: Port = Field(
        8080, description="HTTP port for /healthz, /readyz, /metrics and /policies. 0 chooses a free port."
    )
    tls_cert: Path | None = Field(
        None, description="Certificate chain, PEM. Without it, a certificate for development is created at start."
    )
    tls_key: Path | None = Field(None, description="Private key of the certificate, PEM, without a passphrase.")
    tls_name: Names = Field(
        (), description="DNS names of the development certificate besides localhost, comma-separated."
    )
    client_ca: Path | None = Field(
        None,
        description="CA certificates, PEM. With it, only clients with a certificate from one of these CAs may send"
        " reviews. Certificate, key and this file are checked every second; new connections use their new content.",
    )
    client_name: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (),
        description="Names of the clients that may send reviews, comma-separated, or repeated: the common name, a DNS"
        " name or a URI of the client's certificate. Needs --client-ca. Default: every certificate of these CAs.",
    )
    cluster: Literal["auto", "in-cluster", "kubeconfig", "none"] = Field(
        "auto",
        description="Where policies look up Namespaces, params and other objects: in the cluster, with the Pod's"
        " service account (in-cluster) or a kubeconfig file (kubeconfig), or in the policy tree (none). auto:"
        " in-cluster if a service account token is mounted, else none.",
    )
    kubeconfig: Path | None = Field(
        None,
        description="The file for --cluster kubeconfig; its current context is used. Default: the file that KUBECONFIG"
        " names, else ~/.kube/config.",
    )
    webhook_configuration: Annotated[str, Field(pattern=r"^[a-z0-9.-]{0,253}$")] = Field(
        "",
        description="Name of the webhook configurations that register this server. Once a minute their caBundles are"
        " compared with the served certificate, and their rules with what policies need; this needs a cluster. Empty:"
        " they are not compared.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that answer reviews. Each uses at most one core.",
    )
    max_body: Size = Field(
        8 << 20,
        ge=1 << 10,
        le=1 << 30,
        description="Largest body of a review, in bytes; may end in Ki, Mi or Gi.",
    )
    max_memory: Size = Field(
        256 << 20,
        ge=1 << 20,
        le=1 << 40,
        description="Memory for the requests of a process, in bytes; may end in Ki, Mi or Gi. A quarter is for bodies"
        " that arrive and answers that are not read, the rest for the objects of one review. Others are refused.",
    )
    max_connections: int = Field(
        512,
        ge=1,
        le=1_000_000,
        description="Most connections for reviews, for each worker. One more closes the one that is silent longest.",
    )
    max_wait: float = Field(
        0.5,
        ge=0.005,
        le=10,
        description="Seconds that reviews may wait for others, in a burst. If more arrive than can be answered, they"
        " are refused at once (429 or 503), and the API server tries them again.",
    )
    read_timeout: float = Field(
        10.0, gt=0, le=300, description="Seconds for a client to send a whole request, and to read its response."
    )
    # The API server's HTTP client (Go's) closes an idle connection after 90 s. The server must not close it first: a
    # review sent at that moment would be lost.
    idle_timeout: float = Field(
        120.0, gt=0, le=3600, description="Seconds that a connection may be idle between two requests."
    )
    log_level: Literal["info", "warning", "error"] = Field(
        "info", description="Least level of the lines that are logged. At warning, decisions are not."
    )
    log_allows: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the allowed requests that are logged, from 0 to 1, if no policy found or changed"
        " anything. Others are always logged.",
    )
    traces: bool = Field(
        False,
        description="Export traces of reviews by OTLP, as OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT"
        " and others) say. Needs the package's extra otel.",
    )
    policy_times: bool = Field(
        False, description="Measure how long each policy takes: gatewright_policy_duration_seconds."
    )
    events: bool = Field(
        False, description="Record denials as Kubernetes Events in the request's namespace. Needs a cluster."
    )
    audit_webhook: bool = Field(
        False,
        description="Take the events of the API server's audit webhook at /audit on the port for reviews: what its own"
        " policies and webhooks found, as metrics and on the page.",
    )
    record: Path | None = Field(
        None,
        description="Folder in which reviews are recorded, without the values of Secrets, for gatewright replay. It is"
        " made if it is not there.",
    )
    record_sample: float = Field(1.0, ge=0, le=1, description="Share of the reviews that are recorded, from 0 to 1.")
    record_redact: Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(_field_paths)] = Field(
        (),
        description="Fields whose values are not recorded, comma-separated, or repeated: paths in objects, such as"
        " spec.containers[*].env[*].value or **.password, or in the request, such as request.userInfo.extra.",
    )
    record_rotate: Size = Field(
        32 << 20,
        ge=64 << 10,
        le=1 << 40,
        description="Size of a recorded file after which the next is begun; may end in Ki, Mi or Gi.",
    )
    record_disk: Size = Field(
        512 << 20,
        ge=1 << 20,
        le=1 << 50,
        description="Bytes that the recorded files of the folder take together; may end in Ki, Mi or Gi. The oldest is"
        " removed to make room.",
    )
    page: bool = Field(
        False,
        description="Serve a page for people at /page on the plain port, to clients on the loopback interface:"
        " policies, verdicts over time, what was found of late, exceptions.",
    )
    playground: bool = Field(
        False,
        description="Have a playground on the page, which evaluates policies in CEL that people write, in a process of"
        " its own. Needs --page.",
    )
    playground_python: bool = Field(
        False,
        description="Evaluate policies in Python on the playground, too: whoever may open the page can then run code"
        " as the server. Needs --playground.",
    )
    page_audit: Path | None = Field(
        None,
        description="JSON report of `gatewright audit -o json`, or a folder with those of its shards, which the page"
        " shows; it is read again when it has changed. Needs --page.",
    )
    page_owner_label: str = Field(
        "",
        max_length=317,
        description="Key of the label or annotation that names the owner of an object on the page: the object's own,"
        " else its Namespace's. Without it, or where neither has it, the namespace is the owner. Needs --page.",
    )
    debug: bool = Field(
        False,
        description="Serve stacks, a profile and memory figures at /debug on the plain port, to clients on the loopback"
        " interface.",
    )
    shutdown_delay: float = Field(
        0.0, ge=0, le=300, description="Seconds to keep answering after SIGTERM, while /readyz already fails."
    )
    shutdown_idle: float = Field(
        1.0,
        ge=0,
        le=300,
        description="Seconds after that in which clients may close their idle connections. The others are closed then.",
    )
    shutdown_timeout: float = Field(
        20.0, gt=0, le=300, description="Seconds after that for requests in flight to finish."
    )


def variable(name: str) -> str:
    """The environment variable of a setting: `tls_cert` -> `GATEWRIGHT_TLS_CERT`."""
    return PREFIX + name.upper()


def flag(name: str) -> str:
    """The flag of a setting: `tls_cert` -> `--tls-cert`."""
    return "--" + name.replace("_", "-")


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """The settings from flags (None: not given), environment and file; the first source with a value wins.

    Raises SettingsError that lists all unknown and invalid settings.
    """
    if file is None and SETTINGS_FILE in environ:
        file = Path(environ[SETTINGS_FILE])
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    errors: list[str] = []

    for name, value in (_read(file) if file is not None else {}).items():
        values[name], sources[name] = value, f"{name} in {file}"
        if name not in Settings.model_fields:
            errors.append(f"{file}: unknown setting {name!r}; expected one of {', '.join(Settings.model_fields)}")

    known = {variable(name): name for name in Settings.model_fields}
    for key, text in environ.items():
        if not key.startswith(PREFIX) or key in _NO_SETTING:
            continue
        if _SERVICE_LINK.fullmatch(key) and (key not in known or re.match(r"\w+://", text)):
            continue
        if key in known:
            values[known[key]], sources[known[key]] = text, f"the variable {key}"
        else:
            errors.append(f"unknown variable {key}; expected one of {', '.join([*known, SETTINGS_FILE])}")

    for name, value in flags.items():
        if value is not None:
            values[name], sources[name] = value, flag(name)

    try:
        settings = Settings.model_validate({name: values[name] for name in values if name in Settings.model_fields})
    except ValidationError as error:
        errors += [_describe(found, sources) for found in error.errors(include_url=False)]
    else:
        if (settings.tls_cert is None) != (settings.tls_key is None):
            given, missing = ("tls_cert", "tls_key") if settings.tls_cert else ("tls_key", "tls_cert")
            errors.append(f"{sources[given]} is set without {flag(missing)}; expected both or neither")
        if settings.kubeconfig is not None and settings.cluster != "kubeconfig":
            errors.append(f"{sources['kubeconfig']} is set without {flag('cluster')} kubeconfig")
        if settings.client_name and settings.client_ca is None:
            errors.append(f"{sources['client_name']} is set without {flag('client_ca')}, which verifies the names")
        if settings.max_body > settings.max_memory // HELD_SHARE:
            errors.append(
                f"{flag('max_body')} is {size_text(settings.max_body)}, more than a quarter of {flag('max_memory')}"
                f" ({size_text(settings.max_memory)}); raise that, and the memory limit of the Pod with it"
            )
        if settings.record is not None and 2 * settings.workers * settings.record_rotate > settings.record_disk:
            errors.append(
                f"{flag('record_disk')} is {size_text(settings.record_disk)}, less than two files of"
                f" {flag('record_rotate')} ({size_text(settings.record_rotate)}) for each of {settings.workers} workers"
            )
        if settings.playground and not settings.page:
            errors.append(f"{sources['playground']} is set without {flag('page')}, which it is a part of")
        if settings.playground_python and not settings.playground:
            errors.append(f"{sources['playground_python']} is set without {flag('playground')}, which it is about")
        if settings.page_audit is not None and not settings.page:
            errors.append(f"{sources['page_audit']} is set without {flag('page')}, which shows it")
        if settings.page_owner_label and not settings.page:
            errors.append(f"{sources['page_owner_label']} is set without {flag('page')}, which shows owners")
        if settings.port == settings.plain_port != 0:
            errors.append(f"{flag('port')} and {flag('plain_port')} are both {settings.port}; expected two ports")
    if errors:
        raise SettingsError("\n".join(errors))
    return settings


def _describe(error: Any, sources: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"{sources[name]}: {reason[:1].lower()}{reason[1:]}, got {str(error['input'])[:80]!r}"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(content_of(file, None, _MAX_FILE), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(f"{file}: expected a mapping of settings, such as `port: 8443`")
    # A file may spell the names like the flags: `plain-port`.
    return {key.replace("-", "_"): value for key, value in content.items()}
