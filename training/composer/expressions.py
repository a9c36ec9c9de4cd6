# SPDX-License-Identifier: GPL-3.0-or-later
"""Small arithmetic in quotes: what a score may write in place of a number."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping

_OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sin": lambda degrees: math.sin(math.radians(degrees)),
    "cos": lambda degrees: math.cos(math.radians(degrees)),
}
Values = Mapping[str, float | str]


def evaluate(expression: float | str, values: Values) -> float:
    """The number that an expression gives with the names in `values`.

    + - * /, comparisons, `a if b else c`, and the functions min, max, abs, sin and cos (of degrees). Raises
    ValueError where it says anything else, or a name is not known.
    """
    if not isinstance(expression, str):
        return float(expression)
    try:
        result = _value(ast.parse(expression.strip(), mode="eval").body, values)
        return float(result)
    except (SyntaxError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"{expression!r} gives no number ({error})") from None


def check_expression(expression: float | str, known: Iterable[str], where: str) -> None:
    """Raise ValueError, naming `where`, unless the expression could be worked out with the known names."""
    if not isinstance(expression, str):
        return
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        raise ValueError(f"{where}: {expression!r} is not an expression") from None
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(_FUNCTIONS)
    unknown = sorted(names - set(known))
    if unknown:
        raise ValueError(
            f"{where}: {expression!r} speaks of {unknown[0]}, which is neither in [vary] nor in [let] above"
        )


def _value(node: ast.expr, values: Values) -> float | str | bool:
    match node:
        case ast.Constant(value=float() | int() | str()):
            return node.value  # type: ignore[return-value]
        case ast.Name(id=name):
            if name not in values:
                raise ValueError(f"{name} is not known here")
            return values[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, values))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, values) else other, values)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(arg, values) for arg in args))
    raise ValueError(f"{ast.unparse(node)} is more than an expression may say")
