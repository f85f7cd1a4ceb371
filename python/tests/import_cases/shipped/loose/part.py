"""In a folder without a file of its own, in a package."""

NAME = __name__
