package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/web"
)

func serveCommand() *cobra.Command {
	var addr, watch string
	var hubs, frames []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the page that trains in a browser tab",
		Long: `Serve the page that trains in a browser tab, to this machine alone. Nothing leaves
the browser: there is no server behind the page.

The page can fetch models from the Hugging Face Hub, when its visitor asks for one.
With --hub it asks another hub, such as a mirror; behind it, after commas, come the
hosts that this one's files lie on, where they are others.

With --frame-ancestors another site, such as a course's, may show the page inside its
own: https://course.example. index.html?figure=NAME is one figure of the article alone.

With --watch it also shows a run of dept train, as it goes on, at run.html.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			files, err := web.Files()
			if err != nil {
				return err
			}
			origins, err := readOrigins("hub", hubs)
			if err != nil {
				return err
			}
			ancestors, err := readOrigins("frame-ancestors", frames)
			if err != nil {
				return err
			}
			page, err := newPageHandler(files, origins, ancestors)
			if err != nil {
				return err
			}
			var handler http.Handler = page
			start := ""
			if watch != "" {
				if _, err := os.Stat(filepath.Join(watch, train.LogFile)); err != nil {
					return fmt.Errorf("--watch: %s holds no run of dept train: %w", watch, err)
				}
				handler, start = runWatcher{watch, page}, "run.html"
			}
			listener, err := listenLoopback(addr)
			if err != nil {
				return err
			}
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			fmt.Fprintf(cmd.OutOrStdout(), "http://%s/%s (Ctrl-C ends)\n", listener.Addr(), start)
			server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
			stop := context.AfterFunc(ctx, func() { server.Close() })
			defer stop()
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "where to listen, on this machine only; port 0 takes a free one")
	cmd.Flags().StringSliceVar(&hubs, "hub", nil, "the hub that the page asks for models, such as https://hub.example, and the hosts of its files (default https://huggingface.co)")
	cmd.Flags().StringSliceVar(&frames, "frame-ancestors", nil, "the sites whose pages may show this one in a frame, such as https://course.example (default none)")
	cmd.Flags().StringVar(&watch, "watch", "", "show the run in this folder, as dept train writes it")
	return cmd
}

// listenLoopback listens where no other machine can reach.
func listenLoopback(addr string) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, usagef("--addr %s: %v", addr, err)
	}
	if !tcp.IP.IsLoopback() {
		return nil, usagef("--addr %s is open to other machines: take 127.0.0.1 or localhost, or put the folder that make web writes on a web server", addr)
	}
	listener, err := net.ListenTCP("tcp", tcp)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: another program listens there; --addr 127.0.0.1:0 takes a free port", err)
	}
	return listener, err
}

// policy lets the page load from where it came from, compile its wasm, and fetch from
// hubs; nothing else. docs/page.md has it, for other servers.
const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' %s; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors %s"

// publicHubs are the hub that the page asks and the hosts that it leads to for files.
const publicHubs = "https://huggingface.co https://*.huggingface.co https://*.hf.co"

// hubFile is where the page reads the hub's address.
const hubFile = "hub.json"

// originPattern is what may stand for an origin in the policy.
var originPattern = regexp.MustCompile(`^https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?$`)

// readOrigins checks the values of a flag that names servers.
func readOrigins(flag string, values []string) (origins []string, err error) {
	for _, value := range values {
		origin := strings.TrimSuffix(strings.TrimSpace(value), "/")
		if !originPattern.MatchString(origin) {
			return nil, usagef("--%s %s: give the address of a server without a path, such as https://hub.example or http://127.0.0.1:9000", flag, value)
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// contentTypes are those of the page's files, whatever this machine's tables say.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
	".wasm": "application/wasm",
	".png":  "image/png",
}

// pageHandler serves the page's files and lists nothing.
type pageHandler struct {
	files  map[string]pageFile // by path
	policy string
}

// newPageHandler serves a folder, in which FILE.br and FILE.gz are FILE compressed, beside it or in
// its place, as a page that asks the first of the hubs, or the public one, for models, and that
// pages of the ancestors may have in a frame.
func newPageHandler(files fs.FS, hubs, ancestors []string) (*pageHandler, error) {
	if len(ancestors) == 0 {
		ancestors = []string{"'none'"}
	}
	h := &pageHandler{map[string]pageFile{}, fmt.Sprintf(policy, strings.Join(append([]string{publicHubs}, hubs...), " "), strings.Join(ancestors, " "))}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		encoding := encodings[path.Ext(name)]
		name = "/" + name
		if encoding != identity {
			name = strings.TrimSuffix(name, path.Ext(name))
		}
		if h.files[name] == nil {
			h.files[name] = pageFile{}
		}
		h.files[name][encoding] = newForm(content)
		return nil
	})
	if err == nil {
		for name, file := range h.files {
			if err = file.unpack(); err != nil {
				err = fmt.Errorf("%s.gz: %w", name[1:], err)
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	if len(hubs) > 0 {
		h.files["/"+hubFile] = pageFile{identity: newForm(fmt.Appendf(nil, "{\"hub\": %q}\n", hubs[0]))}
	}
	return h, nil
}

func (h *pageHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", h.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !isLoopback(r.Host) {
		// A name that somebody else has pointed at this machine.
		http.Error(w, "this server answers to localhost only", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "the page can only be read", http.StatusMethodNotAllowed)
		return
	}
	name := r.URL.Path
	if name == "/" {
		name = "/index.html"
	}
	file, ok := h.files[name]
	if !ok {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		contentType = "application/octet-stream"
	}
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-cache") // ask whether it is the same
	file.serve(w, r)
}

// isLoopback reports whether a Host header names this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
