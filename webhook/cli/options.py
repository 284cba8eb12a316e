"""Options that several subcommands have."""

from __future__ import annotations

from typing import Annotated

import typer

KubernetesVersion = Annotated[
    str,
    typer.Option(
        "--kubernetes-version",
        metavar="VERSION",
        envvar="GATEWRIGHT_KUBERNETES_VERSION",
        help="The Kubernetes that the policies are for: what it does not have yet is refused.",
    ),
]
