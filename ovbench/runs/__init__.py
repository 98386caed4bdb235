"""Runs: one system on one task, on disk; what goes before it (preflight) and what is made of it."""
