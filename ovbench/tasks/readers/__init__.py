"""How items and gold of a data set are read: one module each, with ``read``."""
