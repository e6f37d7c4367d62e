package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall/js"
	"time"

	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/wgpu"
)

// openHub opens a model of a hub's: the one that is kept, where that is at the commit that the hub
// has, else fetched. Small files come first, so that a model which is none, or has no room here, is
// not fetched.
func openHub(ctx context.Context, m Load, dev *wgpu.Device, progress func(Progress)) (*source, error) {
	ref, err := hub.ParseRef(hub.Model, strings.TrimSpace(m.Model))
	if err != nil {
		return nil, &failure{codeSettings, "Give a model's name as the hub has it, such as google/flan-t5-small.", err}
	}
	client := &hub.Client{
		Endpoint: strings.TrimRight(m.Hub, "/"), Transport: fetchTransport{},
		AskTimeout: hubPatience, StallTimeout: hubPatience, RetryPause: time.Second,
		OnProgress: throttled(progress),
		OnWarning:  func(text string) { fmt.Println(text) }, // on the console
	}
	tree, err := client.Tree(ctx, ref)
	if err != nil {
		return withoutHub(ctx, ref, hubFailure(ctx, err))
	}
	small, weights, err := tree.Model()
	if err != nil {
		return nil, &failure{codeFile, "Choose a T5 model with its weights in safetensors or PyTorch's form.", fmt.Errorf("the hub's files: %w", err)}
	}
	id := strings.ReplaceAll(ref.Name, "/", "--") + "@" + tree.Commit
	if kept, err := openKept(ctx, id); err == nil {
		return kept, nil
	}
	d := &download{ctx: ctx, tree: tree, small: small, weights: weights, dev: dev, id: id}
	return d.open()
}

// hubPatience is how long an answer, or another piece of a file, is waited for.
const hubPatience = 20 * time.Second

// throttled passes progress on that is worth a message.
func throttled(progress func(Progress)) func(hub.Progress) {
	var last time.Time
	return func(p hub.Progress) {
		if p.Done == p.Total || time.Since(last) > progressPause {
			last = time.Now()
			progress(Progress{What: p.File, Unit: "bytes", Done: p.Done, Total: p.Total})
		}
	}
}

// withoutHub opens what is kept of a model where the hub does not answer.
func withoutHub(ctx context.Context, ref hub.Ref, err error) (*source, error) {
	var refused *hub.Refusal
	if ctx.Err() != nil || errors.As(err, &refused) && refused.Status < 500 {
		return nil, err
	}
	list, listErr := browser{}.kept(ctx)
	if listErr != nil {
		return nil, err
	}
	for _, m := range list.Models {
		if m.Name != ref.Name || !m.Whole {
			continue
		}
		if kept, openErr := openKept(ctx, m.ID); openErr == nil {
			kept.notice = fmt.Sprintf("The hub does not answer: this is what was kept, at commit %s.", m.Commit[:7])
			return kept, nil
		}
	}
	return nil, err
}

// hubFailure words what a hub refuses, for a page that has no token.
func hubFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	const byHand = "This page sends no token: download the model elsewhere, such as with dept download, and drop its folder here."
	var refused *hub.Refusal
	if !errors.As(err, &refused) {
		return as(codeNetwork, "Check the connection and load again: it goes on from what has come. Another hub than the page's needs dept serve --hub.", err)
	}
	switch {
	case refused.Code == "GatedRepo":
		return failf(codeNetwork, "Accept its terms on the hub. "+byHand, "the model is gated")
	case refused.Code == "RevisionNotFound":
		return failf(codeNetwork, "Give a branch, a tag or a commit of it behind an @, or none.", "the hub has the model, but not at that revision")
	case refused.Code == "RepoNotFound", refused.Status == 401, refused.Status == 403, refused.Status == 404:
		return failf(codeNetwork, "Check the spelling. If it is private: "+strings.ToLower(byHand[:1])+byHand[1:], "the hub has no model of that name that everybody may read")
	}
	return &failure{codeNetwork, "Load again in a while: it goes on from what has come.", err}
}

// download is the bringing of a model's files.
type download struct {
	ctx            context.Context
	tree           *hub.Tree
	small, weights []string
	dev            *wgpu.Device
	id             string
}

// open brings the files into the storage, or where that has no room into Blobs.
func (d *download) open() (*source, error) {
	all := d.tree.Size(d.small...) + d.tree.Size(d.weights...)
	free, err := freeStorage(d.ctx)
	_, rootErr := storageRoot(d.ctx)
	const full = "The model is not kept for the next visit: the browser's storage is full. Remove models that you do not need."
	switch {
	case isStorageFull(rootErr):
		return d.unkept(full)
	case rootErr != nil:
		return d.unkept(notKept)
	case err == nil && free < all:
		return d.unkept(fmt.Sprintf("The model is not kept for the next visit: it takes %s, and the browser would keep %s more. Remove models that you do not need.", megabytes(all), megabytes(free)))
	}
	err = d.store()
	if isStorageFull(err) {
		browser{}.remove(d.ctx, d.id) // there is no telling whether that helps; what counts is the next line
		return d.unkept(full)
	}
	if err != nil {
		return nil, err
	}
	return openKept(d.ctx, d.id)
}

