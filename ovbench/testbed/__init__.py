"""TinyOV: a small generated world with the shape of open-vocabulary emotion recognition."""
