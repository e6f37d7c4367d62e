package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A page as make web packs it: main.js is there compressed alone, style.css beside
// what it is compressed of, and the weights as they are.
func packedPage(t *testing.T) (fs fstest.MapFS, script string) {
	t.Helper()
	script = strings.Repeat("train();\n", 200)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(script))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return fstest.MapFS{
		"main.js.gz":              {Data: b.Bytes()},
		"main.js.br":              {Data: []byte("main.js with brotli")},
		"style.css":               {Data: []byte("b{}")},
		"style.css.gz":            {Data: []byte("style.css with gzip")},
		"model/model.safetensors": {Data: []byte("weights")},
	}, script
}

func TestEncodings(t *testing.T) {
	files, script := packedPage(t)
	h, err := newPageHandler(files, nil, nil)
	require.NoError(t, err)
	forms := map[string]string{"": script, "gzip": string(files["main.js.gz"].Data), "br": string(files["main.js.br"].Data)}
	tags := map[string]string{}
	for _, tc := range []struct{ accept, want string }{
		{"", ""},
		{"gzip, deflate, br, zstd", "br"},
		{"br, gzip", "br"},
		{"gzip, deflate", "gzip"},
		{"GZIP", "gzip"},
		{"gzip;q=1.0, br;q=0.5", "gzip"},
		{"gzip; q=0.5 , br ;q=0.5", "br"},
		{"br;q=0, gzip", "gzip"},
		{"br;q=0, gzip;q=0", ""},
		{"*", "br"},
		{"*;q=0.1, br;q=0", "gzip"},
		{"identity", ""},
		{"identity;q=0.5, gzip;q=0.2", ""},
		{"identity;q=0, gzip;q=0.001", "gzip"},
		{"identity;q=0", ""}, // nothing suits; better that than nothing
		{"br;q=much", ""},
		{"br;q=NaN", ""},
		{"zstd, compress", ""},
		{";,;q=;=", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := httptest.NewRequest(method, "http://localhost/main.js?0123456789abcdef", nil)
			if tc.accept != "" {
				r.Header.Set("Accept-Encoding", tc.accept)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			res := w.Result()
			name := method + " " + tc.accept
			assert.Equal(t, http.StatusOK, res.StatusCode, name)
			assert.Equal(t, tc.want, res.Header.Get("Content-Encoding"), name)
			assert.Equal(t, "Accept-Encoding", res.Header.Get("Vary"), name)
			assert.Equal(t, "text/javascript; charset=utf-8", res.Header.Get("Content-Type"), name)
			assert.Equal(t, strconv.Itoa(len(forms[tc.want])), res.Header.Get("Content-Length"), name)
			assert.Equal(t, "no-cache", res.Header.Get("Cache-Control"), name)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			if method == "GET" {
				assert.Equal(t, forms[tc.want], string(body), name)
			} else {
				assert.Empty(t, body, name)
			}
			tag := res.Header.Get("ETag")
			if was, ok := tags[tc.want]; ok {
				assert.Equal(t, was, tag, name)
			}
			tags[tc.want] = tag
		}
	}
	assert.NotEqual(t, tags[""], tags["br"])
	assert.NotEqual(t, tags[""], tags["gzip"])
	assert.NotEqual(t, tags["br"], tags["gzip"])

	for _, tc := range []struct {
		name, path string
		header     map[string]string
		status     int
		encoding   string
		body       string
	}{
		{"a range is one of the file as it is", "/main.js", map[string]string{"Range": "bytes=0-6", "Accept-Encoding": "br"}, http.StatusPartialContent, "", script[:7]},
		{"a suffix", "/main.js", map[string]string{"Range": "bytes=-3"}, http.StatusPartialContent, "", ");\n"},
		{"a range of weights", "/model/model.safetensors", map[string]string{"Range": "bytes=2-", "Accept-Encoding": "br"}, http.StatusPartialContent, "", "ights"},
		{"past the end", "/style.css", map[string]string{"Range": "bytes=9-"}, http.StatusRequestedRangeNotSatisfiable, "", "invalid range: failed to overlap\n"},
		{"a range of what it had as it is", "/main.js", map[string]string{"Range": "bytes=0-6", "If-Range": tags[""]}, http.StatusPartialContent, "", script[:7]},
		{"a range of what it had compressed", "/main.js", map[string]string{"Range": "bytes=0-6", "If-Range": tags["br"]}, http.StatusOK, "", script},
		{"the same, with brotli", "/main.js", map[string]string{"If-None-Match": tags["br"], "Accept-Encoding": "br"}, http.StatusNotModified, "", ""},
		{"the same, with gzip, among others", "/main.js", map[string]string{"If-None-Match": `"x", ` + tags["gzip"], "Accept-Encoding": "gzip"}, http.StatusNotModified, "", ""},
		{"the same, weakly", "/main.js", map[string]string{"If-None-Match": "W/" + tags[""]}, http.StatusNotModified, "", ""},
		{"in another encoding", "/main.js", map[string]string{"If-None-Match": tags["br"]}, http.StatusOK, "", script},
		{"compressed beside itself", "/style.css", map[string]string{"Accept-Encoding": "gzip, br"}, http.StatusOK, "gzip", "style.css with gzip"},
		{"and as it is", "/style.css", nil, http.StatusOK, "", "b{}"},
		{"never compressed", "/model/model.safetensors", map[string]string{"Accept-Encoding": "gzip, br"}, http.StatusOK, "", "weights"},
		{"no file of its own", "/main.js.br", nil, http.StatusNotFound, "", "there is no such file\n"},
	} {
		r := httptest.NewRequest("GET", "http://localhost"+tc.path, nil)
		for name, value := range tc.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		res := w.Result()
		assert.Equal(t, tc.status, res.StatusCode, tc.name)
		assert.Equal(t, tc.encoding, res.Header.Get("Content-Encoding"), tc.name)
		assert.Equal(t, tc.body, w.Body.String(), tc.name)
		assert.NotEmpty(t, res.Header.Get("Content-Security-Policy"), tc.name)
	}

	// Behind a proxy, under a path of its own.
	under := http.StripPrefix("/lessons/dept", h)
	r := httptest.NewRequest("GET", "http://localhost/lessons/dept/main.js", nil)
	r.Header.Set("Accept-Encoding", "br")
	w := httptest.NewRecorder()
	under.ServeHTTP(w, r)
	assert.Equal(t, forms["br"], w.Body.String())
}

// What was packed badly is refused when the server starts, by the file's name.
func TestBadlyPacked(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"not gzip":    {"main.js.gz": {Data: []byte("train()")}},
		"brotli only": {"main.js.br": {Data: []byte("train()")}},
	} {
		_, err := newPageHandler(files, nil, nil)
		assert.ErrorContains(t, err, "main.js", name)
	}
}
