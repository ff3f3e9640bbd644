#!/usr/bin/env python3
"""Compares the CPU backend's logits with Hugging Face's on tiny random models of every family.

    python3 -m venv /tmp/parity && /tmp/parity/bin/pip install torch transformers
    ninja -C build dump_logits
    /tmp/parity/bin/python tests/parity/model_parity.py build/tests/parity/dump_logits

Transformers computes in single precision from the same stored weights. For every model: relative L2 distance of all logits after
all positions, and whether the likeliest token is the same everywhere (teacher-forced: the sequences are given). Fails above 1e-4 or
at one different token whose logits in transformers are not equal within 1e-5.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
YARN = {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0, "original_max_position_embeddings": 1024}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}


def models():
    """(name, config, dtype, shard size)"""
    base = dict(hidden_size=96, intermediate_size=160, num_hidden_layers=3, vocab_size=211, max_position_embeddings=4096,
                rms_norm_eps=1e-6, initializer_range=0.2)
    yield "qwen3, tied, group 2", Qwen3Config(**base, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
                                              tie_word_embeddings=True), torch.bfloat16, None
    yield "qwen3, group 8, in shards", Qwen3Config(**base, num_attention_heads=8, num_key_value_heads=1, head_dim=16,
                                                  tie_word_embeddings=False), torch.float32, "200KB"
    yield "qwen2, biases, group 4", Qwen2Config(**base, num_attention_heads=4, num_key_value_heads=1,
                                                tie_word_embeddings=False), torch.bfloat16, None
    yield "qwen2, biases, tied, fp16", Qwen2Config(**base, num_attention_heads=6, num_key_value_heads=2,
                                                   tie_word_embeddings=True), torch.float16, None
    yield "llama, group 3 (as SmolLM2)", LlamaConfig(**base, num_attention_heads=3, num_key_value_heads=1,
                                                     tie_word_embeddings=True), torch.bfloat16, None
    yield "llama, group 1, head_dim 10", LlamaConfig(**{**base, "hidden_size": 70}, num_attention_heads=7, num_key_value_heads=7,
                                                     tie_word_embeddings=False), torch.float32, None
    yield "llama 3 scaling", LlamaConfig(**base, num_attention_heads=4, num_key_value_heads=2, rope_parameters=LLAMA3,
                                         tie_word_embeddings=False), torch.bfloat16, None
    yield "qwen3, yarn", Qwen3Config(**base, num_attention_heads=4, num_key_value_heads=2, head_dim=32, rope_parameters=YARN,
                                     tie_word_embeddings=False), torch.bfloat16, None
    yield "llama, linear scaling", LlamaConfig(**base, num_attention_heads=4, num_key_value_heads=2, rope_parameters=LINEAR,
                                               tie_word_embeddings=False), torch.bfloat16, None


def main(dump_logits):
    torch.manual_seed(1)
    failed = False
    for name, config, dtype, shard in models():
        with tempfile.TemporaryDirectory() as folder:
            model = AutoModelForCausalLM.from_config(config)
            with torch.no_grad():  # norms and biases start as ones and zeros, which would hide their absence
                for key, value in model.named_parameters():
                    if value.ndim == 1:
                        value.add_(torch.randn_like(value) * 0.3)
            model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
            shards = len(list(pathlib.Path(folder).glob("*.safetensors")))
            assert (shards > 1) == bool(shard)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
            sequences = [torch.randint(0, config.vocab_size, (n,)).tolist() for n in (1, 7, 300, 4000)]
            out = pathlib.Path(folder) / "logits"
            subprocess.run([dump_logits, folder, out], check=True, text=True,
                           input="".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
            ours = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).view(-1, config.vocab_size)
            with torch.no_grad():
                theirs = torch.cat([model(torch.tensor([ids])).logits[0] for ids in sequences])
            assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
            distance = ((ours.double() - theirs.double()).norm() / theirs.double().norm()).item()
            picked = theirs.gather(1, ours.argmax(1, keepdim=True))[:, 0]
            different = int((theirs.max(1).values - picked > 1e-5).sum())
            fine = distance <= 1e-4 and different == 0
            failed |= not fine
            print(f"{'ok  ' if fine else 'FAIL'} {name:30} {str(dtype)[6:]:9} {shards} file(s), {len(theirs)} positions, "
                  f"relative L2 {distance:.1e}, different argmax {different}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
