"""A plugin."""

NAME = "second"
