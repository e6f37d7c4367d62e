package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Client downloads from a server into a cache. FromEnv makes one.
type Client struct {
	Endpoint  string // the server's address, without a slash at its end
	Cache     string // the cache's folder; a client that only brings files of a Tree has none
	Token     string // sent to the server and to nobody else; "" is none
	Offline   bool   // no request is made
	Transport Transport

	AskTimeout   time.Duration // for an answer about a file
	StallTimeout time.Duration // without another byte of a file
	RetryPause   time.Duration // before what failed is tried again

	// OnProgress, if not nil, hears how much of a file is there. OnWarning hears what the user may
	// want to know.
	OnProgress func(Progress)
	OnWarning  func(text string)
}

// Progress is how much of a file is in the cache.
type Progress struct {
	File        string
	Done, Total int64 // bytes; Total is 0 where the server does not say
}

// Transport carries requests to servers.
type Transport interface {
	// Send sends a request and returns the response's head, with a body to read and close. It
	// follows no redirect; one that cannot help it, as over a browser's fetch, sends no token on to
	// another origin, and what the hub says of files is asked of its API then. An error means that
	// no response came.
	Send(ctx context.Context, r Request) (*Response, error)
}

// Request is a GET or a HEAD.
type Request struct {
	Method, URL string
	Header      map[string]string
}

// Response answers a request.
type Response struct {
	Status int
	Header func(name string) string
	Size   int64 // of the body in bytes, -1 where it is unknown
	Body   io.ReadCloser
}

func (c *Client) warn(format string, args ...any) {
	if c.OnWarning != nil {
		c.OnWarning(fmt.Sprintf(format, args...))
	}
}

// attempts is how often in a row something may fail that another try may mend.
const attempts = 5

// again waits before another attempt; it returns an error when the context ends before that.
func (c *Client) again(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(c.RetryPause):
		return nil
	}
}

// fileURL is where a server has a file of a repository.
func (c *Client) fileURL(r Ref, revision, name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return fmt.Sprintf("%s/%s/resolve/%s/%s", c.Endpoint, r.path(), url.PathEscape(revision), strings.Join(parts, "/"))
}

// maxRedirects is how many a request follows.
const maxRedirects = 10

// send sends a request and follows redirects until one that last accepts; last may be nil. The
// token goes to the endpoint's origin alone. A status of 400 and above is an error.
func (c *Client) send(ctx context.Context, method, address string, header map[string]string, last func(*Response) bool) (*Response, error) {
	if c.Transport == nil {
		return nil, errors.New("there is no way to send requests here")
	}
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	for range maxRedirects {
		request := Request{method, at.String(), map[string]string{"User-Agent": "dept", "Accept-Encoding": "identity"}}
		for name, value := range header {
			request.Header[name] = value
		}
		if c.Token != "" && sameOrigin(at.String(), c.Endpoint) {
			request.Header["Authorization"] = "Bearer " + c.Token
		}
		response, err := c.Transport.Send(ctx, request)
		if err != nil {
			return nil, &unreachable{err}
		}
		location := response.Header("Location")
		switch {
		case response.Status >= 400:
			response.Body.Close()
			return nil, &Refusal{
				Status: response.Status, Code: response.Header("X-Error-Code"), Message: response.Header("X-Error-Message"), Host: at.Host,
				commit: response.Header("X-Repo-Commit"), tokenSent: request.Header["Authorization"] != "",
			}
		case response.Status < 300 || location == "" || last != nil && last(response):
			return response, nil
		}
		response.Body.Close()
		if at, err = at.Parse(location); err != nil {
			return nil, fmt.Errorf("a redirect leads to %q: %w", location, err)
		}
		if at.Scheme != "http" && at.Scheme != "https" {
			return nil, fmt.Errorf("a redirect leads to %s, which is no address of a file", at.Redacted())
		}
	}
	return nil, fmt.Errorf("%s: %d redirects in a row", address, maxRedirects)
}

// sameOrigin says whether two addresses have the same scheme, host and port.
func sameOrigin(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Hostname(), y.Hostname()) && port(x) == port(y)
}

func port(u *url.URL) string {
	if u.Port() == "" {
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Port()
}

// about is what a server says about a file.
type about struct {
	commit string
	etag   string // the blob's name: git's SHA-1 or a SHA-256, as a rule
	size   int64  // bytes, -1 where it is unknown
}

var blobName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$`)

// validBlob holds for what can be the name of a blob's file.
func validBlob(etag string) bool { return blobName.MatchString(etag) && !strings.Contains(etag, "..") }

// persist does something again as long as another try may go better.
func (c *Client) persist(ctx context.Context, do func() error) error {
	for failed := 1; ; failed++ {
		err := do()
		if err == nil || !temporary(err) || ctx.Err() != nil || failed == attempts {
			return err
		}
		if err := c.again(ctx); err != nil {
			return err
		}
	}
}

// ask asks the server about a file, again where that may help.
func (c *Client) ask(ctx context.Context, r Ref, revision, name string) (a about, err error) {
	err = c.persist(ctx, func() (err error) {
		a, err = c.askOnce(ctx, r, revision, name)
		return err
	})
	return a, err
}

func (c *Client) askOnce(ctx context.Context, r Ref, revision, name string) (about, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.AskTimeout, fmt.Errorf("no answer in %s", c.AskTimeout))
	defer cancel()
	a := about{size: -1}
	linked := false
	// What the hub says of a file stands in its first answer, which may be a redirect to where the
	// file is. A mirror's redirect to the hub says nothing.
	note := func(response *Response) (enough bool) {
		if a.commit == "" {
			a.commit = response.Header("X-Repo-Commit")
		}
		if etag := response.Header("X-Linked-Etag"); etag != "" && !linked {
			linked, a.etag = true, etag
			if n, err := strconv.ParseInt(response.Header("X-Linked-Size"), 10, 64); err == nil && n >= 0 {
				a.size = n
			}
		}
		if a.etag == "" && response.Status >= 300 && response.Header("ETag") != "" {
			a.etag = response.Header("ETag")
		}
		location, err := url.Parse(response.Header("Location"))
		return err == nil && location.IsAbs() && a.commit != "" && a.etag != ""
	}
	response, err := c.send(ctx, "HEAD", c.fileURL(r, revision, name), nil, note)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = &unreachable{cause}
		}
		return about{}, err
	}
	response.Body.Close()
	if response.Status < 300 {
		note(response)
		if !linked {
			a.etag, a.size = response.Header("ETag"), response.Size
		}
	}
	a.etag = strings.Trim(strings.TrimPrefix(a.etag, "W/"), `"`)
	switch {
	case !commit.MatchString(a.commit):
		return about{}, &unclear{fmt.Errorf("%s does not answer as a hub does (X-Repo-Commit is %q): check HF_ENDPOINT and the proxy", c.Endpoint, a.commit)}
	case !validBlob(a.etag):
		return about{}, &unclear{fmt.Errorf("%s gives no checksum of %s that can name a file (ETag %q): check HF_ENDPOINT and the proxy", c.Endpoint, name, a.etag)}
	}
	return a, nil
}
