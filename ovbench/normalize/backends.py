from ovbench.normalize.lemma import TableLemmatizer
from ovbench.normalize.synonym import LexiconSynonyms
def open_lemmatizer(n): return TableLemmatizer()
def open_synonyms(n): return LexiconSynonyms()
