"""What is raised where JSON is decoded that others have written."""

from __future__ import annotations

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises of a text that is not what was expected; if it is no UTF-8, or nested too deeply, Python's own
errors. A test holds that whoever decodes JSON expects all of them."""
