"""Label → lemma → synonym group → cluster, on each wheel, with a trace of every step."""
