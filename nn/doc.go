// Package nn records transformer models: the block that encoder, decoder and
// cached decoding share, with hooks on which methods of fine-tuning hang; the
// weights on a device; and generation.
//
// An architecture is a Description: the sizes, the names of the checkpoint's
// tensors, and the sublayers of each block. Package t5 makes one of a config.json.
package nn
