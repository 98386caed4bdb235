"""The vLLM backend against a stand-in of vLLM's public interface (vLLM itself needs CUDA).

The stand-in takes the arguments of vLLM 0.33 and no others, and does with transformers what it is
told: it loads the model's folder, puts the adapter on it, and decodes token by token. So answers
must be those of the backend ``hf``, through adapters and through merged weights.
"""

from __future__ import annotations

import importlib.machinery
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from systems_kit import edit_json, load, save_adapter

from ovbench.errors import InputError, MissingExtraError
from ovbench.runs.engines import Engine
from ovbench.runs.evaluate import EvalOptions
from ovbench.runs.place import Place
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.store import read_run
from ovbench.scoring import Options
from ovbench.systems import load_recipe
from ovbench.systems.answers import Answer, item_seed
from ovbench.systems.recipe import CausalLmRecipe
from ovbench.systems.settings import Decoding
from ovbench.systems.vllm_backend import MERGED, REFUSED, SERVED, check_vllm, open_vllm
from ovbench.tasks import Item

if TYPE_CHECKING:
    from ovbench.systems.loading import Base

BY_METHOD = {
    "lora": "affectgpt-lora-r8",
    "rslora": "rslora-r8",
    "lora_plus": "lora-plus-r8",
    "dora": "dora-r8",
    "pissa": "pissa-r8",
    "olora": "olora-r8",
    "miss": "miss-r8",
    "loran": "loran-r8",
}

# Names of vllm 0.33.0: LLM.__init__ and, through its **kwargs, EngineArgs; LLM.generate;
# SamplingParams; LoRARequest; MaxLoRARanks.
LLM_ARGUMENTS = {
    *("runner", "convert", "tokenizer", "tokenizer_mode", "skip_tokenizer_init"),
    *("trust_remote_code", "tensor_parallel_size", "dtype", "quantization", "revision", "seed"),
    *("gpu_memory_utilization", "enforce_eager", "hf_overrides", "logits_processors"),
    *("load_format", "max_model_len", "generation_config", "enable_prefix_caching"),
    *("enable_lora", "max_loras", "max_lora_rank"),
}
SAMPLING_ARGUMENTS = {
    *("n", "presence_penalty", "frequency_penalty", "repetition_penalty", "temperature", "top_p"),
    *("top_k", "min_p", "seed", "stop", "stop_token_ids", "ignore_eos", "max_tokens", "min_tokens"),
    *("logprobs", "detokenize", "skip_special_tokens", "include_stop_str_in_output"),
}
GENERATE_ARGUMENTS = (
    *("self", "prompts", "sampling_params", "use_tqdm", "lora_request", "priority"),
    *("tokenization_kwargs", "mm_processor_kwargs"),
)
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


class SamplingParams:
    def __init__(self, **told: Any) -> None:
        assert told.keys() <= SAMPLING_ARGUMENTS
        self.told = told


class LoRARequest:
    def __init__(self, lora_name: str, lora_int_id: int, lora_path: str = "") -> None:
        assert lora_int_id >= 1
        assert lora_path
        self.lora_path = lora_path


class LLM:
    """What vLLM does of what it is asked here; ``tells_stop``: whether the last token is told."""

    made: list[LLM] = []  # noqa: RUF012 - the tests look at it
    tells_stop = True

    def __init__(self, model: str, **told: Any) -> None:
        from transformers import AutoModelForCausalLM

        assert told.keys() <= LLM_ARGUMENTS
        assert told["trust_remote_code"] is False
        assert told["max_lora_rank" if "enable_lora" in told else "seed"] in (*RANKS, 0)
        self.model_folder, self.told, self.asked = model, told, list[SamplingParams]()
        self.model = AutoModelForCausalLM.from_pretrained(
            model, use_safetensors=True, dtype=told.get("dtype", "float32")
        ).eval()
        LLM.made.append(self)

    def generate(
        self,
        prompts: Any,
        sampling_params: Any = None,
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
        priority: Any = None,
        tokenization_kwargs: Any = None,
        mm_processor_kwargs: Any = None,
    ) -> list[Any]:
        assert len(prompts) == len(sampling_params)
        if lora_request is not None and not hasattr(self.model, "peft_config"):
            from peft import PeftConfig, PeftModel

            assert self.told["enable_lora"]
            rank = PeftConfig.from_pretrained(lora_request.lora_path).r  # type: ignore[attr-defined]
            assert rank <= self.told["max_lora_rank"]
            self.model = PeftModel.from_pretrained(self.model, lora_request.lora_path).eval()
        self.asked += sampling_params
        return [self._one(p, s) for p, s in zip(prompts, sampling_params, strict=True)]

    def _one(self, prompt: Any, sampling: SamplingParams) -> Any:
        import torch

        assert list(prompt) == ["prompt_token_ids"]
        ids, told = list(prompt["prompt_token_ids"]), sampling.told
        row: list[int] = []
        reason = "length"
        with torch.inference_mode():
            for _ in range(told["max_tokens"]):
                row.append(int(self.model(torch.tensor([ids + row])).logits[0, -1].argmax()))
                if row[-1] in told["stop_token_ids"]:
                    reason = "stop"
                    break
        told_ids = row if self.tells_stop or reason == "length" else row[:-1]
        output = types.SimpleNamespace(token_ids=tuple(told_ids), finish_reason=reason, text="")
        return types.SimpleNamespace(outputs=[output])


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LLM]]:
    """The stand-in as the module that ``import vllm`` finds."""
    names = ("vllm", "vllm.lora", "vllm.lora.request")
    modules = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    modules["vllm"].LLM, modules["vllm"].SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    modules["vllm.lora.request"].LoRARequest = LoRARequest  # type: ignore[attr-defined]
    LLM.made = []
    yield LLM
    LLM.tells_stop = True


