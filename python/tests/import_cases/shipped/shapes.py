"""Classes that pickle by name."""

import dataclasses
import enum


class Color(enum.Enum):
    """An enumeration."""

    RED = 1


@dataclasses.dataclass
class Point:
    """A data class."""

    x: int
    color: Color = Color.RED
