"""Runs the tasks of one slot: the Python half of a worker process.

It is part of a node's distribution, brings everything that it imports, and decides nothing that the core could decide.
"""