def trained(recipe: CausalLmRecipe, base: Base, folder: Path) -> Path:
    """An adapter that changes answers: as good as trained."""
    import torch

    from ovbench.systems.loading import build

    model = build(recipe, "tiny", base)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "miss_" in name or "magnitude" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    save_adapter(model, folder, base)
    return folder


def answers_of_hf(
    recipe: CausalLmRecipe, adapter: Path, folder: Path, items: list[Item]
) -> list[Answer]:
    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.saved import open_adapter

    base = load(folder)
    opened = open_adapter(recipe, adapter, base)
    prompt, decoding = recipe.scale("tiny").prompt, recipe.decoding_at("tiny")
    system = CausalLmSystem(recipe.name, opened.model, base, prompt, decoding)
    return list(system.predict(items, 1))


def test_every_method_is_served_merged_or_refused() -> None:
    names = {load_recipe(name).method.name for name in BY_METHOD.values()}  # type: ignore[union-attr]
    assert names == set(SERVED) | set(MERGED) == set(BY_METHOD)
    assert set(REFUSED) == {"las"}


@pytest.mark.parametrize("method", [*SERVED, *MERGED])
def test_answers_are_those_of_transformers(
    method: str,
    vllm: type[LLM],
    base_folder: Path,
    items: list[Item],
    tmp_path: Path,
    recipe_of: Callable[[str], CausalLmRecipe],
) -> None:
    recipe = recipe_of(BY_METHOD[method])
    adapter = trained(recipe, load(base_folder), tmp_path / "adapter")
    system = open_vllm(recipe, "tiny", str(base_folder), adapter, dtype="float32")
    found = list(system.predict(items, 3))
    wanted = answers_of_hf(recipe, adapter, base_folder, items)
    assert found == wanted
    assert len({answer.text for answer in found}) > 1
    (engine,) = vllm.made
    merged = method in MERGED
    assert (system.lora is None) == merged
    assert (engine.model_folder == str(base_folder)) != merged
    if merged:
        assert not Path(engine.model_folder).exists(), "the merged weights are removed again"
    elif method != "lora_plus":  # the same adapter, beside a base that is not its own
        edit_json(adapter / "base.json", sha256="0" * 64)
        with pytest.raises(InputError, match="the adapter was trained on"):
            open_vllm(recipe, "tiny", str(base_folder), adapter, dtype="float32")


def test_a_merged_model_differs_from_its_base(
    vllm: type[LLM],
    base_folder: Path,
    items: list[Item],
    tmp_path: Path,
    recipe_of: Callable[[str], CausalLmRecipe],
) -> None:
    """Else the test above could pass with an adapter that does nothing."""
    recipe = recipe_of("dora-r8")
    adapter = trained(recipe, load(base_folder), tmp_path / "adapter")
    merged = open_vllm(recipe, "tiny", str(base_folder), adapter, dtype="float32")
    bare = LLM(str(base_folder), trust_remote_code=False, seed=0)
    texts = [answer.text for answer in merged.predict(items, 5)]
    object.__setattr__(merged, "engine", bare)
    assert [answer.text for answer in merged.predict(items, 5)] != texts


def test_a_stop_token_that_is_not_told(
    vllm: type[LLM],
    base_folder: Path,
    items: list[Item],
    tmp_path: Path,
    recipe_of: Callable[[str], CausalLmRecipe],
) -> None:
    recipe = recipe_of("affectgpt-lora-r8")
    adapter = trained(recipe, load(base_folder), tmp_path / "adapter")
    system = open_vllm(recipe, "tiny", str(base_folder), adapter, dtype="float32")
    whole = list(system.predict(items, 5))
    vllm.tells_stop = False
    assert list(system.predict(items, 5)) == whole


