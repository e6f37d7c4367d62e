//go:build !js

package hub

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/hub/hubtest"
)

// bodies counts the answers to GET for large files.
func bodies(h harness) (n int, ranges []string) {
	for _, r := range h.Requests() {
		if r.Host == h.CDN && r.Method == "GET" {
			n++
			ranges = append(ranges, r.Range)
		}
	}
	return n, ranges
}

// onlyWhole requires that every blob in the cache is what its name says, and that every link leads
// to one.
func onlyWhole(t *testing.T, c *Client) {
	t.Helper()
	list, err := c.List()
	require.NoError(t, err)
	for _, s := range list {
		v, err := s.Verify(t.Context())
		require.NoError(t, err)
		require.Empty(t, v.Wrong)
		require.Zero(t, v.Unknown)
	}
}

// partials are the files of the cache that have not all arrived.
func partials(t *testing.T, c *Client) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.Cache, "*", "blobs", "*.incomplete"))
	require.NoError(t, err)
	return found
}

// A connection that ends each time leaves what has arrived, from which the next run goes on.
func TestResumeAcrossRuns(t *testing.T) {
	h := newHarness(t, 100_000)
	cuts := []int{40_000}
	for range 2 * attempts {
		cuts = append(cuts, 0) // not a byte more
	}
	h.Break("model.safetensors", hubtest.Fault{Cut: cuts})
	_, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "downloading model.safetensors of org/tiny: it ended after")
	require.ErrorContains(t, err, "try again and it goes on from there")
	require.Len(t, partials(t, h.Client), 1)
	require.Empty(t, h.refCommit(ref(t, "org/tiny")), "the revision leads nowhere yet")
	onlyWhole(t, h.Client)

	h.Break("model.safetensors", hubtest.Fault{})
	h.Requests()
	s, err := clientOf(h.URL, h.Cache).Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	n, ranges := bodies(h)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"bytes=40000-"}, ranges)
	require.Empty(t, partials(t, h.Client))
}

// A server that answers a question for the rest with the whole makes no mixture.
func TestWholeForRange(t *testing.T) {
	h := newHarness(t, 100_000)
	h.WholeFiles = true
	h.Break("model.safetensors", hubtest.Fault{Cut: []int{30_000, 50_000}})
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
}

func TestChecksum(t *testing.T) {
	for _, file := range []string{"config.json", "model.safetensors"} {
		h := newHarness(t, 50_000)
		h.Break(file, hubtest.Fault{Corrupt: 1})
		_, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.ErrorContains(t, err, "downloading "+file+" of org/tiny: its checksum is ")
		require.ErrorContains(t, err, "thrown away")
		require.Empty(t, partials(t, h.Client))
		onlyWhole(t, h.Client)
		s, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.NoError(t, err)
		h.whole(t, s, needed...)
	}
}

// What an earlier run left is checked like all the rest, and does not spoil the next run.
func TestWrongPartial(t *testing.T) {
	for name, left := range map[string]string{"other": noise(20_000, 9), "longer": noise(60_000, 9), "as long": noise(50_000, 9)} {
		h := newHarness(t, 50_000)
		blobs := filepath.Join(h.Cache, "models--org--tiny", "blobs")
		require.NoError(t, os.MkdirAll(blobs, 0o777))
		sum := hubtest.Checksum("model.safetensors", []byte(h.files["model.safetensors"]))
		require.NoError(t, os.WriteFile(filepath.Join(blobs, sum+incomplete), []byte(left), 0o666))
		s, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.NoError(t, err, name)
		h.whole(t, s, needed...)
		require.Contains(t, strings.Join(*h.warnings, "\n"), "what an earlier run left of model.safetensors", name)
	}
}

func TestSizes(t *testing.T) {
	for _, wrong := range []int{-10, 10} {
		h := newHarness(t, 50_000)
		h.Break("model.safetensors", hubtest.Fault{Size: wrong})
		_, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.Error(t, err)
		onlyWhole(t, h.Client)
		h.Break("model.safetensors", hubtest.Fault{})
		s, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.NoError(t, err)
		h.whole(t, s, needed...)
	}
}

// A slow server is waited for, one that falls silent is asked again for the rest.
func TestSlow(t *testing.T) {
	h := newHarness(t, 100_000)
	h.StallTimeout = 300 * time.Millisecond
	h.Break("model.safetensors", hubtest.Fault{Slow: 20 * time.Millisecond}) // half a second in all
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	n, _ := bodies(h)
	require.Equal(t, 1, n)

	h = newHarness(t, 100_000)
	h.StallTimeout = 100 * time.Millisecond
	h.Break("model.safetensors", hubtest.Fault{Stall: 2})
	s, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	_, ranges := bodies(h)
	require.Equal(t, []string{"", "bytes=50000-", "bytes=75000-"}, ranges)

	h = newHarness(t, 100_000)
	h.StallTimeout = 50 * time.Millisecond
	h.Break("model.safetensors", hubtest.Fault{Stall: 1000, Cut: slices.Repeat([]int{0}, 1000)})
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	_, err = h.Model(ctx, ref(t, "org/tiny"))
	require.Error(t, err)
}

