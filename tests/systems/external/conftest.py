"""Tests here import ``programs``, which stands beside them."""
