"""In a package without a file of its own."""

NAME = __name__
