"""How many badges a core signs, ours against ``@digitalbazaar/vc``, in one run.

``python -m tests.bench.bench_signing [--rounds 9] [--count 60]``

Both sides get the same document in memory and give back the signed JSON, with an eddsa-rdfc-2022
proof and nothing kept from one badge to the next but keys, contexts and, on our side, the template. Rounds are interleaved
after a warm-up; what counts is the median CPU time of a round. Prints JSON; exit code 1 when the
ratio is below the target.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from app.credentials.proofs import data_integrity
from tests.interop.samples import AWARDED, Campus
from tests.interop.story_check import missing_tools

PEER = Path(__file__).resolve().parent / "signing_peer.mjs"
TARGET = 5.0

Round = Callable[[int], float]
"""Signs that many credentials; the CPU seconds it took."""


def ours(campus: Campus, document: dict[str, Any], *, fast: bool) -> Round:
    """Each badge is another learner's, so nothing of it can be kept but its template."""

    def run(count: int) -> float:
        badges = [learners(document) for _ in range(count)]
        before = time.process_time()
        for badge in badges:
            data_integrity.sign(badge, campus.ed25519, now=AWARDED, fast=fast)
        return time.process_time() - before

    return run


def learners(document: dict[str, Any]) -> dict[str, Any]:
    """The same badge for somebody else."""
    subject = document["credentialSubject"]
    identifier = subject["identifier"][0] | {
        "salt": uuid4().hex,
        "identityHash": f"sha256${uuid4().hex * 2}",
    }
    evidence = [document["evidence"][0] | {"id": f"https://story.example/evidence/{uuid4()}"}]
    other = subject | {"id": f"urn:uuid:{uuid4()}", "identifier": [identifier]}
    return document | {
        "id": f"urn:uuid:{uuid4()}",
        "credentialSubject": other,
        "evidence": evidence,
    }


def whole_issue(campus: Campus) -> Round:
    """Document built from facts, signed as Data Integrity and as RS256 token, both checked."""

    def run(count: int) -> float:
        before = time.process_time()
        for _ in range(count):
            badge = campus.badge()
            signed = campus.sign(badge, "eddsa-rdfc-2022")
            data_integrity.verify(signed, campus.ed25519.public, fast=True)
            campus.sign(badge, "vc-jwt-rs256")
        return time.process_time() - before

    return run


@contextmanager
def peer(document: dict[str, Any]) -> Iterator[Round]:
    process = subprocess.Popen(
        ["node", str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def say(line: str) -> None:
        stdin.write(line + "\n")
        stdin.flush()

    def run(count: int) -> float:
        say(str(count))
        answer = json.loads(stdout.readline())
        assert json.loads(answer["signed"])["proof"]["cryptosuite"] == data_integrity.CRYPTOSUITE
        return float(answer["seconds"])

    with process:
        say(json.dumps(document))
        yield run
        stdin.close()


def measure(rounds: int, count: int) -> dict[str, Any]:
    """Median credentials per CPU second of each contender, and the ratio that counts."""
    campus = Campus()
    document = campus.badge()
    assert data_integrity.check_trim(document)
    with peer(document) as theirs:
        contenders: dict[str, Round] = {
            "ours": ours(campus, document, fast=True),
            "ours, reference canonicalizer": ours(campus, document, fast=False),
            "ours, build + proof + self-check + token": whole_issue(campus),
            "@digitalbazaar/vc": theirs,
        }
        for run in contenders.values():
            run(count)
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, run in contenders.items():
                seconds[name].append(run(count))
    rates = {name: round(count / median(taken), 1) for name, taken in seconds.items()}
    return {
        "measure": "credentials signed per second of CPU, median of interleaved rounds",
        "rounds": rounds,
        "count": count,
        "rates": rates,
        "ratio": round(rates["ours"] / rates["@digitalbazaar/vc"], 2),
        "target": TARGET,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Signing rate against @digitalbazaar/vc.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=60)
    chosen = parser.parse_args(arguments)
    reason = missing_tools()
    if reason:
        sys.stderr.write(f"cannot measure: {reason}\n")
        return 2
    result = measure(chosen.rounds, chosen.count)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0 if result["ratio"] >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
