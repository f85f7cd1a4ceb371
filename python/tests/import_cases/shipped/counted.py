"""Counts how often it is executed."""

from shipped import cases

cases.EXECUTED.append(__name__)
