package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall/js"
	"time"

	"github.com/go-dept/dept/wgpu"
)

// browser has models on the page's server, on hubs, among the visitor's files, and in the browser's
// private storage:
//
//	models/ORG--NAME@COMMIT/FILE
//	models/ORG--NAME@COMMIT/kept.json   a keptRecord; written last, when all of the files are right
type browser struct{}

const (
	modelsFolder = "models"
	keptFile     = "kept.json"
)

// keptRecord says what is kept of a model.
type keptRecord struct {
	Name   string           `json:"name"`
	Commit string           `json:"commit"`
	Files  map[string]int64 `json:"files"` // sizes in bytes
}

func (browser) open(ctx context.Context, m Load, dev *wgpu.Device, progress func(Progress)) (*source, error) {
	switch {
	case len(m.Files) > 0:
		return openChosen(m.Files)
	case m.Kept != "":
		return openKept(ctx, m.Kept)
	case m.Hub != "":
		return openHub(ctx, m, dev, progress)
	}
	return openFolder(ctx, m.Model, progress)
}

// openChosen opens a model among files that a visitor has chosen.
func openChosen(files []Blob) (*source, error) {
	paths := mapped(files, func(f Blob) string { return f.Path })
	names, folder, err := modelFolder(paths)
	if err != nil {
		return nil, err
	}
	blobs := blobFolder{}
	for name, p := range names {
		blobs[name] = files[slices.Index(paths, p)].Blob.(js.Value)
	}
	name := path.Base(folder)
	if name == "." {
		name = "model"
	}
	return &source{files: blobs, name: name, remedy: diskRemedy}, nil
}

// openKept opens a model that is kept, and asks nobody.
func openKept(ctx context.Context, id string) (*source, error) {
	const remedy = "Load it from the hub again."
	gone := func(err error) error {
		return &failure{codeFile, remedy, fmt.Errorf("what was kept of the model %s cannot be read: %w", id, err)}
	}
	dir, err := keptFolder(ctx, id, false)
	if err != nil {
		return nil, gone(err)
	}
	record, err := dir.record(ctx)
	if err != nil {
		return nil, gone(err)
	}
	blobs := blobFolder{}
	for name, size := range record.Files {
		blob, err := dir.blob(ctx, name)
		if err == nil && int64(blob.Get("size").Float()) != size {
			err = fmt.Errorf("%s has %.0f bytes of %d", name, blob.Get("size").Float(), size)
		}
		if err != nil {
			return nil, gone(err)
		}
		blobs[name] = blob
	}
	return &source{
		files: blobs, name: record.Name, commit: record.Commit, id: id,
		remedy: "Choose another model: the files of this one came whole, but do not hold a T5 that dept reads.",
	}, nil
}

func (browser) kept(ctx context.Context) (Kept, error) {
	list := Kept{Models: []KeptModel{}}
	root, err := storageRoot(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return list, ctx.Err()
		}
		list.Notice = notKept
		if isStorageFull(err) {
			list.Notice = "The browser's storage is full."
		}
		return list, nil
	}
	list.Free, _ = freeStorage(ctx)
	names, err := entries(ctx, root)
	if err != nil {
		return list, err
	}
	for _, id := range names {
		m, err := keptModel(ctx, id)
		if err != nil {
			return list, err
		}
		list.Models = append(list.Models, m)
	}
	slices.SortFunc(list.Models, func(a, b KeptModel) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Commit, b.Commit))
	})
	return list, nil
}

// keptModel describes a folder of models.
func keptModel(ctx context.Context, id string) (KeptModel, error) {
	name, commit, _ := strings.Cut(id, "@")
	m := KeptModel{ID: id, Name: strings.Replace(name, "--", "/", 1), Commit: commit}
	dir, err := keptFolder(ctx, id, false)
	if err != nil {
		return m, err
	}
	_, err = dir.record(ctx)
	m.Whole = err == nil
	files, err := entries(ctx, dir.handle)
	if err != nil {
		return m, err
	}
	for _, name := range files {
		blob, err := dir.blob(ctx, name)
		if err != nil {
			return m, err
		}
		m.Bytes += int64(blob.Get("size").Float())
	}
	return m, nil
}

func (browser) remove(ctx context.Context, id string) error {
	root, err := storageRoot(ctx)
	if err == nil {
		err = removeEntry(ctx, root, id)
	}
	if err != nil {
		return &failure{codeFile, "Close other tabs of this page and remove it again.", fmt.Errorf("the model %s cannot be removed: %w", id, err)}
	}
	return nil
}

