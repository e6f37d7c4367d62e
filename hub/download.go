package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// incomplete ends the name of a blob that has not all arrived. Python's client leaves files of this
// ending alone until its user prunes the cache; its own have eight digits where dept is.
const incomplete = ".dept.incomplete"

// download brings the blob of a file, unless it is there, and links the file to it.
func (s *Snapshot) download(ctx context.Context, name string, a about) error {
	c, blob := s.client, filepath.Join(s.repo(), "blobs", a.etag)
	for _, dir := range []string{filepath.Dir(blob), filepath.Dir(s.path(name))} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return c.onDisk(err)
		}
	}
	c.tag()
	release, exclusive, err := c.lock(ctx, s.Ref, a.etag, name)
	if err != nil {
		return err
	}
	defer release()
	if exists(s.path(name)) {
		return nil // another process brought it
	}
	stat, err := os.Stat(blob)
	if err == nil && a.size >= 0 && stat.Size() != a.size {
		c.warn("the cache's copy of %s of %s has %d bytes and the hub's %d: it is replaced", name, s.Ref, stat.Size(), a.size)
		err = os.ErrNotExist
	}
	if err != nil {
		partial := blob + incomplete
		if !exclusive {
			partial = fmt.Sprintf("%s.%08x%s", blob, rand.Uint32(), incomplete)
		}
		if err := s.fill(ctx, name, a, partial); err != nil {
			if !exclusive {
				os.Remove(partial)
			}
			return err
		}
		if err := os.Rename(partial, blob); err != nil {
			return c.onDisk(err)
		}
		if err := s.link(name, blob, true); err != nil {
			return c.onDisk(err)
		}
		return nil
	}
	if err := s.link(name, blob, false); err != nil {
		return c.onDisk(err)
	}
	return nil
}

// fill brings all of a blob into the file partial, from its end on where an earlier run left one,
// and checks it.
func (s *Snapshot) fill(ctx context.Context, name string, a about, partial string) error {
	c := s.client
	f, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return c.onDisk(err)
	}
	defer f.Close()
	err = c.bring(ctx, s.Ref, s.Commit, name, a, f)
	var refused *Refusal
	switch {
	case errors.As(err, new(*wrongFile)):
		f.Close()
		os.Remove(partial)
		return err
	case errors.As(err, &refused) && !temporary(err):
		return c.explain(s.Ref, name, err)
	case err != nil:
		return err
	}
	if err := f.Sync(); err != nil {
		return c.onDisk(err)
	}
	if err := f.Close(); err != nil {
		return c.onDisk(err)
	}
	return nil
}

// Partial is what a file grows in as it arrives, such as an *os.File.
type Partial interface {
	io.ReadWriteSeeker
	Truncate(size int64) error
}

// bring brings all of a file into f, from f's end on where an earlier run left something there, and
// checks it. What is wrong is not left there, and a wrongFile.
func (c *Client) bring(ctx context.Context, r Ref, commit, name string, a about, f Partial) error {
	left, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return c.onDisk(err)
	}
	for {
		if err := c.fetch(ctx, r, commit, name, a, f); err != nil {
			return err
		}
		wrong, err := check(f, a)
		if err != nil {
			return c.onDisk(err)
		}
		if wrong == nil {
			return nil
		}
		if err := f.Truncate(0); err != nil {
			return c.onDisk(err)
		}
		if left == 0 {
			return &wrongFile{fmt.Errorf("downloading %s of %s: %w; it was thrown away: try again, and where that does not help look for a proxy that changes files", name, r, wrong)}
		}
		c.warn("what an earlier run left of %s of %s was not right (%v): it is downloaded from its start", name, r, wrong)
		left = 0
	}
}

// wrongFile is the error of a file that is not what the hub says.
type wrongFile struct{ err error }

func (e *wrongFile) Error() string { return e.err.Error() }

func (e *wrongFile) Unwrap() error { return e.err }

