"""What kinds exist. Fields, defaults and list keys come here too."""

from webhook.schema.kinds import Kinds, Resource, plural_of

__all__ = ["Kinds", "Resource", "plural_of"]
