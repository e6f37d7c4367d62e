package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall/js"
	"time"

	"github.com/go-dept/dept/wgpu"
)

// webFolder is a model's folder on the page's server. Files are kept in the
// browser's Cache and fetched anew when the server has others. They stay outside
// of Go's memory, in Blobs that the browser may keep on disk.
type webFolder struct {
	ctx      context.Context
	url      string // ends in /
	cache    js.Value
	progress func(Progress)
}

const cacheName = "go-dept"

func openFolder(ctx context.Context, model string, progress func(Progress)) (*source, error) {
	name := strings.TrimSuffix(model, "/")
	if name == "" {
		name = "model"
	}
	f := &webFolder{ctx: ctx, url: name + "/", progress: progress}
	// Without a Cache, as in some private windows, files are fetched every time.
	if cache, err := openCache(ctx); err == nil {
		f.cache = cache
	}
	const remedy = "Load again: the file is fetched anew. If it stays like this, the file on the server is damaged or missing."
	return &source{files: f, name: name, remedy: remedy}, ctx.Err()
}

func openCache(ctx context.Context) (_ js.Value, err error) {
	defer catch(&err)
	return await(ctx, js.Global().Get("caches").Call("open", cacheName))
}

// Forget drops a file from the Cache.
func (f *webFolder) Forget(name string) {
	if f.cache.Truthy() {
		await(f.ctx, f.cache.Call("delete", f.url+name)) // one that is not there is as good
	}
}

// Stat asks the server whether a file is there, and does not fetch it.
func (f *webFolder) Stat(name string) (fs.FileInfo, error) {
	response, err := f.request(name, "HEAD")
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return fileInfo{name, int64(contentLength(response))}, nil
}

// Open fetches a file, or takes it from the Cache.
func (f *webFolder) Open(name string) (fs.File, error) {
	blob, err := f.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "fetch", Path: f.url + name, Err: err}
	}
	return &webFile{name: name, blob: blob, size: int64(blob.Get("size").Float())}, nil
}

func (f *webFolder) open(name string) (blob js.Value, err error) {
	defer catch(&err)
	if !fs.ValidPath(name) {
		return js.Undefined(), fs.ErrInvalid
	}
	kept := js.Undefined()
	if f.cache.Truthy() {
		if kept, err = await(f.ctx, f.cache.Call("match", f.url+name)); err != nil {
			return js.Undefined(), err
		}
	}
	if kept.Truthy() {
		// Without a connection, what is kept has to do.
		head, err := f.request(name, "HEAD")
		switch {
		case f.ctx.Err() != nil:
			return js.Undefined(), err
		case errors.Is(err, fs.ErrNotExist):
			f.keepMissing(name)
			return js.Undefined(), err
		case err != nil && !kept.Get("ok").Bool():
			return js.Undefined(), fs.ErrNotExist
		case err != nil || sameFile(kept, head):
			blob, err := await(f.ctx, kept.Call("blob"))
			if err == nil {
				size := int64(blob.Get("size").Float())
				f.progress(Progress{What: name, Unit: "bytes", Done: size, Total: size, Cached: true})
			}
			return blob, err
		}
	}
	return f.fetch(name)
}

// keepMissing keeps that the server has no such file: a model is read by what it has
// and by what it has not.
func (f *webFolder) keepMissing(name string) {
	if f.cache.Truthy() {
		missing := js.Global().Get("Response").New(js.Null(), map[string]any{"status": 404})
		await(f.ctx, f.cache.Call("put", f.url+name, missing)) // where it is full, that is all that is lost
	}
}

