"""Sentence embeddings as contexts: any sentence-transformers model that is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ovbench.context.encoder import Vectors
from ovbench.errors import InputError
from ovbench.normalize.sentence_model import SentenceModel, require_library


class SentenceEncoder:
    """The vectors of a :class:`~ovbench.normalize.sentence_model.SentenceModel` as contexts.

    Parameters
    ----------
    path:
        A folder with ``modules.json``, or the name of a model in the local Hugging Face cache.

    Raises
    ------
    MissingExtraError
        If sentence-transformers is not installed.
    InputError
        If there is no such model here, or it cannot be loaded.
    """

    def __init__(self, path: str) -> None:
        what = "a sentence encoder for contexts"
        require_library(what)  # before a folder that cannot be found without its help
        self._model = SentenceModel(_folder(path), what)
        self._id = f"sentence@{self._model.sha256[:16]}"
        self._dim = len(self._model.embed("voice"))

    @property
    def id(self) -> str:
        """``sentence@<hash16>``: a hash over the files that the model is loaded from."""
        return self._id

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One embedding per text, shape (texts, dim), float32; distinct texts once."""
        vectors = {text: self._model.embed(text) for text in dict.fromkeys(texts)}
        rows = [vectors[text] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self._dim)


def _folder(path: str) -> Path:
    if (Path(path) / "modules.json").is_file():
        return Path(path)
    if not Path(path).exists():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            found = Path(snapshot_download(path, local_files_only=True))
            if (found / "modules.json").is_file():
                return found
        except (HFValidationError, LocalEntryNotFoundError):
            pass
    raise InputError(
        "no sentence-transformers model",
        where=path,
        expected="a folder with modules.json, or the name of a model in the local cache",
        mend=None if Path(path).exists() else f"fetch it once with: hf download {path}",
    )
