// Package hubtest is a Hugging Face Hub of a few repositories on this machine, for tests: HTTP
// servers that speak the protocol as the hub does, large files on a host of their own, and that
// fail as servers and networks do.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a hub.
type Server struct {
	URL string // of the hub, for HF_ENDPOINT
	CDN string // of the host that large files are on

	// Token, where it is not empty, is what private and gated repositories ask for.
	Token string
	// Relative has small files behind a redirect to another path of the hub.
	Relative bool
	// WholeFiles has every request for a part answered with the whole.
	WholeFiles bool

	mu       sync.Mutex
	repos    map[string]*repo  // by kind/name
	faults   map[string]*Fault // by file
	requests []Request
}

// Request is one that came.
type Request struct {
	Method, Host, Path string
	Range, Token       string // the headers Range and Authorization
}

// Fault is what goes wrong with a file. Each request takes the first of a list; when it is empty
// nothing is wrong any more.
type Fault struct {
	Status  []int         // instead of an answer, 0 being none
	Cut     []int         // bytes of the body after which the connection ends
	Corrupt int           // bodies with a wrong byte
	Stall   int           // bodies of which nothing comes after the first half
	Slow    time.Duration // between pieces of 4 KiB
	Size    int           // added to the size that is told
	ETag    string        // told in place of the checksum
}

type repo struct {
	kind, name     string
	commits        map[string]map[string][]byte // files by commit
	revisions      map[string]string
	gated, private bool
}

// New starts a hub, which ends with the test.
func New(t testing.TB) *Server {
	s := &Server{repos: map[string]*repo{}, faults: map[string]*Fault{}}
	hub := httptest.NewServer(http.HandlerFunc(s.hub))
	cdn := httptest.NewServer(http.HandlerFunc(s.cdn))
	t.Cleanup(func() {
		for _, server := range []*httptest.Server{hub, cdn} {
			server.CloseClientConnections()
			server.Close()
		}
	})
	s.URL, s.CDN = hub.URL, cdn.URL
	return s
}

// Add puts files into a repository of a kind, model or dataset, at a revision, and returns the
// commit, which follows from the files.
func (s *Server) Add(kind, name, revision string, files map[string]string) (commit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[kind+"/"+name]
	if r == nil {
		r = &repo{kind: kind, name: name, commits: map[string]map[string][]byte{}, revisions: map[string]string{}}
		s.repos[kind+"/"+name] = r
	}
	h, content := sha1.New(), map[string][]byte{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n%s", file, len(files[file]), files[file])
		content[file] = []byte(files[file])
	}
	commit = hex.EncodeToString(h.Sum(nil))
	r.commits[commit], r.revisions[revision] = content, commit
	return commit
}

// Restrict makes a repository gated or private.
func (s *Server) Restrict(kind, name string, gated, private bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[kind+"/"+name].gated, s.repos[kind+"/"+name].private = gated, private
}

// Break makes something go wrong with a file of that name.
func (s *Server) Break(file string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[file] = &f
}

// Requests are those that came since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

// Large says which files the hub keeps in large file storage.
func Large(file string) bool {
	for _, ending := range []string{".safetensors", ".bin", ".model", ".parquet"} {
		if strings.HasSuffix(file, ending) {
			return true
		}
	}
	return false
}

// Checksum is the name of a file's blob.
func Checksum(file string, content []byte) string {
	if Large(file) {
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:])
	}
	return gitSHA1(content)
}

func gitSHA1(content []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	return hex.EncodeToString(sum[:])
}

// fault takes what goes wrong with the next request for a file.
func (s *Server) fault(file string, body bool) (status, cut int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut = -1
	now := s.faults[file]
	if now == nil {
		return 0, cut, Fault{}
	}
	f = *now
	if len(now.Status) > 0 {
		status, now.Status = now.Status[0], now.Status[1:]
	}
	if !body || status != 0 {
		return status, cut, f
	}
	if len(now.Cut) > 0 {
		cut, now.Cut = now.Cut[0], now.Cut[1:]
	}
	now.Corrupt = max(0, now.Corrupt-1)
	now.Stall = max(0, now.Stall-1)
	return status, cut, f
}

