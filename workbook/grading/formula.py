"""Arithmetic that came in a request: parsed by Python, computed by hand, so nothing else can run.

Knows numbers, names, + - * / ^ and a few functions; knows nothing of what the names mean.
"""

import ast
import math
import operator
from collections.abc import Callable

MAX_LENGTH = 1000  # characters

_OPERATORS: dict[type[ast.operator | ast.unaryop], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # of floats: an integer power could fill the memory
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}


class FormulaError(ValueError):
    """The formula can't be read or computed; says why."""


def check(formula: str, names: set[str]) -> None:
    """Raise FormulaError unless `formula` computes something from these names."""
    try:
        _check(_parse(formula), names)
    except RecursionError:
        raise FormulaError("it is nested too deeply") from None


def compute(formula: str, values: dict[str, float]) -> float:
    """The value of a formula that was checked. Raises FormulaError: there is none."""
    try:
        result = float(_value(_parse(formula), values))
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
        raise FormulaError(str(error)) from None
    if not math.isfinite(result):
        raise FormulaError("its value is not a finite number")
    return result


def _parse(formula: str) -> ast.expr:
    if len(formula) > MAX_LENGTH:
        raise FormulaError(f"it is longer than {MAX_LENGTH} characters")
    try:
        return ast.parse(formula.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, MemoryError):
        raise FormulaError("it is not arithmetic that can be read") from None


def _check(node: ast.expr, names: set[str]) -> None:
    match node:
        case ast.Constant(value=bool()):
            raise FormulaError("it may hold numbers and names only")
        case ast.Constant(value=int() | float()):
            return
        case ast.Name(id=name):
            if name not in names:
                raise FormulaError(f"there is no grader named '{name}'")
        case ast.BinOp() if type(node.op) in _OPERATORS:
            _check(node.left, names)
            _check(node.right, names)
        case ast.UnaryOp() if type(node.op) in _OPERATORS:
            _check(node.operand, names)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS and node.args:
            for argument in node.args:
                _check(argument, names)
        case _:
            functions = ", ".join(_FUNCTIONS)
            raise FormulaError(f"it may hold numbers, names, + - * / ^ and {functions} only")


def _value(node: ast.expr, values: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](_value(operand, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            numbers = [_value(argument, values) for argument in arguments]
            # min and max of one number are that number, as of several.
            if len(numbers) == 1 and name in ("min", "max"):
                return numbers[0]
            return float(_FUNCTIONS[name](*numbers))
        case _:
            raise FormulaError("it was not checked")
