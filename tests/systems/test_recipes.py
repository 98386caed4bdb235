from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems import registry
from ovbench.systems.recipe import CausalLmRecipe, parse_recipe
from ovbench.systems.registry import bundled_folder, load_recipe, recipe_names

ASKED_FOR = {
    "affectgpt-lora-r4",
    "affectgpt-lora-r8",
    "affectgpt-lora-r16",
    "dora-r8",
    "pissa-r8",
    "lora-plus-r8",
    "rslora-r8",
    "loran-r8",
    "olora-r8",
    "miss-r8",
    "lora-las-r4",
    "lora-las-r8",
    "lora-las-r4-full",
    "lora-las-r4-wide",
    "majority",
    "frequent-k",
    "all-labels",
    "random",
}
FROM_SOUND = {
    *(f"peft-ser-whisper-{size}-lora" for size in ("tiny", "base", "small")),
    *(f"peft-ser-{name}-lora" for name in ("mms", "wavlm-base-plus", "wavlm-large")),
    *(
        f"peft-ser-whisper-tiny-{method}"
        for method in ("adapter", "adapter-l", "embedding-prompt", "frozen")
    ),
    *("thau-gemma-lora", "thau-qwen2-audio-lora", "thau-whisper-gemma", "thau-emo2vec-gemma"),
    *("single-layer-fusion", "cmgi-fusion"),
    *("prosody-lora-las-r4", "prosody-lora-las-r8", "prosody-affectgpt-lora-r8"),
    *("pipeline-prosody-rules", "pipeline-ov-mer"),
    *("affectgpt-external", "salmonn-external", "emotion2vec-external", "external-example"),
}
"""The systems of the literature that begin with sound, and what is held against them."""
CAUSAL = [
    recipe for name in sorted(ASKED_FOR) if isinstance(recipe := load_recipe(name), CausalLmRecipe)
]


def parsed(text: str, folder: Path) -> CausalLmRecipe:
    recipe = parse_recipe(text, folder / "mine.toml")
    assert isinstance(recipe, CausalLmRecipe)
    return recipe