// fetch asks for what f lacks of a file until all is there. It gives up where that fails several
// times without getting further.
func (c *Client) fetch(ctx context.Context, r Ref, commit, name string, a about, f Partial) error {
	furthest := int64(0) // what has been reached before counts as no progress
	for failed := 0; ; {
		reached, err := c.fetchOnce(ctx, r, commit, name, a, f)
		if err == nil {
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if !temporary(err) {
			return err
		}
		if reached > furthest {
			failed, furthest = 0, reached
		}
		if failed++; failed == attempts {
			return fmt.Errorf("downloading %s of %s: %w; what has arrived is kept: try again and it goes on from there", name, r, err)
		}
		if err := c.again(ctx); err != nil {
			return err
		}
	}
}

// fetchOnce appends to f what a server sends, and returns how many bytes f has then.
func (c *Client) fetchOnce(ctx context.Context, r Ref, commit, name string, a about, f Partial) (at int64, err error) {
	if at, err = f.Seek(0, io.SeekEnd); err != nil {
		return 0, c.onDisk(err)
	}
	if a.size >= 0 && at >= a.size {
		return at, nil // check looks at the rest
	}
	stalled := fmt.Errorf("nothing arrived for %s", c.StallTimeout)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.StallTimeout, func() { cancel(stalled) })
	defer watch.Stop()

	header := map[string]string{}
	if at > 0 {
		header["Range"] = fmt.Sprintf("bytes=%d-", at)
	}
	response, err := c.send(ctx, "GET", c.fileURL(r, commit, name), header, nil)
	var refused *Refusal
	if errors.As(err, &refused) && refused.Status == 416 && at > 0 {
		return 0, c.startOver(f, &unreachable{errors.New("the server has no more of it than is here")})
	}
	if err != nil {
		return at, because(ctx, err)
	}
	defer response.Body.Close()
	if encoding := response.Header("Content-Encoding"); encoding != "" && encoding != "identity" {
		return 0, fmt.Errorf("downloading %s of %s: the server sends it as %s, which was not asked for: check the proxy", name, r, encoding)
	}
	// A page may not see which part another origin sends.
	part := response.Header("Content-Range")
	if at > 0 && (response.Status != 206 || part != "" && !strings.HasPrefix(part, fmt.Sprintf("bytes %d-", at))) {
		if response.Status == 206 {
			return 0, c.startOver(f, &unreachable{errors.New("the server sends another part than was asked for")})
		}
		if err := c.startOver(f, nil); err != nil { // the server sends all of it
			return 0, err
		}
		at = 0
	}
	total := a.size
	if total < 0 && response.Size >= 0 {
		total = at + response.Size
	}
	buffer := make([]byte, 1<<18)
	for {
		n, readErr := response.Body.Read(buffer)
		watch.Reset(c.StallTimeout)
		if _, err := f.Write(buffer[:n]); err != nil {
			return at, c.onDisk(err)
		}
		at += int64(n)
		if c.OnProgress != nil {
			c.OnProgress(Progress{name, at, max(0, total)})
		}
		switch {
		case total >= 0 && at > total:
			return at, nil // more than there should be, which check refuses
		case (readErr == io.EOF || errors.Is(readErr, io.ErrUnexpectedEOF)) && total >= 0 && at < total:
			return at, &unreachable{fmt.Errorf("it ended after %d of %d bytes", at, total)}
		case readErr == io.EOF:
			return at, nil
		case readErr != nil:
			return at, because(ctx, &unreachable{readErr})
		}
	}
}

// because is the error, or why its context ended.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return &unreachable{cause}
	}
	return err
}

// startOver empties f and returns err.
func (c *Client) startOver(f Partial, err error) error {
	if err := f.Truncate(0); err != nil {
		return c.onDisk(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return c.onDisk(err)
	}
	return err
}

// check compares a file with what the hub says of it, and says what is wrong; err is of reading it.
func check(f io.ReadSeeker, a about) (wrong, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if a.size >= 0 && size != a.size {
		return fmt.Errorf("it has %d bytes, the hub's %d", size, a.size), nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	wrong, _, err = checkSum(f, size, a.etag)
	return wrong, err
}

// checkSum compares a file of a size with the name of its blob, if that is a checksum.
func checkSum(f io.Reader, size int64, etag string) (wrong error, known bool, err error) {
	sum := checksum(etag, size)
	if sum == nil {
		return nil, false, nil
	}
	if _, err := io.Copy(sum, f); err != nil {
		return nil, true, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != etag {
		return fmt.Errorf("its checksum is %s, the hub's %s", got, etag), true, nil
	}
	return nil, true, nil
}

// checksum is the hash that a blob of a size is named by: SHA-256, or SHA-1 of git's header and the
// blob; nil for a name that is neither.
func checksum(etag string, size int64) hash.Hash {
	switch len(etag) {
	case 2 * sha256.Size:
		return sha256.New()
	case 2 * sha1.Size:
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", size)
		return h
	}
	return nil
}
