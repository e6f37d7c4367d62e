//go:build !js

package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"
)

// firefoxPreferences are what Firefox needs for WebGPU on Linux, on a software adapter
// too; what keeps it from asking others; and where its downloads go.
var firefoxPreferences = map[string]any{
	"dom.webgpu.enabled":                          true,
	"dom.webgpu.allow-software-adapters":          true,
	"gfx.webgpu.ignore-blocklist":                 true,
	"app.normandy.enabled":                        false,
	"app.update.enabled":                          false,
	"browser.safebrowsing.malware.enabled":        false,
	"browser.safebrowsing.phishing.enabled":       false,
	"browser.shell.checkDefaultBrowser":           false,
	"datareporting.policy.dataSubmissionEnabled":  false,
	"network.captive-portal-service.enabled":      false,
	"network.connectivity-service.enabled":        false,
	"services.settings.server":                    "data:,#remote-settings-dummy/v1",
	"browser.download.folderList":                 2,
	"browser.download.alwaysOpenPanel":            false,
	"browser.download.manager.addToRecentDocs":    false,
	"browser.download.start_downloads_in_tmp_dir": false,
}

// Firefox is a headless Firefox with one tab, driven by WebDriver BiDi
// (https://w3c.github.io/webdriver-bidi/).
type Firefox struct {
	Version string

	ctx   context.Context
	conn  *websocket.Conn
	tab   string // its browsing context
	event func(method string, params json.RawMessage)

	mu      sync.Mutex
	last    int // id of a command
	waiting map[int]chan<- bidiMessage
	gone    error // the connection has ended
}

