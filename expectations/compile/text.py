"""Row conditions that are text, as pandas writes them: read into conditions of JSON, never run as code.

| in the text                                                     | read as                             |
| --------------------------------------------------------------- | ----------------------------------- |
| `revenue >= 10`, `10 <= revenue < 20`, `kind == "order"`        | comparisons of a column and a value |
| `channel in ["web", "app"]`, `channel not in [...]`             | members of a list                   |
| `order_id.isnull()`, `.isna()`, `.notnull()`, `.notna()`        | whether there is a value            |
| `and`, `or`, `not`, `&`, `|`, `~`, parentheses                  | conditions together                 |
| `` `properties.sku` ``                                          | a column that is no plain word      |

Anything else (a call, an attribute, arithmetic, a variable with `@`, a comparison of two columns) is refused.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Final

LONGEST: Final = 10_000
"""Characters of a condition."""
_PARTS: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`([^`]+)`")
_COLUMN: Final = "_column_{}_"
_NULLITY: Final = {"isnull": True, "isna": True, "notnull": False, "notna": False}
_OPERATORS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "IN",
    ast.NotIn: "NOT_IN",
}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "IN": "NOT_IN", "NOT_IN": "IN"}

Condition = dict[str, Any]


def read_condition(text: str) -> Condition:
    """The condition as Great Expectations writes it in JSON. Raises ValueError with the part that is not allowed.

    >>> read_condition("revenue > 10")
    {'type': 'comparison', 'column': {'name': 'revenue'}, 'operator': '>', 'parameter': 10}
    >>> read_condition("os.system('ls') == 0")
    Traceback (most recent call last):
    ValueError: "os.system('ls')" is not allowed in a row condition
    """
    if len(text) > LONGEST:
        raise ValueError(f"a row condition has at most {LONGEST:,} characters")
    names: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return names.setdefault(found[1], _COLUMN.format(len(names))) if found[1] else found[0]

    plain = _PARTS.sub(named, text.strip())
    try:
        tree = ast.parse(plain, mode="eval")
        return _Reader({word: name for name, word in names.items()}).condition(tree.body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"the row condition {text[:100]!r} is no expression, or is nested too deeply") from error


class _Reader:
    """Reads the syntax tree of a condition; `names` has the columns in backticks by the word that replaced them."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=op, values=values):
                return _joined("and" if isinstance(op, ast.And) else "or", [self.condition(each) for each in values])
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
                word = "and" if isinstance(op, ast.BitAnd) else "or"
                return _joined(word, [self.condition(left), self.condition(right)])
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                return _negated(self.condition(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                pairs = zip(sides[:-1], ops, sides[1:], strict=True)
                return _joined("and", [self._comparison(a, _OPERATORS.get(type(op)), b, node) for a, op, b in pairs])
            case ast.Call(func=ast.Attribute(value=ast.Name(id=word), attr=attr), args=[], keywords=[]):
                if attr in _NULLITY:
                    return {"type": "nullity", "column": {"name": self._column(word)}, "is_null": _NULLITY[attr]}
        raise self._refused(node)

    def _comparison(self, left: ast.expr, operator: str | None, right: ast.expr, whole: ast.expr) -> Condition:
        if operator is None:
            raise self._refused(whole)
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name) and operator in _TURNED:
            left, operator, right = right, _TURNED[operator], left
        if not isinstance(left, ast.Name):
            raise self._refused(left)
        if operator in ("IN", "NOT_IN"):
            if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
                raise self._refused(whole)
            parameter: Any = [self._value(each) for each in right.elts]
        else:
            parameter = self._value(right)
        name = self._column(left.id)
        return {"type": "comparison", "column": {"name": name}, "operator": operator, "parameter": parameter}

    def _value(self, node: ast.expr) -> str | int | float | bool:
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign, node = (-1 if isinstance(node.op, ast.USub) else 1), node.operand
            if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
                raise self._refused(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
            return node.value if isinstance(node.value, str | bool) else sign * node.value
        raise self._refused(node)

    def _column(self, word: str) -> str:
        return self._names.get(word, word)

    def _refused(self, node: ast.expr) -> ValueError:
        text = ast.unparse(node)
        for word, name in self._names.items():
            text = text.replace(word, f"`{name}`")
        return ValueError(f'"{text[:100]}" is not allowed in a row condition')


def _joined(word: str, conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else {"type": word, "conditions": conditions}


def _negated(condition: Condition) -> Condition:
    """The rows that the condition does not select: where there is no value, a comparison of order does not hold."""
    form = condition["type"]
    if form in ("and", "or"):
        return _joined("or" if form == "and" else "and", [_negated(each) for each in condition["conditions"]])
    if form == "nullity":
        return {**condition, "is_null": not condition["is_null"]}
    opposite = {**condition, "operator": _OPPOSITE[condition["operator"]]}
    if condition["operator"] in ("==", "!=", "IN", "NOT_IN"):
        return opposite
    return _joined("or", [opposite, {"type": "nullity", "column": condition["column"], "is_null": True}])
