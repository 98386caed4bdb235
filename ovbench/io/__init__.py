"""The doors: files of predictions and gold in, ids and raw label cells out; label parsers.

The formats are described for users in ``docs/formats.md``. Nothing here knows of emotions: a cell
becomes a list of labels in :mod:`ovbench.io.labels`, and what a label means is decided above.
"""
