from __future__ import annotations

import pytest
from pydantic import ValidationError

from ovbench.context import ContextSettings


def test_the_default_is_the_description_by_the_built_in_encoder() -> None:
    settings = ContextSettings()
    assert (settings.source, settings.encoder, settings.shuffled) == (
        "description",
        "clusters",
        False,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "gold"}, "'description', 'prototypes'"),
        ({"temprature": 3}, "Extra inputs are not permitted"),
        ({"temperature": 0}, "greater than 0"),
        ({"temperature": float("inf")}, "finite number"),
        ({"temperature": float("nan")}, "finite number|greater than 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"source": "none", "shuffled": True}, "source 'none' cannot be shuffled"),
        ({"source": "candidates", "shuffled": True}, "it gives every item the same"),
        ({"source": "two_pass", "shuffled": True}, "not there for the whole split"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ContextSettings.model_validate(fields)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ContextSettings().seed = 3  # type: ignore[misc]
