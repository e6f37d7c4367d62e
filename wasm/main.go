//go:build !js

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
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
	w := newWorker(printMessage, func(_ context.Context, dir string, _ func(Progress)) (modelFiles, error) {
		return folder{os.DirFS(dir)}, nil
	})
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

// folder is a model's folder on a disk, of which nothing is kept elsewhere.
type folder struct{ fs.FS }

func (folder) Forget(string) {}
