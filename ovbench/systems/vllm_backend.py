"""Answers from vLLM, for the methods that it runs as adapters or whose weights can be merged.

Prompts are tokenized and answers decoded here, as for transformers, so that both backends see the
same tokens; the arithmetic differs, and with it now and then an answer. Nothing here imports vLLM
before it is used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovbench.errors import InputError, MissingExtraError
from ovbench.systems.answers import Answer, item_seed
from ovbench.systems.backbones import locate, read_config, read_json, weights_sha256
from ovbench.systems.prompting import prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ovbench.systems.answer_words import AnswerWords
    from ovbench.systems.prompting import Prompt
    from ovbench.systems.recipe import CausalLmRecipe
    from ovbench.systems.settings import Decoding
    from ovbench.tasks import Item

SERVED = ("lora", "rslora", "lora_plus")
"""Methods whose adapters vLLM runs beside the base."""
MERGED = ("dora", "pissa", "olora", "miss", "loran")
"""Methods that vLLM does not know, or (PiSSA, OLoRA) whose adapter, the difference of two large
products, loses its digits in 16 bits: they become a part of the weights first."""
REFUSED = {
    "las": "LoRA-LAS adds a term to each token's activations that depends on the item's label "
    "context: there is no weight to merge it into, and vLLM has no layer that takes a context"
}
"""Methods that vLLM cannot run, and why."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as ``max_lora_rank``."""


def check_vllm(recipe: CausalLmRecipe) -> None:
    """Go on if vLLM can run the recipe's method, and is installed.

    Raises
    ------
    InputError
        If it cannot, with the reason.
    MissingExtraError
        If it is not.
    """
    method = recipe.method.name
    if method not in (*SERVED, *MERGED):
        raise InputError(
            f"vLLM cannot run {recipe.name}: {REFUSED.get(method, 'it does not know ' + method)}",
            expected="a method among " + ", ".join((*SERVED, *MERGED)),
            mend="use --backend hf",
        )
    if find_spec("vllm") is None:
        raise MissingExtraError("the backend vllm", "vllm")


@dataclass(frozen=True)
class VllmSystem:
    """A language model in a vLLM engine that answers prompts.

    Attributes
    ----------
    engine, lora:
        A ``vllm.LLM``, and the ``LoRARequest`` of its adapter; None for merged weights.
    tokenizer, ends:
        Of the base, and the tokens that end an answer.
    room:
        Most tokens of prompt and answer together; None: any.
    words, seed:
        As :class:`ovbench.systems.generation.CausalLmSystem` takes them. Sampling draws from vLLM's
        generators, one for each item.
    """

    name: str
    engine: Any
    lora: Any
    tokenizer: PreTrainedTokenizerBase
    ends: list[int]
    room: int | None
    prompt: Prompt
    decoding: Decoding
    words: AnswerWords | None = None
    seed: int = 0

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        """One answer per item, in their order; vLLM makes its own batches of ``batch_size`` items.

        Raises
        ------
        InputError
            If the batch size is below 1.
        """
        if batch_size < 1:
            raise InputError(f"a batch size of {batch_size}", expected="1 or more")
        for start in range(0, len(items), batch_size):
            for answer in self._answers(items[start : start + batch_size]):
                yield answer if self.words is None else self.words.read(answer, self.prompt.sha256)

    def _answers(self, items: Sequence[Item]) -> list[Answer]:
        from ovbench.systems.generation import answer_of

        prompts = [prompt_ids(self.tokenizer, self.prompt.render(item)) for item in items]
        longest = None if self.room is None else self.room - self.decoding.max_new_tokens
        fit = [i for i, one in enumerate(prompts) if longest is None or len(one) <= longest]
        found = {item.id: Answer(item.id, "", "error", 0) for item in items}
        if not fit:
            return list(found.values())
        outputs = self.engine.generate(
            [{"prompt_token_ids": prompts[i]} for i in fit],
            [self._sampling(items[i].id) for i in fit],
            use_tqdm=False,
            lora_request=self.lora,
        )
        for i, output in zip(fit, outputs, strict=True):
            name, told = items[i].id, output.outputs[0]
            row = list(told.token_ids)
            if told.finish_reason == "stop" and not set(row) & set(self.ends):
                row.append(self.ends[0])  # stopped, and the token itself is not told
            found[name] = answer_of(name, row, self.ends, self.tokenizer)
        return list(found.values())

    def _sampling(self, name: str) -> Any:
        from vllm import SamplingParams

        drawn = self.decoding.temperature > 0
        return SamplingParams(
            temperature=self.decoding.temperature,
            top_p=self.decoding.top_p if drawn else 1.0,
            seed=item_seed(self.seed, name) if drawn else None,
            max_tokens=self.decoding.max_new_tokens,
            stop_token_ids=self.ends,
            detokenize=False,
        )


