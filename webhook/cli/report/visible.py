"""What reports show of other people's text, see webhook.visible."""

from webhook.visible import encodable, visible

__all__ = ["encodable", "visible"]