// Where a server is busy it is asked again; where that does not help, the cache's copy is taken.
func TestBusy(t *testing.T) {
	h := newHarness(t, 10_000)
	h.Break("config.json", hubtest.Fault{Status: []int{503, 0, 429}})
	h.Break("model.safetensors", hubtest.Fault{Status: []int{0, 500, 502}})
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.Empty(t, *h.warnings)

	h.Break("config.json", hubtest.Fault{Status: []int{503}})
	s, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.Len(t, *h.warnings, 1)
	require.Contains(t, (*h.warnings)[0], "answers 503")
	require.Contains(t, (*h.warnings)[0], "taking what the cache has of org/tiny, commit "+h.commit)

	h.Cache = t.TempDir()
	h.Break("config.json", hubtest.Fault{Status: slices.Repeat([]int{503}, 100)})
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "answers 503")
}

// Without a network the cache's copy is taken, with a warning; offline nobody is asked.
func TestUnreachable(t *testing.T) {
	h := newHarness(t, 10_000)
	_, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	reachable := h.Endpoint
	h.Endpoint = "http://127.0.0.1:1"
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	require.Contains(t, strings.Join(*h.warnings, "\n"), "asking http://127.0.0.1:1 failed: ")

	h.Endpoint, h.Offline = reachable, true
	h.Requests()
	s, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	for _, name := range []string{"org/other", "org/tiny@v2", "org/tiny@" + strings.Repeat("0", 40)} {
		_, err = h.Model(t.Context(), ref(t, name))
		var uncached *NotCached
		require.ErrorAs(t, err, &uncached, name)
		require.ErrorContains(t, err, "HF_HUB_OFFLINE")
		require.ErrorContains(t, err, "dept download "+name)
	}
	require.NoError(t, os.Remove(filepath.Join(s.Dir, "model.safetensors")))
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "model.safetensors of model org/tiny is not in the cache "+h.Cache)
	require.Empty(t, h.Requests())
	require.Len(t, *h.warnings, 1)

	h.Offline, h.Endpoint, h.Cache = false, "http://127.0.0.1:1", t.TempDir()
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "model org/tiny is not in the cache")
	require.ErrorContains(t, err, "HTTPS_PROXY")

	// No answer at all.
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	defer silent.CloseClientConnections()
	h.Endpoint, h.AskTimeout = silent.URL, 30*time.Millisecond
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "no answer in 30ms")
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, token    string
		gated, private bool
		want           []string
	}{
		{"org/tiny", "", true, false, []string{"org/tiny is gated: accept its terms on ", "/org/tiny, then set HF_TOKEN"}},
		{"org/tiny", "", false, true, []string{"has no model org/tiny (404): check the spelling; if it is private, set HF_TOKEN"}},
		{"org/tiny", "wrong", true, false, []string{"refuses the token of HF_TOKEN or of the token file (401 Invalid credentials"}},
		{"org/nothing", "", false, false, []string{"has no model org/nothing (401): check the spelling; if it is private, set HF_TOKEN"}},
		{"org/nothing", "right", false, false, []string{"has no model org/nothing (404): check the spelling; or the account of your token may not see it"}},
		{"org/tiny@v9", "", false, false, []string{"model org/tiny has no revision v9: give a branch, a tag or a commit"}},
	} {
		h := newHarness(t, 1000)
		h.Server.Token, h.Client.Token = "right", c.token
		h.Restrict("model", "org/tiny", c.gated, c.private)
		_, err := h.Model(t.Context(), ref(t, c.name))
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
		require.NotContains(t, err.Error(), "\n")
		entries, err := os.ReadDir(h.Cache)
		require.NoError(t, err)
		require.Empty(t, entries, "nothing is left of what could not be had")
	}
	c := clientOf("https://hub", "")
	for want, refused := range map[string]Refusal{
		"the account of your token has no access":  {Status: 403, Code: "GatedRepo", tokenSent: true, Host: "hub"},
		"forbids your token model org/tiny (403 x": {Status: 403, Message: "x", tokenSent: true, Host: "hub"},
		"model org/tiny is disabled":               {Status: 403, Message: "Access to this resource is disabled.", Host: "hub"},
		"hub answers 418: try again later":         {Status: 418, Host: "hub"},
		"of org/tiny: cdn answers 403: try again":  {Status: 403, Host: "cdn"},
	} {
		require.ErrorContains(t, c.explain(ref(t, "org/tiny"), "", &refused), want)
	}
}

// The token goes to the hub, and to no other host that a redirect leads to.
func TestToken(t *testing.T) {
	for _, relative := range []bool{false, true} {
		h := newHarness(t, 1000)
		h.Server.Token, h.Client.Token, h.Relative = "secret", "secret", relative
		h.Restrict("model", "org/tiny", true, true)
		s, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.NoError(t, err)
		h.whole(t, s, needed...)
		sent := map[string]int{}
		for _, r := range h.Requests() {
			if r.Host == h.CDN {
				require.Empty(t, r.Token, "a token for the host of large files")
			} else {
				require.Equal(t, "Bearer secret", r.Token)
			}
			sent[r.Host]++
		}
		require.Positive(t, sent[h.CDN])
	}
	for a, b := range map[string]string{
		"http://hub": "https://hub", "https://hub": "https://hub:8443", "https://hub.evil": "https://hub", "https://hub@evil": "https://hub", "https://evil/https://hub": "https://hub",
	} {
		require.False(t, sameOrigin(a, b), a)
	}
	for a, b := range map[string]string{"https://hub/x": "https://HUB:443/y", "http://hub:80": "http://hub/"} {
		require.True(t, sameOrigin(a, b), a)
	}
}

