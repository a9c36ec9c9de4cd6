# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores (see `score`) read from TOML, and checked for all that can be wrong without playing them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from intermoe_engine.errors import EngineError
from intermoe_engine.retarget.touch.parts import INDEX

from .expressions import check_expression
from .fields import read_table
from .score import Accept, CaptionTemplate, Choice, Range, Score, ScoreError
from .tables import Gesture, Layer, Look, Phase, Posture, Stage, Touch

INTERACTIONS = Path(__file__).parent / "interactions"
WHO = ("actor", "other", "both")
JOINT_SETS = ("upper", "arms", "right_arm", "left_arm", "trunk", "head", "legs")
DIRECTIONS = ("forward", "back", "left", "right", "up", "down", "in")
SIDES = ("front", "back", "left", "right", "up", "down", "near")
_TIMED = {"layer": Layer, "posture": Posture, "gesture": Gesture, "look": Look, "touch": Touch}


def load_score(path: Path) -> Score:
    """Read a score. Raises ScoreError naming the file and the key, OSError where it cannot be read."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScoreError(f"{path}: not a TOML file: {error}") from None
    try:
        score = _score(data)
        _check(score)
    except (ValueError, EngineError) as error:
        raise ScoreError(f"{path}: {error}") from None
    return score


def load_scores(folder: Path = INTERACTIONS) -> list[Score]:
    """Every score of a folder, by name. Raises ScoreError."""
    scores = [load_score(path) for path in sorted(folder.glob("*.toml"))]
    names = [score.name for score in scores]
    for name in names:
        if names.count(name) > 1:
            raise ScoreError(f"{folder}: two scores are called {name}; rename one")
    return scores


def _score(data: dict) -> Score:
    def needed(key: str, kind: type):
        if not isinstance(data.get(key), kind):
            what = "is missing" if key not in data else f"must be a {_KINDS[kind]}"
            raise ValueError(f"{key} {what}")
        return data.pop(key)

    name, title = needed("name", str), needed("title", str)
    roles = needed("roles", dict)
    vary = {key: _variation(key, value) for key, value in data.pop("vary", {}).items()}
    stage = read_table(Stage, needed("stage", dict), "[stage]")
    phases = {who: _rows(Phase, needed(who, list), who) for who in ("actor", "other")}
    timed = {f"{key}s": _rows(kind, data.pop(key, []), key) for key, kind in _TIMED.items()}
    timed["touches"] = timed.pop("touchs")
    rest: dict = {
        "let": dict(data.pop("let", {})),
        "accept": read_table(Accept, data.pop("accept", {}), "[accept]"),
        "captions": _rows(CaptionTemplate, data.pop("caption", []), "caption"),
        "mirror": float(data.pop("mirror", 0.5)),
        "people": _people(data.pop("people", [])),
    }
    if data:
        raise ValueError(f"{', '.join(sorted(data))}: no such key; see training/composer/score.py")
    return Score(name=name, title=title, roles=roles, vary=vary, stage=stage, phases=phases, **timed, **rest)


def _people(value: object) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in value if isinstance(value, list) else [value]:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(noun, str) for noun in pair)):
            raise ValueError('people must be a list of pairs of nouns: [["a teacher", "a student"]]')
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


_KINDS: dict[type, str] = {str: "word", dict: "table", list: "list of tables ([[…]])"}


def _rows(kind: type, rows: object, key: str) -> tuple:
    if not isinstance(rows, list):
        raise ValueError(f"{key} must be a list of tables: write [[{key}]]")
    return tuple(read_table(kind, row, f"[[{key}]] {n}") for n, row in enumerate(rows, start=1))


def _variation(key: str, value: object) -> Range | Choice:
    if isinstance(value, list) and value and all(isinstance(v, str | int | float) for v in value):
        return Choice(tuple(value), tuple(v if isinstance(v, str) else "" for v in value))
    if isinstance(value, dict) and "range" in value:
        span, names = value["range"], value.get("names", {})
        if set(value) <= {"range", "names"} and all(_is_span(v) for v in (span, *names.values())):
            return Range(float(span[0]), float(span[1]), {n: (v[0], v[1]) for n, v in names.items()})
    elif isinstance(value, dict) and value and all(isinstance(v, int | float) for v in value.values()):
        return Choice(tuple(float(v) for v in value.values()), tuple(value))
    raise ValueError(
        f"[vary] {key}: write {{ slow = 0.8, fast = 1.2 }}, {{ range = [low, high] }} or a list of values"
    )


def _is_span(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, int | float) for v in value)
        and value[0] <= value[1]
    )


def _check(score: Score) -> None:
    """Everything that can be wrong without playing it."""
    known = {"end", *score.vary}
    for key, value in score.let.items():
        check_expression(value, known, f"[let] {key}")
        known.add(key)
    if set(score.roles) != {"actor", "other"}:
        raise ValueError("[roles] must say what actor and other do")
    if not 0 <= score.mirror <= 1:
        raise ValueError(f"mirror is {score.mirror}; give a share from 0 to 1")
    tables: list[tuple[str, object]] = [("[stage]", score.stage)]
    for who, phases in score.phases.items():
        if not phases:
            raise ValueError(f"[[{who}]]: there must be at least one phase")
        for n, phase in enumerate(phases, start=1):
            tables += [(f"[[{who}]] {n}", phase)] + (
                [(f"[[{who}]] {n} move", phase.move)] if phase.move else []
            )
    for key in _TIMED:
        rows = getattr(score, "touches" if key == "touch" else f"{key}s")
        tables += [(f"[[{key}]] {n}", row) for n, row in enumerate(rows, start=1)]
    for where, table in tables:
        _check_table(table, known, where)
    for n, caption in enumerate(score.captions, start=1):
        for key, value in caption.when.items():
            for one in value if isinstance(value, list) else [value]:
                hand = key == "hand" and one in ("left", "right")
                if not hand and (key not in score.vary or not _can_be(score.vary[key], one)):
                    raise ValueError(f"[[caption]] {n}: when {key} = {one!r} can never be; see [vary]")


def _check_table(table: object, known: set[str], where: str) -> None:
    for key, value in vars(table).items():
        is_target = isinstance(table, Look) and key == "at" and isinstance(value, str)
        if key in _WORDS or is_target:
            continue
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, float | str) and part not in ("other", "away"):
                check_expression(part, known, f"{where} {key}")
    allowed = {"who": WHO, "joints": JOINT_SETS, "frame": ("chest", "head", "pelvis", "floor")}
    allowed |= {"to": ("", "other"), "face": ("", "path", "other", "keep"), "hand": ("right", "left", "both")}
    allowed |= {"own": ("", "palm", "back", "tip", "any"), "side": SIDES}
    allowed |= {
        "palm": ("", *DIRECTIONS),
        "fingers": ("", *DIRECTIONS),
        "part": tuple(INDEX),
        "on": tuple(INDEX),
    }
    for key, choices in allowed.items():
        value = getattr(table, key, None)
        if isinstance(value, str) and "{" not in value and value not in choices:
            raise ValueError(f"{where} {key} is {value!r}; use {', '.join(c for c in choices if c)}")


_WORDS = (
    "who",
    "clip",
    "joints",
    "to",
    "face",
    "hand",
    "frame",
    "palm",
    "fingers",
    "part",
    "on",
    "own",
    "side",
)
_WORDS += ("mirror",)


def _can_be(variation: Range | Choice, value: object) -> bool:
    if isinstance(variation, Range):
        return value in variation.names
    return value in variation.names or value in variation.values
