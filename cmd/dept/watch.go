package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/coder/websocket"

	"github.com/go-dept/dept/dept/train"
)

// runWatcher sends a run's log to every page that asks, line by line as dept
// train writes it.
type runWatcher struct {
	dir  string
	page http.Handler // everything else
}

// watchPath is where the log is to be had as a websocket, beside the page.
const watchPath = "/run"

func (h runWatcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != watchPath || !isLoopback(r.Host) {
		h.page.ServeHTTP(w, r)
		return
	}
	// Accept answers a mistaken request itself, and refuses other origins.
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context())
	follow(ctx, filepath.Join(h.dir, train.LogFile), h.begin, func(line []byte) error {
		return conn.Write(ctx, websocket.MessageText, line)
	})
}

// begin is sent before the first line, and when the log was cut back or replaced: what
// was sent before no longer counts. It says how many steps the run has, 0 where that
// cannot be read.
func (h runWatcher) begin() []byte {
	steps, _ := train.PlannedSteps(h.dir)
	return fmt.Appendf(nil, `{"begin":true,"steps":%d}`, steps)
}

// follow hands over the whole lines of a file, those to come included, until ctx
// is done or send fails, and what begin says whenever the first is to come.
func follow(ctx context.Context, path string, begin func() []byte, send func([]byte) error) {
	const every = 200 * time.Millisecond
	var at int64 = -1 // bytes sent; none yet
	for tick := time.NewTicker(every); ; {
		content, err := readFrom(path, max(at, 0))
		if err == nil && (at < 0 || content == nil) {
			if send(begin()) != nil {
				return
			}
			at = 0
			content, err = readFrom(path, 0)
		}
		for err == nil {
			end := bytes.IndexByte(content, '\n')
			if end < 0 {
				break
			}
			if send(content[:end]) != nil {
				return
			}
			content = content[end+1:]
			at += int64(end) + 1
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// readFrom is what a file holds from an offset on; nil where it is shorter.
func readFrom(path string, offset int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < offset {
		return nil, err
	}
	content, err := io.ReadAll(io.NewSectionReader(f, offset, info.Size()-offset))
	if content == nil {
		content = []byte{}
	}
	return content, err
}
