"""Score and compare open-vocabulary speech emotion recognition systems.

The public API. Names are imported when they are first used, so that ``import ovbench`` is quick.

>>> import ovbench
>>> result = ovbench.score({"a": "joyful"}, {"a": ["happy"]}, draws=0)
>>> result.scores["f1"]
1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovbench.lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ovbench.api import load_predictions, score
    from ovbench.errors import InputError, OvbenchError
    from ovbench.normalize.normalizer import Normalizer
    from ovbench.normalize.opening import official_normalizer, open_normalizer
    from ovbench.protocols import load_protocol
    from ovbench.results import Result
    from ovbench.scoring.state import EmotionWheelF1
    from ovbench.tasks import load_task, task_ids

_HOMES = {
    "EmotionWheelF1": "ovbench.scoring.state",
    "InputError": "ovbench.errors",
    "Normalizer": "ovbench.normalize.normalizer",
    "OvbenchError": "ovbench.errors",
    "Result": "ovbench.results",
    "load_predictions": "ovbench.api",
    "load_protocol": "ovbench.protocols",
    "load_task": "ovbench.tasks",
    "official_normalizer": "ovbench.normalize.opening",
    "open_normalizer": "ovbench.normalize.opening",
    "score": "ovbench.api",
    "task_ids": "ovbench.tasks",
}

__all__ = [
    "EmotionWheelF1",
    "InputError",
    "Normalizer",
    "OvbenchError",
    "Result",
    "__version__",
    "load_predictions",
    "load_protocol",
    "load_task",
    "official_normalizer",
    "open_normalizer",
    "score",
    "task_ids",
]


__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
