"""Sentence-transformers models in a folder: opened without running anything that came with one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.hashes import file_sha256

if TYPE_CHECKING:
    from types import ModuleType

MODULES = "modules.json"
_LOADED = frozenset([".json", ".txt", ".model", ".safetensors"])
"""Suffixes of files that a model is loaded from."""
_OTHER_FORMATS = frozenset(["onnx", "openvino"])
_OWN = "sentence_transformers."


class SentenceModel:
    """Unit-length embeddings of texts, on the CPU.

    Texts are embedded one at a time: in a batch, padding and the shapes of products would move the
    last digits, and a text's vector must not depend on its neighbours. No code that comes with a
    model is run, and nothing is downloaded.

    Parameters
    ----------
    folder:
        With ``modules.json`` and safetensors files.
    what:
        What the model is wanted for, as a message calls it.

    Raises
    ------
    MissingExtraError
        If sentence-transformers is not installed.
    InputError
        If there is no such model, or it cannot be loaded.
    """

    def __init__(self, folder: Path, what: str) -> None:
        library = require_library(what)
        from safetensors import SafetensorError

        if not (folder / MODULES).is_file():
            raise InputError(
                "no sentence-transformers model",
                where=str(folder),
                expected=f"a folder with {MODULES}",
            )
        check_sentence_model(folder)
        try:
            self._model: Any = library.SentenceTransformer(
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
        self.sha256 = weights_hash(folder)

    def embed(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The vector of a text, shape (dimensions,), float32, of length 1."""
        found = self._model.encode([text], normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found[0], dtype=np.float32)


def require_library(what: str) -> ModuleType:
    """sentence-transformers. Raises MissingExtraError where it is not installed."""
    try:
        import sentence_transformers
    except ImportError:
        raise MissingExtraError(what, "models") from None
    module: ModuleType = sentence_transformers
    return module


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


def check_sentence_model(folder: Path) -> None:
    """Go on if the model is made of the library's own parts, with weights as safetensors.

    Raises
    ------
    InputError
        If it names a class of its own (code that comes with it), its weights are pickled, or
        ``modules.json`` cannot be read.
    """
    path = folder / MODULES
    try:
        parts = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise InputError(
            "lists no modules", where=str(path), expected="a sentence-transformers model"
        )
    for part in parts:
        kind = part.get("type")
        if not (isinstance(kind, str) and kind.startswith(_OWN)):
            raise InputError(
                f"the model needs code of its own ({str(kind)[:80]!r})",
                where=str(path),
                expected=f"parts of the library ({_OWN}…); ovbench never runs a model's code",
            )
    for weights in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(weights.parent.glob("*.safetensors")):
            raise InputError(
                "the weights are pickled (*.bin)",
                where=str(weights),
                expected="*.safetensors; ovbench loads nothing that can run code",
            )