// unkept brings the files into Blobs, which are gone with the tab.
func (d *download) unkept(notice string) (*source, error) {
	blobs := blobFolder{}
	err := d.bring(func(name string) error {
		f := newBlobFile(d.ctx)
		if err := d.tree.Bring(d.ctx, name, f); err != nil {
			return err
		}
		blobs[name] = f.blob()
		return nil
	}, func() ([]byte, error) { return readBlob(d.ctx, blobs[configFile]) })
	if err != nil {
		return nil, err
	}
	return &source{
		files: blobs, name: d.tree.Ref.Name, commit: d.tree.Commit, notice: notice,
		remedy: "Choose another model: the files of this one came whole, but do not hold a T5 that dept reads.",
	}, nil
}

// store brings the files into the storage. What has come of them stays when it ends early.
func (d *download) store() error {
	dir, err := keptFolder(d.ctx, d.id, true)
	if err != nil {
		return err
	}
	err = d.bring(func(name string) error {
		f, err := dir.open(d.ctx, name)
		if err != nil {
			return busy(err)
		}
		defer f.Close()
		return d.tree.Bring(d.ctx, name, f)
	}, func() ([]byte, error) {
		blob, err := dir.blob(d.ctx, configFile)
		if err != nil {
			return nil, err
		}
		return readBlob(d.ctx, blob)
	})
	if err != nil {
		return err
	}
	record := keptRecord{Name: d.tree.Ref.Name, Commit: d.tree.Commit, Files: map[string]int64{}}
	for _, name := range append(d.small, d.weights...) {
		record.Files[name] = d.tree.Size(name)
	}
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	f, err := dir.open(d.ctx, keptFile)
	if err != nil {
		return busy(err)
	}
	defer f.Close()
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.Write(text)
	return err
}

// busy says why a file of the storage cannot be written.
func busy(err error) error {
	if strings.Contains(err.Error(), "NoModificationAllowedError") {
		return failf(codeOrder, "Let that tab end it, or close it, and load again.", "another tab of this page is fetching the model")
	}
	return err
}

// bring brings all files, and the weights only if they have a place.
func (d *download) bring(file func(name string) error, config func() ([]byte, error)) error {
	checked := func(name string) error {
		err := file(name)
		if err == nil || isStorageFull(err) {
			return err
		}
		return hubFailure(d.ctx, err)
	}
	for _, name := range d.small {
		if err := checked(name); err != nil {
			return err
		}
		if name != configFile {
			continue
		}
		data, err := config()
		if err != nil {
			return err
		}
		if err := fits(d.ctx, d.dev, d.tree.Ref.Name, data, d.tree.Size(d.weights...)); err != nil {
			browser{}.remove(d.ctx, d.id) // one that is not there is as good
			return err
		}
	}
	for _, name := range d.weights {
		if err := checked(name); err != nil {
			return err
		}
	}
	return nil
}

func readBlob(ctx context.Context, blob js.Value) ([]byte, error) {
	data, err := (&webFile{blob: blob}).BytesAt(ctx, 0, int64(blob.Get("size").Float()))
	if err != nil {
		return nil, err
	}
	return fromJS(data)
}

// fetchTransport carries requests by fetch, which follows redirects and keeps cookies at home.
type fetchTransport struct{}

func (t fetchTransport) Send(ctx context.Context, r hub.Request) (*hub.Response, error) {
	part, ranged := r.Header["Range"]
	response, err := t.send(ctx, r, part)
	if err != nil && ranged && ctx.Err() == nil {
		// Some hosts let no page of another origin ask for a part: then it is all of it.
		response, err = t.send(ctx, r, "")
	}
	return response, err
}

func (fetchTransport) send(ctx context.Context, r hub.Request, part string) (_ *hub.Response, err error) {
	defer catch(&err)
	abort := js.Global().Get("AbortController").New()
	stop := context.AfterFunc(ctx, func() { abort.Call("abort") })
	header := map[string]any{} // any but this would have the browser ask for leave first
	if part != "" {
		header["Range"] = part
	}
	response, err := await(ctx, js.Global().Call("fetch", r.URL, map[string]any{
		"method": r.Method, "headers": header, "signal": abort.Get("signal"),
		"mode": "cors", "credentials": "omit", "cache": "no-store", "referrerPolicy": "no-referrer",
	}))
	if err != nil {
		stop()
		return nil, err
	}
	get := func(name string) string {
		if name == "Content-Encoding" {
			return "" // fetch has undone it
		}
		if v := response.Get("headers").Call("get", name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	body := &fetchBody{ctx: ctx, abort: abort, stop: stop}
	if stream := response.Get("body"); stream.Truthy() {
		body.reader = stream.Call("getReader")
	}
	return &hub.Response{Status: response.Get("status").Int(), Header: get, Size: -1, Body: body}, nil
}

// fetchBody reads the body of a response.
type fetchBody struct {
	ctx    context.Context
	abort  js.Value
	stop   func() bool
	reader js.Value // undefined where there is no body
	chunk  js.Value // a Uint8Array, of which rest is to be read yet
	rest   int
}

func (b *fetchBody) Read(p []byte) (n int, err error) {
	defer catch(&err)
	for b.rest == 0 {
		if b.reader.IsUndefined() {
			return 0, io.EOF
		}
		next, err := await(b.ctx, b.reader.Call("read"))
		if err != nil {
			return 0, err
		}
		if next.Get("done").Bool() {
			return 0, io.EOF
		}
		b.chunk = next.Get("value")
		b.rest = b.chunk.Length()
	}
	length := b.chunk.Length()
	n = js.CopyBytesToGo(p, b.chunk.Call("subarray", length-b.rest))
	b.rest -= n
	return n, nil
}

func (b *fetchBody) Close() error {
	b.stop()
	b.abort.Call("abort") // of a body that has ended it does nothing
	return nil
}
