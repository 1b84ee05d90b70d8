# SPDX-License-Identifier: GPL-2.0-only
"""Writes a model of the llama family with random weights: what it says means nothing,
how long it takes is what a real one of the size would take.

usage: model.py FILE [LAYERS]

The format is GGUF, version 3. Weights are Q8_0: blocks of 32 bytes with a scale. Each
token of the vocabulary is one byte. The same bytes come out every time.
"""
import os
import random
import struct
import sys

EMBED, FEED, HEADS, CONTEXT = 1024, 2816, 16, 2048
LAYERS = 14			# some 190 MB: more than any cache
SEED = 1
ALIGN = 32
U32, I32, F32, STRING, ARRAY = 4, 5, 6, 8, 9	# of values
TYPE_F32, TYPE_Q8_0 = 0, 8			# of tensors
BLOCK = 32
POOL = 1 << 15			# different blocks
SCALE = 0.0004			# makes weights of a standard deviation of 1/sqrt(EMBED)
UNKNOWN, CONTROL, BYTE = 2, 3, 6


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    """With its type in front."""
    if kind == STRING:
        return struct.pack("<I", kind) + text(v)
    return struct.pack("<I" + {U32: "I", I32: "i", F32: "f"}[kind], kind, v)


def array(kind, values):
    head = struct.pack("<IIQ", ARRAY, kind, len(values))
    if kind == STRING:
        return head + b"".join(map(text, values))
    return head + struct.pack(f"<{len(values)}{'f' if kind == F32 else 'i'}", *values)


def metadata(layers):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    return len(tokens), {
        "general.architecture": value(STRING, "llama"),
        "general.name": value(STRING, "random"),
        "general.alignment": value(U32, ALIGN),
        "general.file_type": value(U32, 7),
        "llama.context_length": value(U32, CONTEXT),
        "llama.embedding_length": value(U32, EMBED),
        "llama.block_count": value(U32, layers),
        "llama.feed_forward_length": value(U32, FEED),
        "llama.attention.head_count": value(U32, HEADS),
        "llama.attention.head_count_kv": value(U32, HEADS),
        "llama.attention.layer_norm_rms_epsilon": value(F32, 1e-5),
        "llama.rope.dimension_count": value(U32, EMBED // HEADS),
        "llama.vocab_size": value(U32, len(tokens)),
        "tokenizer.ggml.model": value(STRING, "llama"),
        "tokenizer.ggml.tokens": array(STRING, tokens),
        "tokenizer.ggml.scores": array(F32, [0.0] * len(tokens)),
        "tokenizer.ggml.token_type": array(I32, kinds),
        "tokenizer.ggml.unknown_token_id": value(U32, 0),
        "tokenizer.ggml.bos_token_id": value(U32, 1),
        "tokenizer.ggml.eos_token_id": value(U32, 2),
    }


def tensors(layers, vocabulary):
    """(name, row length, rows); one row of F32 is a norm."""
    yield "token_embd.weight", EMBED, vocabulary
    for i in range(layers):
        yield f"blk.{i}.attn_norm.weight", EMBED, 1
        for name in ("q", "k", "v", "output"):
            yield f"blk.{i}.attn_{name}.weight", EMBED, EMBED
        yield f"blk.{i}.ffn_norm.weight", EMBED, 1
        yield f"blk.{i}.ffn_gate.weight", EMBED, FEED
        yield f"blk.{i}.ffn_up.weight", EMBED, FEED
        yield f"blk.{i}.ffn_down.weight", FEED, EMBED
    yield "output_norm.weight", EMBED, 1
    yield "output.weight", EMBED, vocabulary


def padded(size):
    return -size % ALIGN


def size_of(width, rows):
    return width * 4 if rows == 1 else width * rows // BLOCK * (BLOCK + 2)


def weights(pool, width, rows, draw):
    """Taken from the pool at a random place, and from its start when that ends."""
    if rows == 1:
        return struct.pack(f"<{width}f", *[1.0] * width)
    size, at = size_of(width, rows), draw.randrange(POOL) * (BLOCK + 2)
    return (pool[at:] + pool * (size // len(pool) + 1))[:size]


def describe(layers, vocabulary):
    """Of all tensors, with their places."""
    out, at = [], 0
    for name, width, rows in tensors(layers, vocabulary):
        dims = (width,) if rows == 1 else (width, rows)
        out.append(text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims,
                                            TYPE_F32 if rows == 1 else TYPE_Q8_0, at))
        at += size_of(width, rows)
        at += padded(at)
    return out


def write(path, layers=LAYERS):
    draw = random.Random(SEED)
    scale = struct.pack("<e", SCALE)
    pool = b"".join(scale + draw.randbytes(BLOCK) for _ in range(POOL))
    vocabulary, meta = metadata(layers)
    infos = describe(layers, vocabulary)
    with open(path + ".new", "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(meta)))
        for key, data in meta.items():
            f.write(text(key) + data)
        f.write(b"".join(infos))
        f.write(bytes(padded(f.tell())))
        for _name, width, rows in tensors(layers, vocabulary):
            data = weights(pool, width, rows, draw)
            f.write(data + bytes(padded(len(data))))
    os.replace(path + ".new", path)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1])
    write(sys.argv[1], *map(int, sys.argv[2:]))
