package hub

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FromEnv makes a client as the environment says, in huggingface_hub's variables:
//
//	HF_ENDPOINT                        the server (https://huggingface.co)
//	HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE  the cache ($HF_HOME/hub)
//	HF_HOME                            ($XDG_CACHE_HOME/huggingface, ~/.cache/huggingface)
//	HF_TOKEN, HUGGING_FACE_HUB_TOKEN   the token, else
//	HF_TOKEN_PATH                      the file it is in ($HF_HOME/token)
//	HF_HUB_DISABLE_IMPLICIT_TOKEN      no token is sent
//	HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE  no request is made
//	HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT  seconds to wait for an answer, and for more of a file (10)
//
// HTTPS_PROXY, HTTP_PROXY and NO_PROXY are the transport's.
func FromEnv() *Client {
	home := os.Getenv("HF_HOME")
	if home == "" {
		home = filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), "~/.cache"), "huggingface")
	}
	home = expand(home)
	c := &Client{
		Endpoint:     strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), "https://huggingface.co"), "/"),
		Cache:        expand(cmp.Or(os.Getenv("HF_HUB_CACHE"), os.Getenv("HUGGINGFACE_HUB_CACHE"), filepath.Join(home, "hub"))),
		Offline:      isTrue(cmp.Or(os.Getenv("HF_HUB_OFFLINE"), os.Getenv("TRANSFORMERS_OFFLINE"))),
		AskTimeout:   seconds("HF_HUB_ETAG_TIMEOUT"),
		StallTimeout: seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
		RetryPause:   time.Second,
		Transport:    defaultTransport(),
	}
	if !isTrue(os.Getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		c.Token = token(expand(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token"))))
	}
	return c
}

// token is the environment's, else that in a file, else none.
func token(file string) string {
	if t := strings.TrimSpace(cmp.Or(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN"))); t != "" {
		return t
	}
	text, _ := os.ReadFile(file) // most people have none
	return strings.TrimSpace(string(text))
}

func isTrue(value string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(value))
}

// expand puts the home folder in the place of ~, and variables' values in theirs.
func expand(path string) string {
	path = os.ExpandEnv(path)
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/') {
		if home, err := os.UserHomeDir(); err == nil {
			return home + rest
		}
	}
	return path
}

// seconds reads a time limit.
func seconds(variable string) time.Duration {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil || n <= 0 {
		n = 10
	}
	return time.Duration(n) * time.Second
}
