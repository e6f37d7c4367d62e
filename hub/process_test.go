//go:build unix

package hub

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/hub/hubtest"
)

// What a process of the tests is to do: download a model, as a user, with files of a size at most.
const (
	childModel = "HUB_TEST_MODEL"
	childUser  = "HUB_TEST_USER"
	childSize  = "HUB_TEST_SIZE"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childModel); name != "" {
		os.Exit(child(name))
	}
	os.Exit(m.Run())
}

// child is a process that downloads a model and prints its folder.
func child(name string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if n, err := strconv.ParseUint(os.Getenv(childSize), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return fail(err)
		}
	}
	if id, err := strconv.Atoi(os.Getenv(childUser)); err == nil {
		if err := syscall.Setuid(id); err != nil {
			return fail(err)
		}
	}
	r, err := ParseRef(Model, name)
	if err != nil {
		return fail(err)
	}
	c := FromEnv()
	c.RetryPause = time.Millisecond
	c.OnWarning = func(text string) { fmt.Fprintln(os.Stderr, "warning:", text) }
	s, err := c.Model(context.Background(), r)
	if err != nil {
		return fail(err)
	}
	fmt.Print(s.Dir)
	return 0
}

// process is a child on a harness's cache, with what it printed.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func (h harness) process(t *testing.T, name string, env ...string) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(program)}
	p.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_CACHE="+h.Cache, "HF_HUB_OFFLINE=0", "HF_TOKEN=", childModel+"="+name)
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.Start())
	return p
}

// wait requires that a process ends with a whole model.
func (h harness) wait(t *testing.T, p *process) {
	t.Helper()
	require.NoError(t, p.Wait(), p.stderr.String())
	dir := p.stdout.String()
	h.whole(t, &Snapshot{Commit: filepath.Base(dir), Dir: dir}, needed...)
}

// A process that is killed at any moment leaves whole files and beginnings of files, and the next
// one finishes. HUB_KILLS is how many are killed.
func TestKilled(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("HUB_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))
	h := newHarness(t, 2_000_000)
	h.Break("model.safetensors", hubtest.Fault{Slow: time.Millisecond})
	began := time.Now()
	h.wait(t, h.process(t, "org/tiny"))
	took := time.Since(began)

	h.Cache = t.TempDir()
	cut, finished := 0, 0
	for range kills {
		p := h.process(t, "org/tiny")
		time.Sleep(time.Duration(random.Int64N(int64(took))))
		require.NoError(t, p.Process.Kill())
		p.Wait()
		onlyWhole(t, h.Client)
		cut += len(partials(t, h.Client))
		sha := h.refCommit(ref(t, "org/tiny"))
		if sha != "" {
			h.whole(t, &Snapshot{Commit: sha, Dir: filepath.Join(h.Cache, "models--org--tiny", "snapshots", sha)}, needed...)
		}
		if sha != "" || random.IntN(4) == 0 {
			h.wait(t, h.process(t, "org/tiny"))
			require.Empty(t, partials(t, h.Client))
			h.Cache = t.TempDir()
			finished++
		}
	}
	h.wait(t, h.process(t, "org/tiny"))
	onlyWhole(t, h.Client)
	require.Empty(t, partials(t, h.Client))
	t.Logf("%d partial files seen, %d downloads finished in between", cut, finished)
	require.Positive(t, cut, "no process was killed while it downloaded")
}

// Several processes at once download each file once, and one that is killed is no loss to the
// others.
func TestAtOnce(t *testing.T) {
	h := newHarness(t, 500_000)
	h.Break("model.safetensors", hubtest.Fault{Slow: time.Millisecond})
	var all []*process
	for range 4 {
		all = append(all, h.process(t, "org/tiny"))
	}
	for _, p := range all {
		h.wait(t, p)
	}
	n, _ := bodies(h)
	require.Equal(t, 1, n)

	h.Cache = t.TempDir()
	first, second := h.process(t, "org/tiny"), h.process(t, "org/tiny")
	require.Eventually(t, func() bool {
		for _, path := range partials(t, h.Client) {
			if stat, err := os.Stat(path); err == nil && stat.Size() > 50_000 {
				return true
			}
		}
		return false
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, first.Process.Kill())
	first.Wait()
	h.wait(t, second)
	onlyWhole(t, h.Client)
}

// A proxy is gone through where the environment names one.
func TestProxy(t *testing.T) {
	h := newHarness(t, 1000)
	to, err := url.Parse(h.URL)
	require.NoError(t, err)
	var asked atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		asked.Add(1)
		r.SetURL(to)
	}})
	defer proxy.Close()
	h.wait(t, h.process(t, "org/tiny", "HF_ENDPOINT=http://hub.invalid", "HTTP_PROXY="+proxy.URL, "http_proxy="))
	require.Positive(t, asked.Load())
}

// In a browser the client goes without net/http.
func TestWithoutHTTP(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.Output()
	require.NoError(t, err)
	require.Contains(t, strings.Fields(string(out)), "net/url")
	require.NotContains(t, strings.Fields(string(out)), "net/http")
}

// A disk that ends in the middle of a file: what fits is kept, and the next run brings the rest.
func TestDiskThatEnds(t *testing.T) {
	h := newHarness(t, 300_000)
	p := h.process(t, "org/tiny", childSize+"=100000")
	require.Error(t, p.Wait())
	require.Contains(t, p.stderr.String(), "free some space")
	onlyWhole(t, h.Client)
	require.Len(t, partials(t, h.Client), 1)
	h.Requests()
	h.wait(t, h.process(t, "org/tiny"))
	_, ranges := bodies(h)
	require.Equal(t, []string{"bytes=100000-"}, ranges)
}

// A cache that its user may only read serves what it has, and says what to do about the rest.
func TestReadOnlyCache(t *testing.T) {
	h := newHarness(t, 1000)
	var env []string
	if os.Geteuid() == 0 { // root may write everywhere
		env = []string{childUser + "=65534"}
		require.NoError(t, os.Chmod(filepath.Dir(h.Cache), 0o755))
	}
	require.NoError(t, os.Chmod(h.Cache, 0o555))
	t.Cleanup(func() { readOnly(t, h.Cache, 0o755) })
	p := h.process(t, "org/tiny", env...)
	require.Error(t, p.Wait())
	require.Contains(t, p.stderr.String(), "the cache "+h.Cache+" cannot be written")
	require.Contains(t, p.stderr.String(), "permission denied; set HF_HUB_CACHE to a folder that can")

	require.NoError(t, os.Chmod(h.Cache, 0o755))
	h.wait(t, h.process(t, "org/tiny"))
	readOnly(t, h.Cache, 0o555)
	p = h.process(t, "org/tiny", env...)
	h.wait(t, p)
	require.Empty(t, p.stderr.String())

	// The branch is somewhere else now.
	h.files["config.json"] += " "
	h.Add("model", "org/tiny", "main", h.files)
	p = h.process(t, "org/tiny", env...)
	require.Error(t, p.Wait())
	require.Contains(t, p.stderr.String(), "cannot be written")
	require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"))
}

// readOnly gives all folders below one a mode.
func readOnly(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	out, err := exec.Command("find", dir, "-type", "d", "-exec", "chmod", strconv.FormatUint(uint64(mode), 8), "{}", "+").CombinedOutput()
	require.NoError(t, err, string(out))
}
