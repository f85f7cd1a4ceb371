"""Looks up."""

from ... import VERSION as ABOVE  # noqa: F401
from ..first import NAME as SIBLING  # noqa: F401
