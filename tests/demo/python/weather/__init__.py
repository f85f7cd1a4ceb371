"""A small project of its own: the node has never heard of it."""
