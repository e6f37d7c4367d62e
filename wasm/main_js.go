package main

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
)

// In a browser, worker.js starts this program, hands it the page's messages and
// passes its own on.
func main() {
	port := js.Global().Get("dept")
	w := newWorker(func(m Message) { post(port, m) }, browser{}, &tabVault{})
	port.Call("listen", js.FuncOf(func(_ js.Value, args []js.Value) any {
		m, err := receive(args[0])
		if err != nil {
			post(port, explain(failf(codeBug, "See wasm/messages.go for what the worker understands.", "%w", err), "", 0))
			return nil
		}
		w.Send(m)
		return nil
	}))
	w.Serve(context.Background())
}

// surroundings are the browser, and what it has not where there is no WebGPU adapter.
func surroundings() (agent string, l lack) {
	navigator := js.Global().Get("navigator")
	switch {
	case !js.Global().Get("isSecureContext").Truthy():
		l = lackSecure
	case navigator.Get("gpu").IsUndefined():
		l = lackAPI
	}
	return navigator.Get("userAgent").String(), l
}

// post sends a message to the page. Bytes go as a Uint8Array.
func post(port js.Value, m Message) {
	var data []byte
	if a, ok := m.(AdapterZip); ok {
		data, a.Data = a.Data, nil
		m = a
	}
	text, err := encode(m)
	if err != nil {
		text, _ = encode(explain(err, m.kind(), 0)) // an Error has no numbers that JSON lacks
	}
	object := js.Global().Get("JSON").Call("parse", string(text))
	if data != nil {
		object.Set("data", toJS(data))
	}
	port.Call("post", object)
}

// receive reads a message of the page.
func receive(v js.Value) (m Message, err error) {
	defer catch(&err)
	if v.Type() != js.TypeObject {
		return nil, errors.New("a message must be an object with a type")
	}
	list := v.Get("files")
	if v.Get("type").Type() != js.TypeString || v.Get("type").String() != (Import{}).kind() {
		m, err := decode([]byte(js.Global().Get("JSON").Call("stringify", v).String()))
		if load, ok := m.(Load); ok && list.Truthy() {
			for i := range list.Length() {
				f := list.Index(i)
				load.Files = append(load.Files, Blob{f.Get("path").String(), f.Get("blob")})
			}
			m = load
		}
		return m, err
	}
	var files Import
	for i := range list.Length() {
		f := list.Index(i)
		data, err := fromJS(f.Get("data"))
		if err != nil {
			return nil, fmt.Errorf("file %d of the adapter: %w", i+1, err)
		}
		files.Files = append(files.Files, File{f.Get("name").String(), data})
	}
	return files, nil
}
