// Package backbone holds a small T5 that this project pre-trained itself, with dept
// pretrain: what the demonstration and the page steer. README.md in its folder, the
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
