#!/usr/bin/env python3
"""What PyTorch takes for the work that `dept bench` times: the same matrix products and
a step of DePT on a T5 of the same sizes, random and frozen, written with PyTorch alone
the way Hugging Face's T5 computes it. Prints a line of JSON for each figure. It needs
python3 with torch, and takes a GPU where torch finds one."""

import argparse
import json
import math
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

SIZES = {  # d_model, d_kv, d_ff, heads, layers
    "t5-small": (512, 64, 2048, 8, 6),
    "t5-base": (768, 64, 3072, 12, 12),
    "t5-large": (1024, 64, 4096, 16, 24),
    "t5-3b": (1024, 128, 16384, 32, 24),
}
VOCABULARY = 32128
PRODUCTS = [  # m, n, k of [m,k]·[n,k]ᵀ, those of dept bench
    (512, 512, 512),
    (1024, 2048, 512), (1024, 512, 2048), (1024, 512, 512),
    (1024, 3072, 768), (1024, 768, 3072), (1024, 768, 768),
]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def timed(work):
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def report(**figures):
    print(json.dumps(figures), flush=True)


def precision(kind):
    """Makes float32 products exact, or lets them run as TF32."""
    torch.set_float32_matmul_precision("high" if kind == "tf32" else "highest")
    return {"bf16": torch.bfloat16, "f16": torch.float16}.get(kind, torch.float32)


