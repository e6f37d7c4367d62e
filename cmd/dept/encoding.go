package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// encoding is a content coding, as Accept-Encoding and Content-Encoding name it.
type encoding string

const (
	identity encoding = "" // as it is
	brotli   encoding = "br"
	gzipped  encoding = "gzip"
)

// encodings are what the end of a file's name says of how it is compressed.
var encodings = map[string]encoding{".br": brotli, ".gz": gzipped}

// pageFile is a file in each encoding that it is there in.
type pageFile map[encoding]form

// form is a file in one encoding.
type form struct {
	content []byte
	tag     string // of the content, so that browsers keep it for as long as it is the same
}

func newForm(content []byte) form {
	return form{content, fmt.Sprintf(`"%x"`, sha256.Sum256(content))}
}

// unpack adds the file as it is, where it is there compressed alone.
func (f pageFile) unpack() error {
	if _, ok := f[identity]; ok {
		return nil
	}
	packed, ok := f[gzipped]
	if !ok {
		return errors.New("it is missing, and so is what it is compressed of")
	}
	r, err := gzip.NewReader(bytes.NewReader(packed.content))
	if err != nil {
		return err
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f[identity] = newForm(content)
	return nil
}

// serve answers with the file in the encoding that suits the request, whose
// Content-Type is set.
func (f pageFile) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	chosen := f.choose(strings.Join(r.Header.Values("Accept-Encoding"), ","))
	if r.Header.Get("Range") != "" {
		chosen = identity // a range of which people know what it is one of
	}
	form := f[chosen]
	if len(f) > 1 {
		header.Set("Vary", "Accept-Encoding")
	}
	if chosen != identity {
		header.Set("Content-Encoding", string(chosen))
		header.Set("Content-Length", strconv.Itoa(len(form.content))) // ServeContent leaves it out
	}
	header.Set("ETag", form.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(form.content))
}

// choose picks the encoding that an Accept-Encoding header likes best, the smallest of
// those that it likes alike. RFC 9110, section 12.5.3.
func (f pageFile) choose(accept string) encoding {
	quality := map[string]float64{}
	for _, part := range strings.Split(accept, ",") {
		name, weight, _ := strings.Cut(part, ";")
		name, q := strings.ToLower(strings.TrimSpace(name)), 1.0
		if key, value, ok := strings.Cut(weight, "="); ok && strings.EqualFold(strings.TrimSpace(key), "q") {
			var err error
			if q, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
				q = 0 // nobody can say what it asks for
			}
		}
		quality[name] = q
	}
	best, most := identity, 0.0
	if q, ok := quality["identity"]; ok {
		most = q
	}
	for _, e := range []encoding{gzipped, brotli} {
		_, here := f[e]
		q, ok := quality[string(e)]
		if !ok {
			q = quality["*"]
		}
		if here && q > 0 && q >= most {
			best, most = e, q
		}
	}
	return best
}
