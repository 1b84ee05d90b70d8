#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Agents of the OpenAI Agents SDK that take turns at one GPU. What Starling needs is marked.

usage: OPENAI_BASE_URL=http://127.0.0.1:8000/v1 openai_agents.py [NAME]...
"""
import asyncio
import os
import sys

import starling                                                     # Starling
from agents import (Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool,
                    set_tracing_disabled)
from openai import AsyncOpenAI


@function_tool
@starling.tool                                                      # Starling
async def count(word: str) -> str:
    """Count the lines of this program that have a word."""
    child = await asyncio.create_subprocess_exec("grep", "-c", word, __file__,
                                                 stdout=asyncio.subprocess.PIPE)
    return (await child.communicate())[0].decode().strip()


async def run(name, client):
    agent = Agent(name=name, instructions="Count words.", tools=[count],
                  model=OpenAIChatCompletionsModel(model="agentload-1", openai_client=client),
                  model_settings=ModelSettings(max_tokens=24))
    async with starling.agent(name):                                # Starling
        async with starling.gpu().lease(priority="interactive"):    # Starling
            result = await Runner.run(agent, f"How often, {name}?")
    print(f"{name}: {result.final_output}", flush=True)


async def main():
    set_tracing_disabled(True)
    client = AsyncOpenAI(api_key="none", base_url=os.environ["OPENAI_BASE_URL"])
    await asyncio.gather(*(run(n, client) for n in sys.argv[1:] or ["planner"]))


if __name__ == "__main__":
    asyncio.run(main())
