"""Score and compare open-vocabulary speech emotion recognition systems."""

__version__ = "0.1.0"
