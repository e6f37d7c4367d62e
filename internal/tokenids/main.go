// Command tokenids is this project's side of scripts/tokenizer_peers.py: it opens the tokenizer in a folder
// and writes how many seconds that took, the best of three times, then a line for each JSON value on standard
// input: of a text its ids and what they decode to, of a list of ids what they decode to. A second folder gets
// the tokenizer as it is saved.
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
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tokenids:", err)
		os.Exit(1)
	}
}

func run(folders []string) error {
	var tok *text.Tokenizer
	best := time.Hour
	for range 3 {
		tok = nil
		runtime.GC()
		start := time.Now()
		var err error
		if tok, err = text.Open(folders[0]); err != nil {
			return err
		}
		best = min(best, time.Since(start))
	}
	if len(folders) > 1 {
		if err := tok.Save(folders[1]); err != nil {
			return err
		}
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
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return err
		}
		ids := []int32{}
		if value[0] == '[' {
			if err := json.Unmarshal(value, &ids); err != nil {
				return err
			}
		} else {
			var line string
			if err := json.Unmarshal(value, &line); err != nil {
				return err
			}
			ids = append(ids, tok.Encode(line)...)
		}
		if err := out.Encode(map[string]any{"ids": ids, "text": tok.Decode(ids)}); err != nil {
			return err
		}
	}
	return w.Flush()
}
