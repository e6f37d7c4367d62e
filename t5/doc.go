// Package t5 runs T5 (Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
// Text-to-Text Transformer") from checkpoints in the layout in which Hugging Face publishes them:
// config.json, and model.safetensors or pytorch_model.bin or the shards of either. It knows T5 1.0 (ReLU,
// tied embeddings), and T5 1.1, Flan-T5 and mT5 (gated GELU, their own output table), of any size.
package t5
