// Package backbone holds a small T5, so that a program can train with no file beside it:
//
//	setup, err := train.OpenSetup(ctx, train.Opening{Name: "backbone", Files: backbone.Files()})
//
// This project pre-trained it itself, with dept pretrain: it is what the demonstration
// and the page steer, and no model to build on otherwise. README.md in its folder, the
// model card, says on what and how, and what it can do.
package backbone

import (
	"embed"
	"io/fs"
)

//go:embed config.json model.safetensors tokenizer.json README.md
var files embed.FS

// Files is the model's folder, laid out as Hugging Face publishes checkpoints.
func Files() fs.FS { return files }