// bidiMessage is whatever comes from the browser.
type bidiMessage struct {
	Type    string          `json:"type"` // success, error or event
	ID      int             `json:"id"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Method  string          `json:"method"`
	Result  json.RawMessage `json:"result"`
	Params  json.RawMessage `json:"params"`
}

// NewFirefox starts a Firefox that is closed when the test ends. A machine without one
// fails the test, and says how to get it. Preferences are added to those that it needs.
// Event hears what session.subscribe was called for, one after the other; it must not
// call Firefox.
func NewFirefox(t testing.TB, preferences map[string]any, event func(method string, params json.RawMessage)) *Firefox {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f := &Firefox{ctx: ctx, event: event, waiting: map[int]chan<- bidiMessage{}}
	address, wait := startFirefox(t, ctx, preferences)
	t.Cleanup(func() {
		if f.conn == nil || f.Call("browser.close", nil, nil) != nil {
			cancel()
		}
		wait()
	})
	conn, _, err := websocket.Dial(ctx, address+"/session", nil)
	require.NoError(t, err, "talk to Firefox")
	conn.SetReadLimit(64 << 20)
	f.conn = conn
	go f.listen()

	var session struct {
		Capabilities struct{ BrowserVersion string }
	}
	require.NoError(t, f.Call("session.new", map[string]any{"capabilities": map[string]any{}}, &session))
	f.Version = session.Capabilities.BrowserVersion
	var tree struct{ Contexts []struct{ Context string } }
	require.NoError(t, f.Call("browsingContext.getTree", nil, &tree))
	require.NotEmpty(t, tree.Contexts)
	f.tab = tree.Contexts[0].Context
	require.NoError(t, f.Call("browsingContext.setViewport", map[string]any{
		"context": f.tab, "viewport": map[string]any{"width": 1280, "height": 800},
	}, nil))
	return f
}

var bidiAddress = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

// startFirefox starts a Firefox with a profile of its own and gives the address at
// which it can be driven. It ends at the latest with ctx; wait waits for it.
func startFirefox(t testing.TB, ctx context.Context, preferences map[string]any) (address string, wait func()) {
	t.Helper()
	program := "firefox-esr"
	if _, err := exec.LookPath(program); err != nil {
		program = "firefox"
	}
	profile := t.TempDir()
	var text strings.Builder
	for _, list := range []map[string]any{firefoxPreferences, preferences, {"browser.download.dir": t.TempDir()}} {
		for name, value := range list {
			v, err := json.Marshal(value)
			require.NoError(t, err)
			fmt.Fprintf(&text, "user_pref(%q, %s);\n", name, v)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(profile, "user.js"), []byte(text.String()), 0o666))
	command := exec.CommandContext(ctx, program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0")
	command.Env = append(os.Environ(), "HOME="+profile) // a container's may not be writable
	EndWithTest(command)
	complaints, err := command.StderrPipe()
	require.NoError(t, err)
	err = command.Start()
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("this needs Firefox: install it (Debian: apt-get install firefox-esr): %w", err)
	}
	require.NoError(t, err, "start Firefox")
	var said []string
	lines := bufio.NewScanner(complaints)
	for lines.Scan() {
		if m := bidiAddress.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
			break
		}
		said = append(said, lines.Text())
	}
	read := make(chan struct{})
	go func() { // it must not wait for a reader
		defer close(read)
		for lines.Scan() {
		}
	}()
	wait = func() {
		<-read
		command.Wait()
	}
	if address == "" {
		wait()
		require.Fail(t, "Firefox ended, and said", strings.Join(said, "\n"))
	}
	return address, wait
}

// listen hands answers and events on until the connection ends.
func (f *Firefox) listen() {
	for {
		var m bidiMessage
		err := wsjson.Read(f.ctx, f.conn, &m)
		f.mu.Lock()
		if err != nil {
			f.gone = fmt.Errorf("Firefox answers no more: %w", err)
			for _, answer := range f.waiting {
				close(answer)
			}
			f.waiting = nil
			f.mu.Unlock()
			return
		}
		answer := f.waiting[m.ID]
		delete(f.waiting, m.ID)
		f.mu.Unlock()
		switch {
		case m.Type == "event":
			f.event(m.Method, m.Params)
		case answer != nil:
			answer <- m
		}
	}
}

// Call sends a command of the protocol and decodes its result, if that is not nil.
func (f *Firefox) Call(method string, params map[string]any, result any) error {
	if params == nil {
		params = map[string]any{}
	}
	answer := make(chan bidiMessage, 1)
	f.mu.Lock()
	if f.gone != nil {
		f.mu.Unlock()
		return fmt.Errorf("%s: %w", method, f.gone)
	}
	f.last++
	id := f.last
	f.waiting[id] = answer
	f.mu.Unlock()
	if err := wsjson.Write(f.ctx, f.conn, map[string]any{"id": id, "method": method, "params": params}); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	m, ok := <-answer
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", method, f.gone)
	case m.Type == "error":
		return fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
	case result == nil:
		return nil
	}
	return json.Unmarshal(m.Result, result)
}

// Navigate opens a page and waits until it has loaded.
func (f *Firefox) Navigate(url string) error {
	return f.Call("browsingContext.navigate", map[string]any{"context": f.tab, "url": url, "wait": "complete"}, nil)
}

// Reload loads the page again and waits until it has loaded.
func (f *Firefox) Reload() error {
	return f.Call("browsingContext.reload", map[string]any{"context": f.tab, "wait": "complete"}, nil)
}

// Evaluate evaluates an expression in the page; of a promise, what it comes to. The
// result is JSON.
func (f *Firefox) Evaluate(expression string) (json.RawMessage, error) {
	var answer struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	err := f.Call("script.evaluate", map[string]any{
		"expression":   "(async () => JSON.stringify((await (" + expression + ")) ?? null))()",
		"target":       map[string]any{"context": f.tab},
		"awaitPromise": true,
	}, &answer)
	if err == nil && answer.Type == "exception" {
		err = errors.New(answer.ExceptionDetails.Text)
	}
	return json.RawMessage(answer.Result.Value), err
}

// Click clicks into the middle of the element that a selector names.
func (f *Firefox) Click(selector string) error {
	text, err := f.Evaluate(fmt.Sprintf(`((e) => {
		e.scrollIntoView({block: "center", behavior: "instant"});
		const { x, y, width, height } = e.getBoundingClientRect();
		return [Math.round(x + width / 2), Math.round(y + height / 2)];
	})(document.querySelector(%q))`, selector))
	if err != nil {
		return err
	}
	var at [2]int
	if err := json.Unmarshal(text, &at); err != nil {
		return err
	}
	return f.Call("input.performActions", map[string]any{"context": f.tab, "actions": []any{map[string]any{
		"type": "pointer", "id": "mouse", "actions": []any{
			map[string]any{"type": "pointerMove", "x": at[0], "y": at[1]},
			map[string]any{"type": "pointerDown", "button": 0},
			map[string]any{"type": "pointerUp", "button": 0},
		},
	}}}, nil)
}
