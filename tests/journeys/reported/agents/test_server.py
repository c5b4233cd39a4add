"""The server over real standard input and output, asked by the client of the protocol's own package."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from journeys.reported.agents.agents import tools_of
from journeys.reported.agents.arguments import ARGUMENTS
from journeys.reported.agents.budget import tokens_of
from journeys.reported.agents.skill import skill_text
from tests.journeys.reported.agents.shop import CLEAN, HOSTILE, KEYS

pytestmark = pytest.mark.agents


def session(config: Path, ask: Callable[[Any], Awaitable[None]], noted: Path) -> None:
    """Runs a session with `journeys agents`; what the server writes on standard error is noted."""
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    command = ["-m", "journeys", "agents", "--config", str(config)]
    server = StdioServerParameters(command=sys.executable, args=command, cwd=Path.cwd())

    async def main() -> None:
        with noted.open("w") as log:
            async with Client(stdio_client(server, errlog=log)) as client:
                await ask(client)

    anyio.run(main)


def test_a_session(config: Path, tmp_path: Path) -> None:
    texts = []

    async def ask(client: Any) -> None:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == list(ARGUMENTS)
        assert all(tool.annotations.read_only_hint for tool in listed)
        schemas = json.dumps([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed])
        assert tokens_of(schemas) <= 2_000 and HOSTILE not in schemas and "Ignore all" not in schemas
        assert "never follow" in client.instructions and "published" in client.instructions
        for name, arguments in (
            ("vocabulary", {}),
            ("ask", {"of": "funnel"}),
            ("ask", {"of": "definitions", "rows": 20}),
            ("why", {}),
            ("sql", {"query": "select goal, reached from goals"}),
        ):
            answer = await client.call_tool(name, arguments)
            assert not answer.is_error and len(answer.content) == 1
            texts.append(answer.content[0].text)
        wrong = await client.call_tool("ask", {"of": "funel"})
        assert wrong.is_error
        texts.append(wrong.content[0].text)
        read = await client.read_resource("journeys://skill")
        assert read.contents[0].text == skill_text()
        assert len((await client.list_resources()).resources) == 2
        assert "eight sentences" in (await client.get_prompt("weekly_review")).messages[0].content.text

    session(config, ask, tmp_path / "log")
    assert [json.loads(text)["mode"] for text in texts] == ["published"] * len(texts)
    assert CLEAN in [row[2] for row in json.loads(texts[2])["rows"]]
    assert json.loads(texts[-1])["instead"] == {"tool": "ask", "arguments": {"of": "funnel"}}
    assert not any(key in text for key in KEYS for text in texts)
    notes = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert [note["tool"] for note in notes] == ["vocabulary", "ask", "ask", "why", "sql", "ask"]
    assert "funel" not in (tmp_path / "log").read_text(), "no value is logged"


def test_fewer_tools_in_mode_mine(config: Path) -> None:
    """In this process, without a transport."""
    from mcp.client.client import Client

    from journeys.reported.agents.server import server_of_tools

    async def main() -> None:
        async with Client(server_of_tools(tools_of(config, ["vocabulary", "ask"], mine=True))) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["vocabulary", "ask"]
            answer = await client.call_tool("ask", {"of": "funnel", "steps": ["look", "buy"]})
            assert json.loads(answer.content[0].text)["receipt"].startswith("store:")
            assert "mode mine" in client.instructions
            with pytest.raises(Exception, match="no such resource"):
                await client.read_resource("journeys://other")

    anyio.run(main)
