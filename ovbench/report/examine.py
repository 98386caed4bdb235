"""Reports on a run's model: what LoRA-LAS's term does, and whether labels leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ovbench.report.sections import DASH, Section

if TYPE_CHECKING:
    from ovbench.runs.las_report import LasReport
    from ovbench.runs.leak import LeakReport

_CHANGES = {
    "las_off": "the term off (plain LoRA)",
    "context_swap": "another item's context",
    "constant_s": "constant s = 1/2",
    "random_phase": "random phase",
    "rounding": "rounding alone (control)",
    "adapter_off": "the adapter off",
}


def las_sections(report: LasReport) -> Iterator[Section]:
    """The term in the layers, then at the output."""
    title = f"{report.system} on {report.task}: A = {report.amplitude:g}, ω = {report.omega:g}"
    modules = tuple(
        (name, f"{share:.4f}") for name, share in report.outputs_changed_by_module.items()
    )
    yield Section(
        f"{title}; share of layer outputs that the term changes",
        ("module", "changed"),
        (("all", f"{report.outputs_changed:.4f}"), *modules),
        (f"{report.dtype} base, {report.items} items, {report.positions} answer tokens",),
    )
    rows = tuple(
        (
            _CHANGES.get(name, name),
            "LoRA-LAS" if one.reference == "las" else "plain LoRA",
            f"{one.logits_changed:.3f}",
            f"{one.mean_abs:.2e}",
            f"{one.max_abs:.2e}",
            f"{one.kl:.2e}",
            f"{100 * one.flips:.2f}",
        )
        for name, one in report.changes.items()
    )
    columns = (
        *("change", "against", "logits changed", "mean |Δlogit|", "max |Δlogit|"),
        *("KL (nats)", "argmax flips (%)"),
    )
    note = (
        "a label context matters where another item's context does more than a constant s or a "
        "random phase"
    )
    yield Section("At the output", columns, rows, (note,))


def leak_section(report: LeakReport) -> Section:
    """The verdict, and what it rests on."""
    control = report.control
    at = "" if control.amplitude is None else f" (A = {control.amplitude:g}, ω = {control.omega:g})"
    recorded = report.not_as_recorded
    rows = (
        ("verdict", report.verdict),
        ("answers that change with the labels", f"{len(report.answers_changed)} of {report.items}"),
        ("contexts that change with the labels", f"{report.contexts_changed} of {report.items}"),
        ("answers unlike the run's", DASH if recorded is None else str(len(recorded))),
        (f"control: {control.leak}{at}", f"{control.differing} of {control.items} answers change"),
        ("context", report.context_source or "none"),
        ("rounds", str(report.rounds)),
    )
    notes = (
        ("changed: " + ", ".join(report.answers_changed[:10]),) if report.answers_changed else ()
    )
    return Section(f"Leak test of {report.system} on {report.task}", ("", "found"), rows, notes)
