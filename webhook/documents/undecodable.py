"""What is raised where JSON is decoded that others have written."""

from __future__ import annotations

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""The errors of decoding JSON: msgspec's, and Python's own for text that is not UTF-8 or is nested too deeply. A test
holds that every caller that decodes JSON handles all of them."""