def open_vllm(
    recipe: CausalLmRecipe,
    scale: str,
    backbone: str,
    adapter: Path,
    *,
    dtype: str,
) -> VllmSystem:
    """Base and adapter in a vLLM engine of this process.

    Parameters
    ----------
    backbone, adapter:
        Name or folder of the base, and the adapter's folder; the adapter must be the recipe's.
    dtype:
        Of weights and activations: ``float32``, ``bfloat16`` or ``float16``.

    Raises
    ------
    InputError
        If vLLM cannot run the method, the adapter is not one of the recipe, or vLLM does not start.
    MissingExtraError
        If vLLM is not installed.
    """
    check_vllm(recipe)
    from ovbench.systems.loading import load_tokenizer
    from ovbench.systems.saved import checked_config
    from ovbench.systems.vllm_merge import write_merged

    folder = locate(backbone)
    tokenizer = load_tokenizer(folder)
    lora = None
    if recipe.method.name in SERVED:
        checked_config(recipe, adapter, backbone, weights_sha256(folder), scale)
        engine, lora = _engine(folder, dtype, adapter)
    else:
        with tempfile.TemporaryDirectory(prefix="ovbench-merged-") as merged:
            write_merged(recipe, scale, backbone, adapter, Path(merged), dtype)
            engine, _ = _engine(Path(merged), dtype)
    return VllmSystem(
        recipe.name,
        engine,
        lora,
        tokenizer,
        _ends(folder, tokenizer),
        read_config(folder).get("max_position_embeddings"),
        recipe.scale(scale).prompt,
        recipe.decoding_at(scale),
    )


def _ends(folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end an answer, as :func:`ovbench.systems.loading.load_base` takes them."""
    shipped = folder / "generation_config.json"
    fields = read_json(shipped) if shipped.exists() else read_config(folder)
    ends = fields.get("eos_token_id")
    more = ends if isinstance(ends, list) else [ends]
    return sorted({tokenizer.eos_token_id, *more} - {None})


def _engine(model: Path, dtype: str, adapter: Path | None = None) -> tuple[Any, Any]:
    """An engine over a model's folder, and the request of an adapter's folder."""
    from vllm import LLM
    from vllm.lora.request import LoRARequest

    more: dict[str, Any] = {}
    if adapter is not None:
        rank = int(read_json(adapter / "adapter_config.json")["r"])
        if rank > RANKS[-1]:
            raise InputError(
                f"the adapter's rank is {rank}",
                where=str(adapter),
                expected=f"at most {RANKS[-1]} for vLLM",
                mend="use --backend hf",
            )
        more = {"enable_lora": True, "max_loras": 1}
        more["max_lora_rank"] = next(most for most in RANKS if rank <= most)
    try:
        engine = LLM(
            model=str(model),
            skip_tokenizer_init=True,  # tokens go in and come out
            trust_remote_code=False,
            dtype=dtype,
            seed=0,
            load_format="safetensors",
            generation_config="vllm",  # not the sampling that comes with a model
            **more,
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"vLLM does not start: {reason}", where=str(model)) from None
    request = None if adapter is None else LoRARequest(adapter.name, 1, str(adapter))
    return engine, request
