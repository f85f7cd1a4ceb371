"""Imports the left one."""

import shipped.ring.left

NAME = "right"


def name():
    """Return both names."""
    return NAME + " of " + shipped.ring.left.__name__
