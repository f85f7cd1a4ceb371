"""In a package below a package, both without files of their own."""

from ..near import NAME as NEAR

NAME = f"{__name__} after {NEAR}"