// notKept is said where the browser keeps nothing.
const notKept = "This browser window, like private ones, keeps no files: a model of the hub is fetched again at each visit."

// storageRoot is the folder of models in the browser's private storage.
func storageRoot(ctx context.Context) (js.Value, error) {
	folder, err := storageFolderNamed(ctx, modelsFolder)
	return folder.handle, err
}

// storageFolderNamed is a folder in the browser's private storage.
func storageFolderNamed(ctx context.Context, name string) (_ storageFolder, err error) {
	defer catch(&err)
	storage := js.Global().Get("navigator").Get("storage")
	handle := js.Global().Get("FileSystemFileHandle")
	if !storage.Truthy() || !storage.Get("getDirectory").Truthy() || !handle.Truthy() || !handle.Get("prototype").Get("createSyncAccessHandle").Truthy() {
		return storageFolder{}, errors.New("this browser has no private file system")
	}
	top, err := await(ctx, storage.Call("getDirectory"))
	if err != nil {
		return storageFolder{}, err
	}
	folder, err := await(ctx, top.Call("getDirectoryHandle", name, map[string]any{"create": true}))
	return storageFolder{folder}, err
}

// freeStorage is how many bytes the browser would keep more, as it estimates.
func freeStorage(ctx context.Context) (bytes int64, err error) {
	defer catch(&err)
	estimate, err := await(ctx, js.Global().Get("navigator").Get("storage").Call("estimate"))
	if err != nil {
		return 0, err
	}
	return max(0, int64(estimate.Get("quota").Float()-estimate.Get("usage").Float())), nil
}

// entries are the names in a folder of the storage.
func entries(ctx context.Context, folder js.Value) (names []string, err error) {
	defer catch(&err)
	for keys := folder.Call("keys"); ; {
		next, err := await(ctx, keys.Call("next"))
		if err != nil {
			return nil, err
		}
		if next.Get("done").Bool() {
			return names, nil
		}
		names = append(names, next.Get("value").String())
	}
}

func removeEntry(ctx context.Context, folder js.Value, name string) (err error) {
	defer catch(&err)
	_, err = await(ctx, folder.Call("removeEntry", name, map[string]any{"recursive": true}))
	return err
}

// storageFolder is a model's folder in the storage.
type storageFolder struct{ handle js.Value }

func keptFolder(ctx context.Context, id string, create bool) (_ storageFolder, err error) {
	defer catch(&err)
	root, err := storageRoot(ctx)
	if err != nil {
		return storageFolder{}, err
	}
	handle, err := await(ctx, root.Call("getDirectoryHandle", id, map[string]any{"create": create}))
	return storageFolder{handle}, err
}

// blob is a file of the folder as a Blob, which stays on the disk.
func (f storageFolder) blob(ctx context.Context, name string) (_ js.Value, err error) {
	defer catch(&err)
	handle, err := await(ctx, f.handle.Call("getFileHandle", name))
	if err != nil {
		return js.Undefined(), err
	}
	return await(ctx, handle.Call("getFile"))
}

func (f storageFolder) record(ctx context.Context) (record keptRecord, err error) {
	defer catch(&err)
	blob, err := f.blob(ctx, keptFile)
	if err != nil {
		return record, err
	}
	text, err := await(ctx, blob.Call("text"))
	if err != nil {
		return record, err
	}
	return record, json.Unmarshal([]byte(text.String()), &record)
}

// open opens a file of the folder to write in. No other tab can until it is closed.
func (f storageFolder) open(ctx context.Context, name string) (_ *storedFile, err error) {
	defer catch(&err)
	handle, err := await(ctx, f.handle.Call("getFileHandle", name, map[string]any{"create": true}))
	if err != nil {
		return nil, err
	}
	access, err := await(ctx, handle.Call("createSyncAccessHandle"))
	if err != nil {
		return nil, err
	}
	return &storedFile{ctx: ctx, access: access, buffer: uint8Array.New(1 << 18), rested: time.Now()}, nil
}

// storedFile is an open file of the storage, a hub.Partial.
type storedFile struct {
	ctx    context.Context
	access js.Value
	buffer js.Value // through which bytes go
	at     int64
	rested time.Time
}

func (f *storedFile) size() int64 { return int64(f.access.Call("getSize").Float()) }

func (f *storedFile) Read(p []byte) (n int, err error) {
	defer catch(&err)
	f.rest()
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	p = p[:min(len(p), f.buffer.Length())]
	part := f.buffer.Call("subarray", 0, len(p))
	if n = f.access.Call("read", part, map[string]any{"at": f.at}).Int(); n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	js.CopyBytesToGo(p[:n], part)
	f.at += int64(n)
	return n, nil
}

