"""The kinds of a cluster: the resources that they are served as, and the schemas of their fields."""

from webhook.schema.crds import Resource
from webhook.schema.kinds import Kinds, plural_of
from webhook.schema.schemas import MISSING, UNKNOWN, Schema, Schemas

__all__ = ["MISSING", "UNKNOWN", "Kinds", "Resource", "Schema", "Schemas", "plural_of"]
