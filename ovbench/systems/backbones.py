"""Base models: their names, where their weights are on this machine, and what is missing if not.

Nothing is ever downloaded here, and nothing of PyTorch is imported.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from ovbench.errors import InputError, MissingExtraError, UnknownNameError
from ovbench.io.files import refuse_special
from ovbench.io.hashes import file_sha256

TINY = "tinyov"
_FOLDER = resources.files("ovbench.systems") / "bases"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Shape:
    """A base model whose sizes are known without its weights.

    Attributes
    ----------
    name, title:
        As ``--base`` takes it, and for people.
    parameters:
        All of its weights; None for the bundled one, which is counted from its own file.
    hub:
        Names on the model hub that have this shape.
    licence:
        Of its weights.
    """

    name: str
    title: str
    parameters: int | None = None
    hub: tuple[str, ...] = ()
    licence: str | None = None

    def config(self) -> dict[str, Any]:
        """The fields of its ``config.json``."""
        if self.name == TINY:
            return read_config(_bundled())
        fields: dict[str, Any] = json.loads((_FOLDER / f"{self.name}.json").read_text("utf-8"))
        return fields


@cache
def shapes() -> dict[str, Shape]:
    """The base models whose shapes ship with ovbench, by name."""
    index = tomllib.loads((_FOLDER / "index.toml").read_text("utf-8"))
    return {
        name: Shape(name=name, **entry | {"hub": tuple(entry["hub"])})
        for name, entry in index.items()
    }


def find_shape(name: str) -> Shape | None:
    """The known shape of a base, by its short name or its name on the hub, whatever the case."""
    for shape in shapes().values():
        if name.lower() in (shape.name, *(hub.lower() for hub in shape.hub)):
            return shape
    return None


def locate(name: str) -> Path:
    """The folder with a base's weights on this machine.

    Parameters
    ----------
    name:
        ``tinyov``, a folder, or a name on the model hub that has been downloaded before.

    Raises
    ------
    InputError
        If the weights are not here (the message says how large they are and how to get them), or
        the folder does not hold a model that ovbench loads.
    UnknownNameError
        If it is no folder, and no name that the hub could have.
    """
    if name == TINY:
        folder = _bundled()
    elif Path(name).is_dir():
        folder = Path(name)
    else:
        folder = _in_cache(name)
    check_folder(folder)
    return folder


def check_folder(folder: Path) -> list[Path]:
    """The safetensors files of a base.

    Raises
    ------
    InputError
        If there is no configuration, if weights are absent, or come only as pickled files.
    """
    read_config(folder)
    if (folder / "adapter_config.json").exists():  # transformers would follow it to another base
        raise InputError(
            "the base's folder holds an adapter",
            where=str(folder / "adapter_config.json"),
            expected="a base alone",
            mend="move the adapter's files to a folder of their own and name it with --adapter",
        )
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = _listed(index)
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
    absent = [name for name in names if not (folder / name).exists()]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(names)} weight files are missing, first {absent[0]}",
            where=str(folder),
            mend="download the model again",
        )
    if not names:
        pickled = any(folder.glob("*.bin"))
        raise InputError(
            "the weights are pickled (*.bin)" if pickled else "there are no weights",
            where=str(folder),
            expected="*.safetensors; ovbench loads nothing that can run code",
        )
    return [refuse_special(folder / name) for name in names]


def _listed(index: Path) -> list[str]:
    """The weight files that an index lists: names beside it, none that leads elsewhere."""
    files = read_json(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise InputError("lists no weight files", where=str(index), mend="download the model again")
    names = sorted(set(files.values()))
    for name in names:
        if Path(name).name != name or "\\" in name or "\0" in name:
            raise InputError(
                f"the weight file {name!r} lies elsewhere",
                where=str(index),
                expected="files beside the index",
            )
    return names


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a base's weights: of the file, or over the names and hashes of several.

    A file in the hub's cache is named by its hash, which is then taken as it is.
    """
    hashes = {path.name: _sha256_of(path) for path in check_folder(folder)}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{name} {found}\n" for name, found in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of a model folder's ``config.json``. Raises :class:`InputError` without one."""
    return read_json(folder / "config.json", "a model's folder")


def read_json(path: Path, expected: str | None = None) -> dict[str, Any]:
    """A file with one JSON object. Raises :class:`InputError` if it is not there or is no such."""
    try:
        found = json.loads(refuse_special(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=str(path), expected=expected
        ) from None
    except ValueError:
        raise InputError("is cut off or not JSON", where=str(path)) from None
    except RecursionError:
        raise InputError("is nested too deep", where=str(path)) from None
    if not isinstance(found, dict):
        raise InputError("is not a JSON object", where=str(path))
    return found


def _sha256_of(path: Path) -> str:
    real = path.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    return file_sha256(real)


def _bundled() -> Path:
    from ovbench.testbed.bundled import backbone_folder

    return backbone_folder()


def _in_cache(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise MissingExtraError("loading a language model", "models") from None
    shape = find_shape(name)
    hub = name if shape is None or name in shape.hub else shape.hub[0]
    try:
        return Path(snapshot_download(hub, local_files_only=True))
    except LocalEntryNotFoundError:
        _missing(hub, shape)
    except HFValidationError:
        raise UnknownNameError(
            "base", name, shapes(), mend="give a folder, or a name like Qwen/Qwen2.5-7B-Instruct"
        ) from None


def _missing(name: str, shape: Shape | None) -> NoReturn:
    if "/" not in name:
        raise UnknownNameError(
            "base", name, shapes(), mend="give a folder, or a name like Qwen/Qwen2.5-7B-Instruct"
        ) from None
    needs = None
    if shape is not None and shape.parameters:
        needs = f"{needed_memory(shape.parameters)}; licence of the weights: {shape.licence}"
    raise InputError(
        f"the weights of {name} are not on this machine",
        expected=needs,
        mend=f"get them with: hf download {name} (or give a folder with --base FOLDER, or use "
        "--scale tiny, which needs nothing)",
    ) from None


def needed_memory(parameters: int) -> str:
    """What a base of that size takes in 16 bits, in words.

    The weights are exact; a quarter more is a rule of thumb for the caches of generation, or for
    the activations of a few long examples. What adapters take: ``ovbench.systems.memory``.
    """
    weights = 2 * parameters / 1e9
    return (
        f"{weights:.1f} GB of weights (bfloat16), and a GPU with about {1.25 * weights:.0f} GB, to "
        "train also what the adapter takes (ovbench params)"
    )