func (s *Server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, "http://" + r.Host, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")})
}

// refuse answers with an error as the hub does.
func refuse(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	http.Error(w, message, status)
}

// allow lets pages of other origins read an answer and the headers that are named, and nothing that
// a browser would ask for leave first.
func allow(w http.ResponseWriter, r *http.Request, headers string) bool {
	if r.Method == http.MethodOptions {
		refuse(w, 403, "", "this needs leave that nobody gets")
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if headers != "" {
		w.Header().Set("Access-Control-Expose-Headers", headers)
	}
	return true
}

// hub answers what is asked of the hub.
func (s *Server) hub(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	if !allow(w, r, "X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link,Content-Range,X-Linked-Size,X-Linked-ETag") {
		return
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if rest, ok := strings.CutPrefix(path, "api/resolve-cache/"); ok {
		s.resolve(w, r, rest, true)
		return
	}
	if rest, ok := strings.CutPrefix(path, "api/"); ok {
		s.api(w, r, rest)
		return
	}
	s.resolve(w, r, path, false)
}

// find gives the repository and the commit, or answers with why it does not.
func (s *Server) find(w http.ResponseWriter, r *http.Request, kind, name, revision string) (found *repo, commit string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found = s.repos[kind+"/"+name]
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	allowed := s.Token != "" && token == s.Token
	switch {
	case token != "" && !allowed:
		refuse(w, 401, "", "Invalid credentials in Authorization header")
	case found == nil && token == "":
		refuse(w, 401, "RepoNotFound", "Invalid username or password.")
	case found == nil || found.private && !allowed:
		refuse(w, 404, "RepoNotFound", "Repository not found")
	case found.gated && !allowed:
		refuse(w, 401, "GatedRepo", "Access to "+kind+" "+name+" is restricted. You must have access to it and be authenticated to access it.")
	default:
		commit, ok = found.revisions[revision]
		if _, is := found.commits[revision]; is {
			commit, ok = revision, true
		}
		if !ok {
			refuse(w, 404, "RevisionNotFound", "Invalid rev id: "+revision)
		}
	}
	return found, commit, ok
}

// resolve answers ORG/NAME/resolve/REVISION/FILE.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, path string, redirected bool) {
	kind := "model"
	if rest, ok := strings.CutPrefix(path, "datasets/"); ok {
		kind, path = "dataset", rest
	}
	name, rest, _ := strings.Cut(path, "/resolve/")
	revision, file, _ := strings.Cut(rest, "/")
	revision, file = unescape(revision), unescape(file)
	found, commit, ok := s.find(w, r, kind, name, revision)
	if !ok {
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	content, ok := found.commits[commit][file]
	if !ok {
		refuse(w, 404, "EntryNotFound", "Entry not found")
		return
	}
	status, cut, f := s.fault(file, r.Method == "GET" && !Large(file))
	if status != 0 {
		refuse(w, status, "", "the server is not well")
		return
	}
	etag, size := Checksum(file, content), len(content)+f.Size
	if f.ETag != "" {
		etag = f.ETag
	}
	switch {
	case Large(file):
		w.Header().Set("X-Linked-Etag", `"`+etag+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(size))
		w.Header().Set("ETag", `"`+gitSHA1(nil)+`"`) // of the pointer, which nobody wants
		w.Header().Set("Location", s.CDN+"/"+Checksum(file, content)+"/"+file)
		w.WriteHeader(302)
	case s.Relative && !redirected:
		w.Header().Set("X-Linked-Etag", `"`+etag+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(size))
		w.Header().Set("Location", "/api/resolve-cache/"+strings.TrimPrefix(r.URL.EscapedPath(), "/"))
		w.WriteHeader(307)
	default:
		w.Header().Set("ETag", `W/"`+etag+`"`)
		s.serve(w, r, content, cut, f)
	}
}

// cdn answers CHECKSUM/FILE on the host of large files.
func (s *Server) cdn(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	if !allow(w, r, "") {
		return
	}
	sum, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	var content []byte
	found := false
	for _, repo := range s.repos {
		for _, files := range repo.commits {
			if c, ok := files[file]; ok && Checksum(file, c) == sum {
				content, found = c, true
			}
		}
	}
	s.mu.Unlock()
	if !found || r.Header.Get("Authorization") != "" { // as the hub's store, which refuses a second authorization
		refuse(w, 400, "", "no such object, or a token that is none of this host's")
		return
	}
	status, cut, f := s.fault(file, r.Method == "GET")
	if status != 0 {
		refuse(w, status, "", "the store is not well")
		return
	}
	w.Header().Set("ETag", `"`+sum+`"`)
	s.serve(w, r, content, cut, f)
}

// serve sends a file, or the part that is asked for, with what is wrong.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, content []byte, cut int, f Fault) {
	from, status := 0, 200
	if part, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !s.WholeFiles {
		from, _ = strconv.Atoi(strings.TrimSuffix(part, "-"))
		if from >= len(content) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(content)))
			refuse(w, 416, "", "no such range")
			return
		}
		status = 206
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
	}
	body := content[from:]
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == "HEAD" {
		return
	}
	if f.Corrupt > 0 && len(body) > 0 {
		body = bytes.Clone(body)
		body[len(body)/2] ^= 1
	}
	end := len(body)
	if cut >= 0 {
		end = min(end, cut)
	}
	if f.Stall > 0 {
		end = len(body) / 2
	}
	for sent := 0; sent < end; {
		n := min(4096, end-sent)
		if _, err := w.Write(body[sent : sent+n]); err != nil {
			return
		}
		if sent += n; f.Slow > 0 {
			w.(http.Flusher).Flush()
			time.Sleep(f.Slow)
		}
	}
	w.(http.Flusher).Flush()
	switch {
	case f.Stall > 0:
		<-r.Context().Done()
	case end < len(body):
		panic(http.ErrAbortHandler) // the connection ends
	}
}

