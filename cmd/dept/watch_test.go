package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/train"
)

// A page that watches a run gets the log's lines as they are written, whole
// ones only, and is told when the log begins again.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, train.LogFile)
	require.NoError(t, os.WriteFile(log, []byte("{\"step\":1}\n{\"step\""), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, train.RunFile), []byte(`{"train":{"steps":20},"legs":[{"steps":20},{"steps":5}]}`), 0o666))
	server := httptest.NewServer(runWatcher{dir, http.NotFoundHandler()})
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // ends a test that hangs
	defer cancel()
	conn, _, err := websocket.Dial(ctx, server.URL+watchPath, nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	next := func() string {
		_, line, err := conn.Read(ctx)
		require.NoError(t, err)
		return string(line)
	}
	require.Equal(t, `{"begin":true,"steps":25}`, next())
	require.Equal(t, `{"step":1}`, next())

	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(":2}\n{\"step\":3}\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, `{"step":2}`, next())
	require.Equal(t, `{"step":3}`, next())

	// A run begins anew, whose settings are not there yet.
	require.NoError(t, os.Remove(filepath.Join(dir, train.RunFile)))
	require.NoError(t, os.WriteFile(log, []byte("{\"step\":1}\n"), 0o666))
	require.Equal(t, `{"begin":true,"steps":0}`, next())
	require.Equal(t, `{"step":1}`, next())

	// Another site's page gets nothing.
	_, _, err = websocket.Dial(ctx, server.URL+watchPath, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://example.org"}}})
	require.Error(t, err)
}
