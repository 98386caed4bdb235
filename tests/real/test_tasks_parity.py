"""Tasks made of real files score as the files themselves do."""

from __future__ import annotations

from pathlib import Path

import ovbench
from ovbench.scoring import Options, score_files


def test_official_tables_are_given_the_data_set_s_own_words(official: Path) -> None:
    """MELD's task under the official protocol scores as MELD's own table does, to the last bit."""
    predictions = official / "affectgpt-outputs" / "results-meld"
    file = sorted(predictions.glob("*.npz"))[0]
    meld = ovbench.load_task("meld", data=official)
    options = Options(draws=0, floors=False)
    ours = score_files(file, meld, "hit-affectgpt-2025", options)
    theirs = score_files(
        file, official / "meld" / "test_sent_emo.csv", "hit-affectgpt-2025", options
    )
    assert ours.scores == theirs.scores
    assert ours.by_wheel == theirs.by_wheel
    assert ours.signature == theirs.signature
