//go:build !js

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-dept/dept/wgpu"
)

// Natively the same program reads messages from standard input and writes its
// own to standard output, one JSON object a line, with bytes in base64: for
// comparing a run with one in a browser, and for recording one.
func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, `usage: wasm < messages.jsonl; load's model is a folder, the first messages may be
{"type":"load","model":"DIR"}
{"type":"train","settings":{…}}`)
	}
	flag.Parse()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	w := newWorker(printMessage, disk{}, noVault{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for lines.Scan() {
			m, err := decode(lines.Bytes())
			if err != nil {
				printMessage(explain(failf(codeBug, "See messages.go.", "%w", err), "", 0))
				continue
			}
			w.Send(m)
		}
	}()
	w.Serve(ctx)
}

func printMessage(m Message) {
	line, err := encode(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Printf("%s\n", line)
}

// surroundings are no browser here.
func surroundings() (agent string, l lack) { return "", lackAdapter }

// disk has models in folders, and keeps none of a hub's.
type disk struct{}

func (disk) open(_ context.Context, m Load, _ *wgpu.Device, _ func(Progress)) (*source, error) {
	return &source{files: folder{os.DirFS(m.Model)}, name: m.Model, remedy: "Check that the folder holds a T5 model as Hugging Face lays it out."}, nil
}

func (disk) kept(context.Context) (Kept, error) { return Kept{Models: []KeptModel{}}, nil }

func (disk) remove(_ context.Context, id string) error { return fmt.Errorf("no model %q is kept", id) }

// folder is a model's folder on a disk, of which nothing is kept elsewhere.
type folder struct{ fs.FS }

func (folder) Forget(string) {}

// noVault keeps no run: dept train does.
type noVault struct{}

func (noVault) take(context.Context) (bool, error)           { return false, errors.New("dept train does") }
func (noVault) give()                                        {}
func (noVault) read(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }
func (noVault) write(context.Context, string, []byte) error  { return fs.ErrPermission }
func (noVault) clear(context.Context) error                  { return nil }