def products(about):
    for m, n, k in PRODUCTS:
        for kind in ["f32", "tf32", "f16", "bf16"] if DEVICE == "cuda" else ["f32", "bf16"]:
            dtype = precision(kind)
            a = torch.randn(m, k, device=DEVICE, dtype=dtype)
            b = torch.randn(n, k, device=DEVICE, dtype=dtype)

            def repeat(times):
                for _ in range(times):
                    a @ b.T

            timed(lambda: repeat(1))
            times = max(1, min(1000, int(about / timed(lambda: repeat(1)))))
            took = min(timed(lambda: repeat(times)) for _ in range(2)) / times
            report(product=[m, n, k], kind=kind, gflops=round(2e-9 * m * n * k / took, 1))


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Attention(nn.Module):
    def __init__(self, width, head, heads):
        super().__init__()
        self.norm, self.heads = Norm(width), heads
        self.q, self.k, self.v = (nn.Linear(width, heads * head, bias=False) for _ in range(3))
        self.o = nn.Linear(heads * head, width, bias=False)

    def forward(self, x, bias, other=None):
        h = self.norm(x)
        keys = h if other is None else other
        q, k, v = (f(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f, y in [(self.q, h), (self.k, keys), (self.v, keys)])
        scores = q @ k.transpose(-1, -2) + bias
        weights = F.dropout(scores.float().softmax(-1).type_as(scores), 0.1)
        return x + F.dropout(self.o((weights @ v).transpose(1, 2).flatten(2)), 0.1)


class FeedForward(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.norm = Norm(width)
        self.wi, self.wo = nn.Linear(width, inner, bias=False), nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return x + F.dropout(self.wo(F.dropout(F.relu(self.wi(self.norm(x))), 0.1)), 0.1)


def buckets(queries, keys, both):
    """T5's 32 buckets of the distance from a query to a key."""
    distance = torch.arange(keys)[None] - torch.arange(queries)[:, None]
    n = 16 if both else 32
    bucket = (distance > 0) * n if both else torch.zeros_like(distance)
    distance = distance.abs() if both else (-distance).clamp(min=0)
    far = n // 2 + (torch.log(distance.clamp(min=1) / (n // 2)) / math.log(128 / (n // 2)) * (n - n // 2)).long()
    return bucket + torch.where(distance < n // 2, distance, far.clamp(max=n - 1))


class DePT(nn.Module):
    """A frozen T5 under a prompt of m vectors and a shift of rank r, which are trained."""

    def __init__(self, sizes, source, target, m, r):
        super().__init__()
        width, head, inner, heads, layers = sizes
        self.width = width
        self.table = nn.Embedding(VOCABULARY, width)
        self.encoder = nn.ModuleList(nn.ModuleList([Attention(width, head, heads), FeedForward(width, inner)]) for _ in range(layers))
        self.decoder = nn.ModuleList(
            nn.ModuleList([Attention(width, head, heads), Attention(width, head, heads), FeedForward(width, inner)]) for _ in range(layers)
        )
        self.norms = nn.ModuleList([Norm(width), Norm(width)])
        self.bias = nn.ModuleList([nn.Embedding(32, heads), nn.Embedding(32, heads)])
        self.register_buffer("near", buckets(m + source, m + source, True))
        self.register_buffer("past", buckets(target, target, False))
        self.register_buffer("causal", torch.full((target, target), -1e9).triu(1))
        self.requires_grad_(False)
        self.prompt = nn.Parameter(torch.randn(m, width))
        self.a = nn.Parameter(torch.empty(source, r).uniform_(-1, 1) / math.sqrt(r))
        self.b = nn.Parameter(torch.zeros(r, width))

    def forward(self, source, target):
        x = self.table(source) + 8 / math.sqrt(self.a.shape[1]) * (self.a @ self.b)
        x = F.dropout(torch.cat([self.prompt.expand(len(x), -1, -1), x], 1), 0.1)
        bias = self.bias[0](self.near).permute(2, 0, 1)
        for attention, feed in self.encoder:
            x = feed(attention(x, bias))
        states = F.dropout(self.norms[0](x), 0.1)
        y = F.dropout(self.table(F.pad(target[:, :-1], (1, 0))), 0.1)
        bias = self.bias[1](self.past).permute(2, 0, 1) + self.causal
        for attention, cross, feed in self.decoder:
            y = feed(cross(attention(y, bias), 0.0, states))
        logits = F.dropout(self.norms[1](y), 0.1) / math.sqrt(self.width) @ self.table.weight.T
        return F.cross_entropy(logits.float().flatten(0, 1), target.flatten())


def read_sizes(config):
    if config in SIZES:
        return SIZES[config]
    with open(config) as f:
        c = json.load(f)
    return c["d_model"], c["d_kv"], c["d_ff"], c["num_heads"], c["num_layers"]


def step(args, kind):
    precision(kind)
    sizes = read_sizes(args.config)
    m, target = 40, 4
    rank = (100 - m) * sizes[0] // (args.source_length + sizes[0])
    torch.manual_seed(1)
    with torch.device(DEVICE):
        model = DePT(sizes, args.source_length, target, m, rank)
        for p in model.modules():
            if isinstance(p, nn.Embedding):
                p.weight.mul_(1 / math.sqrt(sizes[0]))
        sources = torch.randint(VOCABULARY, (args.batch_size, args.source_length))
        targets = torch.randint(VOCABULARY, (args.batch_size, target))
    trained = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
    loss = torch.compile(model) if args.compiled else model

    def update():
        adam.zero_grad()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=kind == "bf16"):
            error = loss(sources, targets)
        error.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()

    for _ in range(2):
        update()
    wait()
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    took = statistics.median(timed(update) for _ in range(args.steps))
    peak = torch.cuda.max_memory_allocated() if DEVICE == "cuda" else None
    report(
        step=args.config, kind=kind, compiled=args.compiled, batch_size=args.batch_size, source_length=args.source_length,
        prompt_length=m, rank=rank, parameters=sum(p.numel() for p in trained), ms=round(1000 * took, 3), peak_bytes=peak,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="t5-base", help="one of %s, or a config.json" % ", ".join(SIZES))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--source-length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compiled", action="store_true", help="only the step, by torch.compile, which takes minutes to begin")
    args = parser.parse_args()
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    report(torch=torch.__version__, device=name, threads=torch.get_num_threads())
    if not args.compiled:
        products(0.5 if DEVICE == "cuda" else 0.1)
    for kind in ["f32", "tf32", "bf16"] if DEVICE == "cuda" else ["f32"]:
        try:
            step(args, kind)
        except Exception as e:  # torch.compile needs a compiler, and large models memory
            report(step=args.config, kind=kind, compiled=args.compiled, failed="%s: %s" % (type(e).__name__, str(e)[:500]))


main()
