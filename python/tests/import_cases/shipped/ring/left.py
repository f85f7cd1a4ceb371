"""Imports the right one."""

from shipped.ring import right


def name():
    """Return both names."""
    return "left of " + right.NAME
