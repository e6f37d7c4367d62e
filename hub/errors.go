package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"syscall"
)

// MissingFile is the error of a file that a repository does not have.
type MissingFile struct {
	Ref  Ref
	File string
}

func (e *MissingFile) Error() string { return fmt.Sprintf("%s has no %s", e.Ref, e.File) }

// NotCached is the error of what is not in the cache while no server can be asked.
type NotCached struct {
	Ref     Ref
	Cache   string
	Missing string // the file of it that is not there; "" is all of it
	Why     error  // why the server was not asked, or did not answer
}

func (e *NotCached) Error() string {
	flag := ""
	if e.Ref.Kind == Dataset {
		flag = "--dataset "
	}
	python := "hf download " + e.Ref.Name
	if e.Ref.Kind == Dataset {
		python += " --repo-type dataset"
	}
	if e.Ref.Revision != DefaultRevision {
		python += " --revision " + e.Ref.Revision
	}
	what := ""
	if e.Missing != "" {
		what = e.Missing + " of "
	}
	return fmt.Sprintf("%s%s %s is not in the cache %s, and %v; bring it where the hub can be reached, with: dept download %s%s, or: %s",
		what, e.Ref.Kind, e.Ref, e.Cache, e.Why, flag, e.Ref, python)
}

func (e *NotCached) Unwrap() error { return e.Why }

// errOffline is why an offline client asks nobody.
var errOffline = errors.New("the hub is not asked (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set)")

// unreachable is the error of a request without an answer of the hub's.
type unreachable struct{ err error }

func (e *unreachable) Error() string { return e.err.Error() }

func (e *unreachable) Unwrap() error { return e.err }

// unclear is the error of an answer that says nothing of the file.
type unclear struct{ err error }

func (e *unclear) Error() string { return e.err.Error() }

func (e *unclear) Unwrap() error { return e.err }

// Refusal is a server's answer that it does not give what was asked for.
type Refusal struct {
	Status        int
	Code, Message string // X-Error-Code and X-Error-Message
	Host          string

	commit    string
	tokenSent bool
}

func (e *Refusal) Error() string {
	text := fmt.Sprintf("%s answers %d", e.Host, e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// temporary says whether another try may go better.
func temporary(err error) bool {
	var status *Refusal
	if errors.As(err, &status) {
		return slices.Contains([]int{408, 429, 500, 502, 503, 504}, status.Status)
	}
	return errors.As(err, new(*unreachable))
}

// explain says what a server's refusal of a file, or of a repository, means and what to do.
func (c *Client) explain(r Ref, file string, err error) error {
	var refused *Refusal
	switch {
	case errors.As(err, new(*unreachable)), errors.As(err, new(*unclear)):
		return &NotCached{r, c.Cache, file, fmt.Errorf("asking %s failed: %w (HTTPS_PROXY and HF_ENDPOINT say how it is reached)", c.Endpoint, err)}
	case !errors.As(err, &refused):
		return fmt.Errorf("asking %s for %s: %w", c.Endpoint, r, err)
	}
	if at, err := url.Parse(c.Endpoint); refused.Code == "" && (err != nil || at.Host != refused.Host) {
		return fmt.Errorf("downloading %s of %s: %w: try again later, or check the proxy", file, r, refused) // the host of large files
	}
	page := c.Endpoint + "/" + r.path()
	token := "set HF_TOKEN to a token of your account (" + c.Endpoint + "/settings/tokens)"
	switch {
	case refused.Code == "GatedRepo" && !refused.tokenSent:
		return fmt.Errorf("%s %s is gated: accept its terms on %s, then %s", r.Kind, r.Name, page, token)
	case refused.Code == "GatedRepo":
		return fmt.Errorf("%s %s is gated and the account of your token has no access: accept its terms on %s with that account, or %s that has", r.Kind, r.Name, page, token)
	case refused.Code == "RevisionNotFound":
		return fmt.Errorf("%s %s has no revision %s: give a branch, a tag or a commit that %s lists", r.Kind, r.Name, r.Revision, page)
	case refused.Code == "EntryNotFound":
		return &MissingFile{r, file}
	case refused.Message == "Access to this resource is disabled.":
		return fmt.Errorf("%s %s is disabled: %s says why", r.Kind, r.Name, page)
	case refused.Status == 401 && refused.tokenSent && refused.Code == "":
		return fmt.Errorf("%s refuses the token of HF_TOKEN or of the token file (401 %s): it may have ended; %s", c.Endpoint, refused.Message, token)
	case refused.Code == "RepoNotFound" || refused.Status == 401 || refused.Status == 404:
		hint := "if it is private, " + token
		if refused.tokenSent {
			hint = "or the account of your token may not see it"
		}
		return fmt.Errorf("%s has no %s %s (%d): check the spelling; %s", c.Endpoint, r.Kind, r.Name, refused.Status, hint)
	case refused.Status == 403:
		return fmt.Errorf("%s forbids your token %s %s (403 %s): give the token the right to read it, or %s that has", c.Endpoint, r.Kind, r.Name, refused.Message, token)
	}
	return fmt.Errorf("asking %s for %s: %w: try again later", c.Endpoint, r, err)
}

// onDisk says what to do about a cache that cannot be written. Without a cache the caller knows.
func (c *Client) onDisk(err error) error {
	if c.Cache == "" {
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("writing to the cache %s: %w; free some space, or set HF_HUB_CACHE to a folder that has it, and try again: what has arrived is kept", c.Cache, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the cache %s cannot be written: %w; set HF_HUB_CACHE to a folder that can", c.Cache, err)
	}
	return fmt.Errorf("writing to the cache %s: %w", c.Cache, err)
}
