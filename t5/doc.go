// Package t5 opens checkpoints of T5 and puts them on a device:
//
//	checkpoint, err := t5.OpenCheckpoint("t5-small")
//	model, err := t5.Load(ctx, engine, checkpoint, false)
//
// With tokenizer and device, train.OpenSetup does both in one call. A checkpoint is a folder in the layout
// in which Hugging Face publishes them: config.json, and model.safetensors or pytorch_model.bin or the
// shards of either. T5 (Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
// Text-to-Text Transformer") is known as 1.0 (ReLU, tied embeddings), and as T5 1.1, Flan-T5 and mT5 (gated
// GELU, their own output table), of any size.
package t5
