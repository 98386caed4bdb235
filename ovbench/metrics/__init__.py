"""Metrics: arrays in, numbers out. One metric per module; numpy and nothing else."""
