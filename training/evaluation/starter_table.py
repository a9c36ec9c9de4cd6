# SPDX-License-Identifier: GPL-3.0-or-later
"""The scores of a starter as Markdown: what is wanted, what real motions have, what the bundle makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SMALLEST = 1e-9


@dataclass(frozen=True)
class Line:
    """One line. least, most: what `value` may be; a line with neither is told and not judged."""

    label: str
    real: str
    made: str
    value: float | None = None
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the wish is fulfilled; None where there is none or nothing was measured."""
        if self.value is None or (self.least is None and self.most is None):
            return None
        return self.value >= self.least if self.least is not None else self.value <= (self.most or 0.0)


def lines(report: Mapping[str, Any]) -> list[Line]:
    """Every line of the table from `starter.score`'s report."""
    base, checks = report["evaluation"], report["checks"]
    rows = ("real", "decoded", "cleaned")
    real, decoded, cleaned = ({**_means(base["protocol"].get(row)), **_means(base["animator"].get(row)),
                               **_means(base["roles"].get(row))} for row in rows)  # fmt: skip
    get = lambda check, column, key: checks.get(check, {}).get(column, {}).get(key)
    copied, same = (lambda key, row=row: get("copies", row, key) for row in ("copied", "copied_same"))
    slide, jerk = (get("training", "real", key) for key in ("foot_slide_mm_s", "jerk_m_s3"))
    made_faults, real_faults = (checks.get("faults", {}).get(column) for column in ("generated", "real"))
    vae = report.get("vae") or {}
    hands, real_hands = get("touches", "generated", "hands"), get("touches", "real", "hands")
    feet, real_feet = get("touches", "generated", "feet"), get("touches", "real", "feet")
    solved, real_solved = get("touches", "generated", "solved"), get("touches", "real", "solved")
    table = [
        _ratio("R-precision top 1, share of real's", real.get("r_precision_1"), decoded.get("r_precision_1"),
               least=0.7),
        _against("R-precision top 1, above a copied training clip's", copied("r_precision_1"),
                 decoded.get("r_precision_1"), above=True),
        _told("… a copied clip of the same interaction", None, same("r_precision_1"), 3),
        _against("FID, below a copied training clip's", copied("fid"), decoded.get("fid")),
        _told("… a copied clip of the same interaction", None, same("fid"), 2),
        _told("The interaction that was asked for, top 1 of the judge", get("recall", "real", "top_1"),
              get("recall", "generated", "top_1"), 2),
        _told("… top 3", get("recall", "real", "top_3"), get("recall", "generated", "top_3"), 2),
        _wish("Role accuracy, by what each person does", get("roles", "real", "accuracy"),
              get("roles", "generated", "accuracy"), 2, least=0.9),
        _told("… by the evaluator, of all sentences", real.get("role_accuracy"),
              cleaned.get("role_accuracy"), 2),
        _told("Roles swapped in the sentence: both motions have the roles that were asked for",
              get("swaps", "real", "both"), get("swaps", "generated", "both"), 2),
        _told("… one is nearer to the other turned round than as it is, by what each person does",
              get("swaps", "real", "signature"), get("swaps", "generated", "signature"), 2),
        _told("… by the evaluator", get("swaps", "real", "evaluator"),
              get("swaps", "generated", "evaluator"), 2),
        _ratio("Foot slide, mm/s, times the training data's", slide, cleaned.get("foot_slide_mm_s"), 0,
               most=1.5),
        _ratio("Jerk, m/s³, times the training data's", jerk, cleaned.get("jerk_m_s3"), 0, most=1.5),
        _wish("VAE reconstruction, mean, mm", None, vae.get("posed_mm"), 1, most=15.0),
        _told("… joints as decoded, before they are put on bones", None, vae.get("decoded_mm"), 1),
        _share("Hands closer than 10 cm where a touch is asked for", real_hands, hands, least=0.8),
        _share("Feet closer than 10 cm where a kick lands", real_feet, feet),
        _share("Under 2 cm after the contact solve", real_solved, solved, least=1.0),
        _ratio("Bodies in each other, ml, times the data's", real.get("interpenetration_ml"),
               cleaned.get("interpenetration_ml"), 0, most=1.0),
        _ratio("Depth of the deepest overlap, mm, times the data's", real.get("overlap_depth_mm"),
               cleaned.get("overlap_depth_mm"), 1, most=1.0),
        _faults(real_faults, made_faults),
        _ratio("Multimodality, share of the data's", get("variety", "real", "multimodality"),
               decoded.get("multimodality"), 3, least=0.7),
        _told("Paraphrases of no score: the judge sees what they ask for, top 1", None,
              get("paraphrases", "generated", "top_1"), 2),
        _told("… top 3", None, get("paraphrases", "generated", "top_3"), 2),
        _two_parts(checks.get("two_parts", {}).get("generated")),
    ]  # fmt: skip
    return [line for line in table if line.real or line.made]


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report."""
    checks = report["checks"]
    wishes = [line for line in lines(report) if line.met is not None]
    text = [
        f"# Starter scores: {report['name']}",
        "",
        f"{report['facts']} {sum(line.met is True for line in wishes)} of {len(wishes)} wishes fulfilled.",
        "",
        "| | real | generated | wanted | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for line in lines(report):
        wanted = f"≥ {line.least:g}" if line.least is not None else f"≤ {line.most:g}" if line.most else ""
        verdict = {True: "yes", False: "**no**", None: ""}[line.met]
        text.append(f"| {line.label} | {line.real} | {line.made} | {wanted} | {verdict} |")
    text += _lengths(checks.get("durations", {})) + _interactions(checks.get("recall", {}))
    text += _sentences(checks)
    return "\n".join([*text, "", *(f"- {note}" for note in report["notes"])]).rstrip() + "\n"


def _lengths(durations: Mapping[str, Any]) -> list[str]:
    if not durations:
        return []
    titles = ["seconds", "slide, mm/s: real", "generated", "jerk, m/s³: real", "generated", "judge's top 3"]
    text = ["", "## By length", "", f"| {' | '.join([*titles, 'faulty'])} |", "| ---: |" + " ---: |" * 6]
    for seconds in dict.fromkeys([*durations.get("real", {}), *durations.get("generated", {})]):
        real, made = (
            durations.get("real", {}).get(seconds, {}),
            durations.get("generated", {}).get(seconds, {}),
        )
        cells = [_number(row.get(key), 0) for key in ("foot_slide_mm_s", "jerk_m_s3") for row in (real, made)]
        text.append(
            f"| {seconds} | {' | '.join(cells)} | {_number(made.get('top_3'), 2)} "
            f"| {_number(made.get('faulty'), 0)} |"
        )
    return text


def _interactions(recall: Mapping[str, Any]) -> list[str]:
    if not recall:
        return []
    made = recall.get("generated", {}).get("interactions", {})
    text = ["", "## By interaction: clips that the judge names rightly", ""]
    text += ["| interaction | real | generated |", "| --- | ---: | ---: |"]
    for kind, (hits, count) in recall["real"]["interactions"].items():
        own = f"{made[kind][0]} of {made[kind][1]}" if kind in made else "–"
        text.append(f"| {kind} | {hits} of {count} | {own} |")
    return text


def _sentences(checks: Mapping[str, Any]) -> list[str]:
    text = []
    told = checks.get("paraphrases", {}).get("generated", {}).get("sentences")
    if told:
        text += [
            "",
            "## Paraphrases",
            "",
            "| sentence | asks for | its place with the judge |",
            "| --- | --- | ---: |",
        ]
        text += [f"| {sentence} | {name} | {place} |" for name, sentence, place in told]
    parts = checks.get("two_parts", {}).get("generated", {}).get("places")
    if parts:
        text += ["", "| sentence of two parts | place of the first in the first half | of the second, then |"]
        text += ["| --- | ---: | ---: |"]
        text += [f"| {sentence} | {first} | {then} |" for sentence, first, then in parts]
    return text


def _means(figures: Mapping[str, Any] | None) -> dict[str, float]:
    return {k: v["mean"] if isinstance(v, Mapping) else v for k, v in (figures or {}).items()}


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _told(label: str, real: float | None, made: float | None, digits: int) -> Line:
    texts = [_number(v, digits) if v is not None else "" for v in (real, made)]
    return Line(label, texts[0], texts[1])


def _wish(label: str, real: float | None, made: float | None, digits: int, **limit: float) -> Line:
    line = _told(label, real, made, digits)
    return Line(label, line.real, line.made, made, **limit)


def _ratio(label: str, real: float | None, made: float | None, digits: int = 3, **limit: float) -> Line:
    line = _told(label, real, made, digits)
    if real is None or made is None:
        return line
    ratio = made / max(real, _SMALLEST)
    return Line(label, line.real, f"{line.made} ({ratio:.2f}×)", ratio, **limit)


def _against(label: str, copied: float | None, made: float | None, above: bool = False) -> Line:
    if copied is None:
        return Line(label, "", "")
    limit = {"least": round(copied, 3)} if above else {"most": round(copied, 3)}
    return Line(label, "", _number(made, 3), made, **limit)


def _share(label: str, real: Mapping | None, made: Mapping | None, **limit: float) -> Line:
    def cell(row: Mapping | None) -> str:
        if not row or row["share"] is None:
            return ""
        return f"{row['share']:.0%} of {row['of']} (middle {row['median_m'] * 100:.1f} cm)"

    return Line(label, cell(real), cell(made), made["share"] if made else None, **limit)


def _faults(real: Mapping | None, made: Mapping | None) -> Line:
    def cell(row: Mapping | None) -> str:
        if not row:
            return ""
        kinds = ", ".join(f"{row[name]} {name}" for name in ("frozen", "drifting", "floating"))
        return f"{row['any']} of {row['of']} ({kinds})"

    label = "Motions in which somebody freezes, drifts or floats"
    return Line(label, cell(real), cell(made), float(made["any"]) if made else None, most=0.0)


def _two_parts(made: Mapping | None) -> Line:
    label = "Sentences of two parts: first, second, both halves among the judge's three nearest"
    return Line(label, "", f"{made['first']}, {made['then']}, {made['both']} of {made['of']}" if made else "")
