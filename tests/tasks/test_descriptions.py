"""Descriptions that lie beside a data set's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from merbench_files import rows, write_csv

from ovbench.errors import InputError


def described(folder: Path, text: str | bytes) -> dict[str, str]:
    """The descriptions of two items, a and b, with such a file beside them."""
    write_csv(folder / "ovlabel.csv", "name,openset", ("a", "['sad']"), ("b", "['calm']"))
    (folder / "descriptions.jsonl").write_bytes(text.encode() if isinstance(text, str) else text)
    return {item.id: item.description for item, _ in rows("ov-merd-plus", "test", folder)}


def test_items_are_described_by_id(tmp_path: Path) -> None:
    text = (
        '{"id": "b", "description": "soft\u2028and slow"}\r\n\n'
        '{"id": "z", "description": "not of this split"}\n'
    )
    assert described(tmp_path, text) == {"a": "", "b": "soft\u2028and slow"}
    assert described(tmp_path, "\ufeff" + text)["b"] == "soft\u2028and slow"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "a"}', "line 1: not a description"),
        ('\n{"id": "a", "description": null}', "line 2: not a description"),
        ('{"id": 7, "description": "soft"}', "not a description"),
        ('["a", "soft"]', "not a description"),
        ("[" * 100_000, "not a description"),
        (2 * '{"id": "a", "description": "soft"}\n', "line 2: the id 'a' comes twice"),
        (b'{"id": "a", "description": "\xff"}', "UTF-8"),
    ],
)
def test_damaged_descriptions(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        described(tmp_path, text)
