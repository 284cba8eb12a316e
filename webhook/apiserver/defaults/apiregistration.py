"""Defaults of APIServices (apiregistration.k8s.io/v1)."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.defaults.absent import constants
from webhook.apiserver.defaults.defaulting import Function

FUNCTIONS: Final[dict[str, Function]] = {"v1.ServiceReference": constants(port=443)}
