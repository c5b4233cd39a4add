"""Reads journeys.toml: one table per package; environment variables override its keys.

`[ingest]`, `[paths]` and `[report]` are each a `Section` that their package defines, so a command loads only the
packages it needs. `JOURNEYS_INGEST__BROKERS` overrides the key `brokers` of `[ingest]` (lists and tables as JSON). An
error names file and line, the expected value, and the most similar valid key.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from expectations.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from tree_sitter import Node

PREFIX: Final = "JOURNEYS_"
Location = tuple[int | str, ...]
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """One table of journeys.toml. Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Owned(Section):
    """A definition, with who is responsible (`owner`), when it was last looked at (`reviewed`), what it means (`says`).

    >>> from datetime import date
    >>> Owned(owner="Mara", reviewed=date(2026, 11, 2)).reviewed
    '2026-11-02'
    """

    owner: str = Field(default="", description="who is responsible")
    reviewed: str = Field(default="", description="the day when the definition was last looked at")
    says: str = Field(default="", description="what it means, in a sentence")

    @field_validator("reviewed", mode="before")
    @classmethod
    def _as_text(cls, reviewed: object) -> object:
        return reviewed.isoformat() if isinstance(reviewed, date) else reviewed


class _Overridable(BaseSettings):
    """A table of the file, overridden by environment variables."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library defines the signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


@dataclass(frozen=True)
class ConfigFile:
    """A journeys.toml that has been read. Each table is validated when it is first used."""

    path: Path
    text: str
    data: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path, sections: tuple[str, ...]) -> ConfigFile:
        """Read `path`; its tables must be among `sections`.

        Raises:
            ConfigurationError: the file does not exist, is not TOML, or has another table.
        """
        try:
            text = path.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except OSError as error:
            raise ConfigurationError(
                "The configuration file cannot be read.",
                where=str(path),
                found=error.strerror or str(error),
                do="write one with `journeys init`, or name another one with --config",
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                "The configuration file is not UTF-8 text.", where=str(path), found=f"byte {error.start}"
            ) from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(
                "The configuration file is not valid TOML.", where=str(path), found=str(error)
            ) from error
        for name in data:
            if name not in sections:
                raise ConfigurationError(
                    f"Unknown table [{name}].",
                    where=f"{path}, line {line_of(text, (name,))}",
                    expected=", ".join(f"[{section}]" for section in sections),
                    do=nearest(name, sections),
                )
        return cls(path, text, data)

    def section(self, name: str, model: type[S]) -> S:
        """The table `name` as `model`: environment before file before the defaults of the model.

        Raises:
            ConfigurationError: a key is unknown or a value is invalid; the message lists the first five.
        """
        table = self.data.get(name, {})
        # pydantic cannot type a field whose name is known only at run time
        loaded = create_model("Loaded", __base__=_Overridable, **{name: (model, ...)})  # type: ignore[call-overload]
        try:
            return getattr(loaded(**{name: table}), name)  # type: ignore[no-any-return]
        except SettingsError as error:
            raise ConfigurationError(
                "An environment variable cannot be read.",
                where=f"variables that begin with {PREFIX}{name.upper()}",
                expected="plain text for a plain key, JSON for a list or a table",
                found=str(error.__cause__ or error),
            ) from error
        except ValidationError as error:
            raise self._explain(error, name, model) from error

    def item(self, name: str, index: int, model: type[S]) -> S:
        """Table number `index` (from 0) of the array of tables `name`, as `model`; never overridden by the environment.

        Raises:
            ConfigurationError: a key is unknown or a value is invalid.
        """
        try:
            return model.model_validate(self.data[name][index])
        except ValidationError as error:
            listed: Any = list[model]  # type: ignore[valid-type]
            details = [
                detail | {"loc": (name, index, *detail["loc"])} for detail in error.errors(include_url=False)[:5]
            ]
            lines = [self._complaint(detail, listed) for detail in details]
            raise ConfigurationError(f"[[{name}]] is invalid.\n  " + "\n  ".join(lines)) from error

    def _explain(self, error: ValidationError, name: str, model: type[Section]) -> ConfigurationError:
        details = error.errors(include_url=False)
        lines = [self._complaint(detail, model) for detail in details[:5]]
        if len(details) > len(lines):
            lines.append(f"… and {len(details) - len(lines)} more")
        return ConfigurationError(f"[{name}] is invalid.\n  " + "\n  ".join(lines))

    def _complaint(self, detail: ErrorDetails, model: type[Section]) -> str:
        location = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "tagged-")))
        key = ".".join(str(part) for part in location)
        start = f"{self._position(location)}: {key}: "
        if detail["type"] == "extra_forbidden":
            known = _keys_at(model, location[1:-1])
            return start + f"unknown key; {nearest(str(location[-1]), known) or 'known: ' + ', '.join(known)}"
        if detail["type"] == "literal_error":
            expected = str(detail.get("ctx", {}).get("expected", ""))
            near = nearest(str(detail["input"]), re.findall(r"'([^']*)'", expected))
            return start + f"expected {expected}, found {detail['input']!r}" + (f"; {near}" if near else "")
        reason = detail["msg"].removeprefix("Value error, ")
        return (
            start + reason + ("" if _is_hidden(model, location[1:]) else _found(detail, _type_at(model, location[1:])))
        )

    def _position(self, location: Location) -> str:
        for depth in range(len(location), 1, -1):
            variable = PREFIX + "__".join(str(part).upper() for part in location[:depth])
            if variable in {name.upper() for name in os.environ}:
                return f"environment variable {variable}"
        return f"{self.path}, line {line_of(self.text, location)}"


def toml_text(text: str) -> str:
    """A text as TOML writes it, in quotes.

    >>> print(toml_text('say "hi"'))
    "say \\"hi\\""
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def line_of(text: str, location: Location) -> int:
    """Line (from 1) of the deepest part of `location` that occurs in the TOML `text`.

    >>> line_of('[a]\\nx = 1\\n[[a.b]]\\ny = 2\\n', ("a", "b", 0, "y"))
    4
    """
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
    wanted = tuple(str(part) for part in location)
    best, line = 0, 1
    for path, node in _keys(tree.root_node):
        if len(path) > best and wanted[: len(path)] == path:
            best, line = len(path), node.start_point.row + 1
    return line


