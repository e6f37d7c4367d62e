//go:build !js

package hub

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// web sends requests with net/http.
type web struct{ client *http.Client }

// defaultTransport is one over net/http, through the proxy that HTTPS_PROXY names.
func defaultTransport() Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true // checksums and ranges are of the file as it is
	return web{&http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w web) Send(ctx context.Context, r Request) (*Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	response, err := w.client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // the caller says of what
		}
		return nil, err
	}
	return &Response{Status: response.StatusCode, Header: response.Header.Get, Size: response.ContentLength, Body: response.Body}, nil
}
