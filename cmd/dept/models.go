package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
)

// modelUsage is that of flags which name a model.
const modelUsage = "the checkpoint's folder, or ORG/NAME of the Hugging Face Hub, @REVISION behind it"

// located is a folder that a user named.
type located struct {
	Name   string // as files name it: the folder as given, or ORG/NAME of the hub's
	Dir    string // where it is
	Commit string // of the hub's; "" for a local folder
}

// bring is a way to bring a repository's files: hub.Client's Model, Adapter, Any or Config.
type bring func(*hub.Client, context.Context, hub.Ref) (*hub.Snapshot, error)

// locate finds what the user named for a flag: a local folder if there is one, else a repository
// of the hub, from the cache or downloaded into it. Where there is a folder nobody is asked.
func locate(cmd *cobra.Command, flag, name string, how bring) (located, error) {
	local, ref, err := named(flag, name, hub.Model)
	if local || err != nil {
		return located{Name: name, Dir: name}, err
	}
	return fetch(cmd, flag, name, ref, how)
}

// locateFor is locate for a run that may go on: one that began with a commit of the hub's goes on
// with it, wherever the branch is now.
func locateFor(cmd *cobra.Command, run, flag, name string, how bring) (located, error) {
	local, ref, err := named(flag, name, hub.Model)
	if local || err != nil {
		return located{Name: name, Dir: name}, err
	}
	if run != "" {
		if base := train.RunBase(run); base != nil && base.Name == ref.Name && base.Commit != "" && ref.Revision == hub.DefaultRevision {
			ref.Revision = base.Commit
		}
	}
	return fetch(cmd, flag, name, ref, how)
}

// named says whether a local folder or file has a name, or else reads it as one of the hub's.
func named(flag, name string, kind hub.Kind) (local bool, ref hub.Ref, err error) {
	if !strings.HasPrefix(name, hub.Prefix) {
		if _, err := os.Stat(name); err == nil {
			return true, hub.Ref{}, nil
		}
	}
	if filepath.IsAbs(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "/") {
		return false, ref, fmt.Errorf("%s: there is no such folder", asGiven(flag, name))
	}
	if ref, err = hub.ParseRef(kind, name); err != nil {
		err = noFolder(flag, name, err)
	}
	return false, ref, err
}

// noFolder says that a name is neither a folder's nor, as err tells, one of the hub's at hand.
func noFolder(flag, name string, err error) error {
	if strings.HasPrefix(name, hub.Prefix) {
		return fmt.Errorf("%s: %w", asGiven(flag, name), err)
	}
	return fmt.Errorf("%s: there is no such folder, and %w", asGiven(flag, name), err)
}

// asGiven is what the user wrote; the flag is empty for an argument.
func asGiven(flag, name string) string {
	if flag == "" {
		return name
	}
	return "--" + flag + " " + name
}

// fetch brings a repository.
func fetch(cmd *cobra.Command, flag, name string, ref hub.Ref, how bring) (located, error) {
	client, show := newClient(cmd)
	snapshot, err := how(client, cmd.Context(), ref)
	show.close()
	if err != nil {
		return located{}, noFolder(flag, name, err)
	}
	return located{ref.Name, snapshot.Dir, snapshot.Commit}, nil
}

// newClient is the environment's client, which shows on standard error what it downloads.
func newClient(cmd *cobra.Command) (*hub.Client, *downloads) {
	client, show := hub.FromEnv(), &downloads{out: cmd.ErrOrStderr()}
	client.OnProgress = show.progress
	client.OnWarning = func(text string) {
		show.close()
		warn(cmd, "%s", text)
	}
	return client, show
}

// atHand is the folder of the model that an adapter names, if it is here: nothing is downloaded for
// what nobody asked for.
func atHand(cmd *cobra.Command, name string) string {
	local, ref, err := named("", name, hub.Model)
	if local || err != nil {
		return name
	}
	client := hub.FromEnv()
	client.Offline = true
	if snapshot, err := client.Model(cmd.Context(), ref); err == nil {
		return snapshot.Dir
	}
	return name
}
