"""Views of results: the same sections as a Rich table, Markdown, LaTeX or CSV."""
