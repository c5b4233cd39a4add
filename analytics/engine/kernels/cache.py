"""Caches compiled kernels on disk, and recompiles them when any kernel file has changed.

numba compiles a kernel into those that call it, yet keeps the compiled code of each by its own file alone: after a
change in one file, callers in other files would silently keep running the old code. `compiled` stores code under a
digest of all kernel files. The folder in NUMBA_CACHE_DIR may be read-only, as in an image that was built with the scans
compiled. Where no folder is writable and none is named, each process compiles for itself, and warns once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserProvidedCacheLocator


class UncachedWarning(UserWarning):
    """Compiled scans cannot be kept on disk, so that each process compiles them again. The answers are the same."""


class _ReadableFolder(UserProvidedCacheLocator):
    """The folder in NUMBA_CACHE_DIR where this process may only read."""

    def ensure_cache_path(self) -> None:
        if not os.access(self.get_cache_path(), os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.get_cache_path())


class _Folders(CompileResultCacheImpl):
    """A folder that can be written to, else one that can be read."""

    _locator_classes = [*CompileResultCacheImpl._locator_classes, _ReadableFolder]  # noqa: RUF012 - as in the base


class KernelCache(FunctionCache):
    """The compiled code of one function on disk, in files named by what it was compiled from."""

    _impl_class = _Folders

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        key = hashlib.sha256(f"{digest()} {stamp!r}".encode()).hexdigest()[:16]
        self._name = f"{self._impl.filename_base}-{key}"
        self._cache_file = IndexDataCacheFile(self.cache_path, self._name, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for some types; None where there is none, or it cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except OSError:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code for some types, where that is possible, and remove what was compiled from other files."""
        try:
            super().save_overload(sig, data)
            self._remove_old()
        except OSError as error:
            warn_uncached(error.strerror or str(error))

    def _remove_old(self) -> None:
        """Remove the code of this function, wherever it stood in its file, that this version of Python cannot use."""
        stem, _, place = self._impl.filename_base.rpartition("-")
        version = place.partition(".")[2]
        for file in Path(self.cache_path).glob(f"{stem}-*.{version}[-.]*"):
            if not file.name.startswith(self._name):
                file.unlink(missing_ok=True)


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a kernel at its first call, to run without the interpreter's lock. Options are those of `numba.njit`."""
    if function is None:
        return lambda given: compiled(given, **options)
    kernel = njit(nogil=True, **options)(function)
    try:
        kernel._cache = KernelCache(function)
    except RuntimeError:
        warn_uncached("no folder can be written to")
    return kernel


@cache
def digest() -> str:
    """A digest of the names and contents of all kernel files."""
    found = hashlib.sha256()
    for file in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            found.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


@cache
def warn_uncached(why: str) -> None:
    """An `UncachedWarning`, once for each reason."""
    text = f"Scans are compiled again in each process, as compiled code cannot be kept: {why}."
    warnings.warn(f"{text} Name a folder that can be written to in NUMBA_CACHE_DIR.", UncachedWarning, stacklevel=3)