// A mirror that leads everything to the hub, and one that leads in circles or out of the web.
func TestRedirects(t *testing.T) {
	h := newHarness(t, 1000)
	h.Client.Token = "secret"
	to := func(where string) *httptest.Server {
		mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, where+strings.ReplaceAll(r.URL.Path, "$", ""), http.StatusTemporaryRedirect)
		}))
		t.Cleanup(mirror.Close)
		return mirror
	}
	h.Endpoint = to(h.URL).URL
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	for _, r := range h.Requests() {
		require.Empty(t, r.Token)
	}
	h.Cache = t.TempDir()
	h.Endpoint = to("/again").URL
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "10 redirects in a row")
	h.Endpoint = to("file:///etc/passwd#").URL
	_, err = h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "which is no address of a file")
}

// following is a transport that follows redirects, as a browser's fetch does.
type following struct{ client *http.Client }

func (f following) Send(ctx context.Context, r Request) (*Response, error) {
	return web(f).Send(ctx, r)
}

func TestTransportThatFollows(t *testing.T) {
	h := newHarness(t, 50_000)
	h.Server.Token, h.Client.Token = "secret", "secret"
	h.Restrict("model", "org/tiny", true, false)
	h.Transport = following{&http.Client{CheckRedirect: func(next *http.Request, before []*http.Request) error {
		if next.URL.Host != before[0].URL.Host {
			next.Header.Del("Authorization")
		}
		return nil
	}}}
	h.Break("model.safetensors", hubtest.Fault{Cut: []int{100, 20_000}})
	s, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.NoError(t, err)
	h.whole(t, s, needed...)
	onlyWhole(t, h.Client)
	h.Transport = nil
	_, err = h.Model(t.Context(), ref(t, "org/other"))
	require.ErrorContains(t, err, "no way to send requests")
}

// Whatever a server says, nothing is written outside of the repository's folder.
func TestNamesThatLeave(t *testing.T) {
	outside := t.TempDir()
	for name, change := range map[string]func(h harness, files map[string]string){
		"shard": func(_ harness, files map[string]string) {
			delete(files, "model.safetensors")
			files["model.safetensors.index.json"] = `{"weight_map": {"a": "../../../../../escaped.safetensors"}}`
		},
		"absolute shard": func(_ harness, files map[string]string) {
			delete(files, "model.safetensors")
			files["model.safetensors.index.json"] = fmt.Sprintf(`{"weight_map": {"a": %q}}`, filepath.Join(outside, "escaped"))
		},
		"shard with a backslash": func(_ harness, files map[string]string) {
			delete(files, "model.safetensors")
			files["model.safetensors.index.json"] = `{"weight_map": {"a": "..\\..\\escaped.safetensors"}}`
		},
		"checksum": func(h harness, _ map[string]string) {
			h.Break("model.safetensors", hubtest.Fault{ETag: "../../../../escaped"})
		},
		"dots": func(h harness, _ map[string]string) { h.Break("config.json", hubtest.Fault{ETag: ".."}) },
	} {
		h := newHarness(t, 1000)
		root := t.TempDir()
		h.Cache = filepath.Join(root, "a", "b", "c")
		files := maps.Clone(h.files)
		change(h, files)
		h.Add("model", "org/tiny", "main", files)
		_, err := h.Model(t.Context(), ref(t, "org/tiny"))
		require.Equal(t, strings.Contains(name, "shard"), err != nil, name) // checksums are in the API too
		for _, dir := range []string{root, filepath.Dir(h.Cache), outside} {
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				require.NotContains(t, path, "escaped", name)
				return err
			}))
		}
	}
	_, _, err := parseListing([]byte(`{"sha": "0123456789012345678901234567890123456789", "siblings": [{"rfilename": "../x.parquet"}]}`))
	require.ErrorContains(t, err, "outside")

	// A commit that is none.
	strange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Repo-Commit", "../../escaped")
		w.Header().Set("ETag", `"0123"`)
	}))
	defer strange.Close()
	c := clientOf(strange.URL, filepath.Join(outside, "cache"))
	_, err = c.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "does not answer as a hub does")
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A cache below a file cannot be written by anybody.
func TestUnwritableCache(t *testing.T) {
	h := newHarness(t, 1000)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	h.Cache = filepath.Join(file, "hub")
	_, err := h.Model(t.Context(), ref(t, "org/tiny"))
	require.ErrorContains(t, err, "the cache "+h.Cache+" cannot be written")
	require.ErrorContains(t, err, "set HF_HUB_CACHE to a folder that can")
}