def complaint(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_recipe(text, bundled_folder() / "mine.toml")
    return str(caught.value)


class TestBundled:
    def test_all_are_there_under_the_names_of_their_files(self) -> None:
        every = {p.stem for p in bundled_folder().glob("*.toml")}
        assert set(recipe_names()) == ASKED_FOR | FROM_SOUND == every

    def test_tiny_budget_is_equal_where_the_method_allows(self) -> None:
        budgets = {}
        for recipe in CAUSAL:
            training = recipe.scale("tiny").training
            same = training.model_dump(exclude={"learning_rate", "lora_plus_ratio"})
            budgets[recipe.name] = (same, recipe.method.target_modules, recipe.decoding)
        assert all(budget == budgets["lora-las-r4"] for budget in budgets.values())
        rates = {r.name: r.scale("tiny").training.learning_rate for r in CAUSAL}
        # LoRA+ and rsLoRA scale the update themselves.
        assert rates.pop("lora-plus-r8") < rates.pop("rslora-r8") < min(rates.values())
        assert len(set(rates.values())) == 1

    @pytest.mark.parametrize("recipe", CAUSAL, ids=lambda r: r.name)
    def test_paper_scale_is_affectgpts(self, recipe: CausalLmRecipe) -> None:
        scale = recipe.scale("paper")
        training = scale.training
        assert scale.backbone == "Qwen/Qwen2.5-7B-Instruct"
        assert (training.learning_rate, training.weight_decay, training.clip) == (1e-5, 0.05, None)
        assert (training.steps, training.batch_size, training.max_length) == (300_000, 3, 1024)
        assert len(recipe.method.target_modules) == 7
        assert "<|im_start|>system\n" in scale.prompt.text

    def test_scale_of_the_branch_is_two(self) -> None:
        for recipe in CAUSAL:
            if recipe.method.name != "miss":
                assert recipe.method.lora_alpha == 2 * recipe.method.r

    def test_no_figure_is_invented(self) -> None:
        silent = {recipe.name for recipe in CAUSAL if not recipe.published}
        assert {"pissa-r8", "lora-plus-r8", "rslora-r8", "lora-las-r4-wide"} <= silent
        (figure,) = load_recipe("lora-las-r4").published
        assert (figure.dataset, figure.value) == ("OV-MERD", 60.73)

    def test_digests_tell_systems_apart_and_ignore_what_is_told(self, recipe_text: str) -> None:
        digests = {load_recipe(name).digest() for name in recipe_names()}
        assert len(digests) == len(recipe_names())
        folder = bundled_folder()
        same = recipe_text.replace('title = "', 'title = "My ').replace("60.73", "60.74")
        assert parsed(same, folder).digest() == parsed(recipe_text, folder).digest()
        for old, new in [
            ("omega = 1e4", "omega = 1e3"),
            ("max_new_tokens = 64", "max_new_tokens = 65"),
            ('encoder = "clusters"', 'encoder = "sentence:x"'),
            ("steps = 200", "steps = 201"),
            ("prompts/tinyov.txt", "prompts/qwen-chat.txt"),
        ]:
            assert parsed(recipe_text.replace(old, new), folder).digest() not in digests

    def test_listing_needs_no_torch(self) -> None:
        code = (
            "import sys; from ovbench.systems import load_recipe, recipe_names;"
            "[load_recipe(n) for n in recipe_names()]; print('torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "False", done.stderr


class TestMistakes:
    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("\nr = 4", "\nrank = 4", ["unknown key 'method.rank'", "one of ", " r,"]),
            ("omega = 1e4", "omga = 1e4", ["'method.omga'", "did you mean 'omega'?"]),
            ("\nr = 4", "\nr = 0", ["method.r is 0", "greater than or equal to 1"]),
            ("\nr = 4", "\nr = 4.5", ["method.r is 4.5", "valid integer"]),
            ("\nr = 4", "\nr = true", ["method.r is True"]),
            ("\nr = 4", "", ["'method.r' is missing"]),
            ("omega = 1e4", 'omega = "1e4"', ["method.omega is '1e4'", "number"]),
            ("omega = 1e4", "omega = inf", ["method.omega is inf", "finite"]),
            ('name = "las"', 'name = "lass"', ["method.name is 'lass'", "did you mean 'las'?"]),
            ('name = "las"\n', "", ["the key 'method.name' is missing"]),
            ('"shared_down"', '"shared"', ["method.projection is 'shared'", "'shared_down'?"]),
            ('kind = "causal_lm"', 'kind = "causal"', ["kind is 'causal'", "'causal_lm'?"]),
            ('name = "lora-las-r4"', 'name = "LAS r4"', ["name is 'LAS r4'", "pattern"]),
            ("steps = 200", "epochs = 2\nsteps = 200", ["scales.tiny.training", "steps or epochs"]),
            ("steps = 200", "stps = 350", ["'scales.tiny.training.stps'", "did you mean 'steps'?"]),
            (
                "[scales.tiny]",
                "[scales.small]",
                ["unknown key 'scales.small'", "one of tiny, paper"],
            ),
            ("max_new_tokens = 64", "top_p = 0.9", ["decoding", "temperature above 0"]),
            ('source = "description"', 'source = "none"', ["needs a label context"]),
            ("clip = 1.0", "clip = 1.0\nlora_plus_ratio = 16.0", ["belongs to method 'lora_plus'"]),
            ("prompts/tinyov.txt", "prompts/tiny.txt", ["tiny.txt", "cannot be read"]),
            ("[method]", "[method", ["not a TOML file"]),
        ],
    )
    def test_each_gets_one_sentence(
        self, recipe_text: str, old: str, new: str, told: list[str]
    ) -> None:
        assert old in recipe_text
        message = complaint(recipe_text.replace(old, new))
        assert "mine.toml" in message or "tiny.txt" in message
        for part in told:
            assert part in message
        assert "\n" not in message
        assert "pydantic" not in message

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("r = 4", "rank = 4"),
            ("omega = 1e4", "omega = -1.0"),
            ('kind = "causal_lm"', 'kind = "causal"'),
            ('name = "las"', 'name = "lass"'),
            ("batch_size = 3\n", "batch_size = 0\n"),
            ("value = 60.73", 'value = "60.73"'),
        ],
    )
    def test_the_line_is_named(self, recipe_text: str, old: str, new: str) -> None:
        lines = recipe_text.replace(f"\n{old}", f"\n{new}").splitlines()
        number = lines.index(new.strip()) + 1
        assert f"mine.toml, line {number}:" in complaint("\n".join(lines))

    def test_targets(self, recipe_text: str) -> None:
        line = next(x for x in recipe_text.splitlines() if x.startswith("target_modules"))
        empty = complaint(recipe_text.replace(line, "target_modules = []"))
        assert "method.target_modules is empty" in empty
        twice = complaint(recipe_text.replace(line, 'target_modules = ["q", "q"]'))
        assert "names a module twice" in twice

    def test_a_method_without_context_must_not_have_one(self) -> None:
        text = (bundled_folder() / "dora-r8.toml").read_text("utf-8")
        message = complaint(text + '\n[context]\nsource = "description"\n')
        assert "method 'dora' takes no label context" in message

    def test_a_recipe_cannot_be_changed(self) -> None:
        recipe = load_recipe("lora-las-r4")
        with pytest.raises(ValueError, match="frozen"):
            recipe.name = "other"

    def test_unknown_scale(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'tiny'"):
            CAUSAL[0].scale("tny")

    def test_k_belongs_to_frequent_k(self) -> None:
        text = (bundled_folder() / "majority.toml").read_text("utf-8")
        assert "k belongs to answer 'frequent-k'" in complaint(text + "\nk = 2\n")


class TestRegistry:
    def test_unknown_name(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'lora-las-r4'"):
            load_recipe("lora-las-4")

    def test_folders_add_recipes(
        self, recipe_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.mine(tmp_path, recipe_text)
        monkeypatch.setenv("OVBENCH_ADAPTERS", str(tmp_path))
        assert "mine" in recipe_names()
        assert load_recipe("mine").name == "mine"

    @staticmethod
    def mine(folder: Path, text: str, name: str = "mine") -> Path:
        prompts = folder / "prompts"
        prompts.mkdir(exist_ok=True)
        for prompt in (bundled_folder() / "prompts").iterdir():
            (prompts / prompt.name).write_bytes(prompt.read_bytes())
        path = folder / "mine.toml"
        path.write_text(text.replace('"lora-las-r4"', f'"{name}"'), "utf-8")
        return path

    def test_a_path_is_a_recipe_too(self, recipe_text: str, tmp_path: Path) -> None:
        assert load_recipe(self.mine(tmp_path, recipe_text)).name == "mine"
        copy = self.mine(tmp_path, recipe_text, "lora-las-r4")
        assert load_recipe(copy) == load_recipe("lora-las-r4")

    def test_two_of_one_name(
        self, recipe_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = self.mine(tmp_path, recipe_text.replace("1e4", "1e3"), "lora-las-r4")
        with pytest.raises(InputError) as caught:
            load_recipe(path)
        assert str(path) in str(caught.value)
        assert str(bundled_folder() / "lora-las-r4.toml") in str(caught.value)
        monkeypatch.setenv("OVBENCH_ADAPTERS", str(tmp_path))
        with pytest.raises(InputError, match="two recipes are called 'lora-las-r4'"):
            recipe_names()

    def test_a_broken_recipe_harms_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "broken.toml").write_text("name = [", "utf-8")
        monkeypatch.setenv("OVBENCH_ADAPTERS", str(tmp_path))
        assert load_recipe("majority").name == "majority"
        with pytest.raises(InputError, match="not a TOML file"):
            load_recipe("broken")

    def test_a_folder_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OVBENCH_ADAPTERS", "/nowhere")
        with pytest.raises(InputError, match="OVBENCH_ADAPTERS: /nowhere is not a folder"):
            recipe_names()

    def test_entry_points(
        self, recipe_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = self.mine(tmp_path, recipe_text)
        (tmp_path / "their_package.py").write_text(
            f"def recipe():\n    return {str(path)!r}\nnumber = 3\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        points = [
            EntryPoint("mine", "their_package:recipe", registry.ENTRY_POINTS),
            EntryPoint("numeric", "their_package:number", registry.ENTRY_POINTS),
            EntryPoint("absent", "their_package:nothing", registry.ENTRY_POINTS),
        ]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        assert {"mine", "numeric", "majority"} <= set(recipe_names())
        assert load_recipe("mine").name == "mine"
        with pytest.raises(InputError, match="leads to int; expected the path of a TOML file"):
            load_recipe("numeric")
        with pytest.raises(InputError, match="cannot be loaded"):
            load_recipe("absent")

    def test_a_wheel_has_them_beside_the_modules(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "ovbench"
        (package / "adapters").mkdir(parents=True)
        (package / "adapters" / "x.toml").touch()
        (tmp_path / "adapters").mkdir()
        (tmp_path / "adapters" / "not_ours.toml").touch()
        monkeypatch.setattr(registry.ovbench, "__file__", str(package / "__init__.py"))
        assert bundled_folder.__wrapped__() == package / "adapters"
