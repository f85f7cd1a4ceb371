"""Conversions that the forecast uses."""


def fahrenheit(celsius):
    """Convert degrees."""
    return celsius * 9 / 5 + 32
