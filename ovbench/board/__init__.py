"""Leaderboards: records of results, how they are checked, ranked and shown."""