// api answers {models,datasets}/ORG/NAME/revision/REVISION and .../tree/COMMIT.
func (s *Server) api(w http.ResponseWriter, r *http.Request, path string) {
	kind, path, _ := strings.Cut(path, "/")
	for _, what := range []string{"/revision/", "/tree/"} {
		name, revision, ok := strings.Cut(path, what)
		if !ok {
			continue
		}
		found, commit, ok := s.find(w, r, strings.TrimSuffix(kind, "s"), name, unescape(revision))
		if !ok {
			return
		}
		var answer any
		files := found.commits[commit]
		if what == "/revision/" {
			siblings := []map[string]any{}
			for _, file := range slices.Sorted(maps.Keys(files)) {
				siblings = append(siblings, map[string]any{"rfilename": file})
			}
			answer = map[string]any{"id": name, "sha": commit, "private": found.private, "gated": found.gated, "disabled": false, "tags": []string{}, "siblings": siblings}
		} else {
			tree := []map[string]any{}
			for _, file := range slices.Sorted(maps.Keys(files)) {
				entry := map[string]any{"type": "file", "path": file, "size": len(files[file]), "oid": gitSHA1(files[file])}
				if Large(file) {
					entry["lfs"] = map[string]any{"oid": Checksum(file, files[file]), "size": len(files[file]), "pointerSize": 130}
				}
				tree = append(tree, entry)
			}
			answer = tree
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
		return
	}
	io.Copy(io.Discard, r.Body)
	refuse(w, 404, "", "Not found")
}

// unescape undoes the escapes of a path's part.
func unescape(part string) string {
	text, err := url.PathUnescape(part)
	if err != nil {
		return part
	}
	return text
}
