"""EmoSPeech 2024: tables with ``id``, ``label`` and ``transcription``; the test table has no label.

Ids are those of submissions, without the ending ``.mp3`` that some copies of the tables have.
"""

from __future__ import annotations

from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers.beside import clips, filled
from ovbench.tasks.readers.files import canonical_class, table

TABLES = {
    "train": ("EmoSPeech_phase_2_train_public.csv", "EmoSPeech_phase_2_train.csv"),
    "test": ("EmoSPeech_phase_2_test.csv", "EmoSPeech_phase_2_test_public.csv"),
}
"""Split → its table, by its usual names."""


def read(folder: DataFolder, _part: str, split: str) -> list[tuple[Item, Gold]]:
    """Items and gold of a split, in the file's order.

    Raises
    ------
    InputError
        If the table is missing, damaged, or without labels, as the public test table is.
    """
    path = folder.need(*TABLES[split])
    rows = table(path, ["id", "transcription"])
    if rows and "label" not in rows[0]:
        raise folder.missing(f"{TABLES[split][0]} with labels ({path.name} has none)")
    clip_of = clips(folder, f"{split}_segments", "audio", "audios")
    found = []
    for row in rows:
        name = filled(row, "id", str(path)).removesuffix(".mp3")
        where = f"{path}, {name!r}"
        word = filled(row, "label", where)
        item = Item(name, "", row["transcription"].strip(), clip_of(name))
        found.append((item, Gold((word,), canonical_class(folder.card, word, where), word=word)))
    return found
