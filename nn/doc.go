// Package nn puts a transformer's weights on a device and records passes through it:
//
//	model, err := nn.Load(ctx, engine, config.Describe(), checkpoint, false)
//	pass := model.NewPass(graph, nn.Hooks{})
//	states := pass.Encode(text, spans)
//
// It holds the block that encoder, decoder and cached decoding share, with Hooks on
// which methods of fine-tuning hang, and generation.
//
// An architecture is a Description: the sizes, the names of the checkpoint's
// tensors, and the sublayers of each block. Package t5 makes one of a config.json.
package nn
