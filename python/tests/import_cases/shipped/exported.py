"""Says what a star takes."""

__all__ = ["visible"]
visible = "visible"
hidden = "hidden"
