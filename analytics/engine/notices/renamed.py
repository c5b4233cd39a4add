"""Old names and places of arguments: they work for one version, with a warning that says how to pass them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def renamed(**names: str) -> Callable[[_F], _F]:
    """Lets a function take arguments under their old names (`old="new"`), with a `DeprecationWarning`.

    >>> renamed(least="min_units")(lambda *, min_units: min_units)(min_units=2)
    2
    """

    def wrap(function: _F) -> _F:
        @wraps(function)
        def with_old_names(*arguments: Any, **options: Any) -> Any:
            for old in options.keys() & names.keys():
                text = f"{function.__name__}: argument {old!r} is now called {names[old]!r}; the old name goes in 0.4"
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                options[names[old]] = options.pop(old)
            return function(*arguments, **options)

        return with_old_names  # type: ignore[return-value]

    return wrap


def once_positional(*names: str) -> Callable[[_F], _F]:
    """Lets a function take arguments after the first by position, with a `DeprecationWarning`.

    >>> once_positional("by")(lambda paths, *, by: by)(None, by="stage")
    'stage'
    """

    def wrap(function: _F) -> _F:
        @wraps(function)
        def with_positions(first: Any, *arguments: Any, **options: Any) -> Any:
            named = dict(zip(names, arguments, strict=False))
            if named:
                words = ", ".join(f"{name}=..." for name in named)
                text = f"{function.__name__}: pass {words} by name; by position goes in 0.4"
                warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(first, *arguments[len(names) :], **named, **options)

        return with_positions  # type: ignore[return-value]

    return wrap
