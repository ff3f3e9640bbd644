"""Recorders: they write Tokenyard's traces while somebody else's engine runs. docs/vllm.md.

tokenyard.record.vllm        a scheduler class for `vllm serve --scheduler-cls`
tokenyard.record.nano_vllm   three lines for nano-vLLM

Pure Python: they need neither numpy nor the extension module.
"""
