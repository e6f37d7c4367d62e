package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPageHandler(t *testing.T) {
	h, err := newPageHandler(fstest.MapFS{
		"index.html":              {Data: []byte("<!doctype html>")},
		"dept.wasm":               {Data: []byte("\x00asm")},
		"main.js":                 {Data: []byte("1")},
		"style.css":               {Data: []byte("b{}")},
		"model/model.safetensors": {Data: []byte("weights")},
		".gitkeep":                {},
	}, nil, nil)
	require.NoError(t, err)
	ask := func(method, target string, change ...func(*http.Request)) *http.Response {
		r := httptest.NewRequest(method, target, nil)
		for _, c := range change {
			c(r)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for _, tc := range []struct {
		path, contentType, body string
	}{
		{"/", "text/html; charset=utf-8", "<!doctype html>"},
		{"/index.html", "text/html; charset=utf-8", "<!doctype html>"},
		{"/index.html?task=x", "text/html; charset=utf-8", "<!doctype html>"},
		{"/dept.wasm", "application/wasm", "\x00asm"},
		{"/main.js", "text/javascript; charset=utf-8", "1"},
		{"/style.css", "text/css; charset=utf-8", "b{}"},
		{"/model/model.safetensors", "application/octet-stream", "weights"},
	} {
		res := ask("GET", "http://127.0.0.1:8080"+tc.path)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, res.StatusCode, tc.path)
		assert.Equal(t, tc.contentType, res.Header.Get("Content-Type"), tc.path)
		assert.Equal(t, tc.body, string(body), tc.path)
		assert.Contains(t, res.Header.Get("Content-Security-Policy"),
			"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co;")
		assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))

		tag := res.Header.Get("ETag")
		res = ask("GET", "http://localhost"+tc.path, func(r *http.Request) { r.Header.Set("If-None-Match", tag) })
		assert.Equal(t, http.StatusNotModified, res.StatusCode, tc.path)
	}
	for _, path := range []string{"/model", "/model/", "/.gitkeep", "/nowhere", "/../main.js", "//main.js"} {
		res := ask("GET", "http://127.0.0.1:8080"+path)
		assert.Equal(t, http.StatusNotFound, res.StatusCode, path)
		assert.NotEmpty(t, res.Header.Get("Content-Security-Policy"), path)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, ask("POST", "http://127.0.0.1/").StatusCode)
	assert.Equal(t, http.StatusOK, ask("HEAD", "http://[::1]:9/").StatusCode)
	for _, host := range []string{"rebound.example", "127.0.0.1.example:80", ""} {
		assert.Equal(t, http.StatusForbidden, ask("GET", "http://localhost/", func(r *http.Request) { r.Host = host }).StatusCode, host)
	}
}

// What the documentation gives for other servers is what this one sends.
func TestPolicyIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/page.md")
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(text), fmt.Sprintf(policy, publicHubs, "'none'")), "the lines, nginx's and Caddy's")
}

// Another hub is in the header, and in the file from which the page knows which one it asks.
func TestPageHandlerHub(t *testing.T) {
	source, err := os.ReadFile("../../web/src/" + hubFile)
	require.NoError(t, err)
	origins, err := readOrigins("hub", []string{"https://hub.example:8443/", "http://[::1]:9000"})
	require.NoError(t, err)
	h, err := newPageHandler(fstest.MapFS{hubFile: {Data: source}}, origins, []string{"https://course.example"})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/"+hubFile, nil))
	assert.JSONEq(t, `{"hub": "https://hub.example:8443"}`, w.Body.String())
	assert.Contains(t, publicHubs, strings.Split(string(source), `"`)[3]+" ")
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "https://*.hf.co https://hub.example:8443 http://[::1]:9000;")
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "; frame-ancestors https://course.example")

	for _, bad := range []string{"", "hub.example", "ftp://hub.example", "https://hub.example/path", "https://hub.example; script-src *", "https://*", "https://me:secret@hub.example", "https://hub\"><script>"} {
		_, err := readOrigins("hub", []string{bad})
		assert.ErrorContains(t, err, "--hub", bad)
	}
}

func TestListenLoopback(t *testing.T) {
	l, err := listenLoopback("127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = listenLoopback(l.Addr().String())
	assert.ErrorContains(t, err, "--addr 127.0.0.1:0")
	for _, open := range []string{":0", "0.0.0.0:0", "192.0.2.1:80", "nonsense"} {
		_, err := listenLoopback(open)
		assert.Error(t, err, open)
		assert.True(t, strings.Contains(err.Error(), "--addr"), err)
	}
}
