"""The part of the project that is called."""

from .units import fahrenheit


def warmest(days):
    """Return the highest of the temperatures, in Fahrenheit."""
    return max(fahrenheit(day) for day in days)


def origin(_=None):
    """Return the file that this module was loaded from."""
    return __file__
