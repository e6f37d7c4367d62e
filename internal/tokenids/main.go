// Command tokenids is this project's side of scripts/tokenizer_peers.py: it opens the tokenizer in a folder
// and writes how many seconds that took, the best of three times, then the ids and the decoded text of each
// JSON string on standard input, a line each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/go-dept/dept/text"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "tokenids:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	var tok *text.Tokenizer
	best := time.Hour
	for range 3 {
		runtime.GC()
		start := time.Now()
		var err error
		if tok, err = text.Open(dir); err != nil {
			return err
		}
		best = min(best, time.Since(start))
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	w := bufio.NewWriter(os.Stdout)
	out := json.NewEncoder(w)
	if err := out.Encode(map[string]any{"load_seconds": best.Seconds(), "heap_mb": memory.HeapAlloc >> 20}); err != nil {
		return err
	}
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for in.More() {
		var line string
		if err := in.Decode(&line); err != nil {
			return err
		}
		ids := tok.Encode(line)
		if err := out.Encode(map[string]any{"ids": ids, "text": tok.Decode(ids)}); err != nil {
			return err
		}
	}
	return w.Flush()
}
