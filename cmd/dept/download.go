package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/go-dept/dept/hub"
)

// downloads shows the files that are downloaded: a bar on a terminal, a line for each elsewhere,
// and for one that takes long another now and then.
type downloads struct {
	out      io.Writer
	file     string
	bar      *progressbar.ProgressBar // nil without a terminal
	lastLine time.Time
}

func (d *downloads) progress(p hub.Progress) {
	of := ""
	if p.Total > 0 {
		of = " of " + size(p.Total)
	}
	if p.File != d.file {
		d.close()
		d.file, d.lastLine = p.File, time.Now()
		if !onTerminal(d.out) {
			fmt.Fprintf(d.out, "downloading %s, %s\n", p.File, size(max(p.Done, p.Total)))
			return
		}
		d.bar = progressbar.NewOptions64(cmp.Or(p.Total, -1), // -1 is unknown
			progressbar.OptionSetWriter(d.out),
			progressbar.OptionSetDescription(p.File+of),
			progressbar.OptionSetWidth(20),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
		)
	}
	switch {
	case d.bar != nil:
		d.bar.Set64(p.Done)
	case time.Since(d.lastLine) > quiet:
		d.lastLine = time.Now()
		fmt.Fprintf(d.out, "downloading %s, %s%s\n", p.File, size(p.Done), of)
	}
}

// close takes the bar off the line.
func (d *downloads) close() {
	if d.bar != nil {
		d.bar.Clear()
		d.bar = nil
	}
	d.file = ""
}

func downloadCommand() *cobra.Command {
	var revision string
	var files []string
	var dataset bool
	cmd := &cobra.Command{
		Use:   "download NAME",
		Short: "Bring a model, an adapter or a data set from the Hugging Face Hub into the cache",
		Long: `Bring what dept needs of a repository of the Hugging Face Hub, ORG/NAME, into the cache
that Python's huggingface_hub shares, and print the folder. What is there already is not
downloaded again, and what was cut off goes on where it ended.`,
		Args: cobra.ExactArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			kind := hub.Model
			if dataset {
				kind = hub.Dataset
			}
			ref, err := hub.ParseRef(kind, args[0])
			if err != nil {
				return usagef("%v", err)
			}
			if revision != "" {
				if ref, err = hub.ParseRef(kind, ref.Name+"@"+revision); err != nil {
					return usagef("--revision: %v", err)
				}
			}
			client, show := newClient(cmd)
			defer show.close()
			var snapshot *hub.Snapshot
			switch {
			case len(files) > 0:
				snapshot, err = client.Files(cmd.Context(), ref, files...)
			case dataset:
				snapshot, err = client.Parquet(cmd.Context(), ref)
			default:
				snapshot, err = client.Any(cmd.Context(), ref)
			}
			show.close()
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), snapshot.Dir)
			return nil
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&revision, "revision", "", "a branch, a tag or a commit (default main)")
	f.StringSliceVar(&files, "files", nil, "names or patterns such as '*.json', instead of what dept needs")
	f.BoolVar(&dataset, "dataset", false, "the repository is a data set, whose parquet files are brought")
	return cmd
}
