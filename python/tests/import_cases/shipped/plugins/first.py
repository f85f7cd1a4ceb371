"""A plugin."""

NAME = "first"
