"""Tests, found by name."""

import unittest


class Tested(unittest.TestCase):
    """One test."""

    def test_one(self):
        """Pass."""
        self.assertTrue(True)