def test_what_is_asked_of_vllm(
    vllm: type[LLM],
    base_folder: Path,
    items: list[Item],
    tmp_path: Path,
    recipe_of: Callable[[str], CausalLmRecipe],
) -> None:
    assert tuple(inspect.signature(LLM.generate).parameters) == GENERATE_ARGUMENTS
    recipe = recipe_of("affectgpt-lora-r8")
    adapter = trained(recipe, load(base_folder), tmp_path / "adapter")
    system = open_vllm(recipe, "tiny", str(base_folder), adapter, dtype="float32")
    (engine,) = vllm.made
    assert engine.told["max_lora_rank"] == 8
    assert engine.told["load_format"] == "safetensors"
    assert engine.told["generation_config"] == "vllm"
    long = Item("long", "voice " * 200, "")
    found = list(system.predict([*items, long], 6))
    assert [answer.id for answer in found] == [item.id for item in [*items, long]]
    assert found[-1] == Answer("long", "", "error", 0)
    assert len(engine.asked) == len(items), "what does not fit is not asked"
    greedy = engine.asked[0].told
    assert (greedy["temperature"], greedy["seed"], greedy["stop_token_ids"]) == (0, None, [1])
    decoding = Decoding(max_new_tokens=4, temperature=0.7, top_p=0.9)
    object.__setattr__(system, "decoding", decoding)
    object.__setattr__(system, "seed", 5)
    list(system.predict(items[:1], 1))
    drawn = engine.asked[-1].told
    assert (drawn["temperature"], drawn["top_p"], drawn["max_tokens"]) == (0.7, 0.9, 4)
    assert drawn["seed"] == item_seed(5, "a")
    with pytest.raises(InputError, match="a batch size of 0"):
        list(system.predict(items, 0))


def test_las_is_refused_with_the_reason(vllm: type[LLM]) -> None:
    for name in ("lora-las-r4", "lora-las-r4-full", "lora-las-r4-wide"):
        with pytest.raises(InputError, match="depends on the item's label context") as caught:
            check_vllm(load_recipe(name))  # type: ignore[arg-type]
        assert "Use --backend hf" in str(caught.value)
    assert vllm.made == []


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setattr("ovbench.systems.vllm_backend.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="ovbench\\[vllm\\]"):
        evaluate_recipe("affectgpt-lora-r8", out=tmp_path, engine=Engine("vllm"))
    assert list(tmp_path.iterdir()) == []


def test_other_kinds_have_no_other_backend(tmp_path: Path) -> None:
    for engine in (Engine("vllm"), Engine(workers=2)):
        with pytest.raises(InputError, match="of kind constant"):
            evaluate_recipe("majority", out=tmp_path, engine=engine)


def test_vllm_that_does_not_start(
    vllm: type[LLM],
    base_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe_of: Callable[[str], CausalLmRecipe],
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("Engine core initialization failed.\nSee root cause above.")

    monkeypatch.setattr(LLM, "__init__", broken)
    recipe = recipe_of("affectgpt-lora-r8")
    adapter = trained(recipe, load(base_folder), tmp_path / "adapter")
    with pytest.raises(InputError, match="vLLM does not start: Engine core init"):
        open_vllm(recipe, "tiny", str(base_folder), adapter, dtype="float32")


def test_a_run_says_that_vllm_generated(
    vllm: type[LLM], base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = "ovbench.runs.evaluate.metadata.version"
    monkeypatch.setattr(real, lambda name: {"vllm": "0.33.0"}.get(name, "1"))
    options = EvalOptions(limit=5, scoring=Options(draws=0, floors=False), command="test")
    runs = evaluate_recipe(
        "affectgpt-lora-r8",
        ["tinyov", "tinyov-6class"],
        out=tmp_path,
        place=Place(device="cpu"),
        options=options,
        engine=Engine("vllm"),
    )
    assert len(vllm.made) == 1, "one engine for all tasks"
    for run in runs:
        settings = run.record.settings
        assert settings.system.backend == "vllm"
        assert settings.versions["vllm"] == "0.33.0"
        assert run.preflight is not None
        assert run.preflight.adapter_effect is None
    assert runs[0].record.settings.batch_size == 512
    (plain,) = evaluate_recipe(
        "affectgpt-lora-r8",
        out=tmp_path / "hf",
        place=Place(device="cpu"),
        options=options,
    )
    assert plain.record.settings.system.backend is None
    assert "vllm" not in plain.record.settings.versions
    texts = [[p.text for p in read_run(Path(run.folder))[1].values()] for run in (runs[0], plain)]
    assert texts[0] == texts[1]
