"""Actions of the foreign charm: hook tools as programs, nothing else."""

import json
import os
import subprocess
import sys


def tool(*words):
    """What a hook tool prints. Fails as it fails."""
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def recite():
    lender = tool("state-get", "lender")
    if not lender:
        tool("action-fail", "nothing was lent")
        return
    tool("action-log", f"asking {lender}")
    content = json.loads(tool("secret-get", "--label", "borrowed", "--format", "json"))
    title = tool("state-get", "borrowed")
    tool("action-set", f"said.word={content['word']}", f"said.title={title}", f"lender={lender}")


def journal():
    instance = json.loads(tool("storage-list", "pages", "--format", "json"))[0]
    with open(os.path.join(tool("storage-get", "-s", instance, "location"), "journal")) as file:
        events = file.read().split()
    tool("action-set", "events=" + " ".join(events), "count=" + tool("state-get", "count"))


def reprint():
    path = json.loads(tool("action-get", "--format", "json"))["from"]
    tool("secret-set", tool("state-get", "secret"), f"word#file={path}")


def broken():
    raise SystemExit("as asked")


{"recite": recite, "journal": journal, "reprint": reprint, "break": broken}[sys.argv[1]]()
