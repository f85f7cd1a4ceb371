"""Says what a star takes."""

__all__ = ["visible"]
visible = "visible"
hidden = "hidden"


def refuse():
    """Raise."""
    raise LookupError("here")
