"""Writes into deploy/ the digest of every image that it names by a tag: `make pin`.

`python:3.11-slim` becomes `python:3.11-slim@sha256:...`, so that the same image is used until the next `make pin`,
which writes the digest that the tag has then. The digest is that of the image for all platforms. Images that are built
here (`journeys`) have no tag in these files and stay. Unless every digest could be read, nothing is written: exit
code 3.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DEPLOY = Path(__file__).parent
NAMED = re.compile(r"^(FROM |\s*image: )(?P<image>[\w./:-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?(?=\s|$)", re.MULTILINE)
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SECONDS = 20.0
CANNOT_BE_READ = 3


def digest(image: str) -> str:
    """The digest that a registry has for `name:tag`. Raises OSError, or ValueError for an answer without a digest."""
    name, _, tag = image.rpartition(":")
    host, _, path = name.partition("/")
    if not re.search(r"[.:]|^localhost$", host):  # as docker reads it: no host is Docker Hub, no user is its library
        host, path = "registry-1.docker.io", name if "/" in name else f"library/{name}"
    scheme = "http" if re.match(r"localhost\b|127\.", host) else "https"
    address = f"{scheme}://{host}/v2/{path}/manifests/{tag}"
    try:
        found = _head(address)
    except urllib.error.HTTPError as refused:
        if refused.code != 401:
            raise
        found = _head(address, _token(refused.headers.get("WWW-Authenticate", "")))
    if not DIGEST.fullmatch(found):
        raise ValueError(f"the registry answers without a digest: {found!r}")
    return found


def _head(address: str, token: str | None = None) -> str:
    headers = {"Accept": ACCEPT} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(address, headers=headers, method="HEAD")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return str(answer.headers.get("Docker-Content-Digest", ""))


def _token(challenge: str) -> str:
    """The token for anonymous readers, from where the registry's challenge says."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if "realm" not in asked:
        raise ValueError(f"the registry asks for a login: {challenge!r}")
    query = urllib.parse.urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
    with urllib.request.urlopen(f"{asked['realm']}?{query}", timeout=SECONDS) as answer:
        given = json.load(answer)
    return str(given.get("token") or given["access_token"])


def named(folder: Path) -> dict[Path, list[str]]:
    """The images named with a tag, by file."""
    files = [folder / "Dockerfile", *sorted(folder.rglob("*.yaml"))]
    images = {file: [found["image"] for found in NAMED.finditer(file.read_text())] for file in files}
    return {file: of for file, of in images.items() if of}


def pin(folder: Path = DEPLOY) -> int:
    """Pin the images of a folder, and say what was done; returns the exit code."""
    files, digests, failures = named(folder), {}, []
    for image in sorted({image for images in files.values() for image in images}):
        try:
            digests[image] = digest(image)
        except (OSError, ValueError, KeyError) as error:
            failures.append(f"  {image}: {error}")
    if failures:
        lines = ["No digest was written: a registry cannot be read from here.", *failures]
        lines.append("  do: run make pin where the registries can be reached; until then the tags are used as they are")
        sys.stderr.write("\n".join(lines) + "\n")
        return CANNOT_BE_READ
    for file in files:
        text = file.read_text()
        file.write_text(NAMED.sub(lambda found: f"{found[1]}{found['image']}@{digests[found['image']]}", text))
        sys.stdout.write("".join(f"{file.name}: {image}@{digests[image]}\n" for image in files[file]))
    return 0


if __name__ == "__main__":
    sys.exit(pin())
