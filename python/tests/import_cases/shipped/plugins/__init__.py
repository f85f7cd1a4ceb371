"""Found by walking, not by name."""