// sameFile compares what a server says of a file's version.
func sameFile(a, b js.Value) bool {
	header := func(r js.Value, name string) string {
		if v := r.Get("headers").Call("get", name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	if tag := header(a, "ETag"); tag != "" {
		// A server that compresses as it sends says W/ of what it has compressed, and
		// not of what it was asked about alone.
		return strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(header(b, "ETag"), "W/")
	}
	modified := header(a, "Last-Modified")
	return modified != "" && modified == header(b, "Last-Modified") && contentLength(a) == contentLength(b)
}

// contentLength is 0 where it is not known, or counts compressed bytes.
func contentLength(response js.Value) int {
	headers := response.Get("headers")
	if headers.Call("has", "Content-Encoding").Bool() {
		return 0
	}
	n := js.Global().Get("Number").Invoke(headers.Call("get", "Content-Length"))
	return n.Int()
}

// request asks the server. It ends with the context.
func (f *webFolder) request(name, method string) (js.Value, error) {
	abort := js.Global().Get("AbortController").New()
	stop := context.AfterFunc(f.ctx, func() { abort.Call("abort") })
	response, err := await(f.ctx, js.Global().Call("fetch", f.url+name, map[string]any{
		"method": method, "cache": "no-cache", "signal": abort.Get("signal"),
	}))
	if method == "HEAD" {
		stop()
	}
	const remedy = "Check the connection and load again."
	switch {
	case f.ctx.Err() != nil:
		return js.Undefined(), f.ctx.Err()
	case err != nil:
		return js.Undefined(), &failure{codeNetwork, remedy, err}
	case response.Get("status").Int() == 404:
		return js.Undefined(), fs.ErrNotExist
	case !response.Get("ok").Bool():
		return js.Undefined(), failf(codeNetwork, remedy, "the server answers %d %s", response.Get("status").Int(), response.Get("statusText").String())
	}
	return response, nil
}

// fetch brings a file into the Cache and reports each piece.
func (f *webFolder) fetch(name string) (js.Value, error) {
	response, err := f.request(name, "GET")
	if errors.Is(err, fs.ErrNotExist) {
		f.keepMissing(name)
	}
	if err != nil {
		return js.Undefined(), err
	}
	counted, release := f.count(name, response)
	defer release()
	if f.cache.Truthy() {
		_, err := await(f.ctx, f.cache.Call("put", f.url+name, counted))
		if err == nil {
			kept, err := await(f.ctx, f.cache.Call("match", f.url+name))
			if err == nil && kept.Truthy() {
				return await(f.ctx, kept.Call("blob"))
			}
		}
		if f.ctx.Err() != nil {
			return js.Undefined(), f.ctx.Err()
		}
		// The Cache is full, or the connection broke: the second time shows which.
		f.Forget(name)
		if response, err = f.request(name, "GET"); err != nil {
			return js.Undefined(), err
		}
		var again func()
		counted, again = f.count(name, response)
		defer again()
	}
	blob, err := await(f.ctx, counted.Call("blob"))
	if err != nil && f.ctx.Err() == nil {
		err = &failure{codeNetwork, "Check the connection and load again.", fmt.Errorf("the connection broke off: %w", err)}
	}
	return blob, err
}

// progressPause is the time between two messages of progress.
const progressPause = 100 * time.Millisecond

// count is the response with its body counted as it passes. The function it
// returns is for when the body has passed.
func (f *webFolder) count(name string, response js.Value) (js.Value, func()) {
	p := Progress{What: name, Unit: "bytes", Total: int64(contentLength(response))}
	f.progress(p)
	last := time.Now()
	transform := js.FuncOf(func(_ js.Value, args []js.Value) any {
		p.Done += int64(args[0].Get("byteLength").Int())
		if time.Since(last) > progressPause {
			last = time.Now()
			f.progress(p)
		}
		args[1].Call("enqueue", args[0])
		return nil
	})
	flush := js.FuncOf(func(js.Value, []js.Value) any {
		p.Total = p.Done
		f.progress(p)
		return nil
	})
	stream := js.Global().Get("TransformStream").New(map[string]any{"transform": transform, "flush": flush})
	body := response.Get("body").Call("pipeThrough", stream)
	counted := js.Global().Get("Response").New(body, map[string]any{"headers": response.Get("headers")})
	return counted, func() {
		transform.Release()
		flush.Release()
	}
}

// webFile is a file in a Blob.
type webFile struct {
	name string
	blob js.Value
	size int64
	at   int64
}

var _ wgpu.BytesReaderAt = (*webFile)(nil)

// BytesAt reads size bytes from offset on, without a copy in Go.
func (f *webFile) BytesAt(ctx context.Context, offset, size int64) (_ js.Value, err error) {
	defer catch(&err)
	buffer, err := await(ctx, f.blob.Call("slice", offset, offset+size).Call("arrayBuffer"))
	if err != nil {
		return js.Undefined(), fmt.Errorf("%s: bytes %d to %d: %w", f.name, offset, offset+size, err)
	}
	data := uint8Array.New(buffer)
	if int64(data.Length()) < size {
		return js.Undefined(), fmt.Errorf("%s: bytes %d to %d: %w", f.name, offset, offset+size, io.ErrUnexpectedEOF)
	}
	return data, nil
}

func (f *webFile) ReadAt(p []byte, offset int64) (int, error) {
	n := max(0, min(int64(len(p)), f.size-offset))
	// The file is read after loading has ended, too.
	data, err := f.BytesAt(context.Background(), offset, n)
	if err != nil {
		return 0, err
	}
	js.CopyBytesToGo(p, data)
	if int(n) < len(p) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (f *webFile) Read(p []byte) (int, error) {
	if f.at >= f.size {
		return 0, io.EOF
	}
	n, err := f.ReadAt(p[:min(int64(len(p)), f.size-f.at)], f.at)
	f.at += int64(n)
	return n, err
}

func (f *webFile) Stat() (fs.FileInfo, error) { return fileInfo{f.name, f.size}, nil }

func (f *webFile) Close() error { return nil }

// fileInfo describes a file as far as anybody here asks.
type fileInfo struct {
	name string
	size int64
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return 0o444 }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }
