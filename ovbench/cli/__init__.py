"""The command line: one module per command; parse arguments, call, print.

Modules here import only typer and the standard library at the top, so that ``ovbench --help``
stays quick; what does the work is imported inside the commands.
"""
