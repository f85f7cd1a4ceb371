"""A package in a package in a package."""
