"""Any program as a system: items on its standard input, answers on its standard output."""