// rest lets the messages in that have come while a file was read, which never waits.
func (f *storedFile) rest() {
	if time.Since(f.rested) > progressPause {
		time.Sleep(time.Millisecond)
		f.rested = time.Now()
	}
}

func (f *storedFile) Write(p []byte) (n int, err error) {
	defer catch(&err)
	for n < len(p) {
		part := f.buffer.Call("subarray", 0, min(len(p)-n, f.buffer.Length()))
		js.CopyBytesToJS(part, p[n:])
		wrote := f.access.Call("write", part, map[string]any{"at": f.at}).Int()
		if wrote != part.Length() {
			// In its private windows Chromium throws no error: it says 2³² - 8, its own number of it.
			return n, errStorageFull
		}
		n += wrote
		f.at += int64(wrote)
	}
	return n, nil
}

func (f *storedFile) Seek(offset int64, whence int) (at int64, err error) {
	defer catch(&err)
	f.at, err = seek(f.at, f.size(), offset, whence)
	return f.at, err
}

func (f *storedFile) Truncate(size int64) (err error) {
	defer catch(&err)
	f.access.Call("truncate", size)
	return nil
}

func (f *storedFile) Close() (err error) {
	defer catch(&err)
	defer f.access.Call("close")
	f.access.Call("flush")
	return nil
}

// errStorageFull is the error of a write for which there is no room.
var errStorageFull = errors.New("the browser's storage is full")

// isStorageFull says whether the browser has no room for more.
func isStorageFull(err error) bool {
	var thrown js.Error
	const name = "QuotaExceededError"
	return err != nil && (errors.Is(err, errStorageFull) || strings.Contains(err.Error(), name) || errors.As(err, &thrown) && thrown.Get("name").String() == name)
}

// blobFolder is a folder of files that lie in Blobs, by their names.
type blobFolder map[string]js.Value

func (f blobFolder) Open(name string) (fs.File, error) {
	blob, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &webFile{name: name, blob: blob, size: int64(blob.Get("size").Float())}, nil
}

// ReadDir lists the files, for what looks at a folder in which something is missing.
func (f blobFolder) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var list []fs.DirEntry
	for name, blob := range f {
		list = append(list, fs.FileInfoToDirEntry(fileInfo{name, int64(blob.Get("size").Float())}))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

func (blobFolder) Forget(string) {}

// blobFile is a hub.Partial that grows in Blobs, where nothing else keeps it.
type blobFile struct {
	ctx   context.Context
	parts js.Value // an array of Blobs
	bytes int64
	at    int64
}

func newBlobFile(ctx context.Context) *blobFile {
	return &blobFile{ctx: ctx, parts: js.Global().Get("Array").New()}
}

// blob is all of it.
func (f *blobFile) blob() js.Value { return js.Global().Get("Blob").New(f.parts) }

func (f *blobFile) Read(p []byte) (n int, err error) {
	defer catch(&err)
	if f.at >= f.bytes {
		return 0, io.EOF
	}
	data, err := (&webFile{blob: f.blob()}).BytesAt(f.ctx, f.at, min(int64(len(p)), f.bytes-f.at))
	if err != nil {
		return 0, err
	}
	n = js.CopyBytesToGo(p, data)
	f.at += int64(n)
	return n, nil
}

// Write writes at the end, which is where a download writes.
func (f *blobFile) Write(p []byte) (n int, err error) {
	defer catch(&err)
	if f.at != f.bytes {
		return 0, fmt.Errorf("write at %d of a file of %d bytes", f.at, f.bytes)
	}
	f.parts.Call("push", js.Global().Get("Blob").New([]any{toJS(p)}))
	f.bytes += int64(len(p))
	f.at = f.bytes
	return len(p), nil
}

func (f *blobFile) Seek(offset int64, whence int) (at int64, err error) {
	f.at, err = seek(f.at, f.bytes, offset, whence)
	return f.at, err
}

func (f *blobFile) Truncate(size int64) (err error) {
	defer catch(&err)
	f.parts = js.Global().Get("Array").Call("of", f.blob().Call("slice", 0, size))
	f.bytes = size
	return nil
}

func (*blobFile) Close() error { return nil }

// seek is where a file of a size stands after io.Seeker's Seek.
func seek(at, size, offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += at
	case io.SeekEnd:
		offset += size
	}
	if offset < 0 {
		return at, fmt.Errorf("seek to %d", offset)
	}
	return offset, nil
}
