"""Sentence embeddings as contexts: any sentence-transformers model that is on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ovbench.context.encoder import Vectors
from ovbench.errors import InputError, MissingExtraError
from ovbench.io.hashes import file_sha256
from ovbench.normalize.sentence_model import check_sentence_model

if TYPE_CHECKING:
    from types import ModuleType

_LOADED = frozenset([".json", ".txt", ".model", ".safetensors"])
"""Suffixes of files that a model is loaded from."""
_OTHER_FORMATS = frozenset(["onnx", "openvino"])


class SentenceEncoder:
    """Unit-length embeddings of a sentence-transformers model, on the CPU.

    Texts are embedded one at a time: in a batch, padding and the shapes of products would move the
    last digits, and a text's vector must not depend on its neighbours. No code that comes with a
    model is run, and nothing is downloaded.

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
        module = _sentence_transformers()
        folder = _folder(path)
        from safetensors import SafetensorError

        check_sentence_model(folder)
        try:
            self._model: Any = module.SentenceTransformer(
                str(folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"the sentence-transformers model cannot be loaded ({str(error)[:200]})",
                where=str(folder),
            ) from None
        self._id = f"sentence@{weights_hash(folder)[:16]}"
        self._dim = len(self._embed("voice"))

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
        vectors = {text: self._embed(text) for text in dict.fromkeys(texts)}
        rows = [vectors[text] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self._dim)

    def _embed(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        found = self._model.encode([text], normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found[0], dtype=np.float32)


def weights_hash(folder: Path) -> str:
    """SHA-256 over names and contents of the files that a model is loaded from, hexadecimal.

    Cards, hidden files and copies in other formats (ONNX, OpenVINO) do not count.
    """
    total = hashlib.sha256()
    for file in sorted(_loaded_files(folder)):
        total.update(file.relative_to(folder).as_posix().encode() + b"\0")
        total.update(bytes.fromhex(file_sha256(file)))
    return total.hexdigest()


def _loaded_files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if _OTHER_FORMATS & set(parts) or any(part.startswith(".") for part in parts):
            continue
        if file.suffix in _LOADED and file.is_file():
            yield file


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


def _sentence_transformers() -> ModuleType:
    try:
        import sentence_transformers
    except ImportError:
        raise MissingExtraError("a sentence encoder for contexts", "models") from None
    module: ModuleType = sentence_transformers
    return module
