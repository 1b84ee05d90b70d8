#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""LangGraph agents that take turns at one GPU. What Starling needs is marked.

usage: OPENAI_BASE_URL=http://127.0.0.1:8000/v1 langgraph_agents.py [NAME]...
"""
import subprocess
import sys
import threading

import starling                                                     # Starling
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition


@tool
@starling.tool                                                      # Starling
def count(word: str) -> str:
    """Count the lines of this program that have a word."""
    return subprocess.run(["grep", "-c", word, __file__], capture_output=True,
                          text=True, check=False).stdout.strip()


def graph():
    model = ChatOpenAI(model="agentload-1", api_key="none", max_tokens=24).bind_tools([count])
    g = StateGraph(MessagesState)
    g.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    g.add_node("tools", ToolNode([count]))
    g.add_edge(START, "model")
    g.add_conditional_edges("model", tools_condition)
    g.add_edge("tools", "model")
    return g.compile()


def run(name):
    with starling.agent(name):                                      # Starling
        with starling.gpu().lease(priority="interactive"):          # Starling
            state = graph().invoke({"messages": [("user", f"How often, {name}?")]})
    print(f"{name}: {state['messages'][-1].content}", flush=True)


def main():
    threads = [threading.Thread(target=run, args=(n,)) for n in sys.argv[1:] or ["planner"]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


if __name__ == "__main__":
    main()
