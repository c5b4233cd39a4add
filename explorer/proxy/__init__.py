"""The explorer for several readers, behind a proxy that logs them in: who may ask, what, and in which steps."""