def _keys(document: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every key of the document with its full path; elements of an array of tables have their number as key."""
    seen: dict[tuple[str, ...], int] = {}
    for node in document.children:
        table: tuple[str, ...] = ()
        if node.type in ("table", "table_array_element"):
            header = _names(node.named_children[0])
            for part in header:
                table += (part,)
                if table in seen and (table != header or node.type == "table"):
                    table += (str(seen[table]),)
            if node.type == "table_array_element":
                seen[table] = seen.get(table, -1) + 1
                table += (str(seen[table]),)
            yield table, node
        for pair in [node] if node.type == "pair" else node.named_children:
            if pair.type == "pair":
                yield table + _names(pair.named_children[0]), pair


def _names(key: Node) -> tuple[str, ...]:
    if key.type == "dotted_key":
        return tuple(name for child in key.named_children for name in _names(child))
    return ((key.text or b"").decode().strip("\"'"),)


_LOGIN: Final = re.compile(r"[^\s'\"]*@")


def _found(detail: ErrorDetails, annotation: Any) -> str:
    """The invalid value as text; empty when it is missing, a whole table, or may be a secret."""
    value = detail["input"]
    if detail["type"] == "missing" or (isinstance(value, Mapping) and value) or _holds_secret(annotation):
        return ""
    return f", found {_LOGIN.sub('...@', repr(value))}"


def _holds_secret(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds_secret(field.annotation) for field in annotation.model_fields.values())
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _is_hidden(model: type[BaseModel], location: Location) -> bool:
    """Whether the model hides the field at `location` from its own text, as it does with a secret."""
    field = getattr(_type_at(model, location[:-1]), "model_fields", {}).get(str(location[-1]) if location else "")
    return field is not None and not field.repr


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """The valid keys at `location` of the model, also inside lists and tables."""
    annotation = _type_at(model, location)
    return list(annotation.model_fields) if hasattr(annotation, "model_fields") else []


def _type_at(model: type[BaseModel], location: Location) -> Any:
    """The type of the model's field at `location`; None when there is no such field."""
    annotation: Any = model
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            annotation = field.annotation if field else None
        else:
            parts = get_args(annotation) or (None,)
            annotation = parts[0] if isinstance(part, int) else parts[-1]
        if get_origin(annotation) not in (list, tuple, dict, Literal, None):
            annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation
