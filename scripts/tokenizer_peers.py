#!/usr/bin/env python3
"""Holds this project's tokenizers against those they stand in for: SentencePiece (ids and
decoded text of 10,000 lines, with mT5's options at two sizes, one of them mT5's), Hugging
Face's tokenizers (the same, from the tokenizer.json that is written beside a spiece.model,
and how long both take to load one of 250,100 pieces) and transformers' ByT5Tokenizer. It
needs python3 with sentencepiece, tokenizers, transformers and protobuf.

usage: tokenizer_peers.py TOKENIDS FOLDER [--fixture FOLDER]

TOKENIDS is internal/tokenids, built; models are made in FOLDER. --fixture writes the small
model and the ids that text/testdata keeps, and ends."""

import argparse
import json
import os
import random
import subprocess
import sys
import time
import warnings

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2

warnings.filterwarnings("ignore")
LINES = 10_000

# Letters of many scripts, and what brings tokenizers down.
SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyz", "абвгдежзиклмнопрстуфхцчшщыьэюя", "αβγδεζηθικλμνξοπρστυφχψω",
    "אבגדהוזחטיכלמנסעפצקרשת", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "कखगघचछजझटठडढतथदधनपफबभमयरलवािीुूे",
    "กขคงจฉชซญดตถทนบปผพฟมยรลวสหอาิีึืุู", "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过",
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほ", "가각간갈감강개거건걸검게겨결경고공과관교구국군권",
]
ODD = [
    "👩‍👩‍👧 family", "🇩🇪🇫🇷 flags", "👍🏽 skin", "e\u0301 e\u0301\u0323 combining", "ﬁne ½ ① Ⅷ ㍿ ﷺ", "ＡＢＣ　full width",
    "a\tb\nc\rd\x0be\x0cf", "\x00\x01\x02\x7f", "zero\u200bwidth\u200d\u200c\ufeff", "soft\u00adhyphen", "\u2028\u2029\u0085",
    "line one\nline two", "a { b } c", "{}[]|~^`\\", "   many   spaces   ", "▁the ▁", "a▁▁b▁", "<0x0A><0xFF>", "\U0010ffff\ue000",
    "שלום עולם مرحبا", "x" * 300, "ab" * 200, "界" * 200, "😀" * 50, "0" * 99 + "1" * 99, "é" * 64, ".-" * 80, "", " ", "▁",
    "a\u0300\u0301\u0302\u0303", "ǅ ǆ Ǆ ſ ß İ ı", "¹²³ ™ ℃ Å Ω", "\ud7ff\ufdd0\uffff",
]


def text_of_this_repository():
    names = subprocess.run(["git", "ls-files", "*.md", "*.go", "*.wgsl"], check=True, capture_output=True, text=True).stdout.split()
    for name in names:
        with open(name, encoding="utf-8") as file:
            for line in file.read().splitlines():
                if line.strip() and "<" not in line:
                    yield line.strip()


def word(r):
    script = r.choice(SCRIPTS)
    return "".join(r.choice(script) for _ in range(r.randint(1, 12)))


def lines(n):
    r = random.Random(1)
    out = list(ODD)
    real = list(text_of_this_repository())
    r.shuffle(real)
    out += real[: n // 2]
    while len(out) < n:
        kind = r.randrange(4)
        if kind == 0:  # sums that tie
            out.append("".join(r.choice("abo.0") * r.randint(1, 60) for _ in range(r.randint(1, 4))))
        elif kind == 1:
            out.append("".join(chr(r.choice([r.randint(1, 0x250), r.randint(0x300, 0x36F), r.randint(0x2000, 0x30FF), r.randint(0x4E00, 0x9FFF),
                                             r.randint(0xAC00, 0xD7A3), r.randint(0x1F300, 0x1FAFF), 0x200D, 0x20])) for _ in range(r.randint(1, 60))))
        else:
            out.append(" ".join(word(r) for _ in range(r.randint(1, 20))))
    return [line for line in out if "<extra" not in line]


def train(path, size, text, coverage):
    """Trains a model of mT5's kind: Unigram, byte fallback, NFKC, T5's ids for what is special."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_prefix=path.removesuffix(".model"), vocab_size=size, model_type="unigram",
        byte_fallback=True, character_coverage=coverage, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
        normalization_rule_name="nmt_nfkc", max_sentence_length=1 << 20, hard_vocab_limit=False, minloglevel=2, num_threads=1)
    os.remove(path.removesuffix(".model") + ".vocab")


def grow(small, path, size):
    """Writes a model of mT5's size: the small one's pieces, words of many scripts, the sentinels as mT5 has them."""
    model = sentencepiece_model_pb2.ModelProto()
    with open(small, "rb") as file:
        model.ParseFromString(file.read())
    r = random.Random(2)
    seen = {p.piece for p in model.pieces}
    lowest = min(p.score for p in model.pieces)
    while len(model.pieces) < size - 100:
        text = r.choice(["▁", ""]) + word(r)
        if text not in seen:
            seen.add(text)
            model.pieces.add(piece=text, score=lowest - 10 * r.random())
    for i in reversed(range(100)):
        model.pieces.add(piece=f"▁<extra_id_{i}>", score=lowest - 20)
    model.trainer_spec.vocab_size = size
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def ours(tokenids, folder, text, save=None):
    command = [tokenids, folder] + ([save] if save else [])
    out = subprocess.run(command, input="\n".join(json.dumps(line) for line in text), check=True, capture_output=True, text=True).stdout.rstrip("\n").split("\n")
    return json.loads(out[0]), [json.loads(line) for line in out[1:]]


failed = False


def say(what, bad, of, most=0):
    global failed
    failed = failed or bad > most
    print(f"{what}: {bad} of {of} differ")


def against_sentencepiece(tokenids, folder, text, name):
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"tokenizer_class": "T5Tokenizer", "extra_ids": 0}, file)
    peer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "spiece.model"))
    saved = os.path.join(folder, "saved")
    figures, mine = ours(tokenids, folder, text, saved)
    say(f"{name}, ids, SentencePiece {sentencepiece.__version__}", sum(peer.encode(t) != m["ids"] for t, m in zip(text, mine)), len(text))
    say(f"{name}, text of ids", sum(peer.decode(m["ids"]) != m["text"] for m in mine), len(text))
    r = random.Random(3)
    noise = [[r.randint(3, 258) if r.random() < 0.5 else r.randrange(3, peer.vocab_size()) for _ in range(20)] for _ in range(1000)]
    figures, decoded = ours(tokenids, folder, noise)
    say(f"{name}, text of ids at random", sum(peer.decode(n) != d["text"] for n, d in zip(noise, decoded)), len(noise))

    # It sums with 64 bits, word by word, and so cuts runs of one character in other ways; and it normalises
    # by graphemes. Lines of this repository have little of either.
    rust = tokenizers.Tokenizer.from_file(os.path.join(saved, "tokenizer.json"))
    plain = [(t, m["ids"]) for t, m in list(zip(text, mine))[len(ODD) : len(text) // 2]]
    say(f"{name}, ids, tokenizers {tokenizers.__version__} from the tokenizer.json written", sum(rust.encode(t, add_special_tokens=False).ids != ids for t, ids in plain), len(plain), len(plain) // 100)
    # As a model's folder is opened, whichever the version.
    import transformers

    transformers.logging.set_verbosity_error()
    with open(os.path.join(saved, "config.json"), "w") as file:
        json.dump({"model_type": "mt5"}, file)
    auto = transformers.AutoTokenizer.from_pretrained(saved)
    say(f"{name}, ids, transformers {transformers.__version__} from the folder written", sum(auto(t).input_ids != ids + [1] for t, ids in plain), len(plain), len(plain) // 100)
    return saved


def best_of(n, work):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def loading(tokenids, folder):
    """Both load one tokenizer.json three times, in turns; the best of each counts."""
    theirs, mine, heap = [], [], 0
    for _ in range(3):
        theirs.append(best_of(1, lambda: tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))))
        figures, _ = ours(tokenids, folder, [])
        mine.append(figures["load_seconds"])
        heap = figures["heap_mb"]
    ratio = min(mine) / min(theirs)
    print(f"loading a tokenizer.json of 250,100 pieces: {1000 * min(mine):.0f} ms here, {heap} MB kept; tokenizers {tokenizers.__version__} {1000 * min(theirs):.0f} ms; ratio {ratio:.2f}")
    global failed
    failed = failed or ratio > 1


def against_byt5(tokenids, folder, text):
    import transformers

    transformers.logging.set_verbosity_error()
    peer = transformers.ByT5Tokenizer()
    os.makedirs(folder, exist_ok=True)
    peer.save_pretrained(folder)
    text = text + ["a <extra_id_0> b<extra_id_124>", "<extra_id_125>", "a </s> b", "a  <pad>  b", "<unk>"]
    saved = os.path.join(folder, "saved")
    _, mine = ours(tokenids, folder, text, saved)
    name = f"ByT5, transformers {transformers.__version__}"
    say(f"{name}, ids", sum(peer(t).input_ids[:-1] != m["ids"] for t, m in zip(text, mine)), len(text))
    say(f"{name}, text", sum(peer.decode(m["ids"], skip_special_tokens=True) != m["text"] for m in mine), len(text))
    again = transformers.AutoTokenizer.from_pretrained(saved)
    say(f"{name}, ids of the folder written", sum(again(t).input_ids[:-1] != m["ids"] for t, m in zip(text, mine)), len(text))


def fixture(folder):
    """The small model, and what SentencePiece makes of texts with it."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "spiece.model")
    r = random.Random(4)
    text = [line for line in text_of_this_repository() if line.isascii()][:3000] + [" ".join(word(r) for _ in range(8)) for _ in range(300)]
    train(path, 800, text, 0.98)
    peer = sentencepiece.SentencePieceProcessor(model_file=path)
    odd = ODD + ["The same words, again: running and jumped.", "日本語のテキスト и русский"]
    noise = [[r.randint(3, 258) for _ in range(8)] for _ in range(10)] + [[3 + 0xE4, 3 + 0xBD, 3 + 0xA0, 3 + 0xE5], [3 + 0xFF, 300, 3 + 0xC3, 3 + 0xA9]]
    spaces = [peer.piece_to_id("▁")] * 2
    cases = [{"text": t, "ids": peer.encode(t), "decoded": peer.decode(peer.encode(t))} for t in odd]
    cases += [{"bytes": list(b), "ids": peer.encode(b)} for b in (b"a \xff", b"\xe2\x96x\xed\xa0\x80\xf0\x9f\x98", b"\xc3(\xe9")]
    cases += [{"ids": ids, "decoded": peer.decode(ids)} for ids in noise + [spaces + [300], [300] + spaces + [301]]]
    with open(os.path.join(folder, "expect.json"), "w", encoding="utf-8") as file:
        rows = ",\n".join(json.dumps(c) for c in cases)
        file.write(f'{{"made_by": "scripts/tokenizer_peers.py with sentencepiece {sentencepiece.__version__}",\n"cases": [\n{rows}\n]}}\n')


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("tokenids")
    p.add_argument("folder")
    p.add_argument("--fixture")
    p.add_argument("--only-byt5", action="store_true")
    o = p.parse_args()
    if o.fixture:
        return fixture(o.fixture)
    text = lines(LINES)
    against_byt5(o.tokenids, os.path.join(o.folder, "byt5"), text)
    if not o.only_byt5:
        small, large = (os.path.join(o.folder, name) for name in ("small", "large"))
        for folder in (small, large):
            os.makedirs(folder, exist_ok=True)
        train(os.path.join(small, "spiece.model"), 8000, text, 0.98)
        grow(os.path.join(small, "spiece.model"), os.path.join(large, "spiece.model"), 250_100)
        against_sentencepiece(o.tokenids, small, text, "trained")
        loading(o.tokenids, against_sentencepiece(o.tokenids, large, text, "mT5's size"))
    sys.exit(failed)


main()
