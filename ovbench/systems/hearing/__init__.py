"""Systems that hear the clip: speech classifiers, projectors into language models, fusion."""
