"""What kinds exist, as which resources they are served, and what fields they have."""

from webhook.schema.crds import Resource
from webhook.schema.kinds import Kinds, plural_of
from webhook.schema.schemas import MISSING, UNKNOWN, Schema, Schemas

__all__ = ["MISSING", "UNKNOWN", "Kinds", "Resource", "Schema", "Schemas", "plural_of"]
