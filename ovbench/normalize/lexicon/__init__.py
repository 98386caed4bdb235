"""The open lexicon: its words and forms, as they are shipped, and how they are read."""
