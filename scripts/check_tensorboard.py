"""Train with --log tensorboard, killed on the way and resumed, and read the event files
with TensorBoard itself: each step of log.jsonl once, with its numbers.

  python scripts/check_tensorboard.py PROGRAM   (needs tensorboard 2.21.0 of PyPI)
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

program = os.path.abspath(sys.argv[1])
STEPS = 60


def train(rows, out, *more):
    return [program, "train", "--model", "t5/backbone", "--train", rows, "--dev", rows, "--out", out, "--steps", str(STEPS),
            "--batch-size", "2", "--max-source-length", "16", "--prompt-length", "4", "--rank", "3", "--warmup-steps", "5",
            "--eval-every", "15", "--save-every", "10", "--log", "tensorboard", *more]


def expected(out):
    """What log.jsonl holds, by tag: pairs of step and value."""
    tags = {}

    def add(tag, step, value):
        tags.setdefault(tag, []).append((step, float(numpy.float32(value))))

    for line in open(pathlib.Path(out) / "log.jsonl"):
        row = json.loads(line)
        for name, value in row.get("metrics", {}).items():
            add("eval/" + name, row["step"], value)
        for name, tag in [("loss", "loss"), ("grad_norm", "grad_norm"), ("lr_prompt", "learning_rate_prompt"), ("lr_lowrank", "learning_rate_lowrank")]:
            if name in row:
                add("train/" + tag, row["step"], row[name])
        if "loss" in row:
            add("train/epoch", row["step"], row["step"] / 4)
    return tags


def by_library(out):
    reader = EventAccumulator(str(out), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def by_server(folder, tags):
    """The same by way of the program and its data server, as its page asks for them."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", str(port), "--load_fast", "true",
                               "--samples_per_plugin", "scalars=100000"], stderr=subprocess.DEVNULL)
    try:
        found = {}
        for _ in range(120):
            time.sleep(1)
            try:
                for tag in tags:
                    query = urllib.parse.urlencode({"run": "r", "tag": tag})
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?{query}") as answer:
                        found[tag] = [(step, value) for _, step, value in json.load(answer)]
            except OSError:
                continue
            if found == tags:
                break
        return found
    finally:
        server.terminate()
        server.wait()


def check(what, found, want):
    assert found.keys() == want.keys(), f"{what}: {sorted(found)} where {sorted(want)} should be"
    for tag in want:
        assert found[tag] == want[tag], f"{what}: {tag} is {found[tag]} where {want[tag]} should be"


with tempfile.TemporaryDirectory() as folder:
    rows = os.path.join(folder, "rows.jsonl")
    with open(rows, "w") as f:
        for word in ["good", "bad", "fine", "poor", "great", "awful", "nice"]:
            f.write(json.dumps({"source": f"a {word} film", "target": word}) + "\n")
    out = os.path.join(folder, "runs", "r")
    run = subprocess.Popen(train(rows, out), stdout=subprocess.DEVNULL)
    log = pathlib.Path(out) / "log.jsonl"
    while not log.exists() or '"step":25' not in log.read_text():
        assert run.poll() is None, "the run ended early"
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    subprocess.run(train(rows, out, "--resume"), check=True, stdout=subprocess.DEVNULL)
    want = expected(out)
    assert [step for step, _ in want["train/loss"]] == list(range(1, STEPS + 1))
    check("the library", by_library(out), want)
    check("the server", by_server(os.path.join(folder, "runs"), want), want)
    print(f"TensorBoard reads {sum(map(len, want.values()))} values under {len(want)} tags as log.jsonl has them: {', '.join(sorted(want))}")
