package hub

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// variables are all that FromEnv reads.
var variables = []string{
	"HF_ENDPOINT", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
	"HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT",
}

func TestFromEnv(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".cache", "huggingface"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".cache", "huggingface", "token"), []byte(" of-home\n"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(home, "token"), []byte("of-file\n"), 0o666))
	for _, c := range []struct {
		env                    map[string]string
		endpoint, cache, token string
		offline                bool
	}{
		{nil, "https://huggingface.co", home + "/.cache/huggingface/hub", "of-home", false},
		{map[string]string{"HF_ENDPOINT": "http://mirror:8080/"}, "http://mirror:8080", home + "/.cache/huggingface/hub", "of-home", false},
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "https://huggingface.co", "/x/huggingface/hub", "", false},
		{map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": "~/hf"}, "https://huggingface.co", home + "/hf/hub", "", false},
		{map[string]string{"HF_HOME": "$HOME/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "https://huggingface.co", "/old", "", false},
		{map[string]string{"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "~/new"}, "https://huggingface.co", home + "/new", "of-home", false},
		{map[string]string{"HF_TOKEN": " mine\n"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "mine", false},
		{map[string]string{"HUGGING_FACE_HUB_TOKEN": "older"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "older", false},
		{map[string]string{"HF_TOKEN_PATH": "~/token"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "of-file", false},
		{map[string]string{"HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes", "HF_TOKEN": "mine"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "", false},
		{map[string]string{"HF_HUB_OFFLINE": "on"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "of-home", true},
		{map[string]string{"TRANSFORMERS_OFFLINE": "True"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "of-home", true},
		{map[string]string{"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"}, "https://huggingface.co", home + "/.cache/huggingface/hub", "of-home", false},
	} {
		t.Setenv("HOME", home)
		for _, name := range variables {
			t.Setenv(name, c.env[name])
		}
		got := FromEnv()
		require.Equal(t, c.endpoint, got.Endpoint, c.env)
		require.Equal(t, c.cache, got.Cache, c.env)
		require.Equal(t, c.token, got.Token, c.env)
		require.Equal(t, c.offline, got.Offline, c.env)
		require.Equal(t, 10*time.Second, got.AskTimeout)
	}
	t.Setenv("HF_HUB_ETAG_TIMEOUT", "3")
	t.Setenv("HF_HUB_DOWNLOAD_TIMEOUT", "4")
	require.Equal(t, 3*time.Second, FromEnv().AskTimeout)
	require.Equal(t, 4*time.Second, FromEnv().StallTimeout)
}
